import type { CheckConfig, HttpUrlConfig, PatroniRole } from "./check.types.ts";
import { barePath, isLeaderPath } from "./leaderPaths.ts";
import type { ExclusiveSetting, RealServerConfig } from "./types.ts";

/** Patroni answers `/` as `/primary`; so do many plain web servers, hence it counts only with a body of Patroni's. */
const ROOT_PATH = "/";

const PASSES = 200;
/** Patroni's answer for every role but the one asked for. */
const OTHER_ROLE = 503;

/** Roles that one member of a cluster has at a time: the one that holds the leader key. */
const LEADER_ROLES: ReadonlySet<PatroniRole> = new Set(["primary", "read_write", "standby_leader"]);

export const isLeaderRole = (role: PatroniRole): boolean => LEADER_ROLES.has(role);

/** A check whose answers may tell a role. What it does not answer is silence, which is not "no". */
export const mayTellRole = ({ kind }: CheckConfig): boolean => kind === "HTTP_GET" || kind === "patroni";

/** Whether a service's checks single out one server; what the `exclusive` keyword says comes first. */
export function exclusiveSetting(written: boolean | undefined, servers: readonly RealServerConfig[]): ExclusiveSetting {
  if (written !== undefined) return written ? "on" : "off";
  if (servers.length === 0) return "no";
  if (servers.every((server) => asks(server, isLeaderPath))) return "detected";
  return servers.every((server) => asks(server, (path) => isLeaderPath(path) || barePath(path) === ROOT_PATH))
    ? "onScope"
    : "no";
}

function asks(server: RealServerConfig, wanted: (path: string) => boolean): boolean {
  return server.checks.some((check) => {
    if (check.kind === "patroni") return isLeaderRole(check.role);
    return check.kind === "HTTP_GET" && check.urls.some((url) => wanted(url.path) && passesForOneRole(url));
  });
}

/** A check that wants 503 of /primary selects the replicas; one that takes both selects nobody. */
function passesForOneRole(url: HttpUrlConfig): boolean {
  const accepts = (code: number): boolean => url.statusCodes.some(({ from, to }) => from <= code && code <= to);
  return accepts(PASSES) && !accepts(OTHER_ROLE);
}
