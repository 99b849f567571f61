import type { VirtualServerConfig } from "../config/types.ts";
import type { Ip } from "../core/ip.ts";
import { endElection, setHolder } from "./exclusive.ts";
import type { ServiceState } from "./state.ts";
import type { HealthEvent } from "./types.ts";

/** `ha_suspend`, and the host holds none of the service's addresses. A firewall mark has none, and is never suspended. */
export function isSuspended(config: VirtualServerConfig, held: ReadonlySet<Ip>): boolean {
  if (!config.haSuspend) return false;
  const addresses = config.targets.flatMap((target) => (target.protocol === "FWM" ? [] : [target.address]));
  return addresses.length > 0 && !addresses.some((address) => held.has(address));
}

export const SUSPENDED = "the host does not hold the address (ha_suspend)";

/** What a service's servers have told ends with its suspension or with the service: its election, and a second tier. */
export function endDecisions(service: ServiceState, reason: string, events: HealthEvent[]): void {
  const { fallback, id } = service;
  if (fallback?.active === true) events.push({ kind: "fallback", service: id, phase: "ended", reason });
  service.quorum = undefined;
  service.fallback = undefined;
  endElection(service, reason, events);
  setHolder(service, undefined, reason, events);
}
