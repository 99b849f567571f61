import type { Ip } from "../core/ip.ts";
import type { Us } from "../core/units.ts";
import { firstResultsBy, newCheck } from "./configure.ts";
import { wakeProbe } from "./schedule.ts";
import type { HealthState, ServiceState } from "./state.ts";
import { endDecisions, isSuspended, SUSPENDED } from "./suspended.ts";
import type { HealthEvent } from "./types.ts";

/**
 * `ha_suspend`: where the host holds none of a service's addresses, nobody is asked and nothing is known: no server has
 * weight. When an address comes, all are asked at once, and what they answer is the first that counts: an
 * answer still on its way, asked for before, is let pass, and its check is asked anew behind it.
 * @param held the addresses that the host holds now
 * @returns the services for which that is news
 */
export function takeAddresses(
  state: HealthState,
  held: ReadonlySet<Ip>,
  now: Us,
  events: HealthEvent[],
): readonly ServiceState[] {
  state.held = held;
  const changed = [...state.services.values()].filter(
    (service) => isSuspended(service.config, held) !== service.suspended,
  );
  for (const service of changed) {
    service.suspended = !service.suspended;
    if (service.suspended) forget(service, events);
    else resume(state, service, now);
  }
  return changed;
}

/** What was known becomes old while nobody is asked: it must not decide when an address comes back. */
function forget(service: ServiceState, events: HealthEvent[]): void {
  for (const server of service.servers) {
    server.assumed = undefined;
    server.secondAssumedUntil = undefined;
    for (const check of [...server.checks, ...(server.fallback === undefined ? [] : [server.fallback])])
      Object.assign(check, newCheck(check.config), { reason: "not checked: this host does not hold the address" });
  }
  endDecisions(service, SUSPENDED, events);
}

function resume(state: HealthState, service: ServiceState, now: Us): void {
  service.resumedAt = now;
  service.electionOpensAt = firstResultsBy([service], now);
  for (const { key } of service.servers.flatMap(({ checks }) => checks)) {
    const probe = state.probes.get(key);
    if (probe !== undefined && probe.inFlightSince === undefined) wakeProbe(state, probe, now);
  }
}
