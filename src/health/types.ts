import type { CheckConfig } from "../config/check.types.ts";
import type { ClusterMember } from "../config/discovery.ts";
import type { RoleLossConfig, VirtualServerConfig } from "../config/types.ts";
import type { Ip } from "../core/ip.ts";
import type { DurationUs, Us } from "../core/units.ts";
import type { DesiredService, DestinationId, ServiceId, ServiceKey } from "../plan/types.ts";
import type { Override } from "./overrides.ts";

/**
 * The health half as one pure machine: probes' results in, probes to start and a table to want out.
 * Verdicts are a function of the latest results, weights of configuration and verdicts; nothing is counted that can drift.
 */

/** Identity of a probe is its whole definition (address, port, urls, deadline): identical checks are one probe. */
export type ProbeKey = string & { readonly __probe?: never };

export interface ProbeSpec {
  readonly key: ProbeKey;
  readonly check: CheckConfig;
}

/** What a checker saw. Checkers judge nothing. */
export type ProbeOutcome =
  | { readonly kind: "connected" }
  /** One answer for each url asked, in order; a checker stops after the first answer whose status is not among the expected ones. */
  | { readonly kind: "answered"; readonly answers: readonly HttpAnswer[] }
  /** What a mail server said last: to EHLO or HELO, or the refusal that ended the conversation before. */
  | { readonly kind: "smtpReply"; readonly code: number; readonly text: string }
  /** PostgreSQL's answer to pg_is_in_recovery(). */
  | { readonly kind: "recovery"; readonly recovers: boolean }
  /** What PostgreSQL says where it refuses: its five characters (SQLSTATE) and its words. */
  | { readonly kind: "sqlError"; readonly sqlState: string; readonly message: string }
  | { readonly kind: "dnsReply"; readonly responseCode: string; readonly answers: number }
  | { readonly kind: "datagram"; readonly data: Uint8Array }
  | { readonly kind: "echoed" }
  /** How a program of MISC_CHECK ended. */
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "signalled"; readonly signal: string }
  | { readonly kind: ProbeFailure; readonly detail: string };

export type ProbeFailure = "refused" | "timedOut" | "reset" | "unreachable" | "malformed" | "tlsFailed" | "cannotRun";

export interface HttpAnswer {
  readonly path: string;
  readonly status: number;
  /** At most BODY_LIMIT_BYTES; what is beyond is read only where `digest` or `regex` want it. */
  readonly body: string;
  readonly bodyTruncated: boolean;
  /** MD5 of the whole body in hexadecimal; undefined where the check does not ask for it. */
  readonly digest?: string | undefined;
  /** Where the check's regex matches first; undefined where it has none. */
  readonly match?: RegexMatch | undefined;
}

export type RegexMatch =
  | { readonly kind: "found"; readonly offset: number }
  | { readonly kind: "none" }
  /** The body is too long, or the search took too long. */
  | { readonly kind: "gaveUp"; readonly why: string };

export const BODY_LIMIT_BYTES = 65_536;

/** Patroni's REST body, as far as it is used. Every field may be missing in a malformed or older answer. */
export interface PatroniBody {
  readonly role: string | undefined;
  readonly state: string | undefined;
  readonly timeline: number | undefined;
  readonly databaseSystemIdentifier: string | undefined;
  readonly pause: boolean;
  readonly clusterUnlocked: boolean;
  readonly scope: string | undefined;
  readonly name: string | undefined;
  /** The node's own wall clock: shown, never decides. */
  readonly dcsLastSeen: number | undefined;
  /** Patroni's own: `3.0.2`. */
  readonly version: string | undefined;
  /** Positions in bytes of WAL since the beginning: of a primary where it writes, of a replica what it has received and replayed. */
  readonly location: number | undefined;
  readonly receivedLocation: number | undefined;
  readonly replayedLocation: number | undefined;
  readonly syncStandby: boolean;
  /** Patroni 4, `synchronous_mode: quorum`. */
  readonly quorumStandby: boolean;
  /** The tag. */
  readonly noLoadBalance: boolean;
}

export type Verdict = "unknown" | "up" | "down";

export type HealthInput =
  /**
   * A configuration, at start or reload. `existing` are the weights of the kernel's table at a start, and at a reload those of
   * services that it brings servers to (`unknownTargets`): rows of servers that are new keep them until their own first
   * verdict, at most for the check's worst-case time.
   */
  | {
      readonly kind: "configure";
      readonly virtualServers: readonly VirtualServerConfig[];
      readonly existing: ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>>;
    }
  /** Every address that the host holds now: services with `ha_suspend` are checked only where one of theirs is among them. */
  | { readonly kind: "addresses"; readonly held: ReadonlySet<Ip> }
  | { readonly kind: "probeDone"; readonly key: ProbeKey; readonly startedAt: Us; readonly outcome: ProbeOutcome }
  /** What `source` (a REST API, or the last one asked) answered about the cluster that a service follows. */
  | ({
      readonly kind: "cluster";
      readonly service: ServiceId;
      /** Who was asked before in the same round, and did not count. */
      readonly passedOver?: readonly ClusterTold[];
    } & ClusterTold)
  /** An operator says that the clusters of these services may be others now: the next list of each decides. */
  | { readonly kind: "forgetCluster"; readonly services: ReadonlySet<ServiceId> }
  /** What an earlier life knew of clusters; before the first configuration. */
  | { readonly kind: "membersRemembered"; readonly services: RememberedMembers }
  /** Somebody says that roles have changed, in these services or (undefined) anywhere; who, for the log. */
  | { readonly kind: "kick"; readonly services: ReadonlySet<ServiceId> | undefined; readonly source: string }
  /** All that operators say now; each ends by itself when its time is over. */
  | { readonly kind: "overrides"; readonly overrides: readonly Override[] }
  /** Values of the track files that FILE_CHECKs follow; undefined = not known yet. */
  | { readonly kind: "filesRead"; readonly values: ReadonlyMap<string, number | undefined> }
  /** The answer to `readRows`. */
  | { readonly kind: "rows"; readonly rows: ServiceRows }
  | { readonly kind: "deadline" };

/** What a REST API, by address and port, was heard to say about a cluster. */
export interface ClusterTold {
  readonly source: string;
  readonly outcome: ProbeOutcome;
}

/** What is known of clusters, to be remembered over the end of a daemon. */
export type RememberedMembers = ReadonlyMap<
  ServiceId,
  {
    readonly members: readonly ClusterMember[];
    readonly scope: string | undefined;
    readonly system: string | undefined;
  }
>;

/** Rows that the kernel has of the services that were asked for, of no other; one that does not exist has none. */
export type ServiceRows = ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, KernelRow>>;

export interface KernelRow {
  readonly weight: number;
  /** Active and inactive ones. */
  readonly connections: number;
}

export type HealthEffect =
  /** Answer with `probeDone`. Never more than one in flight for a key. */
  | { readonly kind: "startProbe"; readonly spec: ProbeSpec }
  /** What the table should be has changed, or every first verdict is there: reconcile now. */
  | { readonly kind: "tableChanged" }
  /** Emitted once after each start: first verdicts are in, or the time for them is over. The first programming may happen. */
  | { readonly kind: "firstVerdicts" }
  /** The servers that clusters give to services are others: remember them. */
  | { readonly kind: "rememberMembers"; readonly services: RememberedMembers }
  /** Comes behind `tableChanged`: read these services' rows once the kernel has what is wanted, and answer with `rows`. */
  | { readonly kind: "readRows"; readonly services: readonly ServiceKey[] }
  | { readonly kind: "event"; readonly event: HealthEvent };

/** Every change has one recorded reason. */
export type HealthEvent =
  | {
      readonly kind: "verdict";
      readonly service: ServiceId;
      readonly server: DestinationId;
      readonly from: Verdict;
      readonly to: Verdict;
      readonly reason: string;
    }
  /** A failure that is no verdict (`log_all_failures`). */
  | {
      readonly kind: "checkFailed";
      readonly service: ServiceId;
      readonly server: DestinationId;
      readonly reason: string;
    }
  /** MISC_CHECK or FILE_CHECK want another weight than before. */
  | {
      readonly kind: "checkedWeight";
      readonly service: ServiceId;
      readonly server: DestinationId;
      readonly from: number;
      readonly to: number;
      readonly reason: string;
    }
  | {
      readonly kind: "holder";
      readonly service: ServiceId;
      readonly from: DestinationId | undefined;
      readonly to: DestinationId | undefined;
      /** Where nobody is named, all servers that are up have the connections: the service was not exclusive before, or is not any more. */
      readonly shared?: boolean;
      readonly reason: string;
    }
  | {
      readonly kind: "conflict";
      readonly service: ServiceId;
      readonly claimants: readonly DestinationId[];
      readonly decision: string;
    }
  | { readonly kind: "conflictEnded"; readonly service: ServiceId }
  /** The total weight of live servers passed what is needed, by more than the hysteresis; `from` undefined = the first decision. */
  | {
      readonly kind: "quorum";
      readonly service: ServiceId;
      readonly from: "up" | "down" | undefined;
      readonly to: "up" | "down";
      readonly weight: number;
      readonly needed: number;
    }
  /** What becomes of the connections to a server that may have no weight any more. */
  | { readonly kind: "roleLoss"; readonly service: ServiceId; readonly server: DestinationId; readonly what: string }
  /** An operator's word began, changed or ended: `10.0.2.3 everywhere`, `drained`. */
  | { readonly kind: "override"; readonly target: string; readonly to: string; readonly reason: string }
  /** Servers with the second role get the connections, or no longer. */
  | {
      readonly kind: "fallback";
      readonly service: ServiceId;
      readonly phase: "began" | "ended";
      readonly reason: string;
    }
  /** What became of the list of members that a service follows. */
  | { readonly kind: "members"; readonly service: ServiceId; readonly what: string }
  /** Questions that go out now, or as soon as kicks may again, because of a kick; `services` undefined = of all. */
  | {
      readonly kind: "kick";
      readonly services: readonly ServiceId[] | undefined;
      readonly source: string;
      readonly asked: number;
      readonly later: number;
    }
  | {
      readonly kind: "hunt";
      readonly service: ServiceId;
      readonly phase: "started" | "ended";
      readonly reason: string;
    };

export interface HealthStepResult<State> {
  readonly state: State;
  readonly effects: readonly HealthEffect[];
}

/** The health half as `status` shows it. */
export interface ServiceHealth {
  readonly service: ServiceId;
  readonly exclusive: boolean;
  readonly holder: DestinationId | undefined;
  readonly hunting: boolean;
  readonly conflict: boolean;
  /** Undefined until it is known. */
  readonly quorum: "up" | "down" | undefined;
  /** The server that has the service's place while the quorum is lost: `10.0.2.9:80`. */
  readonly sorryServer: DestinationId | undefined;
  /** True while servers with the second role have the connections (`fallback`). */
  readonly fallback?: boolean;
  /** What becomes of connections to a server that loses its weight. */
  readonly roleLoss: RoleLossConfig;
  readonly servers: readonly ServerHealth[];
  /** `patroni_cluster` */
  readonly members?: MembersHealth;
}

/** The list of a cluster's members that a service follows. */
export interface MembersHealth {
  readonly known: number;
  readonly scope: string | undefined;
  /** Who told the list that counts, and how long ago; undefined = nobody in this life. */
  readonly source: string | undefined;
  readonly age: DurationUs | undefined;
  /** The next list that can be right decides whose cluster it is (`holdfast forget`, or another written scope). */
  readonly learnsAnew: boolean;
  /** Why the last answer did not count, or not wholly. */
  readonly problem: string | undefined;
  /** Sources of `patroni_cluster` whose last answer did not count while another one's did, and why. */
  readonly wrongSources: readonly { readonly source: string; readonly problem: string }[];
}

export interface ServerHealth {
  readonly server: DestinationId;
  readonly verdict: Verdict;
  /** In words: `HTTP 503 from /primary`, `no answer within 1 s (2 of 3)`. */
  readonly reason: string;
  readonly role: string | undefined;
  readonly timeline: number | undefined;
  /** How far its replay is behind the leader of its cluster; undefined for a leader, and where it is not known. */
  readonly lagBytes: number | undefined;
  readonly lastResultAge: DurationUs | undefined;
  readonly weight: number;
  /** While the policy of `role_loss` is not done with its connections; they are undefined until they were read. */
  readonly loss:
    | { readonly phase: "lingers" | "cut"; readonly connections: number | undefined; readonly age: DurationUs }
    | undefined;
  /** What an operator said about its weight. `weight` is what came of it. */
  readonly override:
    | { readonly weight: number; readonly target: string; readonly endsIn: DurationUs | undefined }
    | undefined;
}

/** The machine's door; `State` is opaque to callers. Implemented in src/health/machine.ts. */
export interface HealthMachine<State> {
  initial(seed: number): State;
  step(state: State, input: HealthInput, now: Us): HealthStepResult<State>;
  /** When `deadline` is due; undefined when nothing waits. */
  nextDeadline(state: State): Us | undefined;
  /** Whether an answer about the cluster that a service follows would count; else another source may have one that does. */
  countsCluster(state: State, service: ServiceId, outcome: ProbeOutcome): boolean;
  /** The running configuration, with the servers that were discovered. */
  services(state: State): readonly VirtualServerConfig[];
  /** The table that should be, a function of configuration, verdicts, roles and overrides alone. */
  desired(state: State): readonly DesiredService[];
  view(state: State, now: Us): readonly ServiceHealth[];
}
