import { serverWeight } from "./desired.ts";
import { serverVerdict } from "./judge.ts";
import type { ServiceState } from "./state.ts";
import type { HealthEvent } from "./types.ts";

/**
 * keepalived.conf(5), quorum: "Minimum total weight of all live servers in the pool necessary to operate VS with no quality
 * regression"; hysteresis: "Tolerate this much weight units compared to the nominal quorum, when considering quorum gain
 * or loss". In an exclusive service only the holder's weight is live.
 */
export function decideQuorum(service: ServiceState): HealthEvent[] {
  // Nothing is known, and nothing is lost: the address is elsewhere (`ha_suspend`).
  if (service.suspended) return [];
  const { quorum: needed, hysteresis } = service.config;
  const weight = service.servers.reduce((sum, server) => sum + serverWeight(service, server), 0);
  const before = service.quorum;
  if (before === undefined && weight < needed && service.servers.some((each) => serverVerdict(each) === "unknown")) {
    // Not lost before everybody was asked: a restart must not send a running service to its sorry server.
    return [];
  }
  // The second tier is about to take over: until then nothing is lost.
  if (service.fallback?.emptySince !== undefined && !service.fallback.active) return [];
  const margin = before === undefined ? 0 : before === "up" ? -hysteresis : hysteresis;
  const after = weight >= needed + margin ? "up" : "down";
  if (after === before) return [];
  service.quorum = after;
  return [{ kind: "quorum", service: service.id, from: before, to: after, weight, needed }];
}
