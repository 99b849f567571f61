import type { NodeOptions, NodeState } from "./node.types.ts";

/**
 * What Patroni's REST API says: status and body for a path. From the REST API page of Patroni's documentation, compared
 * with the answers of Debian's 3.0.2 (test/e2e/article.test.ts compares the two field by field).
 */
export interface RestReply {
  readonly status: number;
  readonly body: unknown;
}

export interface RestFacts {
  readonly options: NodeOptions;
  readonly state: NodeState;
  readonly walPosition: number;
  /** Names and addresses of the replicas that stream from this node. */
  readonly replicas: readonly { readonly name: string; readonly address: string }[];
  readonly startedAt: Date;
  readonly now: Date;
}

/** The answer to GET `path` (with or without query string); undefined for /liveness and the like, which this node lacks. */
export function restReply(facts: RestFacts, target: string): RestReply {
  const path = target.split("?", 1)[0] ?? "";
  if (path === "/patroni") return { status: 200, body: statusBody(facts) };
  if (path === "/cluster") return clusterReply(facts);
  return { status: roleStatus(facts.state, path === "/" ? "/primary" : path), body: statusBody(facts) };
}

/**
 * The leader key decides for the primary's paths, whatever PostgreSQL is doing: 200 comes before the promotion has ended
 * and stays while the old primary shuts down. The replica's paths want a running PostgreSQL in recovery.
 */
function roleStatus(state: NodeState, path: string): 200 | 503 {
  const code = (condition: boolean): 200 | 503 => (condition ? 200 : 503);
  const replica = state.postgres === "running" && state.inRecovery;
  switch (path) {
    case "/primary":
    case "/master":
    case "/leader":
    case "/read-write":
      return code(state.hasLeaderKey);
    case "/replica":
    case "/async":
    case "/asynchronous":
      return code(replica);
    case "/read-only":
      return code(replica || state.hasLeaderKey);
    case "/health":
      return code(state.postgres === "running");
    default:
      return 503;
  }
}

function roleWord(options: NodeOptions, role: "primary" | "replica" | "demoted"): string {
  return role === "primary" && options.patroniMajor === 3 ? "master" : role;
}

/** As pg_stat_replication shows a replica, with the columns that Patroni takes. */
function replicationRow({ name, address }: RestFacts["replicas"][number]): object {
  const identity = { usename: "replicator", application_name: name, client_addr: address };
  return { ...identity, state: "streaming", sync_state: "async", sync_priority: 0 };
}

function statusBody({ options, state, walPosition, replicas, startedAt, now }: RestFacts): object {
  const askable = state.postgres === "running";
  const answered = {
    state: state.postgres,
    postmaster_start_time: pythonTime(startedAt),
    role: roleWord(options, state.inRecovery ? "replica" : "primary"),
    server_version: 150_020,
    xlog: state.inRecovery
      ? { received_location: walPosition, replayed_location: walPosition, replayed_timestamp: null, paused: false }
      : { location: walPosition },
    timeline: state.timeline,
    ...(state.inRecovery ? {} : { replication: replicas.map(replicationRow) }),
  };
  return {
    ...(askable ? answered : { state: state.postgres, role: roleWord(options, state.notedRole) }),
    ...(state.leader === undefined ? { cluster_unlocked: true } : {}),
    dcs_last_seen: Math.floor(now.getTime() / 1000),
    database_system_identifier: options.systemIdentifier,
    patroni:
      options.patroniMajor === 3
        ? { version: "3.0.2", scope: options.scope }
        : { version: "4.0.4", scope: options.scope, name: options.name },
    ...(state.paused ? { pause: true } : {}),
  };
}

function clusterReply(facts: RestFacts): RestReply {
  const { clusterAnswer } = facts.state;
  if (clusterAnswer === undefined) return { status: 200, body: clusterBody(facts) };
  return { status: "unreachable" in clusterAnswer ? 503 : 200, body: clusterAnswer };
}

function clusterBody({ options, state }: RestFacts): object {
  const member = ({ name, address }: NodeOptions["members"][number]): object => ({
    name,
    role: name === state.leader ? "leader" : "replica",
    state: name === options.name ? state.postgres : "running",
    api_url: `http://${address}:${options.restPort}/patroni`,
    host: address,
    port: options.sqlPort,
    timeline: state.timeline,
    ...(name === state.leader ? {} : { lag: 0 }),
  });
  return { members: options.members.map(member), ...(state.paused ? { pause: true } : {}) };
}

/** As Python prints a datetime with zone: `2026-11-24 00:26:45.123000+00:00`. */
function pythonTime(at: Date): string {
  return at.toISOString().replace("T", " ").replace("Z", "000+00:00");
}
