import type { PatroniCheckConfig, PatroniRole } from "../config/check.types.ts";
import { isLeaderRole } from "../config/exclusive.ts";
import { isLeaderPath } from "../config/leaderPaths.ts";
import { bytesText } from "../core/units.ts";
import type { Finding } from "./findings.ts";
import { PRIMARY_ROLES, parsePatroniBody, STANDBY_LEADER_ROLES } from "./patroni.ts";
import type { HttpAnswer, PatroniBody, ProbeOutcome } from "./types.ts";

/**
 * What the `patroni` check makes of a member's answer. One question serves all roles: `/leader` answers 200 to the holder of
 * the leader key, 503 to all others (Patroni's documentation, REST API, since 2.1 also in a standby cluster), and the body
 * tells the rest.
 */
export const PATRONI_PATH = "/leader";

/** A member's answer, read once for all checks that share the probe. */
export interface PatroniReading {
  readonly holdsKey: boolean;
  readonly status: number;
  /** Undefined when there is no readable body of Patroni's. */
  readonly body: PatroniBody | undefined;
}

/** Where the leader of a cluster is; what a replica's lag is measured against. */
export interface LeaderPosition {
  readonly timeline: number | undefined;
  /** In bytes of WAL since the beginning. */
  readonly location: number;
}

/**
 * Undefined for silence, and for an answer that is not Patroni's (a proxy's, another server's). An HTTP_GET of a leader's
 * path tells as much.
 */
export function readPatroni(outcome: ProbeOutcome): PatroniReading | undefined {
  const answer = outcome.kind === "answered" ? outcome.answers[0] : undefined;
  if (answer === undefined || !isLeaderPath(answer.path)) return undefined;
  if (answer.status !== 200 && answer.status !== 503) return undefined;
  return { holdsKey: answer.status === 200, status: answer.status, body: bodyOf(answer) };
}

function bodyOf(answer: HttpAnswer): PatroniBody | undefined {
  return answer.bodyTruncated ? undefined : parsePatroniBody(answer.body);
}

/** The position of a member that leads its cluster; of a standby cluster's leader what it has, received or replayed. */
export function leaderPosition({ holdsKey, body }: PatroniReading): LeaderPosition | undefined {
  if (!holdsKey || body?.role === undefined || body.state !== "running") return undefined;
  const { timeline } = body;
  if (PRIMARY_ROLES.has(body.role) && body.location !== undefined) return { timeline, location: body.location };
  if (!STANDBY_LEADER_ROLES.has(body.role)) return undefined;
  // What it has received is told as less than what it has replayed while nothing has come since its start.
  const told = [body.location, body.receivedLocation, body.replayedLocation].filter((each) => each !== undefined);
  return told.length === 0 ? undefined : { timeline, location: Math.max(...told) };
}

/**
 * How far a replica's replay is behind, in bytes; undefined = it cannot be told, and `why`. The two positions are not of one
 * instant: a replica may be ahead by as much as it may be behind, `limitBytes`. One that is farther ahead and tells no timeline may be
 * on a branch that the leader does not have: an old primary that runs before it is rewound says so (Patroni 3.0.2).
 */
export function lagOf(
  body: PatroniBody,
  leader: LeaderPosition | undefined,
  limitBytes?: number,
): { readonly bytes: number } | { readonly bytes: undefined; readonly why: string } {
  if (body.replayedLocation === undefined) return { bytes: undefined, why: "it tells no position" };
  if (leader === undefined) return { bytes: undefined, why: "no leader tells a position" };
  // Until it follows the new timeline, its position may be one on a branch that the leader does not have.
  if (body.timeline !== undefined && leader.timeline !== undefined && body.timeline < leader.timeline)
    return { bytes: undefined, why: `it is on timeline ${body.timeline}, the leader on ${leader.timeline}` };
  const ahead = body.replayedLocation - leader.location;
  if (body.timeline === undefined && limitBytes !== undefined && ahead > limitBytes)
    return { bytes: undefined, why: `it tells no timeline, and is ${bytesText(ahead)} ahead of the leader` };
  return { bytes: Math.max(0, -ahead) };
}

/** What an answer means to one check, by its role and limits. */
export function interpretPatroni(
  check: PatroniCheckConfig,
  reading: PatroniReading,
  leader: LeaderPosition | undefined,
): Finding {
  const { body } = reading;
  if (isLeaderRole(check.role)) return interpretLeader(check.role, reading);
  if (body === undefined) return { kind: "open", body, reason: `HTTP ${reading.status}, but its body cannot be read` };
  if (body.state === "unknown") return { kind: "open", body, reason: "Patroni cannot ask PostgreSQL (state unknown)" };
  if (body.state !== "running") return no(body, `state ${body.state ?? "missing"}`);
  if (reading.holdsKey && isLeading(body)) {
    return includesLeader(check.role) ? yes(body, `leader key, role ${body.role}`) : no(body, `role ${body.role}`);
  }
  return interpretReplica(check, body, leader);
}

/**
 * A key alone keeps a weight and never raises one: 200 comes before the promotion has ended, and stays while an old primary
 * shuts down or cannot be asked. What says another leader's role is no claim at all.
 */
function interpretLeader(role: PatroniRole, { holdsKey, status, body }: PatroniReading): Finding {
  const [wanted, other] =
    role === "standby_leader" ? [STANDBY_LEADER_ROLES, PRIMARY_ROLES] : [PRIMARY_ROLES, STANDBY_LEADER_ROLES];
  const said = body?.role;
  const leads = holdsKey || (role === "standby_leader" && leadsBeforeVersion21(body));
  if (!leads) return no(body, `no leader key (HTTP ${status}${said === undefined ? "" : `, role ${said}`})`);
  if (said !== undefined && other.has(said)) return no(body, `leader key, but role ${said}`);
  const objection =
    body === undefined
      ? "the body cannot be read"
      : said === undefined || !wanted.has(said)
        ? `the body says role ${said ?? "unknown"}`
        : body.state !== "running"
          ? `the body says state ${body.state ?? "unknown"}`
          : undefined;
  if (objection === undefined) return yes(body, `leader key, role ${said}`);
  return { kind: "pass", objection, body, reason: `leader key, but ${objection}` };
}

/** Before 2.1 `/leader` did not answer 200 in a standby cluster; there the body's role alone tells its leader. */
function leadsBeforeVersion21(body: PatroniBody | undefined): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(body?.version ?? "") ?? [];
  if (body === undefined || major === undefined || minor === undefined) return false;
  const before = Number(major) < 2 || (Number(major) === 2 && Number(minor) < 1);
  return before && body.role === "standby_leader" && !body.clusterUnlocked;
}

const includesLeader = (role: PatroniRole): boolean => role === "read_only" || role === "any";

function isLeading({ role }: PatroniBody): boolean {
  return role !== undefined && (PRIMARY_ROLES.has(role) || STANDBY_LEADER_ROLES.has(role));
}

/** A member that does not lead. One that is being promoted is a replica until it has ended. */
function interpretReplica(check: PatroniCheckConfig, body: PatroniBody, leader: LeaderPosition | undefined): Finding {
  if (check.role !== "any" && body.role !== "replica")
    return no(body, `no leader key, and role ${body.role ?? "missing"}`);
  if (check.respectsNoLoadBalance && body.noLoadBalance) return no(body, "tag noloadbalance");
  const kind = synchronousKind(check.role, body);
  if (kind.fits === undefined) return { kind: "open", body, reason: kind.words };
  if (!kind.fits) return no(body, kind.words);
  const words = `role ${body.role ?? "missing"}${kind.words}`;
  if (check.maxLagBytes === undefined || body.role !== "replica") return yes(body, words);
  const lag = lagOf(body, leader, check.maxLagBytes);
  if (lag.bytes === undefined) return { kind: "open", body, awaitsLeader: true, reason: `lag unknown: ${lag.why}` };
  const limit = bytesText(check.maxLagBytes);
  if (lag.bytes > check.maxLagBytes) return no(body, `lag ${bytesText(lag.bytes)}, more than max_lag ${limit}`);
  return yes(body, `${words}, lag ${bytesText(lag.bytes)}`);
}

/**
 * Patroni says what kind of replica it is by its store. Without the store it says nothing (`cluster_unlocked` covers that
 * and a cluster without leader), so an absent mark means "not synchronous" only beside a leader.
 */
function synchronousKind(
  role: PatroniRole,
  { syncStandby, quorumStandby, clusterUnlocked }: PatroniBody,
): { readonly fits: boolean | undefined; readonly words: string } {
  const marked = syncStandby ? "sync_standby" : quorumStandby ? "quorum_standby" : undefined;
  switch (role) {
    case "sync":
    case "quorum":
      if (marked === `${role}_standby`) return { fits: true, words: `, ${marked}` };
      break;
    case "async":
      if (marked === undefined && !clusterUnlocked) return { fits: true, words: ", asynchronous" };
      break;
    default:
      return { fits: true, words: "" };
  }
  if (marked !== undefined) return { fits: false, words: marked };
  if (clusterUnlocked) return { fits: undefined, words: "no leader in Patroni's store: kind of replication unknown" };
  return { fits: false, words: "asynchronous" };
}

function yes(body: PatroniBody | undefined, reason: string): Finding {
  return { kind: "pass", objection: undefined, body, reason };
}

function no(body: PatroniBody | undefined, reason: string): Finding {
  return { kind: "wrongAnswer", roleAnswer: true, body, reason };
}
