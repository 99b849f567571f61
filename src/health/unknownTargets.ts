import type { ServiceTarget, VirtualServerConfig } from "../config/types.ts";
import { destinationId } from "../plan/keys.ts";

/**
 * The services that a reload brings servers to: the kernel may have rows of them, whose weight then counts until the first verdict
 * (`configure`). Of every other server it is known what it has.
 */
export function unknownTargets(
  next: readonly VirtualServerConfig[],
  before: readonly VirtualServerConfig[],
): readonly ServiceTarget[] {
  const known = new Map(before.map((service) => [service.name, service]));
  return next.flatMap((service) => (hasUnknownServers(service, known.get(service.name)) ? service.targets : []));
}

function hasUnknownServers(service: VirtualServerConfig, before: VirtualServerConfig | undefined): boolean {
  // Who the members of a cluster are is not in the file.
  if (before === undefined || service.discovery !== undefined) return true;
  const known = new Set(before.realServers.map(destinationId));
  return service.realServers.some((server) => !known.has(destinationId(server)));
}
