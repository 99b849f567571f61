/**
 * IPVS over generic netlink (linux/ip_vs.h, family "IPVS"): services, destinations and their statistics, by attribute
 * table. Values here are the kernel's; src/io/ipvsCodec.ts turns them into the nouns of the plan.
 */
import { IPV4_BYTES, IPV6_BYTES, type Ip, ipBytes, ipFromBytes } from "../../core/ip.ts";
import { ok, type Result } from "../../core/result.ts";
import {
  type AttributeTable,
  type AttributeValues,
  binary,
  decodeAttributes,
  encodeAttributes,
  nested,
  nulString,
  s32,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u32Struct,
  u64,
} from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { decodeGeneric, writeGenericHeader } from "./genl.ts";
import type { NetlinkMessage } from "./message.ts";
import type { MessageWriter } from "./writer.ts";

/** IPVS_GENL_NAME and IPVS_GENL_VERSION */
export const IPVS_FAMILY_NAME = "IPVS";
export const IPVS_VERSION = 1;

/** IPVS_CMD_*: the value is the number, the key is the header's word in camel case. */
export const IPVS_COMMAND = {
  /** IPVS_CMD_NEW_SERVICE, ipvsadm -A; also the answer to getService */
  newService: 1,
  /** IPVS_CMD_SET_SERVICE, ipvsadm -E */
  setService: 2,
  /** IPVS_CMD_DEL_SERVICE, ipvsadm -D */
  deleteService: 3,
  /** IPVS_CMD_GET_SERVICE */
  getService: 4,
  /** IPVS_CMD_NEW_DEST, ipvsadm -a; also the answer to getDestination */
  newDestination: 5,
  /** IPVS_CMD_SET_DEST, ipvsadm -e */
  setDestination: 6,
  /** IPVS_CMD_DEL_DEST, ipvsadm -d */
  deleteDestination: 7,
  /** IPVS_CMD_GET_DEST */
  getDestination: 8,
  /** IPVS_CMD_NEW_DAEMON, ipvsadm --start-daemon; also the answer to getDaemon */
  newDaemon: 9,
  /** IPVS_CMD_DEL_DAEMON, ipvsadm --stop-daemon */
  deleteDaemon: 10,
  /** IPVS_CMD_GET_DAEMON */
  getDaemon: 11,
  /** IPVS_CMD_SET_CONFIG, ipvsadm --set; also the answer to getConfig */
  setConfig: 12,
  /** IPVS_CMD_GET_CONFIG */
  getConfig: 13,
  /** IPVS_CMD_SET_INFO: the answer to getInfo */
  setInfo: 14,
  /** IPVS_CMD_GET_INFO */
  getInfo: 15,
  /** IPVS_CMD_FLUSH, ipvsadm -C */
  flush: 17,
} as const;

/** AF_INET and AF_INET6 as the kernel numbers them. */
export const AF_INET = 2;
export const AF_INET6 = 10;

/** IP_VS_SVC_F_*: the flags of a service. `hashed` is the kernel's own mark and is never set by us. */
export const SERVICE_FLAG = {
  persistent: 0x01,
  hashed: 0x02,
  onePacket: 0x04,
  scheduler1: 0x08,
  scheduler2: 0x10,
  scheduler3: 0x20,
} as const;

/** IP_VS_CONN_F_FWD_MASK and the forwarding methods in it (IP_VS_CONN_F_MASQ and so on). */
export const FORWARDING_MASK = 0x07;
export const FORWARDING_METHOD = { masq: 0, local: 1, tunnel: 2, route: 3, bypass: 4 } as const;

/** IP_VS_CONN_F_TUNNEL_TYPE_*: what IPVS_DEST_ATTR_TUN_TYPE says; GUE since Linux 5.2, GRE since 5.3. */
export const TUNNEL_TYPE = { ipip: 0, gue: 1, gre: 2 } as const;
/** IP_VS_TUNNEL_ENCAP_FLAG_*: what IPVS_DEST_ATTR_TUN_FLAGS says. */
export const TUNNEL_FLAG = { nocsum: 0, csum: 1, remcsum: 2 } as const;

/** The counters of 32 bits (bytes: 64), which wrap: read only where a kernel before 4.1 sends no others. */
export const STATISTICS_ATTRIBUTES = {
  connections: { attr: 1, type: u32, kernel: "IPVS_STATS_ATTR_CONNS" },
  packetsIn: { attr: 2, type: u32, kernel: "IPVS_STATS_ATTR_INPKTS" },
  packetsOut: { attr: 3, type: u32, kernel: "IPVS_STATS_ATTR_OUTPKTS" },
  bytesIn: { attr: 4, type: u64, kernel: "IPVS_STATS_ATTR_INBYTES" },
  bytesOut: { attr: 5, type: u64, kernel: "IPVS_STATS_ATTR_OUTBYTES" },
  connectionsPerSecond: { attr: 6, type: u32, kernel: "IPVS_STATS_ATTR_CPS" },
  packetsInPerSecond: { attr: 7, type: u32, kernel: "IPVS_STATS_ATTR_INPPS" },
  packetsOutPerSecond: { attr: 8, type: u32, kernel: "IPVS_STATS_ATTR_OUTPPS" },
  bytesInPerSecond: { attr: 9, type: u32, kernel: "IPVS_STATS_ATTR_INBPS" },
  bytesOutPerSecond: { attr: 10, type: u32, kernel: "IPVS_STATS_ATTR_OUTBPS" },
} as const satisfies AttributeTable;

/** The same names with 64 bits (inside IPVS_SVC_ATTR_STATS64 and IPVS_DEST_ATTR_STATS64). */
export const STATISTICS64_ATTRIBUTES = {
  connections: { attr: 1, type: u64, kernel: "IPVS_STATS_ATTR_CONNS" },
  packetsIn: { attr: 2, type: u64, kernel: "IPVS_STATS_ATTR_INPKTS" },
  packetsOut: { attr: 3, type: u64, kernel: "IPVS_STATS_ATTR_OUTPKTS" },
  bytesIn: { attr: 4, type: u64, kernel: "IPVS_STATS_ATTR_INBYTES" },
  bytesOut: { attr: 5, type: u64, kernel: "IPVS_STATS_ATTR_OUTBYTES" },
  connectionsPerSecond: { attr: 6, type: u64, kernel: "IPVS_STATS_ATTR_CPS" },
  packetsInPerSecond: { attr: 7, type: u64, kernel: "IPVS_STATS_ATTR_INPPS" },
  packetsOutPerSecond: { attr: 8, type: u64, kernel: "IPVS_STATS_ATTR_OUTPPS" },
  bytesInPerSecond: { attr: 9, type: u64, kernel: "IPVS_STATS_ATTR_INBPS" },
  bytesOutPerSecond: { attr: 10, type: u64, kernel: "IPVS_STATS_ATTR_OUTBPS" },
} as const satisfies AttributeTable;

/** union nf_inet_addr: 16 bytes, an IPv4 address in the first 4; tools send 4 too. */
const inetAddress = binary(IPV4_BYTES, IPV6_BYTES);

export const SERVICE_ATTRIBUTES = {
  family: { attr: 1, type: u16, kernel: "IPVS_SVC_ATTR_AF" },
  protocol: { attr: 2, type: u16, kernel: "IPVS_SVC_ATTR_PROTOCOL" },
  address: { attr: 3, type: inetAddress, kernel: "IPVS_SVC_ATTR_ADDR" },
  port: { attr: 4, type: u16be, kernel: "IPVS_SVC_ATTR_PORT" },
  firewallMark: { attr: 5, type: u32, kernel: "IPVS_SVC_ATTR_FWMARK" },
  scheduler: { attr: 6, type: nulString, kernel: "IPVS_SVC_ATTR_SCHED_NAME" },
  flags: { attr: 7, type: u32Struct(["flags", "mask"]), kernel: "IPVS_SVC_ATTR_FLAGS" },
  timeoutSec: { attr: 8, type: u32, kernel: "IPVS_SVC_ATTR_TIMEOUT" },
  /** IPv4: a mask in network byte order. IPv6: a prefix length in host byte order, see `netmaskOfPrefix`. */
  netmask: { attr: 9, type: u32be, kernel: "IPVS_SVC_ATTR_NETMASK" },
  statistics: { attr: 10, type: nested(STATISTICS_ATTRIBUTES), kernel: "IPVS_SVC_ATTR_STATS" },
  persistenceEngine: { attr: 11, type: nulString, kernel: "IPVS_SVC_ATTR_PE_NAME" },
  statistics64: { attr: 12, type: nested(STATISTICS64_ATTRIBUTES), kernel: "IPVS_SVC_ATTR_STATS64" },
} as const satisfies AttributeTable;

export const DESTINATION_ATTRIBUTES = {
  address: { attr: 1, type: inetAddress, kernel: "IPVS_DEST_ATTR_ADDR" },
  port: { attr: 2, type: u16be, kernel: "IPVS_DEST_ATTR_PORT" },
  forwardingFlags: { attr: 3, type: u32, kernel: "IPVS_DEST_ATTR_FWD_METHOD" },
  /** Signed in the kernel's policy of old, never negative in use. */
  weight: { attr: 4, type: s32, kernel: "IPVS_DEST_ATTR_WEIGHT" },
  upperThreshold: { attr: 5, type: u32, kernel: "IPVS_DEST_ATTR_U_THRESH" },
  lowerThreshold: { attr: 6, type: u32, kernel: "IPVS_DEST_ATTR_L_THRESH" },
  activeConnections: { attr: 7, type: u32, kernel: "IPVS_DEST_ATTR_ACTIVE_CONNS" },
  inactiveConnections: { attr: 8, type: u32, kernel: "IPVS_DEST_ATTR_INACT_CONNS" },
  persistentConnections: { attr: 9, type: u32, kernel: "IPVS_DEST_ATTR_PERSIST_CONNS" },
  statistics: { attr: 10, type: nested(STATISTICS_ATTRIBUTES), kernel: "IPVS_DEST_ATTR_STATS" },
  family: { attr: 11, type: u16, kernel: "IPVS_DEST_ATTR_ADDR_FAMILY" },
  statistics64: { attr: 12, type: nested(STATISTICS64_ATTRIBUTES), kernel: "IPVS_DEST_ATTR_STATS64" },
  tunnelType: { attr: 13, type: u8, kernel: "IPVS_DEST_ATTR_TUN_TYPE" },
  tunnelPort: { attr: 14, type: u16be, kernel: "IPVS_DEST_ATTR_TUN_PORT" },
  tunnelFlags: { attr: 15, type: u16, kernel: "IPVS_DEST_ATTR_TUN_FLAGS" },
} as const satisfies AttributeTable;

/** A thread of the kernel's connection sync. What is behind `syncId` exists since Linux 4.3. */
export const DAEMON_ATTRIBUTES = {
  /** IP_VS_STATE_*, one of DAEMON_STATE. */
  state: { attr: 1, type: u32, kernel: "IPVS_DAEMON_ATTR_STATE" },
  interface: { attr: 2, type: nulString, kernel: "IPVS_DAEMON_ATTR_MCAST_IFN" },
  syncId: { attr: 3, type: u32, kernel: "IPVS_DAEMON_ATTR_SYNC_ID" },
  /** Bytes of a message. */
  lengthMax: { attr: 4, type: u16, kernel: "IPVS_DAEMON_ATTR_SYNC_MAXLEN" },
  group: { attr: 5, type: binary(IPV4_BYTES, IPV4_BYTES), kernel: "IPVS_DAEMON_ATTR_MCAST_GROUP" },
  group6: { attr: 6, type: binary(IPV6_BYTES, IPV6_BYTES), kernel: "IPVS_DAEMON_ATTR_MCAST_GROUP6" },
  port: { attr: 7, type: u16, kernel: "IPVS_DAEMON_ATTR_MCAST_PORT" },
  ttl: { attr: 8, type: u8, kernel: "IPVS_DAEMON_ATTR_MCAST_TTL" },
} as const satisfies AttributeTable;

/** IP_VS_STATE_MASTER sends, IP_VS_STATE_BACKUP receives. */
export const DAEMON_STATE = { master: 1, backup: 2 } as const;

/** The first level of every command but SET_INFO. */
export const COMMAND_ATTRIBUTES = {
  service: { attr: 1, type: nested(SERVICE_ATTRIBUTES), kernel: "IPVS_CMD_ATTR_SERVICE" },
  destination: { attr: 2, type: nested(DESTINATION_ATTRIBUTES), kernel: "IPVS_CMD_ATTR_DEST" },
  daemon: { attr: 3, type: nested(DAEMON_ATTRIBUTES), kernel: "IPVS_CMD_ATTR_DAEMON" },
  /** Seconds without a packet after which a connection is forgotten; 0 in a request leaves one as it is. */
  tcpTimeoutSec: { attr: 4, type: u32, kernel: "IPVS_CMD_ATTR_TIMEOUT_TCP" },
  tcpFinTimeoutSec: { attr: 5, type: u32, kernel: "IPVS_CMD_ATTR_TIMEOUT_TCP_FIN" },
  udpTimeoutSec: { attr: 6, type: u32, kernel: "IPVS_CMD_ATTR_TIMEOUT_UDP" },
} as const satisfies AttributeTable;

const { statistics: _, statistics64: __, ...SERVICE_WITHOUT_COUNTERS } = SERVICE_ATTRIBUTES;
const { statistics: ___, statistics64: ____, ...DESTINATION_WITHOUT_COUNTERS } = DESTINATION_ATTRIBUTES;
const COMMAND_WITHOUT_COUNTERS = {
  ...COMMAND_ATTRIBUTES,
  service: { ...COMMAND_ATTRIBUTES.service, type: nested(SERVICE_WITHOUT_COUNTERS) },
  destination: { ...COMMAND_ATTRIBUTES.destination, type: nested(DESTINATION_WITHOUT_COUNTERS) },
} satisfies AttributeTable;

export const INFO_ATTRIBUTES = {
  version: { attr: 1, type: u32, kernel: "IPVS_INFO_ATTR_VERSION" },
  connectionTableSize: { attr: 2, type: u32, kernel: "IPVS_INFO_ATTR_CONN_TAB_SIZE" },
} as const satisfies AttributeTable;

export type IpvsService = AttributeValues<typeof SERVICE_ATTRIBUTES>;
export type IpvsDestination = AttributeValues<typeof DESTINATION_ATTRIBUTES>;
export type IpvsStatistics = AttributeValues<typeof STATISTICS64_ATTRIBUTES>;

export type IpvsDaemon = AttributeValues<typeof DAEMON_ATTRIBUTES>;

/** A command, with what it is about. */
export type IpvsMessage = { readonly command: number } & AttributeValues<typeof COMMAND_ATTRIBUTES>;

const TIMEOUTS = ["tcpTimeoutSec", "tcpFinTimeoutSec", "udpTimeoutSec"] as const;

/**
 * Appends one IPVS message.
 * @param familyId what the controller said for "IPVS" (genl.ts)
 * @param flags NLM_F_*; NLM_F_REQUEST is not added
 * @returns the message's sequence number
 */
export function encodeIpvs(writer: MessageWriter, familyId: number, flags: number, message: IpvsMessage): number {
  const sequence = writer.begin(familyId, flags);
  writeGenericHeader(writer, message.command, IPVS_VERSION);
  const { service, destination, daemon } = message;
  if (service !== undefined) encodeAttributes(writer, COMMAND_ATTRIBUTES, { service });
  if (destination !== undefined) encodeAttributes(writer, COMMAND_ATTRIBUTES, { destination });
  if (daemon !== undefined) encodeAttributes(writer, COMMAND_ATTRIBUTES, { daemon });
  for (const name of TIMEOUTS) {
    const seconds = message[name];
    if (seconds !== undefined) encodeAttributes(writer, COMMAND_ATTRIBUTES, { [name]: seconds });
  }
  writer.end();
  return sequence;
}

/**
 * Decodes what dumps of services and destinations are made of; requests too.
 * Checked here: lengths of everything, UTF-8 of texts.
 * Left to the caller: that the message is of the IPVS family, the command, which attributes are present, NLM_F_DUMP_INTR.
 */
export function decodeIpvs(
  message: NetlinkMessage,
): Result<IpvsMessage & { readonly unknown: number }, NetlinkFailure> {
  return decodeBy(COMMAND_ATTRIBUTES, message);
}

/** As `decodeIpvs`, without the counters, which are most of what a dump says: a switch may wait for this. */
export function decodeIpvsWithoutCounters(
  message: NetlinkMessage,
): Result<IpvsMessage & { readonly unknown: number }, NetlinkFailure> {
  return decodeBy(COMMAND_WITHOUT_COUNTERS, message);
}

function decodeBy(
  table: Pick<typeof COMMAND_ATTRIBUTES, "service" | "destination">,
  message: NetlinkMessage,
): Result<IpvsMessage & { readonly unknown: number }, NetlinkFailure> {
  const generic = decodeGeneric(message);
  if (!generic.ok) return generic;
  const decoded = decodeAttributes(table, generic.value.attributes);
  if (!decoded.ok) return decoded;
  return ok({ command: generic.value.command, ...decoded.value.attributes, unknown: decoded.value.unknown });
}

/** The answer to getInfo: the version as (major << 16 | minor << 8 | patch), the size of the connection table. */
export function decodeIpvsInfo(
  message: NetlinkMessage,
): Result<{ readonly version: number; readonly connectionTableSize: number }, NetlinkFailure> {
  const generic = decodeGeneric(message);
  if (!generic.ok) return generic;
  if (generic.value.command !== IPVS_COMMAND.setInfo) {
    return netlinkFailure("wrongType", `IPVS command ${generic.value.command} is no SET_INFO`);
  }
  const decoded = decodeAttributes(INFO_ATTRIBUTES, generic.value.attributes);
  if (!decoded.ok) return decoded;
  const { version, connectionTableSize } = decoded.value.attributes;
  if (version === undefined) return netlinkFailure("missingAttribute", "IPVS_INFO_ATTR_VERSION");
  if (connectionTableSize === undefined) return netlinkFailure("missingAttribute", "IPVS_INFO_ATTR_CONN_TAB_SIZE");
  return ok({ version, connectionTableSize });
}

/** An address as IPVS takes it: 16 bytes, an IPv4 address in the first 4. */
export function inetAddressBytes(address: Ip): Uint8Array {
  const bytes = new Uint8Array(IPV6_BYTES);
  bytes.set(ipBytes(address));
  return bytes;
}

/** An address as IPVS gives it, read by the family that stands in another attribute (AF_INET or AF_INET6). */
export function ipOfInetAddress(bytes: Uint8Array, addressFamily: number): Result<Ip, NetlinkFailure> {
  if (addressFamily === AF_INET) return ok(ipFromBytes(bytes.subarray(0, IPV4_BYTES)));
  if (addressFamily !== AF_INET6) return netlinkFailure("badValue", `address family ${addressFamily}`);
  if (bytes.length !== IPV6_BYTES) return netlinkFailure("badLength", `IPv6 address of ${bytes.length} bytes`);
  return ok(ipFromBytes(bytes));
}

/**
 * IPVS_SVC_ATTR_NETMASK for a persistence granularity of `prefix` bits. IPv4: the mask in network byte order. IPv6: the
 * prefix length as a number of the host, so its four bytes come out reversed in a row that reads network order.
 */
export function netmaskOfPrefix(prefix: number, addressFamily: number): number {
  if (addressFamily === AF_INET6) return byteSwap32(prefix);
  return prefix === 0 ? 0 : (0xffff_ffff << (32 - prefix)) >>> 0;
}

/** The reverse of `netmaskOfPrefix`; a mask with holes gives the number of its bits, as ipvsadm prints nothing better. */
export function prefixOfNetmask(netmask: number, addressFamily: number): number {
  if (addressFamily === AF_INET6) return byteSwap32(netmask);
  let bits = 0;
  for (let rest = netmask; rest !== 0; rest >>>= 1) bits += rest & 1;
  return bits;
}

function byteSwap32(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | ((value >>> 24) & 0xff)) >>> 0;
}
