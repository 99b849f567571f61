/**
 * A stand-in for one Patroni node: what its REST API and its PostgreSQL say, as plain data. The story changes the data
 * by control messages; nothing in a node happens by itself but its WAL position.
 */
export interface NodeState {
  /** `postgresql.state` of Patroni: what the postmaster is doing. Port 5432 follows it. */
  readonly postgres: "running" | "starting" | "stopping" | "stopped";
  /** False from the end of a promotion on: writes are taken. */
  readonly inRecovery: boolean;
  /** `ha.is_leader()`: alone decides the status of /primary and its like, before promotion has ended and while shutting down too. */
  readonly hasLeaderKey: boolean;
  /** The role Patroni has noted, shown when PostgreSQL cannot be asked. */
  readonly notedRole: "primary" | "replica" | "demoted";
  readonly timeline: number;
  /** Who has the leader key in the distributed store; undefined = `cluster_unlocked`. */
  readonly leader: string | undefined;
  readonly paused: boolean;
  /** `hanging` accepts and never answers, `closed` refuses connections. */
  readonly rest: "answering" | "hanging" | "closed";
  /** What /cluster says in the place of the members that there are; `unreachable`: the store does not answer. */
  readonly clusterAnswer?: object | undefined;
}

/** What never changes in a node's life. Given as JSON on the command line. */
export interface NodeOptions {
  readonly name: string;
  readonly address: string;
  readonly restPort: number;
  readonly sqlPort: number;
  readonly scope: string;
  readonly systemIdentifier: string;
  /** 3 says `master`, 4 says `primary` and adds the node's name (Patroni 4.0 release notes). */
  readonly patroniMajor: 3 | 4;
  /** All members of the cluster, for /cluster. */
  readonly members: readonly { readonly name: string; readonly address: string }[];
  readonly initial: NodeState;
}

/** Parent to node, over the process's own channel. Each is answered in order. */
export type ToNode =
  | { readonly id: number; readonly kind: "set"; readonly change: Partial<NodeState> }
  | { readonly id: number; readonly kind: "counters" };

export interface NodeCounters {
  /** Answers given by the REST API, by path. */
  readonly probes: Readonly<Record<string, number>>;
  /** Connections accepted on the PostgreSQL port, and of these the open ones. */
  readonly accepted: number;
  readonly open: number;
  /** Writes done and writes refused because of recovery. */
  readonly inserted: number;
  readonly refused: number;
}

export type FromNode =
  | { readonly kind: "ready" }
  /** CLOCK_MONOTONIC, in microseconds, directly after the change was in force: one clock for all namespaces of a machine. */
  | { readonly kind: "done"; readonly id: number; readonly atUs: number }
  | { readonly kind: "counters"; readonly id: number; readonly counters: NodeCounters };

/** CLOCK_MONOTONIC in microseconds. */
export const monotonicUs = (): number => Number(process.hrtime.bigint() / 1000n);
