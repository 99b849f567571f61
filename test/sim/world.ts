import type { CheckConfig } from "../../src/config/check.types.ts";
import type { RoleLossConfig, VirtualServerConfig } from "../../src/config/types.ts";
import { after, durationUs, seconds, toMilliseconds, type Us } from "../../src/core/units.ts";
import type { Override } from "../../src/health/overrides.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { destinationId, existingWeights, serviceId } from "../../src/plan/keys.ts";
import { reconcile } from "../../src/plan/reconcile.ts";
import type { DesiredService, Operation, ServiceId, ServiceKey } from "../../src/plan/types.ts";
import { Dice } from "./dice.ts";
import { FakeKernel, type Fault } from "./fakeKernel.ts";
import { FakePatroni } from "./fakePatroni.ts";
import { drawHand } from "./hands.ts";
import {
  HealthRig,
  hostIp,
  httpCheck,
  type NetworkCheck,
  type NetworkProbe,
  patroniCheck,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
} from "./healthRig.ts";
import { Invariants, reportText } from "./invariants.ts";
import { OperatorWords } from "./operatorWords.ts";
import { type CutFacts, checkSessionsAtRest, drawRoleLoss, Sessions } from "./sessions.ts";

/** What disturbs a world besides its Patroni cluster. */
export type Trouble = "none" | "faults" | "hands";

const HOSTS = [3, 4, 5];
const REPAIR_EVERY = seconds(2);
/** After an episode: failures must have run through their retries, repairs must have been made. */
const REST = seconds(9);
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
  /** From the end of a promotion to the weight in the kernel, where demotion lay at least 0.25 s before, in ms. */
  readonly switchMs: number[] = [];
  rounds = 0;
  private readonly dice: Dice;
  private readonly trouble: Trouble;
  readonly words: OperatorWords;
  readonly sessions: Sessions;
  private readonly rig: HealthRig;
  private readonly log: string[] = [];
  private config: readonly VirtualServerConfig[] = [];
  private owned: ReadonlySet<ServiceId> = new Set();
  private programmed = false;
  private disturbed = false;
  private life = 0;
  private lifeBegan: Us;
  /** By `service server`: the latest HTTP answer denied the role. */
  private readonly denied = new Set<string>();
  /** By `service server`: a check has passed in this life. */
  private readonly passed = new Set<string>();
  /** Addresses whose service port did not accept the latest connection. */
  private readonly deafPorts = new Set<string>();
  private readonly measured = new Set<object>();

  constructor(seed: number, trouble: Trouble) {
    this.dice = new Dice(seed);
    this.trouble = trouble;
    this.words = new OperatorWords(this.dice);
    this.sessions = new Sessions(this.kernel, this.dice);
    this.patroni = new FakePatroni(HOSTS, this.dice);
    this.invariants = new Invariants(this.kernel, trouble === "none");
    this.kernel.afterChange = (cause) => this.changed(cause);
    this.kernel.beforeOperation = (operation) => this.beforeOperation(operation);
    this.kernel.beforeRead = (service) => this.beforeRead(service);
    this.rig = new HealthRig({
      seed,
      respond: (check) => this.patroni.respond(check),
      onOutcome: (spec, outcome) => this.learn(spec, outcome),
      rows: (services) => this.sessions.read(services),
      onEffects: (effects) => this.onEffects(effects.map((effect) => effect.kind)),
    });
    this.lifeBegan = this.rig.now;
    this.startLife();
  }

  /** One episode, then rest, then the comparison; throws with the history on any breach. */
  playRound(): void {
    try {
      this.rounds += 1;
      this.disturbed = true;
      const start = after(this.rig.now, this.dice.span(0, 1_500));
      const episode = this.patroni.playEpisode(start, (at, run) => this.rig.at(at, run));
      this.note(`round ${this.rounds}: ${episode.name}`);
      if (this.trouble === "hands") this.scheduleHands(start, episode.end);
      if (this.dice.chance(0.15)) this.at(start, episode.end, "restart", () => this.startLife());
      if (this.dice.chance(0.25)) this.at(start, episode.end, "reload", () => this.reload());
      for (let count = 12; count > 0; count--) {
        this.at(start, after(episode.end, REST), "", () => this.sessions.stir(this.rig.desired()));
      }
      if (this.dice.chance(0.5)) this.rig.at(after(episode.end, seconds(4)), () => this.sessions.endIdle());
      if (this.dice.chance(0.4)) this.scheduleWords(start, episode.end);
      this.rig.run(durationUs(episode.end - this.rig.now + 1));
      this.disturbed = false;
      this.rig.run(REST);
      this.compareAtRest();
    } catch (error) {
      throw new Error(`${(error as Error).message}\n  ${this.log.slice(-60).join("\n  ")}`, { cause: error });
    }
  }

  /** The daemon's first seconds, over whatever the table holds. */
  private startLife(): void {
    this.life += 1;
    this.lifeBegan = this.rig.now;
    this.denied.clear();
    this.passed.clear();
    this.deafPorts.clear();
    this.sessions.restart();
    const { life } = this;
    this.config = this.drawConfig();
    this.programmed = false;
    this.invariants.adopt(this.config.map(({ name }) => name));
    this.rig.restart(this.dice.integer(0, 1_000_000));
    this.rig.feed({ kind: "overrides", overrides: this.words.restart(this.rig.now) });
    const existing = existingWeights(this.kernel.dump());
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
    this.config = this.drawConfig();
    this.rig.configure(this.config);
  }

  private drawConfig(): VirtualServerConfig[] {
    const { dice } = this;
    const inhibit = dice.chance(0.5);
    const timing = { retry: dice.integer(0, 2), delayBeforeRetry: seconds(dice.pick([0.2, 1])) };
    // Either kind of check in the whole configuration, or the native one for one service: then nodes are asked two questions.
    const leaderPath = dice.pick(["/primary", "/master", "/read-write", "patroni", "patroni"]);
    const writers = HOSTS.map((host) => {
      const native = leaderPath === "patroni";
      const check = native ? patroniCheck(host, "primary", {}, timing) : httpCheck(host, leaderPath, timing);
      return realServer(host, [check], inhibit);
    });
    const readers = HOSTS.map((host) => {
      const native = patroniCheck(host, "replica", { maxLagBytes: dice.chance(0.5) ? 16 : undefined }, timing);
      const check = dice.pick([httpCheck(host, "/replica", timing), tcpCheck(host, timing), native, native]);
      return realServer(host, [check], inhibit);
    });
    const roleLoss = (): RoleLossConfig | undefined => drawRoleLoss(dice);
    const onRoot = HOSTS.map((host) => realServer(host, [httpCheck(host, "/", timing)], inhibit));
    const services = [
      virtualServer(writers, { exclusive: "detected", roleLoss: roleLoss() }),
      virtualServer(readers, { ...targetAt("10.0.2.11"), roleLoss: roleLoss() }),
      virtualServer(onRoot, { ...targetAt("10.0.2.12"), exclusive: "onScope", roleLoss: roleLoss() }),
    ];
    return dice.chance(0.7) ? services : services.slice(0, 2);
  }

  private onEffects(kinds: readonly string[]): void {
    this.checkWanted();
    if (kinds.includes("firstVerdicts")) this.programmed = true;
    if (this.programmed && kinds.includes("tableChanged")) this.program();
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

  /** A role answer acts at once: no step may want weight where the latest outcome is a status that denies the role. */
  private checkWanted(): void {
    for (const service of this.rig.desired()) {
      this.checkWords(service);
      if (!service.exclusive) continue;
      const weighted = service.destinations.filter((row) => row.weight > 0).map(destinationId);
      if (weighted.length > 1) throw new Error(`two writers wanted: ${weighted.join(" and ")}`);
      for (const server of weighted) {
        if (this.denied.has(`${serviceId(service.key)} ${server}`))
          throw new Error(`${server} wanted although it said no`);
      }
    }
  }

  /** An operator's word holds, whatever else happens; a server without a verdict may have less, never more. */
  private checkWords(service: DesiredService): void {
    const id = serviceId(service.key);
    for (const row of service.destinations) {
      const said = this.words.weightFor(id, row.address, this.rig.now);
      if (said === undefined || row.weight === 0 || row.weight === said) continue;
      if (row.weight < said && !this.passed.has(`${id} ${destinationId(row)}`)) continue;
      throw new Error(`${id} ${destinationId(row)} wanted with weight ${row.weight}, an operator said ${said}`);
    }
  }

  /** What came in, judged by the simulation's own, much simpler rule. */
  private learn(spec: NetworkProbe, outcome: ProbeOutcome): void {
    if (outcome.kind === "connected") this.deafPorts.delete(spec.check.connectIp);
    else if (spec.check.kind === "TCP_CHECK") this.deafPorts.add(spec.check.connectIp);
    const server = destinationId({ address: spec.check.connectIp, port: 5432 });
    for (const service of this.config) {
      if (!service.realServers.some(({ checks }) => checks.some((check) => sameCheck(check, spec.check)))) continue;
      const id = `${service.name} ${server}`;
      const answer = outcome.kind === "answered" ? outcome.answers[0] : undefined;
      const reads = this.rolesAt(service, spec.check).includes("replica");
      const passes = reads ? /"role":"replica"/.test(answer?.body ?? "") : answer?.status === 200;
      if (outcome.kind === "connected" || passes) {
        this.invariants.proven.add(id);
        this.passed.add(id);
      }
      const body = answer === undefined ? "" : answer.body;
      const confirmed = answer?.status === 200 && /"role":"primary"/.test(body) && /"state":"running"/.test(body);
      this.invariants.latestClaim.set(id, confirmed);
      if (answer !== undefined && answer.status !== 200) this.denied.add(id);
      else if (answer !== undefined) this.denied.delete(id);
    }
  }

  /** The roles that the native checks of a service want of the node that a probe asks. */
  private rolesAt(service: VirtualServerConfig, probed: NetworkProbe["check"]): readonly string[] {
    const checks = service.realServers.flatMap((server) => server.checks);
    return checks.flatMap((check) => (check.kind === "patroni" && sameCheck(check, probed) ? check.role : []));
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
      deaf: (server) => this.deafPorts.has(server.replace(/:.*/, "")),
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
    const quietly = last.demotedAt !== undefined && last.promotedAt - last.demotedAt >= 250_000;
    const watched = last.demotedAt !== undefined && this.lifeBegan < last.demotedAt - 2_000_000;
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
    const leader = destinationId({ address: hostIp(this.patroni.leader().host), port: 5432 });
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
    const [, readers] = this.config;
    for (const { address, checks } of readers?.realServers ?? []) {
      const leads = address === hostIp(this.patroni.leader().host);
      const due = this.words.weightFor(readers?.name ?? "", address, this.rig.now) ?? 50;
      const wanted = checks[0]?.kind === "TCP_CHECK" || !leads ? due : 0;
      const found = this.kernel.weights(readers?.name ?? "").get(destinationId({ address, port: 5432 }));
      if ((found ?? 0) === wanted) continue;
      const view = this.rig.view()[1]?.servers.find(({ server }) => server === destinationId({ address, port: 5432 }));
      throw new Error(`reader ${address} has weight ${found}, wanted ${wanted}: ${view?.reason}`);
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
    this.log.push(`${this.rig?.elapsedMs() ?? 0} ms ${text}`);
  }
}

function sameCheck(left: CheckConfig, right: NetworkCheck): boolean {
  if (left.kind !== "HTTP_GET" && left.kind !== "TCP_CHECK" && left.kind !== "patroni") return false;
  if (left.connectIp !== right.connectIp || left.kind !== right.kind) return false;
  if (left.kind !== "HTTP_GET" || right.kind !== "HTTP_GET") return true;
  return left.urls[0]?.path === right.urls[0]?.path;
}
