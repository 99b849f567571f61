/**
 * ARP for IPv4 over Ethernet (RFC 826) with its Ethernet header, and the gratuitous request that tells a link where a VIP
 * is now (RFC 3768 6.4.2, RFC 5227 3).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------------------------------------------------------+
 *     | Ethernet: destination (6), source (6), type 0x0806 (2)        |
 *     +-------------------------------+-------------------------------+
 *     | hardware type 1 (Ethernet)    | protocol type 0x0800 (IPv4)   |
 *     +---------------+---------------+-------------------------------+
 *     | hw length 6   | proto length 4| operation                     |
 *     +---------------+---------------+-------------------------------+
 *     | sender hardware address (6), sender protocol address (4)      |
 *     | target hardware address (6), target protocol address (4)      |
 *     +---------------------------------------------------------------+
 */
import { IPV4_BYTES, type Ip, ipBytes, ipFromBytes } from "../core/ip.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { copyOf, viewOf } from "./bytes.ts";
import { ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, MAC_BYTES, putEthernetHeader, putHardwareAddress } from "./ethernet.ts";

export const ARP_FRAME_BYTES = 42;

const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
export const ARP_OPERATION = { request: 1, reply: 2 } as const;
const BROADCAST = new Uint8Array(MAC_BYTES).fill(0xff);

export interface ArpFrame {
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  /** 1 = request, 2 = reply. */
  readonly operation: number;
  readonly senderHardware: Uint8Array;
  readonly senderIp: Ip;
  readonly targetHardware: Uint8Array;
  readonly targetIp: Ip;
}

export type ArpFailureReason =
  | "truncated"
  /** The Ethernet type is another one. */
  | "notArp"
  /** Another hardware or protocol than Ethernet and IPv4. */
  | "wrongProtocol"
  /** Neither request nor reply. */
  | "wrongOperation";

/** A whole Ethernet frame. Throws RangeError for hardware addresses that do not have 6 bytes. */
export function encodeArp(frame: ArpFrame): Uint8Array {
  const bytes = new Uint8Array(ARP_FRAME_BYTES);
  const view = viewOf(bytes);
  const putIp = (address: Ip, offset: number): void => {
    const octets = ipBytes(address);
    if (octets.length !== IPV4_BYTES) throw new RangeError(`${address} in ARP`);
    bytes.set(octets, offset);
  };
  putEthernetHeader(bytes, { ...frame, type: ETHERTYPE_ARP });
  view.setUint16(14, HARDWARE_ETHERNET);
  view.setUint16(16, PROTOCOL_IPV4);
  view.setUint8(18, MAC_BYTES);
  view.setUint8(19, IPV4_BYTES);
  view.setUint16(20, frame.operation);
  putHardwareAddress(bytes, frame.senderHardware, 22);
  putIp(frame.senderIp, 28);
  putHardwareAddress(bytes, frame.targetHardware, 32);
  putIp(frame.targetIp, 38);
  return bytes;
}

/**
 * The broadcast request for one's own address by which neighbours learn its place, byte for byte as keepalived sends it:
 * the target hardware address is the broadcast one. keepalived sends no reply form.
 */
export function encodeGratuitousArp(address: Ip, hardwareAddress: Uint8Array): Uint8Array {
  return encodeArp({
    destination: BROADCAST,
    source: hardwareAddress,
    operation: ARP_OPERATION.request,
    senderHardware: hardwareAddress,
    senderIp: address,
    targetHardware: BROADCAST,
    targetIp: address,
  });
}

/** Who says that an address is his, in a request as well as in a reply (RFC 5227 2.4): the sender of the frame. */
export interface ArpClaim {
  readonly address: Ip;
  readonly hardwareAddress: Uint8Array;
}

/**
 * The claim that an ARP frame makes. Undefined for a probe (RFC 5227 2.1.1), whose sender address is 0.0.0.0: it asks
 * before it claims.
 */
export function arpClaim(frame: ArpFrame): ArpClaim | undefined {
  if (frame.senderIp === "0.0.0.0") return undefined;
  return { address: frame.senderIp, hardwareAddress: frame.senderHardware };
}

/**
 * An Ethernet frame from a packet socket.
 * Checked here: lengths, that it is ARP for IPv4 over Ethernet, request or reply. Padding behind it is ignored.
 * Left to the caller: whose addresses they are, VLAN tags (the kernel has taken them off).
 */
export function decodeArp(bytes: Uint8Array): Result<ArpFrame, ArpFailureReason> {
  if (bytes.length < ETHERNET_HEADER_BYTES) return fail("truncated");
  const view = viewOf(bytes);
  if (view.getUint16(12) !== ETHERTYPE_ARP) return fail("notArp");
  if (bytes.length < ARP_FRAME_BYTES) return fail("truncated");
  const forIpv4 =
    view.getUint16(14) === HARDWARE_ETHERNET &&
    view.getUint16(16) === PROTOCOL_IPV4 &&
    view.getUint8(18) === MAC_BYTES &&
    view.getUint8(19) === IPV4_BYTES;
  if (!forIpv4) return fail("wrongProtocol");
  const operation = view.getUint16(20);
  if (operation !== ARP_OPERATION.request && operation !== ARP_OPERATION.reply) return fail("wrongOperation");
  return ok({
    destination: copyOf(bytes, 0, 6),
    source: copyOf(bytes, 6, 12),
    operation,
    senderHardware: copyOf(bytes, 22, 28),
    senderIp: ipFromBytes(bytes.subarray(28, 32)),
    targetHardware: copyOf(bytes, 32, 38),
    targetIp: ipFromBytes(bytes.subarray(38, 42)),
  });
}
