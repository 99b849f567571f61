import type { VirtualServerConfig } from "../../src/config/types.ts";
import {
  after,
  type DurationUs,
  durationUs,
  milliseconds,
  seconds,
  toMilliseconds,
  type Us,
} from "../../src/core/units.ts";
import type { Override } from "../../src/health/overrides.ts";
import type { HealthEffect } from "../../src/health/types.ts";
import { destinationId, existingWeights, serviceId } from "../../src/plan/keys.ts";
import { reconcile } from "../../src/plan/reconcile.ts";
import type { Operation, ServiceId, ServiceKey } from "../../src/plan/types.ts";
import { Dice } from "./dice.ts";
import { FakeKernel, type Fault } from "./fakeKernel.ts";
import { FakePatroni } from "./fakePatroni.ts";
import { drawHand } from "./hands.ts";
import { HealthReasons } from "./healthReasons.ts";
import { HealthRig, hostIp, realServerId } from "./healthRig.ts";
import { Invariants, reportText } from "./invariants.ts";
import { OperatorWords } from "./operatorWords.ts";
import { drawServices, HOSTS } from "./services.ts";
import { type CutFacts, checkSessionsAtRest, Sessions } from "./sessions.ts";
import { checkTable } from "./tableFunction.ts";
import { Tiers, wrongShared } from "./tiers.ts";
import { Witness } from "./witness.ts";

/** What disturbs a world besides its Patroni cluster. */
export type Trouble = "none" | "faults" | "hands";

const REPAIR_EVERY = seconds(2);
/** After an episode: failures must have run through their retries, repairs must have been made. */
const REST = seconds(9);
const A_SECOND = seconds(1);
const LINES_KEPT = 400;
const ENOMEM = 12;

/**
 * A director over a Patroni cluster in virtual time: the health machine, the plan and a kernel's table wired as the daemon
 * wires them. Each round plays one episode of the cluster under one kind of trouble, with restarts and reloads, then
 * lets everything come to rest and compares table, configuration and truth.
 */
export class World {
  readonly kernel = new FakeKernel();
  readonly invariants: Invariants;
  readonly patroni: FakePatroni;
  readonly reasons = new HealthReasons();
  /** From the end of a promotion to the weight in the kernel, where demotion lay at least 0.25 s before, in ms. */
  readonly switchMs: number[] = [];
  rounds = 0;
  private readonly dice: Dice;
  private readonly trouble: Trouble;
  readonly words: OperatorWords;
  readonly sessions: Sessions;
  readonly tiers = new Tiers();
  private readonly rig: HealthRig;
  private readonly log: string[] = [];
  private config: readonly VirtualServerConfig[] = [];
  private owned: ReadonlySet<ServiceId> = new Set();
  private programmed = false;
  /** There was a table when this life began: it is written before the first verdicts are in. */
  private adopts = false;
  private disturbed = false;
  private life = 0;
  private lifeBegan: Us;
  /** When the write service last was, or ceased to be, one of many servers. */
  private exclusiveSince = 0;
  private readonly witness: Witness;
  private readonly measured = new Set<object>();

  /** @param pace of the cluster's episodes: 1 as they are, less to have them shorter */
  constructor(seed: number, trouble: Trouble, pace = 1) {
    this.dice = new Dice(seed);
    this.trouble = trouble;
    this.words = new OperatorWords(this.dice);
    this.sessions = new Sessions(this.kernel, this.dice);
    this.patroni = new FakePatroni(HOSTS, this.dice, pace);
    this.invariants = new Invariants(this.kernel, trouble === "none");
    this.witness = new Witness(this.invariants, this.words);
    this.kernel.afterChange = (cause) => this.changed(cause);
    this.kernel.beforeOperation = (operation) => this.beforeOperation(operation);
    this.kernel.beforeRead = (service) => this.beforeRead(service);
    this.rig = new HealthRig({
      seed,
      respond: (check) => this.patroni.respond(check),
      onOutcome: (spec, outcome) => this.witness.learn(this.config, spec, outcome),
      rows: (services) => this.sessions.read(services),
      onEffects: (effects) => this.onEffects(effects),
      forgets: true,
    });
    this.lifeBegan = this.rig.now;
    this.startLife();
  }

  /** Virtual time since the beginning. */
  get elapsed(): DurationUs {
    return milliseconds(this.rig.elapsedMs());
  }

  /** One episode, then rest, then the comparison; throws with the history on any breach. */
  playRound(): void {
    this.telling(() => {
      this.rounds += 1;
      this.disturbed = true;
      const start = after(this.rig.now, this.dice.span(0, 1_500));
      const episode = this.patroni.playEpisode(start, (at, run) => this.rig.at(at, run));
      this.note(`round ${this.rounds}: ${episode.name}`);
      if (this.trouble === "hands") this.scheduleHands(start, episode.end);
      if (this.dice.chance(0.15)) this.at(start, episode.end, "restart", () => this.startLife());
      if (this.dice.chance(0.25)) this.at(start, episode.end, "reload", () => this.reload());
      for (let count = 12; count > 0; count--) {
        // Connections are read once a second.
        this.at(start, after(episode.end, durationUs(REST - 2 * A_SECOND)), "", () =>
          this.sessions.stir(this.rig.desired()),
        );
      }
      if (this.dice.chance(0.5)) this.rig.at(after(episode.end, seconds(4)), () => this.sessions.endIdle());
      if (this.dice.chance(0.4)) this.scheduleWords(start, episode.end);
      this.rig.run(durationUs(episode.end - this.rig.now + 1));
      this.rest();
    });
  }

  /** Each second the role moves to another node, `count` times; then rest and the comparison, as after a round. */
  playSwitches(count: number): void {
    this.telling(() => {
      this.rounds += 1;
      this.disturbed = true;
      for (let left = count; left > 0; left--) this.playSecond();
      this.rest();
    });
  }

  private playSecond(): void {
    const { dice } = this;
    const start = this.rig.now;
    const end = after(start, A_SECOND);
    const name = this.patroni.playSwitch(start, (at, run) => this.rig.at(at, run));
    this.note(`switch ${this.patroni.switches.length + 1}: ${name}`);
    if (this.trouble === "hands" && dice.chance(0.3)) this.scheduleHands(start, end);
    if (dice.chance(0.01)) this.at(start, end, "restart", () => this.startLife());
    if (dice.chance(0.02)) this.at(start, end, "reload", () => this.reload());
    this.at(start, end, "", () => this.sessions.stir(this.rig.desired()));
    if (dice.chance(0.1)) this.at(start, end, "", () => this.sessions.endIdle());
    if (dice.chance(0.03)) this.scheduleWords(start, end);
    this.rig.run(A_SECOND);
  }

  private rest(): void {
    this.disturbed = false;
    this.rig.run(REST);
    this.compareAtRest();
  }

  /** With the history in the message of whatever is thrown. */
  private telling(play: () => void): void {
    try {
      play();
    } catch (error) {
      throw new Error(`${(error as Error).message}\n  ${this.log.slice(-60).join("\n  ")}`, { cause: error });
    }
  }

  /** The daemon's first seconds, over whatever the table holds. */
  private startLife(): void {
    this.life += 1;
    this.lifeBegan = this.rig.now;
    this.sessions.restart();
    const { life } = this;
    this.config = drawServices(this.dice);
    this.programmed = false;
    // A hand may strike before the daemon looks: what it finds counts, for it and for the invariants.
    const existing = existingWeights(this.kernel.dump());
    this.witness.newLife(this.config.map(({ name }) => name));
    this.reasons.newLife();
    this.tiers.newLife(this.rig.now);
    this.rig.restart(this.dice.integer(0, 1_000_000));
    this.rig.feed({ kind: "overrides", overrides: this.words.restart(this.rig.now) });
    this.adopts = this.config.some(({ name }) => existing.has(name));
    this.note(`life ${life} over ${JSON.stringify([...existing].map(([id, rows]) => [id, [...rows]]))}`);
    this.rig.configure(this.config, existing);
    const repair = (): void => {
      if (life !== this.life) return;
      if (this.programmed) this.program();
      this.rig.at(after(this.rig.now, REPAIR_EVERY), repair);
    };
    this.rig.at(after(this.rig.now, REPAIR_EVERY), repair);
  }

  private reload(): void {
    const shared = this.config[0]?.exclusive === "off";
    this.config = drawServices(this.dice);
    if (shared || this.config[0]?.exclusive === "off") this.exclusiveSince = this.rig.now;
    this.reasons.reloaded(this.config);
    this.tiers.reloaded(this.rig.now);
    this.rig.configure(this.config);
  }

  private onEffects(effects: readonly HealthEffect[]): void {
    let changed = false;
    for (const effect of effects) {
      if (effect.kind === "event") {
        this.reasons.told(effect.event);
        this.tiers.told(effect.event, this.config, this.rig.now);
      }
      if (effect.kind === "firstVerdicts") this.programmed = true;
      changed ||= effect.kind === "tableChanged";
    }
    const desired = this.rig.desired();
    this.witness.checkWanted(desired, this.rig.now);
    if (!changed) return;
    const view = this.rig.view();
    this.reasons.compare(view);
    const claims = this.invariants.latestClaim;
    const facts = { config: this.config, view, desired, words: this.words, claims };
    checkTable(facts, this.rig.now);
    this.tiers.look({ ...facts, denied: this.witness.denied }, this.rig.now);
    if (this.trouble !== "none") for (const { name } of this.config) this.judgeSessions(name);
    if (this.programmed || this.adopts) this.program();
  }

  private judgeSessions(service: ServiceId): void {
    const facts = this.cutFacts(service);
    if (facts !== undefined) this.sessions.judge(facts);
  }

  private program(): void {
    const desired = this.rig.desired();
    const wanted = new Set(desired.map(({ key }) => serviceId(key)));
    this.owned = new Set([...this.owned, ...wanted]);
    this.invariants.expectExclusive(desired);
    const report = reconcile(this.kernel, desired, this.owned);
    if (report.inSync) this.owned = wanted;
    if (report.done.length > 0 || report.errors.length > 0) this.note(reportText(report));
    if (this.trouble === "none" && !report.inSync) throw new Error("not in sync although nothing disturbs");
    if (this.trouble === "none") this.compareTable();
    this.measure();
  }

  private changed(cause: Operation | "administrator"): void {
    this.invariants.check(cause);
    this.sessions.changed(cause, this.rig.now, (service) => this.cutFacts(service));
  }

  private cutFacts(service: ServiceId): CutFacts | undefined {
    const config = this.config.find(({ name }) => name === service);
    const health = this.rig.view().find((each) => each.service === service);
    // A service that a reload has removed goes with its sessions.
    if (config === undefined || health === undefined) return undefined;
    const now = this.rig.now;
    return {
      config,
      health,
      now,
      exact: this.trouble === "none",
      deaf: (server) => this.witness.isDeaf(server.replace(/:.*/, "")),
    };
  }

  private beforeOperation(operation: Operation): Fault | undefined {
    if (!this.disturbed) return undefined;
    if (this.trouble === "faults" && this.dice.chance(0.15)) {
      const fault = this.dice.pick<Fault>([
        { kind: "refuse", errno: ENOMEM },
        { kind: "loseAnswers" },
        { kind: "cutBatch" },
      ]);
      this.note(`fault ${fault.kind} at ${operation.kind}`);
      return fault;
    }
    // Nobody can hold off a hand between the last look and the raise; before any other operation it may strike.
    const raise = "attributes" in operation && "weight" in operation.attributes && operation.attributes.weight > 0;
    if (this.trouble === "hands" && !raise && this.dice.chance(0.1)) this.hand(operation.service);
    return undefined;
  }

  private beforeRead(service: ServiceKey | undefined): void {
    if (this.trouble !== "hands" || !this.disturbed || !this.dice.chance(0.15)) return;
    this.hand(service ?? this.anyService());
  }

  private anyService(): ServiceKey {
    const [target] = this.dice.pick(this.config).targets;
    if (target === undefined) throw new Error("a service without target");
    return target;
  }

  private scheduleWords(start: Us, end: Us): void {
    const tell = (overrides: readonly Override[]): void => {
      this.note(
        `words: ${JSON.stringify(overrides.map(({ target, weight }) => [target.address, target.service, weight]))}`,
      );
      this.rig.feed({ kind: "overrides", overrides });
    };
    const names = this.config.map(({ name }) => name);
    for (let count = this.dice.integer(1, 3); count > 0; count--) {
      this.at(start, end, "an operator speaks", () => tell(this.words.say(HOSTS, names, this.rig.now)));
    }
    if (this.dice.chance(0.5)) {
      this.at(end, after(end, REST), "an operator takes back", () => tell(this.words.takeBack(this.rig.now)));
    }
  }

  private scheduleHands(start: Us, end: Us): void {
    for (let count = this.dice.integer(1, 4); count > 0; count--) {
      this.at(start, end, "hand", () => this.hand(this.anyService()));
    }
  }

  private hand(service: ServiceKey): void {
    const operation = drawHand(this.dice, service);
    const row = "destination" in operation ? destinationId(operation.destination) : "";
    const weight = "attributes" in operation && "weight" in operation.attributes ? operation.attributes.weight : "";
    this.note(`hand: ${operation.kind} ${serviceId(service)} ${row} ${weight}`);
    this.kernel.administrator(operation);
  }

  /** From a promotion, demotion well before, to the weight in the kernel. */
  private measure(): void {
    const last = this.patroni.switches.at(-1);
    if (last === undefined || this.measured.has(last) || this.trouble !== "none") return;
    const [writers] = this.config;
    if (writers === undefined) return;
    const server = destinationId({ address: hostIp(last.to), port: 5432 });
    if ((this.kernel.weights(writers.name).get(server) ?? 0) === 0) return;
    this.measured.add(last);
    if (writers.exclusive === "off") return;
    const quietly = last.demotedAt !== undefined && last.promotedAt - last.demotedAt >= 250_000;
    const watched =
      last.demotedAt !== undefined && Math.max(this.lifeBegan, this.exclusiveSince) < last.demotedAt - 2_000_000;
    const alone = last.promotedAt > this.words.silentSince;
    if (quietly && watched && alone) this.switchMs.push((this.rig.now - last.promotedAt) / 1_000);
  }

  /** What must be true at rest, in words where it is not. */
  private compareAtRest(): void {
    this.compareTable();
    for (const health of this.rig.view()) {
      const config = this.config.find(({ name }) => name === health.service);
      const wrong = config && checkSessionsAtRest(config, health, this.kernel, this.sessions);
      if (wrong !== undefined) throw new Error(`${health.service}: ${wrong}`);
    }
    const leader = realServerId(hostIp(this.patroni.leader().host));
    for (const service of this.rig.view()) {
      if (!service.exclusive) continue;
      const why = service.servers.map(({ server, verdict, reason }) => `${server} ${verdict} ${reason}`).join("; ");
      if (service.holder !== leader)
        throw new Error(`${service.service}: ${leader} leads, ${service.holder} holds: ${why}`);
      if (service.hunting || service.conflict) throw new Error(`${service.service}: the switch does not end: ${why}`);
      const weight = this.kernel.weights(service.service).get(leader);
      const due = this.words.weightFor(service.service, leader.replace(/:.*/, ""), this.rig.now) ?? 50;
      if (weight !== due) throw new Error(`${service.service}: the leader has weight ${weight}, not ${due}`);
    }
    for (const service of this.config) {
      const health = this.rig.view().find((each) => each.service === service.name);
      const facts = { leader, words: this.words, weights: this.kernel.weights(service.name), now: this.rig.now };
      const wrong = health?.exclusive === false ? wrongShared(service, health, facts) : undefined;
      if (wrong !== undefined) throw new Error(`${service.name}: ${wrong}`);
    }
  }

  /** Table == f(configuration, verdicts): every wanted row, no other, no other service of ours. */
  private compareTable(): void {
    const desired = this.rig.desired();
    for (const service of desired) {
      const id = serviceId(service.key);
      const rows = new Map(service.destinations.map((row) => [destinationId(row), row.weight]));
      const found = this.kernel.weights(id);
      const same = rows.size === found.size && [...rows].every(([server, weight]) => found.get(server) === weight);
      if (!same) throw new Error(`${id}: wanted ${JSON.stringify([...rows])}, found ${JSON.stringify([...found])}`);
    }
    const ids = new Set(desired.map(({ key }) => serviceId(key)));
    for (const id of existingWeights(this.kernel.dump()).keys()) {
      if (!ids.has(id)) throw new Error(`${id} is left over`);
    }
  }

  private at(from: Us, to: Us, what: string, run: () => void): void {
    const at = after(from, this.dice.span(0, toMilliseconds(durationUs(to - from))));
    this.rig.at(at, () => {
      if (what !== "") this.note(what);
      run();
    });
  }

  private note(text: string): void {
    if (this.log.length >= LINES_KEPT) this.log.splice(0, LINES_KEPT / 2);
    this.log.push(`${this.rig?.elapsedMs() ?? 0} ms ${text}`);
  }
}
