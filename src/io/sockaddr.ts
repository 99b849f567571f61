/**
 * The kernel's structures that go with sockets: struct sockaddr of five families, membership requests, option values and
 * ancillary data. Numbers are in the host's byte order, which is little-endian wherever holdfast runs (x86-64, arm64);
 * ports, addresses and sll_protocol are in network order. Layouts: linux/netlink.h, netinet/in.h, linux/if_packet.h,
 * sys/un.h, linux/socket.h; the addon gives their sizes and offsets to the test that compares them.
 *
 * Encoders throw RangeError for what no structure can hold: a programming error. Decoders take what the kernel gave and
 * return undefined for another family or too few bytes.
 */
import { Buffer } from "node:buffer";
import { IPV4_BYTES, type Ip, ipBytes, ipFromBytes } from "../core/ip.ts";
import { LINUX } from "./linux.ts";

const SOCKADDR_NL_BYTES = 12;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
/** Offset of sll_addr, and the address's room. */
const SOCKADDR_LL_HEADER_BYTES = 12;
const SOCKADDR_LL_ADDRESS_BYTES = 8;
/** sun_path; a path keeps one byte for its end. */
const UNIX_PATH_BYTES = 108;
/** IFNAMSIZ, with the end of the string. */
const INTERFACE_NAME_BYTES = 16;

/**
 * struct sockaddr_nl: port 0 is the kernel (as a destination) or "choose one" (to bind). `groups` is a mask of multicast
 * groups, of which the first 32 can be joined so.
 */
export function netlinkAddress(portId = 0, groups = 0): Buffer {
  const bytes = Buffer.alloc(SOCKADDR_NL_BYTES);
  bytes.writeUInt16LE(LINUX.AF_NETLINK, 0);
  bytes.writeUInt32LE(portId, 4);
  bytes.writeUInt32LE(groups, 8);
  return bytes;
}

export function decodeNetlinkAddress(bytes: Buffer): { readonly portId: number; readonly groups: number } | undefined {
  if (bytes.length < SOCKADDR_NL_BYTES || bytes.readUInt16LE(0) !== LINUX.AF_NETLINK) return undefined;
  return { portId: bytes.readUInt32LE(4), groups: bytes.readUInt32LE(8) };
}

/** struct sockaddr_in or sockaddr_in6, by the address's family. `scopeId` is the interface index of a link-local IPv6 one. */
export function inetAddress(address: Ip, port = 0, scopeId = 0): Buffer {
  const raw = ipBytes(address);
  if (raw.length === 4) {
    const bytes = Buffer.alloc(SOCKADDR_IN_BYTES);
    bytes.writeUInt16LE(LINUX.AF_INET, 0);
    bytes.writeUInt16BE(port, 2);
    bytes.set(raw, 4);
    return bytes;
  }
  const bytes = Buffer.alloc(SOCKADDR_IN6_BYTES);
  bytes.writeUInt16LE(LINUX.AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(raw, 8);
  bytes.writeUInt32LE(scopeId, 24);
  return bytes;
}

export interface InetAddress {
  readonly address: Ip;
  readonly port: number;
  /** Interface index of a link-local IPv6 address, else 0. */
  readonly scopeId: number;
}

export function decodeInetAddress(bytes: Buffer): InetAddress | undefined {
  if (bytes.length < 2) return undefined;
  switch (bytes.readUInt16LE(0)) {
    case LINUX.AF_INET:
      if (bytes.length < SOCKADDR_IN_BYTES) return undefined;
      return { address: ipFromBytes(bytes.subarray(4, 8)), port: bytes.readUInt16BE(2), scopeId: 0 };
    case LINUX.AF_INET6:
      if (bytes.length < SOCKADDR_IN6_BYTES) return undefined;
      return {
        address: ipFromBytes(bytes.subarray(8, 24)),
        port: bytes.readUInt16BE(2),
        scopeId: bytes.readUInt32LE(24),
      };
    default:
      return undefined;
  }
}

export interface PacketAddress {
  readonly interfaceIndex: number;
  /** Ethernet protocol, such as ETH_P_ARP; 0 receives nothing. */
  readonly protocol: number;
  /** Destination or source; empty to bind. */
  readonly hardwareAddress: Uint8Array;
}

/** struct sockaddr_ll (packet(7)). */
export function packetAddress(address: PacketAddress): Buffer {
  if (address.hardwareAddress.length > SOCKADDR_LL_ADDRESS_BYTES) {
    throw new RangeError(`a hardware address of ${address.hardwareAddress.length} bytes does not fit sockaddr_ll`);
  }
  const bytes = Buffer.alloc(SOCKADDR_LL_HEADER_BYTES + SOCKADDR_LL_ADDRESS_BYTES);
  bytes.writeUInt16LE(LINUX.AF_PACKET, 0);
  bytes.writeUInt16BE(address.protocol, 2);
  bytes.writeInt32LE(address.interfaceIndex, 4);
  bytes.writeUInt8(address.hardwareAddress.length, 11);
  bytes.set(address.hardwareAddress, SOCKADDR_LL_HEADER_BYTES);
  return bytes;
}

export function decodePacketAddress(bytes: Buffer): PacketAddress | undefined {
  if (bytes.length < SOCKADDR_LL_HEADER_BYTES || bytes.readUInt16LE(0) !== LINUX.AF_PACKET) return undefined;
  const length = bytes.readUInt8(11);
  if (bytes.length < SOCKADDR_LL_HEADER_BYTES + length) return undefined;
  return {
    interfaceIndex: bytes.readInt32LE(4),
    protocol: bytes.readUInt16BE(2),
    hardwareAddress: bytes.subarray(SOCKADDR_LL_HEADER_BYTES, SOCKADDR_LL_HEADER_BYTES + length),
  };
}

/** struct sockaddr_un. A leading "@" names a socket in the abstract namespace (unix(7)), whose length is part of its name. */
export function unixAddress(path: string): Buffer {
  const abstract = path.startsWith("@");
  const name = Buffer.from(abstract ? `\0${path.slice(1)}` : `${path}\0`);
  if (path === "" || name.length > UNIX_PATH_BYTES || name.indexOf(0, 1) !== (abstract ? -1 : name.length - 1)) {
    throw new RangeError(`not a unix socket's name: ${JSON.stringify(path)}`);
  }
  const bytes = Buffer.alloc(2 + name.length);
  bytes.writeUInt16LE(LINUX.AF_UNIX, 0);
  name.copy(bytes, 2);
  return bytes;
}

/** The path, or "@" and the abstract name; "" for a socket without one. */
export function decodeUnixAddress(bytes: Buffer): string | undefined {
  if (bytes.length < 2 || bytes.readUInt16LE(0) !== LINUX.AF_UNIX) return undefined;
  const name = bytes.subarray(2);
  if (name.length === 0) return "";
  if (name[0] === 0) return `@${name.toString("utf8", 1)}`;
  const end = name.indexOf(0);
  return name.toString("utf8", 0, end < 0 ? name.length : end);
}

/** struct ip_mreqn: for IP_ADD_MEMBERSHIP and, with group 0.0.0.0, for IP_MULTICAST_IF. By interface index, never by address. */
export function ipv4Membership(group: Ip, interfaceIndex: number): Buffer {
  const raw = ipBytes(group);
  if (raw.length !== 4) throw new RangeError(`not an IPv4 group: ${group}`);
  const bytes = Buffer.alloc(12);
  bytes.set(raw, 0);
  bytes.writeInt32LE(interfaceIndex, 8);
  return bytes;
}

/** struct ipv6_mreq: for IPV6_JOIN_GROUP. */
export function ipv6Membership(group: Ip, interfaceIndex: number): Buffer {
  const raw = ipBytes(group);
  if (raw.length !== 16) throw new RangeError(`not an IPv6 group: ${group}`);
  const bytes = Buffer.alloc(20);
  bytes.set(raw, 0);
  bytes.writeInt32LE(interfaceIndex, 16);
  return bytes;
}

/** An `int`, as most options are. */
export function intOption(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value, 0);
  return bytes;
}

/** struct linger for SO_LINGER: a close sends a reset at once, and the port is free again. */
export function lingerOption(onOff: boolean, seconds: number): Buffer {
  return Buffer.concat([intOption(onOff ? 1 : 0), intOption(seconds)]);
}

/** An interface name as SO_BINDTODEVICE takes it. */
export function deviceOption(interfaceName: string): Buffer {
  const bytes = Buffer.from(`${interfaceName}\0`);
  if (interfaceName === "" || bytes.length > INTERFACE_NAME_BYTES || bytes.indexOf(0) !== bytes.length - 1) {
    throw new RangeError(`not an interface name: ${JSON.stringify(interfaceName)}`);
  }
  return bytes;
}

/** What the kernel said beside a datagram; absent what the socket did not ask for. */
export interface AncillaryData {
  /** IP_TTL or IPV6_HOPLIMIT. */
  readonly hopLimit?: number;
  /** Where it arrived (IP_PKTINFO, IPV6_PKTINFO). */
  readonly interfaceIndex?: number;
  /** The address in its header that it was sent to. */
  readonly destination?: Ip;
  /** When the kernel received it (SO_TIMESTAMPNS): CLOCK_REALTIME in microseconds. */
  readonly receivedAtUs?: number;
}

/** cmsg_len (u64), cmsg_level, cmsg_type */
const CONTROL_HEADER_BYTES = 16;
/** Headers begin at multiples of the word size, 8 on both architectures. */
const controlAlign = (length: number): number => (length + 7) & ~7;

/** Reads a sequence of struct cmsghdr; one cut short (MSG_CTRUNC) ends it, kinds not named above are passed over. */
export function decodeControl(bytes: Buffer): AncillaryData {
  let data: AncillaryData = {};
  let offset = 0;
  while (offset + CONTROL_HEADER_BYTES <= bytes.length) {
    const length = Number(bytes.readBigUInt64LE(offset));
    if (length < CONTROL_HEADER_BYTES || length > bytes.length - offset) break;
    const payload = bytes.subarray(offset + CONTROL_HEADER_BYTES, offset + length);
    data = { ...data, ...controlItem(bytes.readInt32LE(offset + 8), bytes.readInt32LE(offset + 12), payload) };
    offset += controlAlign(length);
  }
  return data;
}

function controlItem(level: number, type: number, payload: Buffer): AncillaryData {
  const hopLimit =
    (level === LINUX.IPPROTO_IP && type === LINUX.IP_TTL) ||
    (level === LINUX.IPPROTO_IPV6 && type === LINUX.IPV6_HOPLIMIT);
  if (hopLimit && payload.length >= 4) return { hopLimit: payload.readInt32LE(0) };
  // struct in_pktinfo: ipi_ifindex, ipi_spec_dst (the local address), ipi_addr (of the header).
  if (level === LINUX.IPPROTO_IP && type === LINUX.IP_PKTINFO && payload.length >= 12) {
    return { interfaceIndex: payload.readInt32LE(0), destination: ipFromBytes(payload.subarray(8, 12)) };
  }
  // struct in6_pktinfo: ipi6_addr, ipi6_ifindex.
  if (level === LINUX.IPPROTO_IPV6 && type === LINUX.IPV6_PKTINFO && payload.length >= 20) {
    return { interfaceIndex: payload.readInt32LE(16), destination: ipFromBytes(payload.subarray(0, 16)) };
  }
  // struct timespec: tv_sec, tv_nsec.
  if (level === LINUX.SOL_SOCKET && type === LINUX.SO_TIMESTAMPNS && payload.length >= 16) {
    return { receivedAtUs: Number(payload.readBigInt64LE(0)) * 1e6 + Math.floor(payload.readUInt32LE(8) / 1e3) };
  }
  return {};
}

/** Which interface and source a datagram leaves by (IP_PKTINFO, IPV6_PKTINFO of sendmsg), and its hop limit where given. */
export function sendControl(options: {
  readonly interfaceIndex: number;
  readonly source: Ip;
  readonly hopLimit?: number;
}): Buffer {
  const { interfaceIndex, source, hopLimit } = options;
  const bytes = Buffer.from(ipBytes(source));
  const index = intOption(interfaceIndex);
  if (bytes.length === IPV4_BYTES) {
    // struct in_pktinfo: ipi_ifindex, ipi_spec_dst, ipi_addr (not read by sendmsg).
    return controlMessage(LINUX.IPPROTO_IP, LINUX.IP_PKTINFO, Buffer.concat([index, bytes, Buffer.alloc(IPV4_BYTES)]));
  }
  const info = controlMessage(LINUX.IPPROTO_IPV6, LINUX.IPV6_PKTINFO, Buffer.concat([bytes, index]));
  if (hopLimit === undefined) return info;
  return Buffer.concat([info, controlMessage(LINUX.IPPROTO_IPV6, LINUX.IPV6_HOPLIMIT, intOption(hopLimit))]);
}

function controlMessage(level: number, type: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(controlAlign(CONTROL_HEADER_BYTES + payload.length));
  bytes.writeBigUInt64LE(BigInt(CONTROL_HEADER_BYTES + payload.length), 0);
  bytes.writeInt32LE(level, 8);
  bytes.writeInt32LE(type, 12);
  bytes.set(payload, CONTROL_HEADER_BYTES);
  return bytes;
}
