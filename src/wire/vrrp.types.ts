import type { Ip } from "../core/ip.ts";
import type { Ipv4FailureReason } from "./ipv4.ts";

/** 2 is RFC 3768 (IPv4 only), 3 is RFC 9568 and RFC 5798 (both families). */
export type VrrpVersion = 2 | 3;

/**
 * What the checksum of an IPv4 advert of version 3 covers. RFC 5798 5.2.8 and keepalived sum the pseudo header too, other
 * implementations the message alone. IPv6 always has the pseudo header, version 2 never.
 */
export type ChecksumForm = "withPseudoHeader" | "withoutPseudoHeader";

/** One advert, of either version and family: the family is that of its packet. */
export interface VrrpAdvert {
  readonly version: VrrpVersion;
  readonly virtualRouterId: number;
  /** 0 = the master resigns, 255 = the owner of the addresses. */
  readonly priority: number;
  /** Hundredths of a second: 0 to 25 500 in whole seconds (version 2), 0 to 4 095 (version 3). */
  readonly advertIntervalCs: number;
  /** All of the packet's family, in its order. Of IPv6 the first should be link-local (RFC 9568 5.2.9): the caller's matter. */
  readonly addresses: readonly Ip[];
  /**
   * Version 2 with authentication type 1 (RFC 2338 5.3.6): the eight bytes as text without the zeros at the end, which is
   * "" when all are zero. Absent: type 0, no authentication.
   */
  readonly authPassword?: string;
  /** Version 3 over IPv4: which form was found, or is to be sent (absent: with the pseudo header). Else absent. */
  readonly checksumForm?: ChecksumForm;
}

/** Whence and where to: part of the checksum in version 3; the source's family is the advert's. */
export interface AdvertEndpoints {
  readonly source: Ip;
  readonly destination: Ip;
}

/** Why an advert is not acted on: a closed list, the labels of the counter of discarded packets. */
export type AdvertDiscardReason =
  /** Shorter than its header, or than the number of addresses and the authentication data need. */
  | "truncated"
  /** Neither 2 nor 3, or 2 over IPv6; and, for the caller, not the version of the instance. */
  | "wrongVersion"
  /** Another type than ADVERTISEMENT. */
  | "wrongType"
  /** Longer than the number of addresses says. */
  | "addressCountMismatch"
  /** Version 3 without any address (RFC 9568 5.2.5). */
  | "noAddresses"
  | "badChecksum"
  /** Version 2: neither 0 (none) nor 1 (PASS). Type 2 is keepalived's AH. */
  | "authTypeUnsupported";

/** Why a packet is not acted on, its IP header included. */
export type PacketDiscardReason =
  | AdvertDiscardReason
  | Ipv4FailureReason
  | "wrongProtocol"
  /** Multicast that has passed a router, or was not sent as VRRP demands. */
  | "ttlNot255"
  /** Unicast outside of the range that was asked for (`min_ttl`, `max_ttl`). */
  | "ttlOutsideRange"
  /** By `authProblem`: with authentication where none is configured, or without it. */
  | "authTypeMismatch"
  /** By `authProblem`: another password. */
  | "authMismatch";

/** Every reason, so that counters exist at 0 before they are needed. `unknownVrid` and the rest of 7.1 is counted by the caller. */
export const PACKET_DISCARD_REASONS: readonly PacketDiscardReason[] = [
  "truncated",
  "wrongVersion",
  "wrongType",
  "addressCountMismatch",
  "noAddresses",
  "badChecksum",
  "authTypeUnsupported",
  "ipTruncated",
  "ipWrongVersion",
  "ipBadHeaderLength",
  "ipBadChecksum",
  "wrongProtocol",
  "ttlNot255",
  "ttlOutsideRange",
  "authTypeMismatch",
  "authMismatch",
];

/** TTL or hop limit as it arrived, both ends included. */
export interface HopLimitRange {
  readonly min: number;
  readonly max: number;
}
