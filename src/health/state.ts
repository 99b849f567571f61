import type { CheckConfig } from "../config/check.types.ts";
import type { ClusterMember } from "../config/discovery.ts";
import type { RealServerConfig, VirtualServerConfig } from "../config/types.ts";
import type { Ip } from "../core/ip.ts";
import type { Us } from "../core/units.ts";
import type { DesiredService, DestinationId, ServiceId } from "../plan/types.ts";
import type { ClusterState } from "./clusters.ts";
import type { WeightInput } from "./findings.ts";
import type { Heap } from "./heap.ts";
import type { Override } from "./overrides.ts";
import type { PatroniReading } from "./patroniCheck.ts";
import type { PatroniBody, ProbeKey, ProbeSpec, Verdict } from "./types.ts";

/**
 * The machine's memory. It is updated in place: a step costs what its probe touches, not what the configuration holds.
 * The same inputs at the same times give the same effects, so a recorded incident replays.
 */
export interface HealthState {
  /** State of the jitter's generator, an unsigned 32-bit number. */
  randomWord: number;
  services: Map<ServiceId, ServiceState>;
  probes: Map<ProbeKey, ProbeState>;
  /** Endpoints (`address port`) with what is in flight to them and what waits for that. */
  nodes: Map<string, NodeState>;
  overrides: readonly Override[];
  /** Clusters of Patroni by `database_system_identifier`. */
  clusters: Map<string, ClusterState>;
  /** When something is due; entries that no longer hold are skipped when they come up. */
  wakeups: Heap<Wakeup>;
  /** Values of track files, by name, as last told; undefined = not known yet. */
  files: ReadonlyMap<string, number | undefined>;
  /** Until the first verdicts are announced: the probes without a result, the lists of members that were not told, and how long they are waited for. */
  startup: { readonly pending: Set<ProbeKey>; readonly clusters: Set<ServiceId>; readonly until: Us } | undefined;
  /** As the file has them: without the servers that `patroni_cluster` finds. */
  configured: readonly VirtualServerConfig[];
  /** What is known of the clusters that services follow. */
  discovered: Map<ServiceId, DiscoveryState>;
  /** Addresses that the host holds, as last told. */
  held: ReadonlySet<Ip>;
  /** False before the first configuration. */
  started: boolean;
}

/** The members of a cluster, as last told by an answer that could be right. Replaced, never changed in place. */
export interface DiscoveryState {
  readonly members: readonly KnownMember[];
  readonly scope: string | undefined;
  /** `database_system_identifier` */
  readonly system: string | undefined;
  /** The next answer decides scope and system: they count until then, but not against it. */
  readonly learnsAnew: boolean;
  /** Why the last answer did not count, or not wholly. */
  readonly problem: string | undefined;
  /** Who gave the last one that counted, and when. */
  readonly source: string | undefined;
  readonly readAt: Us | undefined;
  /** Sources whose last answer did not count, and why: another one is asked in their place from then on. */
  readonly wrong: ReadonlyMap<string, string>;
}

export interface KnownMember {
  readonly member: ClusterMember;
  /** False: it stays by its own word. */
  readonly listed: boolean;
  /** Its node, or whoever has its REST API now, has another place, in words: it gets no weight, and goes when its connections have ended. */
  readonly replacedBy?: string;
}

export type Wakeup =
  /** `earliestAt`: from then on it may be asked along with another probe that is due. */
  | { readonly at: Us; readonly kind: "probe"; readonly probe: ProbeState; readonly earliestAt: Us }
  | { readonly at: Us; readonly kind: "service"; readonly service: ServiceState };

export interface NodeState {
  readonly inFlight: Set<ProbeKey>;
  /** Hunting probes that are due and wait until nothing is in flight to this node. */
  readonly waiting: Set<ProbeKey>;
}

export interface ProbeState {
  readonly spec: ProbeSpec;
  readonly node: string;
  /** The checks that this probe answers; several where identical checks are shared. */
  users: ProbeUser[];
  /** The instant of the startProbe effect, undefined while nothing is in flight. */
  inFlightSince: Us | undefined;
  startedAt: Us | undefined;
  finishedAt: Us | undefined;
  results: number;
  /** Of a `patroni` check: the latest outcome, when it was an answer of Patroni's, and the cluster that it belongs to. */
  reading: PatroniReading | undefined;
  system: string | undefined;
  /** In flight: when it is taken for lost. Else: when it is due. Undefined = waits for its node. */
  wakeAt: Us | undefined;
  /** When the question of a kick is due that was not asked yet, and what the kicks of late have used up (see kick.ts). */
  kickAt: Us | undefined;
  kicksSpentUntil: Us | undefined;
  /** The time for an answer was over once; one more short wait lets an answer in that a stalled thread kept waiting. */
  overdueSeen: boolean;
}

export interface ProbeUser {
  readonly service: ServiceState;
  readonly server: ServerState;
  readonly check: CheckState;
}

/** The latest result of one check, and nothing else: its verdict follows from it and from what was before the failures. */
export interface CheckState {
  readonly config: CheckConfig;
  readonly key: ProbeKey;
  verdict: Verdict;
  /** Failures in a row, counted at most once in `delay_before_retry`: hunting asks more often and must not use up the retries. */
  failures: number;
  countedAt: Us | undefined;
  /** When the first failure of the row was seen; undefined when the last result was an answer. */
  silentSince: Us | undefined;
  /** When the first answer of a row came that leaves open whether the server is what is wanted (see patroniCheck.ts). */
  openSince: Us | undefined;
  /** The latest result is an expected answer. */
  passing: boolean;
  /** The latest result is an expected answer on which a weight may be raised. */
  confirmed: boolean;
  /** When the latest answer was asked for. */
  askedAt: Us | undefined;
  /** The latest Patroni body. */
  body: PatroniBody | undefined;
  /** What its latest pass says about the server's weight. */
  weight: WeightInput | undefined;
  reason: string;
  resultAt: Us | undefined;
}

export interface ServerState {
  readonly id: DestinationId;
  readonly config: RealServerConfig;
  readonly checks: readonly CheckState[];
  /** Its check by the second role (`fallback`); what it asks is what its `patroni` check asks. */
  readonly fallback: CheckState | undefined;
  /** Its service port, asked only while it holds an exclusive service and its role checks are silent (see hold.ts). */
  port: CheckState | undefined;
  /** What is taken for true until the first verdict: from the kernel's table at start, from the old check at a reload. */
  assumed: Assumption | undefined;
  /**
   * Its second role (`fallback`) and the checks beside it are taken for as they were before a reload, until their first
   * results or this instant; after it, what has no verdict counts as failed. Undefined = nothing is taken for true.
   */
  secondAssumedUntil: Us | undefined;
  /** What an operator said last about its weight, where that counts for it. */
  override: Override | undefined;
  /** It could have weight at the last look; what it has been since is a loss. */
  serving: boolean;
  /** What becomes of its connections since then. */
  loss: Loss | undefined;
  /** As last announced. */
  verdict: Verdict;
  /** What its checks made of the configured weight, as last announced. */
  checkedWeight: number;
  /** The weight of its row in the table wanted; undefined = it has none. */
  row: number | undefined;
}

export interface Assumption {
  readonly up: boolean;
  /** The weight that the kernel's row has; undefined = the configured one. */
  readonly weight: number | undefined;
  /** The check's worst-case time; after it, what has no verdict counts as failed. */
  readonly until: Us;
}

/** A server that may have no weight any more, while the service's policy is not done with its connections. */
export interface Loss {
  readonly since: Us;
  /** Its row is there with weight 0, or it is wanted away. */
  phase: "lingers" | "cut";
  /** As last read while its row had weight 0; undefined = not yet. */
  connections: number | undefined;
  /** That connections are left was announced. */
  told: boolean;
  /** In a cut: since when the kernel has had no row of it. */
  goneSince: Us | undefined;
  readAt: Us;
}

export interface ServiceState {
  readonly id: ServiceId;
  readonly config: VirtualServerConfig;
  readonly servers: readonly ServerState[];
  /** `exclusive` by its configuration, or because a body on `/` carried `patroni.scope`. */
  exclusive: boolean;
  /** The server of an exclusive service that has the weight. */
  holder: DestinationId | undefined;
  conflict: Conflict | undefined;
  /** Undefined until it is known: while servers are unknown that could make it up. */
  quorum: "up" | "down" | undefined;
  /** Undefined without `fallback`, and until every server has said something. `emptySince`: no server of the first tier has weight. */
  fallback: { readonly active: boolean; readonly emptySince: Us | undefined } | undefined;
  /** The weight of the sorry server's row in the table wanted; undefined = it has none. */
  sorryRow: number | undefined;
  hunt: Hunt | undefined;
  /** `ha_suspend`, and the host holds none of its addresses: nobody is asked. */
  suspended: boolean;
  /** When it was last suspended no more: what was asked for before does not count. Undefined = it never was suspended. */
  resumedAt: Us | undefined;
  /** No election before every first result is there or this instant; undefined afterwards. */
  electionOpensAt: Us | undefined;
  wakeAt: Us | undefined;
  /** One for each target of the configuration. */
  desired: readonly DesiredService[];
}

/** The role moves: its members are asked often until one of them is confirmed. Replaced, never changed in place. */
export interface Hunt {
  readonly startedAt: Us;
  /** The server that alone has the key and is not confirmed yet, and since when. */
  readonly successor: { readonly id: DestinationId; readonly since: Us } | undefined;
}

/** More than one claim. Judged only on answers that were asked for after it was seen. */
export interface Conflict {
  readonly seenAt: Us;
  /** When the newest of all its claims was asked for; Infinity once a server without checks was among them. */
  newestAskedAt: number;
  /** Claimants and decision as last announced; undefined while nothing was decided. */
  announced: string | undefined;
}

export function serverOf(
  service: Pick<ServiceState, "servers">,
  id: DestinationId | undefined,
): ServerState | undefined {
  return id === undefined ? undefined : service.servers.find((server) => server.id === id);
}

/** A number in [0, 1) and the next state of the generator (mulberry32): jitter that a replay repeats. */
export function nextRandom(state: HealthState): number {
  state.randomWord = (state.randomWord + 0x6d2b79f5) >>> 0;
  let word = state.randomWord;
  word = Math.imul(word ^ (word >>> 15), word | 1);
  word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
  return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
}
