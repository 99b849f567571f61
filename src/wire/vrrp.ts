/**
 * VRRP adverts of both versions and families, and what a receiver must check (RFC 3768 7.1, RFC 9568 7.1). The bytes are in
 * vrrpV2.ts and vrrpV3.ts.
 */
import { family, type Ip, ip } from "../core/ip.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { viewOf } from "./bytes.ts";
import { decodeIpv4, type Ipv4Header } from "./ipv4.ts";
import { decodeIpv6, type Ipv6Header } from "./ipv6.ts";
import type {
  AdvertDiscardReason,
  AdvertEndpoints,
  HopLimitRange,
  PacketDiscardReason,
  VrrpAdvert,
} from "./vrrp.types.ts";
import { HEADER_BYTES, VRRP_PROTOCOL } from "./vrrpFields.ts";
import { decodeAdvertV2, encodeAdvertV2 } from "./vrrpV2.ts";
import { decodeAdvertV3, encodeAdvertV3 } from "./vrrpV3.ts";

export * from "./vrrp.types.ts";
export { VRRP_PROTOCOL } from "./vrrpFields.ts";

/** RFC 3768 5.2.2, RFC 9568 5.1.1.2 */
export const VRRP_MULTICAST_IPV4: Ip = ip("224.0.0.18");
/** RFC 9568 5.1.2.2 */
export const VRRP_MULTICAST_IPV6: Ip = ip("ff02::12");
/** RFC 3768 5.2.3: no router forwards an advert, so a smaller one was not sent on this link. The same for the hop limit. */
export const VRRP_TIME_TO_LIVE = 255;
/** Internet control, as keepalived marks its adverts (seen on the wire); the RFCs say nothing of it. Also the IPv6 traffic class. */
export const VRRP_TYPE_OF_SERVICE = 0xc0;

/** For unicast adverts of peers without `min_ttl` and `max_ttl`. */
export const ANY_HOP_LIMIT: HopLimitRange = { min: 0, max: 255 };

/**
 * The bytes of an advert without its IP header. Version 2 takes nothing of the endpoints. Throws RangeError for what does
 * not fit: the configuration has been validated before.
 */
export function encodeAdvert(advert: VrrpAdvert, endpoints: AdvertEndpoints): Uint8Array {
  if (advert.version === 3) return encodeAdvertV3(advert, endpoints);
  if (family(endpoints.source) === 6) throw new RangeError("an advert of version 2 over IPv6");
  return encodeAdvertV2(advert);
}

/**
 * The payload of an IP packet of protocol 112 between `endpoints`.
 * Checked here: version 2 or 3, type, length against the number of addresses, checksum, authentication type (RFC 3768 7.1,
 * RFC 9568 7.1).
 * Left to the caller: TTL and protocol (`decodeAdvertMessage` and `decodeAdvertPacket` check them), that the virtual router
 * id is configured on the receiving interface (`unknownVrid`), that the version is the instance's (`wrongVersion`), the
 * password (`authProblem`), that we are not the owner, that the packet is not our own, the interval and the addresses being ours.
 */
export function decodeAdvert(bytes: Uint8Array, endpoints: AdvertEndpoints): Result<VrrpAdvert, AdvertDiscardReason> {
  if (bytes.length < HEADER_BYTES) return fail("truncated");
  const version = viewOf(bytes).getUint8(0) >> 4;
  if (version === 3) return decodeAdvertV3(bytes, endpoints);
  if (version === 2 && family(endpoints.source) === 4) return decodeAdvertV2(bytes);
  return fail("wrongVersion");
}

/** What ancillary data tells of a packet whose IP header is not at hand. */
export interface AdvertMeta extends AdvertEndpoints {
  /** TTL or hop limit as it arrived. */
  readonly hopLimit: number;
}

/**
 * An advert whose IP header the kernel has taken off, as IPv6 raw sockets deliver it.
 * Checked here: hop limit, 255 by multicast (RFC 9568 5.1.2.3), in `unicast` else; and what `decodeAdvert` checks.
 * Left to the caller: what `decodeAdvert` leaves, and the destination, which is the multicast group or, by unicast, ours.
 */
export function decodeAdvertMessage(
  bytes: Uint8Array,
  meta: AdvertMeta,
  unicast: HopLimitRange = ANY_HOP_LIMIT,
): Result<VrrpAdvert, PacketDiscardReason> {
  const problem = hopLimitProblem(meta, unicast);
  return problem === undefined ? decodeAdvert(bytes, meta) : fail(problem);
}

/**
 * A whole IPv4 packet as a raw socket delivers it.
 * Checked here: the IP header (decodeIpv4), protocol 112, TTL as in `decodeAdvertMessage`, and what `decodeAdvert` checks.
 * Left to the caller: as in `decodeAdvertMessage`.
 */
export function decodeAdvertPacket(
  bytes: Uint8Array,
  unicast: HopLimitRange = ANY_HOP_LIMIT,
): Result<{ readonly header: Ipv4Header; readonly advert: VrrpAdvert }, PacketDiscardReason> {
  const packet = decodeIpv4(bytes);
  if (!packet.ok) return packet;
  const { header, payload } = packet.value;
  if (header.protocol !== VRRP_PROTOCOL) return fail("wrongProtocol");
  const advert = decodeAdvertMessage(payload, { ...header, hopLimit: header.timeToLive }, unicast);
  return advert.ok ? ok({ header, advert: advert.value }) : advert;
}

/** The same of a whole IPv6 packet, as packet sockets deliver it behind the Ethernet header. */
export function decodeIpv6AdvertPacket(
  bytes: Uint8Array,
  unicast: HopLimitRange = ANY_HOP_LIMIT,
): Result<{ readonly header: Ipv6Header; readonly advert: VrrpAdvert }, PacketDiscardReason> {
  const packet = decodeIpv6(bytes);
  if (!packet.ok) return packet;
  const { header, payload } = packet.value;
  if (header.nextHeader !== VRRP_PROTOCOL) return fail("wrongProtocol");
  const advert = decodeAdvertMessage(payload, header, unicast);
  return advert.ok ? ok({ header, advert: advert.value }) : advert;
}

/** Undefined when the advert's authentication is the configured one (RFC 2338 7.1); `password` undefined: none. */
export function authProblem(
  advert: VrrpAdvert,
  password: string | undefined,
): "authTypeMismatch" | "authMismatch" | undefined {
  if ((advert.authPassword === undefined) !== (password === undefined)) return "authTypeMismatch";
  return advert.authPassword === password ? undefined : "authMismatch";
}

/** Undefined when the TTL or hop limit is acceptable: 255 for multicast, in `unicast` for the rest. */
export function hopLimitProblem(
  meta: { readonly destination: Ip; readonly hopLimit: number },
  unicast: HopLimitRange,
): "ttlNot255" | "ttlOutsideRange" | undefined {
  const { destination, hopLimit } = meta;
  if (isMulticast(destination)) return hopLimit === VRRP_TIME_TO_LIVE ? undefined : "ttlNot255";
  return hopLimit >= unicast.min && hopLimit <= unicast.max ? undefined : "ttlOutsideRange";
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticast(address: Ip): boolean {
  // By the canonical text: it is asked for every packet, sent or received.
  const colon = address.indexOf(":");
  if (colon >= 0) return colon === 4 && address.startsWith("ff");
  const first = Number.parseInt(address, 10);
  return first >> 4 === 14;
}
