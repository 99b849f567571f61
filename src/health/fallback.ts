import { after, type Us } from "../core/units.ts";
import { tierWeight } from "./desired.ts";
import { serverVerdict } from "./judge.ts";
import type { ServiceState } from "./state.ts";
import type { HealthEvent } from "./types.ts";

/**
 * Readers in tiers (`fallback`): servers with the role of `patroni` first; those with the second role when none of them has
 * had weight for a time, until one has weight again. A server may be in both tiers; it has one row all the same.
 * In an exclusive service, which may become one by an answer on `/`, there are no tiers: the holder alone has weight.
 */
export function decideFallback(service: ServiceState, now: Us): HealthEvent[] {
  const { fallbackAfter } = service.config;
  const before = service.fallback;
  if (fallbackAfter === undefined || service.exclusive) {
    service.fallback = undefined;
    if (fallbackAfter === undefined || before?.active !== true) return [];
    return [{ kind: "fallback", service: service.id, phase: "ended", reason: "the service is exclusive now" }];
  }
  const first = service.servers.find((server) => tierWeight(service, server) > 0);
  if (first !== undefined) {
    service.fallback = { active: false, emptySince: undefined };
    if (before?.active !== true) return [];
    return [{ kind: "fallback", service: service.id, phase: "ended", reason: `${first.id} is up` }];
  }
  if (before === undefined && service.servers.some((server) => serverVerdict(server) === "unknown")) return [];
  const emptySince = before?.emptySince ?? now;
  // At a start there is nothing that may flap.
  const active = before === undefined || before.active || now >= after(emptySince, fallbackAfter);
  service.fallback = { active, emptySince };
  if (!active || before?.active === true) return [];
  return [{ kind: "fallback", service: service.id, phase: "began", reason: "no server of the first tier has weight" }];
}

/** When the first tier will have been empty for long enough; undefined while nothing waits for that. */
export function fallbackDueAt({ config, fallback }: ServiceState): Us | undefined {
  if (config.fallbackAfter === undefined || fallback?.emptySince === undefined || fallback.active) return undefined;
  return after(fallback.emptySince, config.fallbackAfter);
}
