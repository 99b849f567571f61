/**
 * The IPv4 header (RFC 791 3.1), as raw sockets deliver it before the payload and as packet sockets send it.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+-------+---------------+-------------------------------+
 *     |Version|  IHL  |Type of Service|          Total Length         |
 *     +-------+-------+---------------+-----+-------------------------+
 *     |         Identification        |Flags|      Fragment Offset    |
 *     +---------------+---------------+-----+-------------------------+
 *     |  Time to Live |    Protocol   |         Header Checksum       |
 *     +---------------+---------------+-------------------------------+
 *     |                         Source Address                        |
 *     +---------------------------------------------------------------+
 *     |                      Destination Address                      |
 *     +---------------------------------------------------------------+
 *     |                    Options, by IHL                            |
 */
import { type Ip, ipBytes, ipFromBytes } from "../core/ip.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { internetChecksum, viewOf } from "./bytes.ts";

export const IPV4_HEADER_BYTES = 20;
const PACKET_BYTES_MAX = 0xffff;

export interface Ipv4Header {
  /** DSCP and ECN; 0xc0 is internet control (precedence 6), which keepalived gives its adverts. */
  readonly typeOfService: number;
  readonly identification: number;
  /** Three flag bits and the fragment offset, as they stand: 0x4000 is "do not fragment". */
  readonly fragment: number;
  readonly timeToLive: number;
  readonly protocol: number;
  readonly source: Ip;
  readonly destination: Ip;
}

export interface Ipv4Packet {
  readonly header: Ipv4Header;
  /** A view into the packet, as long as the header's total length says. */
  readonly payload: Uint8Array;
}

/** Why a packet is refused: usable as counter labels. */
export type Ipv4FailureReason =
  /** Shorter than its header, or than the header's total length. */
  | "ipTruncated"
  /** The version is not 4. */
  | "ipWrongVersion"
  /** The header length is below 20 bytes or above the total length. */
  | "ipBadHeaderLength"
  | "ipBadChecksum";

/**
 * Checked here: version, header length, total length, header checksum. Options are skipped; bytes behind the total
 * length (Ethernet padding) are ignored.
 * Left to the caller: time to live, protocol, addresses, fragments (a raw socket gets packets reassembled).
 */
export function decodeIpv4(bytes: Uint8Array): Result<Ipv4Packet, Ipv4FailureReason> {
  if (bytes.length < IPV4_HEADER_BYTES) return fail("ipTruncated");
  const view = viewOf(bytes);
  if (view.getUint8(0) >> 4 !== 4) return fail("ipWrongVersion");
  const headerBytes = (view.getUint8(0) & 0x0f) * 4;
  const totalBytes = view.getUint16(2);
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes > totalBytes) return fail("ipBadHeaderLength");
  if (totalBytes > bytes.length) return fail("ipTruncated");
  if (internetChecksum(bytes.subarray(0, headerBytes)) !== 0) return fail("ipBadChecksum");
  return ok({
    header: {
      typeOfService: view.getUint8(1),
      identification: view.getUint16(4),
      fragment: view.getUint16(6),
      timeToLive: view.getUint8(8),
      protocol: view.getUint8(9),
      source: ipFromBytes(bytes.subarray(12, 16)),
      destination: ipFromBytes(bytes.subarray(16, 20)),
    },
    payload: bytes.subarray(headerBytes, totalBytes),
  });
}

/** A whole packet with a header of 20 bytes and its checksum. Throws when the payload does not fit. */
export function encodeIpv4(header: Ipv4Header, payload: Uint8Array): Uint8Array {
  const length = IPV4_HEADER_BYTES + payload.length;
  if (length > PACKET_BYTES_MAX) throw new RangeError(`an IPv4 packet of ${length} bytes`);
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  view.setUint8(0, 0x45);
  view.setUint8(1, header.typeOfService);
  view.setUint16(2, length);
  view.setUint16(4, header.identification);
  view.setUint16(6, header.fragment);
  view.setUint8(8, header.timeToLive);
  view.setUint8(9, header.protocol);
  bytes.set(ipBytes(header.source), 12);
  bytes.set(ipBytes(header.destination), 16);
  view.setUint16(10, internetChecksum(bytes.subarray(0, IPV4_HEADER_BYTES)));
  bytes.set(payload, IPV4_HEADER_BYTES);
  return bytes;
}
