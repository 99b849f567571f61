import type { LvsConfig, VirtualServerConfig } from "../../../src/config/types.ts";
import type { VrrpConfig } from "../../../src/config/vrrp.types.ts";
import { ip } from "../../../src/core/ip.ts";
import type { Us } from "../../../src/core/units.ts";
import type { ProbeRunner } from "../../../src/daemon/healthDriver.ts";
import type { Override } from "../../../src/health/overrides.ts";
import type { HealthEffect, ProbeOutcome, ProbeSpec, ServiceHealth } from "../../../src/health/types.ts";
import { destinationId, serviceId } from "../../../src/plan/keys.ts";
import type { DesiredService, DestinationId, Operation, ServiceId, ServiceKey } from "../../../src/plan/types.ts";
import type { StateName } from "../../../src/vrrp/types.ts";
import { FakeLvs } from "../../lab/fakeLvs.ts";
import { FakeKernel, type Fault } from "../fakeKernel.ts";
import type { FakePatroni } from "../fakePatroni.ts";
import { drawHand } from "../hands.ts";
import { HealthReasons } from "../healthReasons.ts";
import type { NetworkCheck } from "../healthRig.ts";
import { Invariants } from "../invariants.ts";
import { OperatorWords } from "../operatorWords.ts";
import { HOSTS } from "../services.ts";
import { checkTable } from "../tableFunction.ts";
import { Tiers } from "../tiers.ts";
import type { Companion } from "../vrrp/companion.ts";
import type { SimRouter } from "../vrrp/simRouter.ts";
import { Witness } from "../witness.ts";
import { Life } from "./life.ts";
import type { MainThread } from "./thread.ts";

const ENOMEM = 12;
/** Connection sync follows the write service's instance. */
export const SYNC_INSTANCE = "V1";
export const LVS: LvsConfig = {
  syncDaemon: {
    ...{ interface: "eth0", instance: SYNC_INSTANCE, syncId: 51, lengthMax: undefined },
    ...{ port: 8848, ttl: 1, group: ip("224.0.0.81") },
  },
  timeoutsSec: { tcp: undefined, tcpfin: undefined, udp: undefined },
  ...{ sloppyTcp: "auto", flushAtStart: false, flushAtEnd: "no", namespace: undefined },
};

/** What disturbs a director beside what disturbs its router; each a probability. */
export interface DirectorTrouble {
  /** An operation on the table fails, or its answer is lost. */
  operationFails: number;
  /** A batch takes up to a third of a second. */
  operationsLate: number;
  /** An administrator changes the table in the midst of ours. */
  handStrikes: number;
}

export interface DirectorModules {
  readonly router: SimRouter;
  readonly patroni: FakePatroni;
  readonly services: () => readonly VirtualServerConfig[];
  /** After every change of its table, whoever made it. */
  readonly tableChanged: (director: Director) => void;
}

/** One load balancer: a simulated VRRP router, with the product's health half and table in the same process. */
export class Director implements Companion {
  readonly router: SimRouter;
  readonly kernel = new FakeKernel();
  readonly lvs = new FakeLvs();
  readonly invariants: Invariants;
  readonly words: OperatorWords;
  /** It is still to be told that nothing of them is in force. */
  #saysNoMore = false;
  readonly reasons = new HealthReasons();
  readonly tiers = new Tiers();
  readonly trouble: DirectorTrouble = { operationFails: 0, operationsLate: 0, handStrikes: 0 };
  /** The network between this host and the cluster carries nothing. */
  cutOff = false;
  /** When somebody's hand last changed the table in a way that we have not been seen to repair. */
  touchedAtUs: number | undefined;
  /** When a fault of the health half last began or ended here. */
  disturbedAtUs = 0;
  hands = 0;
  life: Life | undefined;
  readonly #patroni: FakePatroni;
  readonly #modules: DirectorModules;
  readonly #witness: Witness;
  #owned: ReadonlySet<ServiceId> = new Set();
  #vrrp: VrrpConfig;

  constructor(modules: DirectorModules) {
    const { router, patroni } = modules;
    this.#modules = modules;
    this.router = router;
    this.#patroni = patroni;
    this.#vrrp = router.config;
    this.words = new OperatorWords(router.dice);
    this.invariants = new Invariants(this.kernel, false);
    this.#witness = new Witness(this.invariants, this.words);
    this.kernel.beforeOperation = (operation) => this.#beforeOperation(operation);
    this.kernel.afterChange = (cause) => {
      this.invariants.check(cause);
      modules.tableChanged(this);
    };
    router.companion = this;
  }

  /** Nothing is wrong here now, and nothing has been since this instant; undefined while something is. */
  get calmSinceUs(): number | undefined {
    const { router, trouble, life } = this;
    const troubled = Object.values(trouble).some((chance) => chance > 0);
    if (life === undefined || !router.undisturbed || troubled || this.cutOff || !router.canRun) return undefined;
    return Math.max(router.disturbedAtUs, this.disturbedAtUs, life.beganUs);
  }

  /** As its process was last given them; without one as the file has them. */
  get services(): readonly VirtualServerConfig[] {
    return this.life?.configuration.virtualServers ?? this.#modules.services();
  }

  weightsOf(service: ServiceId): [server: DestinationId, weight: number][] {
    return [...this.kernel.weights(service)].filter(([, weight]) => weight > 0);
  }

  threadBegan(): void {
    if (this.life !== undefined) {
      this.life.threadReplaced();
      return;
    }
    const virtualServers = this.#modules.services();
    this.#witness.newLife(virtualServers.map(({ name }) => name));
    this.reasons.newLife();
    this.tiers.newLife(this.router.clockUs());
    this.life = new Life({
      router: this.router,
      configuration: { vrrp: this.#vrrp, lvs: LVS, virtualServers },
      ...{ table: this.kernel, lvs: this.lvs },
      store: {
        readOwnedServices: () => new Set(this.#owned),
        writeOwnedServices: (owned) => {
          this.#owned = new Set(owned);
        },
      },
      probes: (thread) => this.#probes(thread),
      overrides: this.words.restart(this.router.clockUs()),
      onConfigure: (services) => {
        this.reasons.reloaded(services);
        this.tiers.reloaded(this.router.clockUs());
      },
      onStep: (effects, desired, view) => this.#judge(effects, desired, view),
    });
    if (this.#saysNoMore) this.takeBack();
  }

  killed(): void {
    this.life?.thread.end();
    this.life = undefined;
  }

  stopping(): void {
    this.life?.stopping();
  }

  stopped(): void {
    this.life?.stopped();
    this.life = undefined;
  }

  reloaded(config: VrrpConfig): void {
    this.#vrrp = config;
    this.reload();
  }

  woke(): void {
    this.life?.thread.wake();
  }

  transition(instance: string, state: StateName): void {
    this.life?.transition(instance, state);
  }

  /** The configuration is read again. */
  reload(): void {
    const virtualServers = this.#modules.services();
    this.disturbed();
    this.life?.reload({ vrrp: this.#vrrp, lvs: LVS, virtualServers });
  }

  /** An operator tells this daemon something over weights, or takes it back. */
  tell(overrides: (now: Us) => readonly Override[]): void {
    this.disturbed();
    this.life?.thread.enter(() => this.life?.health.override(overrides(this.router.clockUs())));
  }

  /** All that was said is over: of a daemon that is down as soon as it runs again, for it may have kept it. */
  takeBack(): void {
    this.#saysNoMore = this.life === undefined;
    this.tell((now) => this.words.takeBack(now));
  }

  /** ipvsadm in somebody's hands. */
  hand(service: ServiceKey): void {
    const operation = drawHand(this.router.dice, service);
    this.router.world.trace.note(this.router.name, `a hand: ${operation.kind}`, operation);
    this.touchedAtUs ??= this.router.world.nowUs;
    this.hands += 1;
    this.kernel.administrator(operation);
  }

  disturbed(): void {
    this.disturbedAtUs = this.router.world.nowUs;
  }

  /** In words, where the kernel does not have what the daemon wants; undefined where it does. */
  difference(): string | undefined {
    for (const service of this.life?.health.desired() ?? []) {
      const id = serviceId(service.key);
      const wanted = new Map(service.destinations.map((row) => [destinationId(row), row.weight]));
      const found = this.kernel.weights(id);
      const same = wanted.size === found.size && [...wanted].every(([server, weight]) => found.get(server) === weight);
      if (!same || !this.kernel.has(id)) {
        return `${id} is wanted with ${JSON.stringify([...wanted])} and has ${JSON.stringify([...found])}`;
      }
    }
    return undefined;
  }

  #judge(
    effects: readonly HealthEffect[],
    desired: readonly DesiredService[],
    view: () => readonly ServiceHealth[],
  ): void {
    const now = this.router.clockUs();
    for (const effect of effects) {
      if (effect.kind !== "event") continue;
      this.reasons.told(effect.event);
      this.tiers.told(effect.event, this.services, now);
    }
    this.#witness.checkWanted(desired, now);
    if (!effects.some(({ kind }) => kind === "tableChanged")) return;
    this.invariants.expectExclusive(desired);
    const shown = view();
    this.reasons.compare(shown);
    const claims = this.invariants.latestClaim;
    const facts = { config: this.services, view: shown, desired, words: this.words, claims };
    checkTable(facts, now);
    this.tiers.look({ ...facts, denied: this.#witness.denied }, now);
  }

  #probes(thread: MainThread): ProbeRunner {
    const { world } = this.router;
    const run = ({ key, check }: ProbeSpec, done: (outcome: ProbeOutcome) => void): void => {
      if (check.kind !== "HTTP_GET" && check.kind !== "TCP_CHECK" && check.kind !== "patroni")
        throw new Error(`nothing of this simulation is asked by ${check.kind}`);
      const began = world.nowUs;
      const tell = (outcome: ProbeOutcome): void =>
        thread.enter(() => {
          this.#witness.learn(this.services, { key, check }, outcome);
          done(outcome);
        });
      const { outcome, after } = this.#ask(check);
      world.at(began + after, () => {
        if (!this.cutOff || outcome.kind === "timedOut") tell(outcome);
        else world.at(began + check.timing.connectTimeout, () => tell({ kind: "timedOut", detail: "" }));
      });
    };
    return { run, close: () => undefined };
  }

  #ask(check: NetworkCheck): ReturnType<FakePatroni["respond"]> {
    return this.cutOff
      ? { outcome: { kind: "timedOut", detail: "" }, after: check.timing.connectTimeout }
      : this.#patroni.respond(check);
  }

  #beforeOperation(operation: Operation): Fault | undefined {
    const { dice } = this.router;
    const { operationFails, operationsLate, handStrikes } = this.trouble;
    if (operationsLate > 0 && dice.chance(operationsLate)) this.life?.thread.block(dice.integer(1, 300) * 1_000);
    if (operationFails > 0 && dice.chance(operationFails)) {
      return dice.pick<Fault>([{ kind: "refuse", errno: ENOMEM }, { kind: "loseAnswers" }, { kind: "cutBatch" }]);
    }
    // Nobody can hold off a hand between the last look and the raise; before any other operation it may strike.
    const raise = "attributes" in operation && "weight" in operation.attributes && operation.attributes.weight > 0;
    if (handStrikes > 0 && !raise && dice.chance(handStrikes)) this.hand(operation.service);
    return undefined;
  }

  /** Any server of the simulation, for an operator to speak about. */
  say(): void {
    const names = this.services.map(({ name }) => name);
    this.tell((now) => this.words.say(HOSTS, names, now));
  }
}
