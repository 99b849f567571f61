/**
 * VRRP version 2 adverts (RFC 3768 5.1), as keepalived sends them, and what a receiver must check (7.1).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+-------+---------------+---------------+---------------+
 *     |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
 *     +-------+-------+---------------+---------------+---------------+
 *     |   Auth Type   |   Adver Int   |          Checksum             |
 *     +---------------+---------------+-------------------------------+
 *     |                         IP Address (1) ... (n)                |
 *     +---------------------------------------------------------------+
 *     |                     Authentication Data (1)                   |
 *     +---------------------------------------------------------------+
 *     |                     Authentication Data (2)                   |
 *     +---------------------------------------------------------------+
 */
import { IPV4_BYTES, type Ip, ip, ipBytes, ipFromBytes } from "../core/ip.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { internetChecksum, viewOf } from "./bytes.ts";
import { decodeIpv4, type Ipv4FailureReason, type Ipv4Header } from "./ipv4.ts";

/** The IP protocol number (RFC 3768 5.2.4). */
export const VRRP_PROTOCOL = 112;
/** RFC 3768 5.2.2 */
export const VRRP_MULTICAST_IPV4: Ip = ip("224.0.0.18");
/** RFC 3768 5.2.3: no router forwards an advert, so a smaller one was not sent on this link. */
export const VRRP_TIME_TO_LIVE = 255;
/** Internet control, as keepalived marks its adverts (seen on the wire); RFC 3768 says nothing of it. */
export const VRRP_TYPE_OF_SERVICE = 0xc0;

const VERSION = 2;
const TYPE_ADVERTISEMENT = 1;
const AUTH_NONE = 0;
const HEADER_BYTES = 8;
const AUTH_DATA_BYTES = 8;
const CHECKSUM_OFFSET = 6;

export interface VrrpAdvert {
  readonly virtualRouterId: number;
  /** 0 = the master resigns, 255 = the owner of the addresses. */
  readonly priority: number;
  /** Whole seconds in version 2. */
  readonly advertIntervalSec: number;
  /** IPv4, in the order of the packet. */
  readonly addresses: readonly Ip[];
}

/** Why an advert is not acted on: a closed list, the labels of the counter of discarded packets. */
export type AdvertDiscardReason =
  /** Shorter than its header, or than the number of addresses and the authentication data need. */
  | "truncated"
  /** Another version than 2. */
  | "wrongVersion"
  /** Another type than ADVERTISEMENT. */
  | "wrongType"
  /** Longer than the number of addresses says. */
  | "addressCountMismatch"
  | "badChecksum"
  /** Authentication was removed by RFC 3768; keepalived's `auth_type PASS` is type 1. */
  | "authTypeUnsupported";

/** Why a packet is not acted on, its IP header included. */
export type PacketDiscardReason = AdvertDiscardReason | Ipv4FailureReason | "wrongProtocol" | "ttlNot255";

/** Every reason, so that counters exist at 0 before they are needed. `unknownVrid` and the rest of 7.1 is counted by the caller. */
export const PACKET_DISCARD_REASONS: readonly PacketDiscardReason[] = [
  "truncated",
  "wrongVersion",
  "wrongType",
  "addressCountMismatch",
  "badChecksum",
  "authTypeUnsupported",
  "ipTruncated",
  "ipWrongVersion",
  "ipBadHeaderLength",
  "ipBadChecksum",
  "wrongProtocol",
  "ttlNot255",
];

const inByte = (name: string, value: number): number => {
  if (!Number.isInteger(value) || value < 0 || value > 255)
    throw new RangeError(`${name} ${value} does not fit a byte`);
  return value;
};

/**
 * The bytes of an advert without its IP header, authentication type 0. Throws RangeError for what does not fit: the
 * configuration has been validated before.
 */
export function encodeAdvert(advert: VrrpAdvert): Uint8Array {
  const count = inByte("number of addresses", advert.addresses.length);
  const bytes = new Uint8Array(HEADER_BYTES + count * IPV4_BYTES + AUTH_DATA_BYTES);
  const view = viewOf(bytes);
  view.setUint8(0, (VERSION << 4) | TYPE_ADVERTISEMENT);
  view.setUint8(1, inByte("virtual router id", advert.virtualRouterId));
  view.setUint8(2, inByte("priority", advert.priority));
  view.setUint8(3, count);
  view.setUint8(4, AUTH_NONE);
  view.setUint8(5, inByte("advert interval", advert.advertIntervalSec));
  advert.addresses.forEach((address, index) => {
    const octets = ipBytes(address);
    if (octets.length !== IPV4_BYTES) throw new RangeError(`${address} in an advert of version 2`);
    bytes.set(octets, HEADER_BYTES + index * IPV4_BYTES);
  });
  view.setUint16(CHECKSUM_OFFSET, internetChecksum(bytes));
  return bytes;
}

/**
 * The payload of an IP packet of protocol 112.
 * Checked here: version, type, length against the number of addresses, checksum, authentication type (RFC 3768 7.1).
 * Left to the caller: TTL and protocol (`decodeAdvertPacket` checks them), that the virtual router id is configured on
 * the receiving interface (`unknownVrid`), that we are not the owner, that the packet is not our own, the interval and the
 * addresses being ours.
 */
export function decodeAdvert(bytes: Uint8Array): Result<VrrpAdvert, AdvertDiscardReason> {
  if (bytes.length < HEADER_BYTES) return fail("truncated");
  const view = viewOf(bytes);
  // First: a version 3 checksum is another one, and "wrongVersion" is what an operator must read then.
  if (view.getUint8(0) >> 4 !== VERSION) return fail("wrongVersion");
  if ((view.getUint8(0) & 0x0f) !== TYPE_ADVERTISEMENT) return fail("wrongType");
  const count = view.getUint8(3);
  const expected = HEADER_BYTES + count * IPV4_BYTES + AUTH_DATA_BYTES;
  if (bytes.length < expected) return fail("truncated");
  if (bytes.length > expected) return fail("addressCountMismatch");
  if (view.getUint8(4) !== AUTH_NONE) return fail("authTypeUnsupported");
  if (internetChecksum(bytes) !== 0) return fail("badChecksum");
  return ok({
    virtualRouterId: view.getUint8(1),
    priority: view.getUint8(2),
    advertIntervalSec: view.getUint8(5),
    addresses: Array.from({ length: count }, (_, index) =>
      ipFromBytes(bytes.subarray(HEADER_BYTES + index * IPV4_BYTES, HEADER_BYTES + (index + 1) * IPV4_BYTES)),
    ),
  });
}

/**
 * A whole IPv4 packet as a raw socket delivers it.
 * Checked here: the IP header (decodeIpv4), protocol 112, TTL 255, and what `decodeAdvert` checks.
 * Left to the caller: what `decodeAdvert` leaves, and the destination, which is the multicast group or, by unicast, ours.
 */
export function decodeAdvertPacket(
  bytes: Uint8Array,
): Result<{ readonly header: Ipv4Header; readonly advert: VrrpAdvert }, PacketDiscardReason> {
  const packet = decodeIpv4(bytes);
  if (!packet.ok) return packet;
  const { header, payload } = packet.value;
  if (header.protocol !== VRRP_PROTOCOL) return fail("wrongProtocol");
  if (header.timeToLive !== VRRP_TIME_TO_LIVE) return fail("ttlNot255");
  const advert = decodeAdvert(payload);
  if (!advert.ok) return advert;
  return ok({ header, advert: advert.value });
}
