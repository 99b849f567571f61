/**
 * The paths of Patroni's REST API that answer 200 on one node of a cluster only: the one that holds the leader key
 * (Patroni documentation, REST API, health check endpoints; both spellings of the last one are served).
 */
export const LEADER_PATHS = [
  "/primary",
  "/master",
  "/read-write",
  "/leader",
  "/standby-leader",
  "/standby_leader",
] as const;

export type LeaderPath = (typeof LEADER_PATHS)[number];

/** The path without query string and trailing slash, as Patroni sees it. */
export function barePath(path: string): string {
  const bare = path.split(/[?#]/, 1)[0] ?? "";
  return bare.length > 1 && bare.endsWith("/") ? bare.slice(0, -1) : bare;
}

/** A request path that asks for one of Patroni's leader roles. */
export function isLeaderPath(path: string): boolean {
  const bare = barePath(path);
  return LEADER_PATHS.some((leader) => leader === bare);
}
