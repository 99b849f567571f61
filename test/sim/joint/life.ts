import type { LvsConfig, VirtualServerConfig } from "../../../src/config/types.ts";
import type { VrrpConfig } from "../../../src/config/vrrp.types.ts";
import type { Logger } from "../../../src/core/interfaces.ts";
import { milliseconds, seconds } from "../../../src/core/units.ts";
import { EventLog } from "../../../src/daemon/events.ts";
import { createHealthDriver, type HealthDriver, type ProbeRunner } from "../../../src/daemon/healthDriver.ts";
import { AddressFollower } from "../../../src/daemon/lvs/addressFollower.ts";
import type { LvsSide } from "../../../src/daemon/lvs/lvsSide.ts";
import { StartOrder } from "../../../src/daemon/startOrder.ts";
import { type OwnedServicesStore, TableOwner } from "../../../src/daemon/tableOwner.ts";
import { healthMachine } from "../../../src/health/machine.ts";
import type { HealthEffect, HealthMachine, ServiceHealth } from "../../../src/health/types.ts";
import { unknownTargets } from "../../../src/health/unknownTargets.ts";
import type { DesiredService, IpvsTable } from "../../../src/plan/types.ts";
import type { StateName } from "../../../src/vrrp/types.ts";
import type { FakeLvs } from "../../lab/fakeLvs.ts";
import type { SimRouter } from "../vrrp/simRouter.ts";
import { MainThread } from "./thread.ts";

export interface Configuration {
  readonly vrrp: VrrpConfig;
  readonly lvs: LvsConfig;
  readonly virtualServers: readonly VirtualServerConfig[];
}

/** What a daemon finds on its host, and who looks on. */
export interface LifeModules {
  readonly router: SimRouter;
  readonly configuration: Configuration;
  readonly table: IpvsTable;
  readonly lvs: FakeLvs;
  readonly store: OwnedServicesStore;
  readonly probes: (thread: MainThread) => ProbeRunner;
  /** Operators' words that were kept. */
  readonly overrides: Parameters<HealthDriver["override"]>[0];
  /** The health machine is about to be configured. */
  readonly onConfigure: (virtualServers: readonly VirtualServerConfig[]) => void;
  /** After each step of the health machine, before anything follows from it. */
  readonly onStep: (
    effects: readonly HealthEffect[],
    desired: readonly DesiredService[],
    view: () => readonly ServiceHealth[],
  ) => void;
}

/** One process from start to end: the product's own parts of the main thread, wired as src/daemon/daemon.ts wires them. */
export class Life {
  readonly thread: MainThread;
  readonly beganUs: number;
  readonly table: TableOwner;
  readonly health: HealthDriver;
  readonly #router: SimRouter;
  readonly #onConfigure: LifeModules["onConfigure"];
  readonly #lvs: LvsSide;
  readonly #addresses: AddressFollower;
  readonly #order: StartOrder;
  configuration: Configuration;
  #elected = false;
  #stopping = false;

  constructor(modules: LifeModules) {
    const { router } = modules;
    const thread = new MainThread(router);
    const events = new EventLog({ logger: traced(router), wallMs: () => 0 });
    const both = { events, clock: thread, timers: thread };
    this.#router = router;
    this.#onConfigure = modules.onConfigure;
    this.thread = thread;
    this.beganUs = router.world.nowUs;
    this.configuration = modules.configuration;
    this.table = new TableOwner(
      { repairInterval: seconds(2) },
      { ...both, open: () => modules.table, store: modules.store },
    );
    this.#lvs = modules.lvs.side(both);
    this.#addresses = new AddressFollower({
      ...both,
      readAddresses: () => router.kernel.links.flatMap(({ addresses }) => addresses.map((own) => own.ip)),
      tell: (held) => this.health.addresses(held),
    });
    this.#order = new StartOrder({
      ...{ table: this.table, lvs: this.#lvs, desired: () => this.health.desired() },
      elect: () => this.#elect(),
      notify: () => undefined,
      isStopping: () => this.#stopping,
    });
    this.health = createHealthDriver(
      { seed: router.dice.integer(0, 1_000_000) },
      {
        machine: watched(healthMachine, modules.onStep),
        probes: modules.probes(thread),
        ...{ clock: thread, timers: thread },
        listener: {
          onStep: (told, perform) =>
            events.explained(() => {
              for (const event of told) events.record("info", event.kind, "", { ...event });
            }, perform),
          onTableChanged: () => this.#order.tableChanged(),
          onFirstVerdicts: () => this.#order.firstVerdicts(),
          rows: (services) => this.table.rows(services),
        },
      },
    );
    thread.enter(() => this.#start(modules.overrides));
  }

  /** Whether the table was written at least once. */
  get programmed(): boolean {
    return this.#order.programmed;
  }

  #start(overrides: LifeModules["overrides"]): void {
    const { virtualServers } = this.configuration;
    const existing = this.table.existingWeights(virtualServers);
    this.#lvs.configure(this.configuration);
    this.health.override(overrides);
    this.#addresses.configure(this.configuration);
    this.#onConfigure(virtualServers);
    this.health.configure(virtualServers, existing);
    this.thread.after(this.#router.dice.integer(1, 50) * 1_000, () => this.#order.listens());
    this.#order.tracked();
  }

  #elect(): void {
    this.#elected = true;
    const { process } = this.#router;
    if (process !== undefined) this.#router.release(process);
  }

  /** Its VRRP thread died, and another has begun. */
  threadReplaced(): void {
    this.thread.post(() => {
      this.#lvs.restarted();
      this.#addresses.restarted();
      if (this.#elected) this.#elect();
    });
  }

  transition(instance: string, state: StateName): void {
    this.thread.post(() => {
      if (this.#stopping) return;
      this.#lvs.transition(instance, state);
      this.#addresses.transition(instance, state);
    });
  }

  reload(configuration: Configuration): void {
    this.thread.post(() => {
      if (this.#stopping) return;
      const unknown = unknownTargets(configuration.virtualServers, this.configuration.virtualServers);
      const existing = this.table.weightsOf(unknown);
      this.configuration = configuration;
      this.#lvs.configure(configuration);
      this.#addresses.configure(configuration);
      this.#onConfigure(configuration.virtualServers);
      this.health.configure(configuration.virtualServers, existing);
      if (this.#order.programmed) this.#order.program("reload");
    });
  }

  /** SIGTERM, until VRRP has released everything. */
  stopping(): void {
    this.#stopping = true;
    this.#addresses.stop();
    this.health.stop();
    this.#lvs.stopping();
  }

  /** VRRP has. */
  stopped(): void {
    this.table.clear();
    this.#lvs.stop();
    this.thread.end();
  }
}

function watched<State>(machine: HealthMachine<State>, onStep: LifeModules["onStep"]): HealthMachine<State> {
  return {
    ...machine,
    step: (before, input, now) => {
      const result = machine.step(before, input, now);
      const { state, effects } = result;
      onStep(effects, machine.desired(state), () => machine.view(state, now));
      return result;
    },
  };
}

/** What the product logs, among the events of the world. */
function traced(router: SimRouter): Logger {
  const note = (fields: object, message: string): void =>
    router.world.trace.note(router.name, message === "" ? "health" : message, message === "" ? fields : undefined);
  const logger: Logger = { error: note, warn: note, info: note, debug: () => undefined, child: () => logger };
  return logger;
}

/** How long a daemon waits for its first verdicts at most, and looks for what others changed: after this it has seen everything. */
export const SEES_ALL_WITHIN = milliseconds(4_500);
