import { barePath, LEADER_PATHS, type LeaderPath } from "../config/leaderPaths.ts";
import type { HttpAnswer, PatroniBody } from "./types.ts";

/**
 * What Patroni's REST API says. Source: Patroni's documentation, "Patroni REST API", and what versions 2 to 4 answer.
 *
 * A 200 on a leader path means that the node holds the leader key, no more: it comes before promotion has ended (the body
 * then says role replica), and in a switchover the old primary still says it while it shuts down (state stopping).
 * So a path confirms only together with its body.
 */

/** Roles that confirm a 200, by path. `master` is what versions before 4 call the primary. */
export const PRIMARY_ROLES: ReadonlySet<string> = new Set(["primary", "master"]);
export const STANDBY_LEADER_ROLES: ReadonlySet<string> = new Set(["standby_leader"]);
/** `/leader` asks for the leader lock alone, "primary or standby leader" (Patroni's documentation). */
const ANY_LEADER: ReadonlySet<string> = new Set([...PRIMARY_ROLES, ...STANDBY_LEADER_ROLES]);

const CONFIRMING_ROLES: Readonly<Record<LeaderPath, ReadonlySet<string>>> = {
  "/primary": PRIMARY_ROLES,
  "/master": PRIMARY_ROLES,
  "/read-write": PRIMARY_ROLES,
  "/leader": ANY_LEADER,
  "/standby-leader": STANDBY_LEADER_ROLES,
  "/standby_leader": STANDBY_LEADER_ROLES,
};

/** Paths that only Patroni has: there a status is the node's answer about its role, whatever the body. */
const ROLE_PATHS: ReadonlySet<string> = new Set([
  ...LEADER_PATHS,
  "/replica",
  "/read-only",
  "/sync",
  "/synchronous",
  "/read-only-sync",
  "/read-only-synchronous",
  "/async",
  "/asynchronous",
  "/quorum",
  "/read-only-quorum",
]);

/** What one answer says about the node's role. */
export interface RoleReading {
  readonly body: PatroniBody | undefined;
  /** The status is an answer about the role and acts at once; else it is a web server's status like any other. */
  readonly roleAnswer: boolean;
  /** Undefined when a weight may be raised on this answer, given that its status is an expected one; else what is against it. */
  readonly objection: string | undefined;
}

/** Reads an answer by the path that was asked. */
export function readRole(answer: HttpAnswer): RoleReading {
  const path = barePath(answer.path);
  const body = answer.bodyTruncated ? undefined : parsePatroniBody(answer.body);
  const roleAnswer = ROLE_PATHS.has(path) || body !== undefined;
  const leader = LEADER_PATHS.find((candidate) => candidate === path);
  const roles =
    leader !== undefined ? CONFIRMING_ROLES[leader] : path === "/" && body !== undefined ? PRIMARY_ROLES : undefined;
  return { body, roleAnswer, objection: roles && objectionTo(answer, body, roles) };
}

function objectionTo(
  answer: HttpAnswer,
  body: PatroniBody | undefined,
  roles: ReadonlySet<string>,
): string | undefined {
  if (body === undefined) {
    if (answer.bodyTruncated) return "the body is too long to be read";
    // A body cut short by a dying node must not pass for the plain text of another product.
    return answer.body.trimStart().startsWith("{") ? "the body cannot be read" : undefined;
  }
  if (body.role === undefined || !roles.has(body.role)) return `the body says role ${body.role ?? "unknown"}`;
  if (body.state !== "running") return `the body says state ${body.state ?? "unknown"}`;
  return undefined;
}

/**
 * Patroni's status body; undefined when the text is none: no JSON object, or one with neither a `patroni` object nor
 * role and state together. Never throws.
 */
export function parsePatroniBody(text: string): PatroniBody | undefined {
  const json = parseObject(text);
  if (json === undefined) return undefined;
  const patroni = isObject(json.patroni) ? json.patroni : undefined;
  const xlog = isObject(json.xlog) ? json.xlog : {};
  const role = textOf(json.role);
  const state = textOf(json.state);
  if (patroni === undefined && (role === undefined || state === undefined)) return undefined;
  return {
    role,
    state,
    timeline: numberOf(json.timeline),
    databaseSystemIdentifier: textOf(json.database_system_identifier),
    pause: json.pause === true,
    clusterUnlocked: json.cluster_unlocked === true,
    scope: textOf(patroni?.scope),
    name: textOf(patroni?.name),
    dcsLastSeen: numberOf(json.dcs_last_seen),
    version: textOf(patroni?.version),
    location: numberOf(xlog.location),
    receivedLocation: numberOf(xlog.received_location),
    replayedLocation: numberOf(xlog.replayed_location),
    syncStandby: json.sync_standby === true,
    quorumStandby: json.quorum_standby === true,
    noLoadBalance: isTrue(isObject(json.tags) ? json.tags.noloadbalance : undefined),
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** As Patroni takes a tag: Python's truth, so also the text "false". */
function isTrue(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== "";
}
