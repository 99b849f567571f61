import type {
  CheckConfig,
  HttpCheckConfig,
  MiscCheckConfig,
  PatroniCheckConfig,
  PatroniRole,
  TcpCheckConfig,
} from "../../src/config/check.types.ts";
import type { RealServerConfig, VirtualServerConfig } from "../../src/config/types.ts";
import { type Ip, ip } from "../../src/core/ip.ts";
import {
  type DurationUs,
  durationUs,
  instantUs,
  milliseconds,
  seconds,
  toMilliseconds,
  type Us,
} from "../../src/core/units.ts";
import { healthMachine } from "../../src/health/machine.ts";
import type {
  HealthEffect,
  HealthEvent,
  HealthInput,
  ProbeOutcome,
  ProbeSpec,
  ServiceHealth,
  ServiceRows,
} from "../../src/health/types.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import type { DesiredService, DestinationId, ServiceKey } from "../../src/plan/types.ts";
import { EventQueue } from "./vrrp/eventQueue.ts";

/** What a simulated node does with one probe. */
export interface Reply {
  readonly outcome: ProbeOutcome;
  /** From the question to the outcome in the checker's hands. */
  readonly after: DurationUs;
}

/** Asked at the instant a probe starts; undefined = the checker never answers (our own bug). */
export type Responder = (check: NetworkCheck, now: Us) => Reply | undefined;
/** What simulated nodes are asked. */
export type NetworkCheck = HttpCheckConfig | TcpCheckConfig | PatroniCheckConfig;
export interface NetworkProbe extends ProbeSpec {
  readonly check: NetworkCheck;
}

export interface RigOptions {
  readonly seed?: number;
  readonly respond: Responder;
  /** What a program of MISC_CHECK does; without it none is run. */
  readonly runProgram?: (check: MiscCheckConfig) => Reply;
  /** Before the machine is told an outcome. */
  readonly onOutcome?: (spec: NetworkProbe, outcome: ProbeOutcome) => void;
  /** After each step, with its effects: the daemon's place in a simulation. */
  readonly onEffects?: (effects: readonly HealthEffect[], now: Us) => void;
  /** What the kernel has of services; without it: exactly what is wanted, with `connections`. */
  readonly rows?: (services: readonly ServiceKey[]) => ServiceRows | undefined;
  /** Keeps no history of probes, events and effects: for days of virtual time. */
  readonly forgets?: boolean;
}

/** The health machine in virtual time: probes are answered by a responder, deadlines come when they are due. */
export class HealthRig {
  now: Us = instantUs(1_000_000_000);
  readonly started: { readonly at: Us; readonly spec: NetworkProbe }[] = [];
  readonly events: { readonly at: Us; readonly event: HealthEvent }[] = [];
  readonly effects: { readonly at: Us; readonly effect: HealthEffect }[] = [];
  respond: Responder;
  /** By the last number of a server's address: connections that the kernel has of it. */
  readonly connections = new Map<number, number>();
  private state;
  private readonly options: RigOptions;
  private readonly origin = this.now;
  private readonly onOutcome: NonNullable<RigOptions["onOutcome"]>;
  private life = 0;
  private readonly onEffects: NonNullable<RigOptions["onEffects"]>;
  private readonly rows: NonNullable<RigOptions["rows"]>;
  private readonly pending = new EventQueue();

  constructor(options: RigOptions) {
    this.options = options;
    this.state = healthMachine.initial(options.seed ?? 1);
    this.respond = options.respond;
    this.onOutcome = options.onOutcome ?? (() => undefined);
    this.onEffects = options.onEffects ?? (() => undefined);
    this.rows = options.rows ?? ((services) => this.rowsAsWanted(services));
  }

  configure(virtualServers: readonly VirtualServerConfig[], existing: ExistingTable = new Map()): void {
    this.feed({ kind: "configure", virtualServers, existing });
  }

  /** The process dies and another begins: nothing is remembered, probes in flight are lost; the world goes on. */
  restart(seed: number): void {
    this.life += 1;
    this.state = healthMachine.initial(seed);
  }

  feed(input: HealthInput): void {
    const { state, effects } = healthMachine.step(this.state, input, this.now);
    this.state = state;
    for (const effect of effects) {
      if (this.options.forgets !== true) this.keep(effect);
      if (effect.kind === "startProbe") this.start(effect.spec);
    }
    this.onEffects(effects, this.now);
    for (const effect of effects) {
      const rows = effect.kind === "readRows" ? this.rows(effect.services) : undefined;
      if (rows !== undefined) this.feed({ kind: "rows", rows });
    }
  }

  /** Something of the world happens at an instant. */
  at(instant: Us, run: () => void): void {
    this.pending.push(instant, { run });
  }

  /** Lets `span` pass. */
  run(span: DurationUs): void {
    const end = this.now + span;
    for (;;) {
      const deadline = healthMachine.nextDeadline(this.state);
      const next = this.pending.nextAt;
      const at = Math.min(next, deadline ?? Number.POSITIVE_INFINITY);
      if (at > end) break;
      this.now = Math.max(this.now, at) as Us;
      if (next <= at) this.pending.pop().run();
      else this.feed({ kind: "deadline" });
    }
    this.now = end as Us;
  }

  /** Lets time pass until something holds; fails when it does not within `limit`. Returns how long it took. */
  runUntil(limit: DurationUs, what: string, holds: () => boolean): DurationUs {
    const from = this.now;
    while (!holds()) {
      if (this.now - from > limit) throw new Error(`not within ${toMilliseconds(limit)} ms: ${what}`);
      this.run(milliseconds(1));
    }
    return durationUs(this.now - from);
  }

  desired(): readonly DesiredService[] {
    return healthMachine.desired(this.state);
  }

  view(): readonly ServiceHealth[] {
    return healthMachine.view(this.state, this.now);
  }

  /** `{3: 50, 4: 0}`: weights of the wanted rows of one service by the last number of the address; absent rows are absent. */
  weights(service = 0): Record<string, number> {
    const rows = this.desired()[service]?.destinations ?? [];
    return Object.fromEntries(rows.map((row) => [row.address.split(".").at(-1) ?? "", row.weight]));
  }

  /** When an effect of this kind came, in ms since the beginning. */
  timesOf(kind: HealthEffect["kind"]): number[] {
    return this.effects.filter(({ effect }) => effect.kind === kind).map(({ at }) => this.sinceStart(at));
  }

  /** When a node was asked, in ms since the beginning. */
  askedTimes(host: number, from = 0): number[] {
    return this.started
      .filter(({ spec }) => spec.check.connectIp === hostIp(host))
      .map(({ at }) => this.sinceStart(at))
      .filter((at) => at >= from);
  }

  eventsOf<Kind extends HealthEvent["kind"]>(kind: Kind): Extract<HealthEvent, { kind: Kind }>[] {
    return this.events
      .map(({ event }) => event)
      .filter((event): event is Extract<HealthEvent, { kind: Kind }> => event.kind === kind);
  }

  elapsedMs(): number {
    return this.sinceStart(this.now);
  }

  private rowsAsWanted(services: readonly ServiceKey[]): ServiceRows {
    const asked = new Set(services.map(serviceId));
    const wanted = this.desired().filter(({ key }) => asked.has(serviceId(key)));
    return new Map(
      wanted.map(({ key, destinations }) => [
        serviceId(key),
        new Map(
          destinations.map((row) => {
            const connections = this.connections.get(Number(row.address.split(".").at(-1))) ?? 0;
            return [destinationId(row), { weight: row.weight, connections }];
          }),
        ),
      ]),
    );
  }

  private keep(effect: HealthEffect): void {
    this.effects.push({ at: this.now, effect });
    if (effect.kind === "event") this.events.push({ at: this.now, event: effect.event });
  }

  private sinceStart(at: Us): number {
    return (at - this.origin) / 1000;
  }

  private start({ key, check }: ProbeSpec): void {
    if (check.kind === "MISC_CHECK") this.answer(key, this.options.runProgram?.(check));
    else if (check.kind === "HTTP_GET" || check.kind === "TCP_CHECK" || check.kind === "patroni") {
      const spec = { key, check };
      if (this.options.forgets !== true) this.started.push({ at: this.now, spec });
      this.answer(key, this.respond(check, this.now), (outcome) => this.onOutcome(spec, outcome));
    } else throw new Error(`nothing of this simulation is asked by ${check.kind}`);
  }

  private answer(key: string, reply: Reply | undefined, told: (outcome: ProbeOutcome) => void = () => undefined): void {
    if (reply === undefined) return;
    const startedAt = this.now;
    const { life } = this;
    const run = () => {
      if (life !== this.life) return;
      told(reply.outcome);
      this.feed({ kind: "probeDone", key, startedAt, outcome: reply.outcome });
    };
    this.pending.push(startedAt + reply.after, { run });
  }
}

export type ExistingTable = Extract<HealthInput, { kind: "configure" }>["existing"];

export const hostIp = (host: number): Ip => ip(`10.0.2.${host}`);
/** The row of a simulated server. */
export const realServerId = (address: Ip): DestinationId => `${address}:5432`;
const TIMING = {
  delayLoop: seconds(1),
  connectTimeout: seconds(1),
  retry: 1,
  delayBeforeRetry: seconds(1),
  warmup: durationUs(0),
};

type TimingChange = Partial<CheckConfig["timing"]>;

export function httpCheck(host: number, path: string, timing: TimingChange = {}): HttpCheckConfig {
  return {
    kind: "HTTP_GET",
    connectIp: hostIp(host),
    connectPort: 8008,
    urls: [{ path, statusCodes: [{ from: 200, to: 299 }] }],
    timing: { ...TIMING, ...timing },
  };
}

export function patroniCheck(
  host: number,
  role: PatroniRole,
  change: Partial<Omit<PatroniCheckConfig, "timing">> = {},
  timing: TimingChange = {},
): PatroniCheckConfig {
  return {
    kind: "patroni",
    connectIp: hostIp(host),
    connectPort: 8008,
    role,
    maxLagBytes: undefined,
    respectsNoLoadBalance: true,
    unknownHold: seconds(30),
    tls: undefined,
    credentials: undefined,
    timing: { ...TIMING, ...timing },
    ...change,
  };
}

export function tcpCheck(host: number, timing: TimingChange = {}): TcpCheckConfig {
  return { kind: "TCP_CHECK", connectIp: hostIp(host), connectPort: 5432, timing: { ...TIMING, ...timing } };
}

export function realServer(host: number, checks: readonly CheckConfig[], inhibitOnFailure = true): RealServerConfig {
  return {
    ...{ address: hostIp(host), port: 5432, weight: 50, forwarding: { method: "DR" } },
    notify: { up: undefined, down: undefined, smtpAlert: false },
    ...{ upperThreshold: 0, lowerThreshold: 0, inhibitOnFailure, checks },
  };
}

export function virtualServer(
  realServers: readonly RealServerConfig[],
  change: Partial<VirtualServerConfig> = {},
): VirtualServerConfig {
  return {
    ...targetAt(),
    scheduler: "lc",
    schedulerFlags: 0,
    onePacket: false,
    persistenceTimeoutSec: 1,
    persistencePrefix: undefined,
    persistenceEngine: "",
    ...{ quorum: 1, hysteresis: 0, sorryServer: undefined },
    notify: { quorumUp: undefined, quorumDown: undefined, smtpAlert: false, downAtEnd: false },
    haSuspend: false,
    exclusive: "no",
    ...{ roleWatch: milliseconds(200), roleHold: seconds(30), roleLoss: undefined },
    realServers,
    at: { file: "test.conf", line: 1, column: 1, length: 1 },
    ...change,
  };
}

/** Another address or port of a service. */
export function targetAt(address = "10.0.2.10", port = 5432): Pick<VirtualServerConfig, "name" | "targets"> {
  const target = { protocol: "TCP", address: ip(address), port } as const;
  return { name: serviceId(target), targets: [target] };
}

/** The article's write service: three members asked on `/primary`. */
export function writeService(
  change: Partial<VirtualServerConfig> = {},
  timing: TimingChange = {},
): VirtualServerConfig {
  const servers = [3, 4, 5].map((host) => realServer(host, [httpCheck(host, "/primary", timing)]));
  return virtualServer(servers, { exclusive: "detected", ...change });
}
