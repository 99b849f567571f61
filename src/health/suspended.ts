import type { VirtualServerConfig } from "../config/types.ts";
import type { Ip } from "../core/ip.ts";
import { setHolder } from "./exclusive.ts";
import type { ServiceState } from "./state.ts";
import type { HealthEvent } from "./types.ts";

/** `ha_suspend`, and the host holds none of the service's addresses. A firewall mark has none, and is never suspended. */
export function isSuspended(config: VirtualServerConfig, held: ReadonlySet<Ip>): boolean {
  if (!config.haSuspend) return false;
  const addresses = config.targets.flatMap((target) => (target.protocol === "FWM" ? [] : [target.address]));
  return addresses.length > 0 && !addresses.some((address) => held.has(address));
}

const REASON = "the host does not hold the address (ha_suspend)";

/** What a service's servers have told ends with its suspension: a hunt, a conflict and a second tier that were told to have begun are told to have ended. */
export function endDecisions(service: ServiceState, events: HealthEvent[]): void {
  const { hunt, conflict, fallback, id } = service;
  if (hunt !== undefined) events.push({ kind: "hunt", service: id, phase: "ended", reason: REASON });
  if (conflict?.announced !== undefined) events.push({ kind: "conflictEnded", service: id });
  if (fallback?.active === true) events.push({ kind: "fallback", service: id, phase: "ended", reason: REASON });
  service.hunt = undefined;
  service.conflict = undefined;
  service.quorum = undefined;
  service.fallback = undefined;
  setHolder(service, undefined, REASON, events);
}
