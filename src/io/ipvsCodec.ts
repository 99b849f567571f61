import { family, type Ip } from "../core/ip.ts";
import { serviceFamily } from "../plan/keys.ts";
import {
  type DestinationAttributes,
  type DestinationKey,
  type Forwarding,
  type KernelDestination,
  type KernelService,
  NO_STATISTICS,
  type Operation,
  type ServiceAttributes,
  type ServiceKey,
  type Statistics,
  type TunnelChecksum,
  type TunnelType,
} from "../plan/types.ts";
import {
  AF_INET,
  AF_INET6,
  FORWARDING_MASK,
  FORWARDING_METHOD,
  IPVS_COMMAND,
  type IpvsDestination,
  type IpvsMessage,
  type IpvsService,
  inetAddressBytes,
  ipOfInetAddress,
  netmaskOfPrefix,
  prefixOfNetmask,
  SERVICE_FLAG,
  TUNNEL_FLAG,
  TUNNEL_TYPE,
} from "../wire/netlink/ipvs.ts";

/** Between the plan's nouns and the attributes on the wire: no I/O, no policy. */

export const PROTOCOL_NUMBERS = { TCP: 6, UDP: 17, SCTP: 132 } as const;
export const FAMILY_NUMBERS = { 4: AF_INET, 6: AF_INET6 } as const;
const PREFIX_DEFAULT = { 4: 32, 6: 128 } as const;
/** Bits 0 to 2 of `schedulerFlags`. */
const SCHEDULER_FLAG_BITS = [SERVICE_FLAG.scheduler1, SERVICE_FLAG.scheduler2, SERVICE_FLAG.scheduler3] as const;

/** The one IPVS command that performs an operation. */
export function operationMessage(operation: Operation): IpvsMessage {
  switch (operation.kind) {
    case "addService":
      return { command: IPVS_COMMAND.newService, service: serviceValues(operation.service, operation.attributes) };
    case "editService":
      return { command: IPVS_COMMAND.setService, service: serviceValues(operation.service, operation.attributes) };
    case "deleteService":
      return { command: IPVS_COMMAND.deleteService, service: serviceKeyValues(operation.service) };
    case "addDestination":
      return destinationMessage(IPVS_COMMAND.newDestination, operation);
    case "editDestination":
      return destinationMessage(IPVS_COMMAND.setDestination, operation);
    case "deleteDestination":
      return {
        command: IPVS_COMMAND.deleteDestination,
        service: serviceKeyValues(operation.service),
        destination: {
          address: inetAddressBytes(operation.destination.address),
          port: operation.destination.port,
          family: addressFamily(operation.destination.address),
        },
      };
  }
}

/** What names a service in every command about it. */
export function serviceKeyValues(key: ServiceKey): IpvsService {
  if (key.protocol === "FWM") return { family: FAMILY_NUMBERS[key.family], firewallMark: key.mark };
  return {
    family: addressFamily(key.address),
    protocol: PROTOCOL_NUMBERS[key.protocol],
    address: inetAddressBytes(key.address),
    port: key.port,
  };
}

/** Throws Error when an attribute is missing that every kernel sends: not the kernel we know. */
export function kernelService(service: IpvsService, destinations: readonly KernelDestination[]): KernelService {
  const flags = needed(service.flags, "IPVS_SVC_ATTR_FLAGS").flags;
  const addressFamilyNumber = needed(service.family, "IPVS_SVC_ATTR_AF");
  return {
    key: serviceKey(service, addressFamilyNumber),
    scheduler: needed(service.scheduler, "IPVS_SVC_ATTR_SCHED_NAME"),
    // The kernel keeps a timeout also where the flag is not set, and does not use it then.
    persistenceTimeoutSec: (flags & SERVICE_FLAG.persistent) === 0 ? 0 : (service.timeoutSec ?? 0),
    persistencePrefix:
      (flags & SERVICE_FLAG.persistent) === 0
        ? PREFIX_DEFAULT[addressFamilyNumber === AF_INET6 ? 6 : 4]
        : prefixOfNetmask(needed(service.netmask, "IPVS_SVC_ATTR_NETMASK"), addressFamilyNumber),
    onePacket: (flags & SERVICE_FLAG.onePacket) !== 0,
    schedulerFlags: SCHEDULER_FLAG_BITS.reduce((bits, flag, bit) => bits | ((flags & flag) === 0 ? 0 : 1 << bit), 0),
    persistenceEngine: service.persistenceEngine ?? "",
    statistics: statisticsOf(service),
    destinations,
  };
}

/** @param serviceFamily of its service: kernels before 3.18 do not send the destination's own */
export function kernelDestination(destination: IpvsDestination, serviceFamily: number): KernelDestination {
  return {
    address: addressOf(destination.address, destination.family ?? serviceFamily),
    port: needed(destination.port, "IPVS_DEST_ATTR_PORT"),
    weight: needed(destination.weight, "IPVS_DEST_ATTR_WEIGHT"),
    forwarding: forwardingOf(needed(destination.forwardingFlags, "IPVS_DEST_ATTR_FWD_METHOD")),
    upperThreshold: destination.upperThreshold ?? 0,
    lowerThreshold: destination.lowerThreshold ?? 0,
    // Kernels before 5.2 know one kind of tunnel and send none of these.
    tunnelType: tunnelTypeOf(destination.tunnelType ?? TUNNEL_TYPE.ipip),
    tunnelPort: destination.tunnelPort ?? 0,
    tunnelChecksum: tunnelChecksumOf(destination.tunnelFlags ?? TUNNEL_FLAG.nocsum),
    activeConnections: destination.activeConnections ?? 0,
    inactiveConnections: destination.inactiveConnections ?? 0,
    persistentConnections: destination.persistentConnections ?? 0,
    statistics: statisticsOf(destination),
  };
}

function serviceKey(service: IpvsService, addressFamilyNumber: number): ServiceKey {
  if (service.firewallMark !== undefined && service.firewallMark !== 0) {
    return { protocol: "FWM", mark: service.firewallMark, family: addressFamilyNumber === AF_INET6 ? 6 : 4 };
  }
  const number = needed(service.protocol, "IPVS_SVC_ATTR_PROTOCOL");
  const protocol = Object.entries(PROTOCOL_NUMBERS).find(([, value]) => value === number)?.[0];
  if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP")
    throw new Error(`IPVS service of protocol ${number}`);
  return {
    protocol,
    address: addressOf(service.address, addressFamilyNumber),
    port: needed(service.port, "IPVS_SVC_ATTR_PORT"),
  };
}

function serviceValues(key: ServiceKey, attributes: ServiceAttributes): IpvsService {
  const persistent = attributes.persistenceTimeoutSec > 0;
  const flags =
    (persistent ? SERVICE_FLAG.persistent : 0) |
    (attributes.onePacket ? SERVICE_FLAG.onePacket : 0) |
    SCHEDULER_FLAG_BITS.reduce(
      (bits, flag, bit) => bits | ((attributes.schedulerFlags & (1 << bit)) === 0 ? 0 : flag),
      0,
    );
  const { scheduler, persistenceTimeoutSec: timeoutSec, persistencePrefix, persistenceEngine } = attributes;
  const netmask = netmaskOfPrefix(persistencePrefix, FAMILY_NUMBERS[serviceFamily(key)]);
  const values = { ...serviceKeyValues(key), scheduler, flags: { flags, mask: 0xffff_ffff }, timeoutSec, netmask };
  // Without the attribute the kernel takes an engine away.
  return persistenceEngine === "" ? values : { ...values, persistenceEngine };
}

function destinationMessage(
  command: number,
  operation: {
    readonly service: ServiceKey;
    readonly destination: DestinationKey;
    readonly attributes: DestinationAttributes;
  },
): IpvsMessage {
  const { weight, forwarding, upperThreshold, lowerThreshold, tunnelType } = operation.attributes;
  const destination = {
    address: inetAddressBytes(operation.destination.address),
    port: operation.destination.port,
    family: addressFamily(operation.destination.address),
    forwardingFlags: FORWARDING_METHOD[forwarding],
    weight,
    upperThreshold,
    lowerThreshold,
  };
  const service = serviceKeyValues(operation.service);
  // Without these attributes the kernel takes IPIP, which kernels that do not know them have alone.
  if (tunnelType === "ipip") return { command, service, destination };
  return { command, service, destination: { ...destination, ...tunnelValues(operation.attributes) } };
}

function tunnelValues({ tunnelType, tunnelPort, tunnelChecksum }: DestinationAttributes): Partial<IpvsDestination> {
  return { tunnelType: TUNNEL_TYPE[tunnelType], tunnelPort, tunnelFlags: TUNNEL_FLAG[tunnelChecksum] };
}

function tunnelTypeOf(number: number): TunnelType {
  const type = (["ipip", "gue", "gre"] as const).find((name) => TUNNEL_TYPE[name] === number);
  if (type === undefined) throw new Error(`IPVS tunnel type ${number}`);
  return type;
}

/** With both flags set the kernel looks at the remote checksum first. */
function tunnelChecksumOf(flags: number): TunnelChecksum {
  if ((flags & TUNNEL_FLAG.remcsum) !== 0) return "remcsum";
  return (flags & TUNNEL_FLAG.csum) !== 0 ? "csum" : "nocsum";
}

function forwardingOf(flags: number): Forwarding {
  const method = flags & FORWARDING_MASK;
  const word = (["masq", "local", "tunnel", "route", "bypass"] as const).find(
    (name) => FORWARDING_METHOD[name] === method,
  );
  if (word === undefined) throw new Error(`IPVS forwarding method ${method}`);
  return word;
}

function statisticsOf(values: IpvsService | IpvsDestination): Statistics {
  const { statistics64: wide, statistics: narrow } = values;
  const pick = (name: keyof Statistics): bigint => BigInt(wide?.[name] ?? narrow?.[name] ?? 0);
  if (wide === undefined && narrow === undefined) return NO_STATISTICS;
  return {
    connections: pick("connections"),
    packetsIn: pick("packetsIn"),
    packetsOut: pick("packetsOut"),
    bytesIn: pick("bytesIn"),
    bytesOut: pick("bytesOut"),
    connectionsPerSecond: pick("connectionsPerSecond"),
    packetsInPerSecond: pick("packetsInPerSecond"),
    packetsOutPerSecond: pick("packetsOutPerSecond"),
    bytesInPerSecond: pick("bytesInPerSecond"),
    bytesOutPerSecond: pick("bytesOutPerSecond"),
  };
}

function addressOf(bytes: Uint8Array | undefined, addressFamilyNumber: number): Ip {
  const address = ipOfInetAddress(needed(bytes, "an address"), addressFamilyNumber);
  if (!address.ok) throw new Error(`the kernel's IPVS table: ${address.error.detail}`);
  return address.value;
}

function addressFamily(address: Ip): number {
  return family(address) === 6 ? AF_INET6 : AF_INET;
}

function needed<Value>(value: Value | undefined, attribute: string): Value {
  if (value === undefined) throw new Error(`the kernel's IPVS table lacks ${attribute}`);
  return value;
}
