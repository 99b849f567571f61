import type { VirtualServerConfig } from "../config/types.ts";
import type { Clock, Timers } from "../core/interfaces.ts";
import type { Ip } from "../core/ip.ts";
import type { Override } from "../health/overrides.ts";
import type {
  ClusterTold,
  HealthEffect,
  HealthEvent,
  HealthInput,
  HealthMachine,
  ProbeOutcome,
  ProbeSpec,
  RememberedMembers,
  ServiceHealth,
  ServiceRows,
} from "../health/types.ts";
import type { DesiredService, DestinationId, ServiceId, ServiceKey } from "../plan/types.ts";

/** Runs probes; src/io/checkers implements it. */
export interface ProbeRunner {
  /** Exactly one outcome for each call, later. */
  run(spec: ProbeSpec, done: (outcome: ProbeOutcome) => void): void;
  close(): void;
}

export interface HealthListener {
  /** Does what one step asks for, at once, and tells its events: they are why, and stand in the log before what was done. */
  onStep(events: readonly HealthEvent[], perform: () => void): void;
  onTableChanged(): void;
  onFirstVerdicts(): void;
  /** Reads these services' rows from the kernel; undefined when it cannot be asked now. */
  rows(services: readonly ServiceKey[]): ServiceRows | undefined;
}

/** What the daemon sees of the health half. */
export interface HealthDriver {
  /** @param existing weights of the kernel's table, at a start and at a reload: rows of services that are new take theirs from it */
  configure(
    virtualServers: readonly VirtualServerConfig[],
    existing: ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>>,
  ): void;
  /** All that operators say now. */
  override(overrides: readonly Override[]): void;
  /** What was answered about the cluster that a service follows. */
  cluster(service: ServiceId, told: ClusterTold, passedOver?: readonly ClusterTold[]): void;
  /** Whether such an answer would count; else another source may have one that does. */
  countsCluster(service: ServiceId, outcome: ProbeOutcome): boolean;
  /** What an earlier life knew of clusters; before the first configuration. */
  rememberMembers(services: RememberedMembers): void;
  /** The clusters that these services follow may be others now: the next list of each decides. */
  forgetCluster(services: ReadonlySet<ServiceId>): void;
  /** The running configuration, with the servers that were discovered. */
  services(): readonly VirtualServerConfig[];
  /** A hint of `source` that roles have changed in these services, undefined = in any: they are asked now. */
  kick(services: ReadonlySet<ServiceId> | undefined, source: string): void;
  /** Every address that the host holds now, for services with `ha_suspend`. */
  addresses(held: ReadonlySet<Ip>): void;
  /** Values of the track files that FILE_CHECKs follow; undefined = not known yet. */
  files(values: ReadonlyMap<string, number | undefined>): void;
  desired(): readonly DesiredService[];
  view(): readonly ServiceHealth[];
  stop(): void;
}

/** A driver whose machine's state nobody else names. */
export function createHealthDriver<State>(
  options: { readonly seed: number },
  modules: MachineModules<State>,
): HealthDriver {
  return new MachineDriver(options, modules);
}

interface MachineModules<State> {
  readonly machine: HealthMachine<State>;
  readonly probes: ProbeRunner;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly listener: HealthListener;
  /** Keeps what is known of clusters over the end of the daemon. */
  readonly remember?: (members: RememberedMembers) => void;
}

/** Feeds the health machine: probes' outcomes and its one deadline in, effects out. It decides nothing. */
class MachineDriver<State> implements HealthDriver {
  readonly #machine: HealthMachine<State>;
  readonly #probes: ProbeRunner;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #listener: HealthListener;
  readonly #remember: (members: RememberedMembers) => void;
  #state: State;
  #disarm: () => void = () => undefined;
  #stopped = false;

  constructor(options: { readonly seed: number }, modules: MachineModules<State>) {
    this.#machine = modules.machine;
    this.#probes = modules.probes;
    this.#clock = modules.clock;
    this.#timers = modules.timers;
    this.#listener = modules.listener;
    this.#remember = modules.remember ?? (() => undefined);
    this.#state = modules.machine.initial(options.seed);
  }

  configure(
    virtualServers: readonly VirtualServerConfig[],
    existing: ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>>,
  ): void {
    this.#feed({ kind: "configure", virtualServers, existing });
  }

  override(overrides: readonly Override[]): void {
    this.#feed({ kind: "overrides", overrides });
  }

  cluster(service: ServiceId, told: ClusterTold, passedOver: readonly ClusterTold[] = []): void {
    this.#feed({ kind: "cluster", service, ...told, passedOver });
  }

  countsCluster(service: ServiceId, outcome: ProbeOutcome): boolean {
    return this.#machine.countsCluster(this.#state, service, outcome);
  }

  rememberMembers(services: RememberedMembers): void {
    this.#feed({ kind: "membersRemembered", services });
  }

  forgetCluster(services: ReadonlySet<ServiceId>): void {
    this.#feed({ kind: "forgetCluster", services });
  }

  services(): readonly VirtualServerConfig[] {
    return this.#machine.services(this.#state);
  }

  kick(services: ReadonlySet<ServiceId> | undefined, source: string): void {
    this.#feed({ kind: "kick", services, source });
  }

  addresses(held: ReadonlySet<Ip>): void {
    this.#feed({ kind: "addresses", held });
  }

  files(values: ReadonlyMap<string, number | undefined>): void {
    this.#feed({ kind: "filesRead", values });
  }

  desired(): readonly DesiredService[] {
    return this.#machine.desired(this.#state);
  }

  view(): readonly ServiceHealth[] {
    return this.#machine.view(this.#state, this.#clock.nowUs());
  }

  stop(): void {
    this.#stopped = true;
    this.#disarm();
    this.#probes.close();
  }

  #feed(input: HealthInput): void {
    if (this.#stopped) return;
    const { state, effects } = this.#machine.step(this.#state, input, this.#clock.nowUs());
    this.#state = state;
    this.#arm();
    const told = effects.filter((effect) => effect.kind !== "startProbe");
    if (told.length > 0) {
      const events = told.flatMap((effect) => (effect.kind === "event" ? [effect.event] : []));
      this.#listener.onStep(events, () => {
        for (const effect of told) if (effect.kind !== "event") this.#perform(effect);
      });
    }
    // Last: the table does not wait for the connections of the next probes.
    for (const effect of effects) if (effect.kind === "startProbe") this.#perform(effect);
  }

  #perform(effect: Exclude<HealthEffect, { kind: "event" }>): void {
    switch (effect.kind) {
      case "startProbe": {
        const startedAt = this.#clock.nowUs();
        const { key } = effect.spec;
        this.#probes.run(effect.spec, (outcome) => this.#feed({ kind: "probeDone", key, startedAt, outcome }));
        return;
      }
      case "tableChanged":
        this.#listener.onTableChanged();
        return;
      case "readRows": {
        const rows = this.#listener.rows(effect.services);
        if (rows !== undefined) this.#feed({ kind: "rows", rows });
        return;
      }
      case "rememberMembers":
        this.#remember(effect.services);
        return;
      case "firstVerdicts":
        this.#listener.onFirstVerdicts();
        return;
    }
  }

  #arm(): void {
    this.#disarm();
    const deadline = this.#machine.nextDeadline(this.#state);
    this.#disarm =
      deadline === undefined ? () => undefined : this.#timers.at(deadline, () => this.#feed({ kind: "deadline" }));
  }
}
