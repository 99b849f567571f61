/**
 * The unsolicited neighbour advertisement (RFC 4861 4.4 and 7.2.6) with its Ethernet and IPv6 headers: by it a link learns
 * where an IPv6 VIP is now (RFC 9568 6.4.1), as by gratuitous ARP for IPv4.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------------------------------------------------------+
 *     | Ethernet: destination (6), source (6), type 0x86dd (2)        |
 *     +---------------------------------------------------------------+
 *     | IPv6 header (40), next header 58, hop limit 255               |
 *     +---------------+---------------+-------------------------------+
 *     |   Type 136    |    Code 0     |          Checksum             |
 *     +-+-+-+---------+---------------+-------------------------------+
 *     |R|S|O|                     Reserved                            |
 *     +-+-+-+---------------------------------------------------------+
 *     |                       Target Address (16)                     |
 *     +---------------+---------------+-------------------------------+
 *     | option type 2 |  length 1 (8) | target link-layer address (6) |
 *     +---------------+---------------+-------------------------------+
 */
import { type Ip, ip, ipBytes, ipFromBytes } from "../core/ip.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { copyOf, internetChecksum, pseudoHeader, viewOf } from "./bytes.ts";
import { ETHERNET_HEADER_BYTES, ETHERTYPE_IPV6, MAC_BYTES, putEthernetHeader, putHardwareAddress } from "./ethernet.ts";
import { decodeIpv6, encodeIpv6, type Ipv6FailureReason } from "./ipv6.ts";

/** IPPROTO_ICMPV6 */
export const ICMPV6 = 58;
/** ND_NEIGHBOR_ADVERT */
export const NEIGHBOR_ADVERTISEMENT = 136;
/** RFC 4861 7.1.2: a lower one has passed a router. */
const HOP_LIMIT = 255;
const ALL_NODES: Ip = ip("ff02::1");
/** RFC 2464 7: 33:33 and the last four bytes of the group. */
const ALL_NODES_HARDWARE = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
/** ND_OPT_TARGET_LINKADDR; lengths of options are in units of 8 bytes. */
const OPTION_TARGET_LINK_ADDRESS = 2;
const OPTION_UNIT_BYTES = 8;
const FLAG = { router: 0x8000_0000, solicited: 0x4000_0000, override: 0x2000_0000 } as const;
const TARGET_OFFSET = 8;
const OPTIONS_OFFSET = 24;

export interface NeighborAdvertisement {
  /** Ethernet addresses of the frame. */
  readonly destinationHardware: Uint8Array;
  readonly sourceHardware: Uint8Array;
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly source: Ip;
  readonly destination: Ip;
  readonly router: boolean;
  readonly solicited: boolean;
  readonly override: boolean;
  /** Whose place is told. */
  readonly target: Ip;
  /** Option "target link-layer address". */
  readonly targetHardware: Uint8Array | undefined;
}

export type NeighborFailureReason =
  | "truncated"
  /** The Ethernet type is another one. */
  | "notIpv6"
  | Ipv6FailureReason
  /** Not ICMPv6, or another of its messages. */
  | "notNeighborAdvertisement"
  /** RFC 4861 7.1.2 */
  | "hopLimitNot255"
  | "badChecksum"
  /** An option of length 0, or longer than the message. */
  | "badOption";

/** A whole Ethernet frame. Throws RangeError for what does not fit. */
export function encodeNeighborAdvertisement(advertisement: NeighborAdvertisement): Uint8Array {
  const { source, destination, trafficClass, flowLabel, target, targetHardware } = advertisement;
  const message = new Uint8Array(OPTIONS_OFFSET + (targetHardware === undefined ? 0 : OPTION_UNIT_BYTES));
  const view = viewOf(message);
  view.setUint8(0, NEIGHBOR_ADVERTISEMENT);
  const flags =
    (advertisement.router ? FLAG.router : 0) +
    (advertisement.solicited ? FLAG.solicited : 0) +
    (advertisement.override ? FLAG.override : 0);
  view.setUint32(4, flags);
  const targetBytes = ipBytes(target);
  if (targetBytes.length !== OPTIONS_OFFSET - TARGET_OFFSET) throw new RangeError(`${target} is no IPv6 address`);
  message.set(targetBytes, TARGET_OFFSET);
  if (targetHardware !== undefined) {
    view.setUint8(OPTIONS_OFFSET, OPTION_TARGET_LINK_ADDRESS);
    view.setUint8(OPTIONS_OFFSET + 1, 1);
    putHardwareAddress(message, targetHardware, OPTIONS_OFFSET + 2);
  }
  const pseudo = pseudoHeader(ipBytes(source), ipBytes(destination), ICMPV6, message.length);
  view.setUint16(2, internetChecksum(pseudo, message));
  const packet = encodeIpv6(
    { trafficClass, flowLabel, nextHeader: ICMPV6, hopLimit: HOP_LIMIT, source, destination },
    message,
  );
  const frame = new Uint8Array(ETHERNET_HEADER_BYTES + packet.length);
  putEthernetHeader(frame, {
    destination: advertisement.destinationHardware,
    source: advertisement.sourceHardware,
    type: ETHERTYPE_IPV6,
  });
  frame.set(packet, ETHERNET_HEADER_BYTES);
  return frame;
}

/**
 * To all nodes, that `target` is at `hardwareAddress` (our own or a virtual one) and that older knowledge is to be
 * overridden, byte for byte as keepalived sends it: from the target itself. `router`: whether this host forwards IPv6;
 * receivers with a false flag drop their default route over it (RFC 4861 7.2.5).
 */
export function encodeUnsolicitedNeighborAdvertisement(
  target: Ip,
  hardwareAddress: Uint8Array,
  options: { readonly router: boolean },
): Uint8Array {
  return encodeNeighborAdvertisement({
    destinationHardware: ALL_NODES_HARDWARE,
    sourceHardware: hardwareAddress,
    trafficClass: 0,
    flowLabel: 0,
    source: target,
    destination: ALL_NODES,
    router: options.router,
    solicited: false,
    override: true,
    target,
    targetHardware: hardwareAddress,
  });
}

/** Who says that an address is his: the address that neighbours are to learn, else that of the frame. */
export function neighborClaim(advertisement: NeighborAdvertisement): {
  readonly address: Ip;
  readonly hardwareAddress: Uint8Array;
} {
  const { target, targetHardware, sourceHardware } = advertisement;
  return { address: target, hardwareAddress: targetHardware ?? sourceHardware };
}

/**
 * An Ethernet frame from a packet socket.
 * Checked here: headers, hop limit, type and code, length, checksum, options (RFC 4861 7.1.2).
 * Left to the caller: whose addresses they are, that the target is no multicast address.
 */
export function decodeNeighborAdvertisement(bytes: Uint8Array): Result<NeighborAdvertisement, NeighborFailureReason> {
  if (bytes.length < ETHERNET_HEADER_BYTES) return fail("truncated");
  if (viewOf(bytes).getUint16(12) !== ETHERTYPE_IPV6) return fail("notIpv6");
  const packet = decodeIpv6(bytes.subarray(ETHERNET_HEADER_BYTES));
  if (!packet.ok) return packet;
  const { header, payload: message } = packet.value;
  const { source, destination, trafficClass, flowLabel } = header;
  if (header.nextHeader !== ICMPV6) return fail("notNeighborAdvertisement");
  if (message.length < OPTIONS_OFFSET) return fail("truncated");
  const view = viewOf(message);
  if (view.getUint16(0) !== NEIGHBOR_ADVERTISEMENT << 8) return fail("notNeighborAdvertisement");
  if (header.hopLimit !== HOP_LIMIT) return fail("hopLimitNot255");
  const pseudo = pseudoHeader(ipBytes(source), ipBytes(destination), ICMPV6, message.length);
  if (internetChecksum(pseudo, message) !== 0) return fail("badChecksum");
  const targetHardware = targetLinkAddress(message.subarray(OPTIONS_OFFSET));
  if (!targetHardware.ok) return targetHardware;
  const flags = view.getUint32(4);
  const isSet = (flag: number): boolean => (flags & flag) !== 0;
  return ok({
    destinationHardware: copyOf(bytes, 0, MAC_BYTES),
    sourceHardware: copyOf(bytes, MAC_BYTES, 2 * MAC_BYTES),
    trafficClass,
    flowLabel,
    source,
    destination,
    router: isSet(FLAG.router),
    solicited: isSet(FLAG.solicited),
    override: isSet(FLAG.override),
    target: ipFromBytes(message.subarray(TARGET_OFFSET, OPTIONS_OFFSET)),
    targetHardware: targetHardware.value,
  });
}

function targetLinkAddress(options: Uint8Array): Result<Uint8Array | undefined, "badOption"> {
  let offset = 0;
  while (offset < options.length) {
    const length = (options[offset + 1] ?? 0) * OPTION_UNIT_BYTES;
    if (length === 0 || offset + length > options.length) return fail("badOption");
    if (options[offset] === OPTION_TARGET_LINK_ADDRESS) return ok(copyOf(options, offset + 2, offset + 2 + MAC_BYTES));
    offset += length;
  }
  return ok(undefined);
}
