import { family, type Ip } from "../core/ip.ts";
import type { DestinationId, DestinationKey, KernelService, ServiceId, ServiceKey } from "./types.ts";

/** `TCP 10.0.2.10:5432`, `TCP [2001:db8::1]:5432`: a map key that reads well in logs. */
export function serviceId(key: ServiceKey): ServiceId {
  return `${key.protocol} ${endpoint(key.address, key.port)}`;
}

/** `10.0.2.3:5432`, `[2001:db8::3]:5432` */
export function destinationId(key: DestinationKey): DestinationId {
  return endpoint(key.address, key.port);
}

/**
 * The weights of every row of the kernel's table, by identity: what the health machine is told at a start.
 * Services by firewall mark are never ours and are left out.
 */
export function existingWeights(
  kernel: readonly KernelService[],
): ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>> {
  const services = new Map<ServiceId, ReadonlyMap<DestinationId, number>>();
  for (const service of kernel) {
    if (service.match.kind !== "address") continue;
    const rows = service.destinations.map((row): [DestinationId, number] => [destinationId(row), row.weight]);
    services.set(serviceId(service.match), new Map(rows));
  }
  return services;
}

function endpoint(address: Ip, port: number): string {
  return family(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
