import type { VirtualServerConfig } from "../config/types.ts";
import type { Ip } from "../core/ip.ts";

/** `ha_suspend`, and the host holds none of the service's addresses. A firewall mark has none, and is never suspended. */
export function isSuspended(config: VirtualServerConfig, held: ReadonlySet<Ip>): boolean {
  if (!config.haSuspend) return false;
  const addresses = config.targets.flatMap((target) => (target.protocol === "FWM" ? [] : [target.address]));
  return addresses.length > 0 && !addresses.some((address) => held.has(address));
}
