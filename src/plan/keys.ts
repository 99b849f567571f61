import { endpointText, type Family, family } from "../core/ip.ts";
import type {
  DestinationId,
  DestinationKey,
  KernelDestination,
  KernelService,
  ServiceId,
  ServiceKey,
} from "./types.ts";

/** `TCP 10.0.2.10:5432`, `TCP [2001:db8::1]:5432`, `FWM 7`, `FWM 7 IPv6`: a map key that reads well in logs. */
export function serviceId(key: ServiceKey): ServiceId {
  if (key.protocol === "FWM") return `FWM ${key.mark}${key.family === 6 ? " IPv6" : ""}`;
  return `${key.protocol} ${endpointText(key.address, key.port)}`;
}

/** `10.0.2.3:5432`, `[2001:db8::3]:5432` */
export function destinationId(key: DestinationKey): DestinationId {
  return endpointText(key.address, key.port);
}

/** The family of the packets that a service takes; its servers' family may differ where they are tunnelled. */
export function serviceFamily(key: ServiceKey): Family {
  return key.protocol === "FWM" ? key.family : family(key.address);
}

/** The weights of every row of the kernel's table, by identity: what the health machine is told at a start. */
export function existingWeights(
  kernel: readonly KernelService[],
): ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>> {
  return new Map(kernel.map(({ key, destinations }) => [serviceId(key), rowWeights(destinations)]));
}

export function rowWeights(rows: readonly KernelDestination[]): ReadonlyMap<DestinationId, number> {
  return new Map(rows.map((row) => [destinationId(row), row.weight]));
}
