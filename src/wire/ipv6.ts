/**
 * The IPv6 header (RFC 8200 3), as packet sockets send and receive it. Raw sockets deliver and take none (RFC 3542 3).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+---------------+---------------------------------------+
 *     |Version| Traffic Class |           Flow Label                  |
 *     +-------+---------------+-------+---------------+---------------+
 *     |         Payload Length        |  Next Header  |   Hop Limit   |
 *     +-------------------------------+---------------+---------------+
 *     |                       Source Address (16)                     |
 *     +---------------------------------------------------------------+
 *     |                     Destination Address (16)                  |
 *     +---------------------------------------------------------------+
 */
import { IPV6_BYTES, type Ip, ipBytes, ipFromBytes } from "../core/ip.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { viewOf } from "./bytes.ts";

export const IPV6_HEADER_BYTES = 40;
const PAYLOAD_BYTES_MAX = 0xffff;

export interface Ipv6Header {
  readonly trafficClass: number;
  /** 20 bits */
  readonly flowLabel: number;
  /** Of the first header behind this one: extension headers are not followed, VRRP and neighbour discovery have none. */
  readonly nextHeader: number;
  readonly hopLimit: number;
  readonly source: Ip;
  readonly destination: Ip;
}

export interface Ipv6Packet {
  readonly header: Ipv6Header;
  /** A view into the packet, as long as the header's payload length says. */
  readonly payload: Uint8Array;
}

export type Ipv6FailureReason = "ipTruncated" | "ipWrongVersion";

/**
 * Checked here: version and payload length; bytes behind the payload (Ethernet padding) are ignored.
 * Left to the caller: hop limit, next header, addresses.
 */
export function decodeIpv6(bytes: Uint8Array): Result<Ipv6Packet, Ipv6FailureReason> {
  if (bytes.length < IPV6_HEADER_BYTES) return fail("ipTruncated");
  const view = viewOf(bytes);
  const first = view.getUint32(0);
  if (first >>> 28 !== 6) return fail("ipWrongVersion");
  const end = IPV6_HEADER_BYTES + view.getUint16(4);
  if (end > bytes.length) return fail("ipTruncated");
  return ok({
    header: {
      trafficClass: (first >>> 20) & 0xff,
      flowLabel: first & 0xf_ffff,
      nextHeader: view.getUint8(6),
      hopLimit: view.getUint8(7),
      source: ipFromBytes(bytes.subarray(8, 24)),
      destination: ipFromBytes(bytes.subarray(24, 40)),
    },
    payload: bytes.subarray(IPV6_HEADER_BYTES, end),
  });
}

/** A whole packet. Throws RangeError when the payload does not fit or an address is of IPv4. */
export function encodeIpv6(header: Ipv6Header, payload: Uint8Array): Uint8Array {
  if (payload.length > PAYLOAD_BYTES_MAX) throw new RangeError(`an IPv6 payload of ${payload.length} bytes`);
  const bytes = new Uint8Array(IPV6_HEADER_BYTES + payload.length);
  const view = viewOf(bytes);
  view.setUint32(0, ((6 << 28) | (header.trafficClass << 20) | header.flowLabel) >>> 0);
  view.setUint16(4, payload.length);
  view.setUint8(6, header.nextHeader);
  view.setUint8(7, header.hopLimit);
  [header.source, header.destination].forEach((address, index) => {
    const octets = ipBytes(address);
    if (octets.length !== IPV6_BYTES) throw new RangeError(`${address} in an IPv6 header`);
    bytes.set(octets, 8 + index * IPV6_BYTES);
  });
  bytes.set(payload, IPV6_HEADER_BYTES);
  return bytes;
}
