/**
 * rtnetlink (rtnetlink(7), linux/rtnetlink.h, if_addr.h, if_link.h): addresses and links, their requests, dumps and
 * notifications, which all have one form.
 *
 *     struct ifaddrmsg                                  struct ifinfomsg
 *     +--------+--------+--------+--------+             +--------+--------+-----------------+
 *     | family | prefix | flags  | scope  |             | family | pad    | type (ARPHRD_*) |
 *     +--------+--------+--------+--------+             +--------+--------+-----------------+
 *     | index of the link                 |             | index                             |
 *     +-----------------------------------+             +-----------------------------------+
 *     | attributes (IFA_*)                |             | flags (IFF_*)                     |
 *                                                       +-----------------------------------+
 *                                                       | change: which flags a request sets|
 *                                                       +-----------------------------------+
 *                                                       | attributes (IFLA_*)               |
 */
import { IPV4_BYTES, IPV6_BYTES, type Ip, ipBytes, ipFromBytes } from "../../core/ip.ts";
import { ok, type Result } from "../../core/result.ts";
import { viewOf } from "../bytes.ts";
import {
  type AttributeTable,
  type AttributeValues,
  binary,
  decodeAttributes,
  encodeAttributes,
  nulString,
  s32,
  u8,
  u32,
  u32Struct,
} from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { type NetlinkMessage, NLM_F } from "./message.ts";
import type { MessageWriter } from "./writer.ts";

/** RTM_NEWLINK and so on: nlmsg_type. */
export const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
} as const;

/** RTNLGRP_LINK and so on: numbers for NETLINK_ADD_MEMBERSHIP. */
export const RTNLGRP = { link: 1, ipv4Address: 5, ipv6Address: 9 } as const;

/** ifa_scope: RT_SCOPE_* */
export const SCOPE = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;

/** IFA_F_*: ifa_flags and IFA_FLAGS. */
export const IFA_F = {
  secondary: 0x01,
  noDad: 0x02,
  dadFailed: 0x08,
  deprecated: 0x20,
  tentative: 0x40,
  permanent: 0x80,
  noPrefixRoute: 0x200,
} as const;

/** IFF_*: the flags of a link. `lowerUp` is the carrier, `running` the operational state. */
export const IFF = { up: 0x1, broadcast: 0x2, loopback: 0x8, running: 0x40, noArp: 0x80, lowerUp: 0x10000 } as const;

/** IF_OPER_*: IFLA_OPERSTATE (RFC 2863). */
export const OPERSTATE = {
  unknown: 0,
  notPresent: 1,
  down: 2,
  lowerLayerDown: 3,
  testing: 4,
  dormant: 5,
  up: 6,
} as const;

/** A lifetime without an end (INFINITY_LIFE_TIME). */
export const LIFETIME_FOREVER_SEC = 0xffff_ffff;

const ADDRESS_HEADER_BYTES = 8;
const LINK_HEADER_BYTES = 16;
const AF_INET = 2;
const AF_INET6 = 10;

/** Of any family: a dump also carries families that holdfast does not know. */
const ipAddress = binary(0, 32);

export const ADDRESS_ATTRIBUTES = {
  address: { attr: 1, type: ipAddress, kernel: "IFA_ADDRESS" },
  local: { attr: 2, type: ipAddress, kernel: "IFA_LOCAL" },
  label: { attr: 3, type: nulString, kernel: "IFA_LABEL" },
  broadcast: { attr: 4, type: ipAddress, kernel: "IFA_BROADCAST" },
  /** struct ifa_cacheinfo: lifetimes in s; the stamps are hundredths of a second since boot, 0 in requests. */
  cacheInfo: {
    attr: 6,
    type: u32Struct(["preferredSec", "validSec", "createdCs", "updatedCs"]),
    kernel: "IFA_CACHEINFO",
  },
  flags: { attr: 8, type: u32, kernel: "IFA_FLAGS" },
  routePriority: { attr: 9, type: u32, kernel: "IFA_RT_PRIORITY" },
  protocol: { attr: 11, type: u8, kernel: "IFA_PROTO" },
} as const satisfies AttributeTable;

export const LINK_ATTRIBUTES = {
  hardwareAddress: { attr: 1, type: binary(0, 32), kernel: "IFLA_ADDRESS" },
  name: { attr: 3, type: nulString, kernel: "IFLA_IFNAME" },
  mtu: { attr: 4, type: u32, kernel: "IFLA_MTU" },
  /** The index of the link below: of a macvlan's or VLAN's parent, of a veth's peer. */
  link: { attr: 5, type: s32, kernel: "IFLA_LINK" },
  master: { attr: 10, type: u32, kernel: "IFLA_MASTER" },
  operationalState: { attr: 16, type: u8, kernel: "IFLA_OPERSTATE" },
  carrier: { attr: 33, type: u8, kernel: "IFLA_CARRIER" },
} as const satisfies AttributeTable;

/** struct ifaddrmsg and its attributes, as the kernel has them. */
export interface AddressMessage extends AttributeValues<typeof ADDRESS_ATTRIBUTES> {
  readonly family: number;
  readonly prefixLength: number;
  /** The lower eight flags; `flags` of the attribute has all. */
  readonly headerFlags: number;
  readonly scope: number;
  readonly index: number;
}

/** struct ifinfomsg and its attributes. */
export interface LinkMessage extends AttributeValues<typeof LINK_ATTRIBUTES> {
  readonly family: number;
  /** ARPHRD_*: 1 Ethernet, 772 loopback. */
  readonly hardwareType: number;
  readonly index: number;
  readonly linkFlags: number;
  readonly change: number;
}

/** Appends an address message of `type` RTM_NEWADDR, RTM_DELADDR or RTM_GETADDR; returns its sequence number. */
export function encodeAddress(writer: MessageWriter, type: number, flags: number, message: AddressMessage): number {
  const { family, prefixLength, headerFlags, scope, index, ...attributes } = message;
  const sequence = writer.begin(type, flags);
  writer.u8(family);
  writer.u8(prefixLength);
  writer.u8(headerFlags);
  writer.u8(scope);
  writer.u32(index);
  encodeAttributes(writer, ADDRESS_ATTRIBUTES, attributes);
  writer.end();
  return sequence;
}

/**
 * An address of a dump or a notification.
 * Checked here: message type, lengths, label's UTF-8.
 * Left to the caller: that the family is one it knows and that address lengths fit it (`localAddress`).
 */
export function decodeAddress(
  message: NetlinkMessage,
): Result<AddressMessage & { readonly unknown: number }, NetlinkFailure> {
  if (message.type < RTM.newAddress || message.type > RTM.getAddress) {
    return netlinkFailure("wrongType", `message type ${message.type} is no RTM_*ADDR`);
  }
  if (message.payload.length < ADDRESS_HEADER_BYTES) {
    return netlinkFailure("truncated", `struct ifaddrmsg of ${message.payload.length} bytes`);
  }
  const view = viewOf(message.payload);
  const decoded = decodeAttributes(ADDRESS_ATTRIBUTES, message.payload.subarray(ADDRESS_HEADER_BYTES));
  if (!decoded.ok) return decoded;
  return ok({
    family: view.getUint8(0),
    prefixLength: view.getUint8(1),
    headerFlags: view.getUint8(2),
    scope: view.getUint8(3),
    index: view.getUint32(4, true),
    ...decoded.value.attributes,
    unknown: decoded.value.unknown,
  });
}

/**
 * The interface's own address: IFA_LOCAL where it is there (IPv4; on point-to-point links IFA_ADDRESS is the other end),
 * else IFA_ADDRESS (IPv6).
 */
export function localAddress(message: AddressMessage): Result<Ip, NetlinkFailure> {
  const bytes = message.local ?? message.address;
  if (bytes === undefined) return netlinkFailure("missingAttribute", "IFA_LOCAL or IFA_ADDRESS");
  const expected = message.family === AF_INET ? IPV4_BYTES : message.family === AF_INET6 ? IPV6_BYTES : 0;
  if (expected === 0) return netlinkFailure("badValue", `address family ${message.family}`);
  if (bytes.length !== expected) return netlinkFailure("badLength", `address of ${bytes.length} bytes`);
  return ok(ipFromBytes(bytes));
}

/** What `encodeNewAddress` and `encodeDeleteAddress` need of an address that is to be programmed. */
export interface AddressRequest {
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly linkIndex: number;
}

export interface NewAddressRequest extends AddressRequest {
  /** `eth0:1`; IPv4 only, at most 15 bytes. */
  readonly label: string | undefined;
  readonly scope: number;
  /** Whole seconds; undefined = for ever. */
  readonly lifetime: { readonly preferredSec: number; readonly validSec: number } | undefined;
  /** IFA_F_*; noDad for IPv6, so that a VIP is usable at once. */
  readonly flags: number;
}

/**
 * `ip address replace`: adds the address or refreshes its lifetimes (NLM_F_CREATE | NLM_F_REPLACE). With `exclusive`
 * `ip address add`: EEXIST when it is there already.
 */
export function encodeNewAddress(
  writer: MessageWriter,
  request: NewAddressRequest,
  mode: "replace" | "exclusive",
): number {
  const bytes = ipBytes(request.ip);
  const lifetime = request.lifetime;
  const long = request.flags > 0xff;
  const flags = NLM_F.request | NLM_F.create | (mode === "replace" ? NLM_F.replace : NLM_F.exclusive);
  return encodeAddress(writer, RTM.newAddress, flags, {
    family: bytes.length === IPV4_BYTES ? AF_INET : AF_INET6,
    prefixLength: request.prefixLength,
    // Read by the kernel only where the attribute is absent.
    headerFlags: long ? 0 : request.flags,
    scope: request.scope,
    index: request.linkIndex,
    // The order of `ip address`, so that its bytes can be compared with ours.
    local: bytes,
    ...(request.label === undefined ? {} : { label: request.label }),
    ...(long ? { flags: request.flags } : {}),
    address: bytes,
    ...(lifetime === undefined ? {} : { cacheInfo: { ...lifetime, createdCs: 0, updatedCs: 0 } }),
  });
}

/** `ip address del`: EADDRNOTAVAIL when it is not there. */
export function encodeDeleteAddress(writer: MessageWriter, request: AddressRequest): number {
  const bytes = ipBytes(request.ip);
  return encodeAddress(writer, RTM.deleteAddress, NLM_F.request, {
    family: bytes.length === IPV4_BYTES ? AF_INET : AF_INET6,
    prefixLength: request.prefixLength,
    headerFlags: 0,
    scope: 0,
    index: request.linkIndex,
    local: bytes,
    address: bytes,
  });
}

/** Dump of all addresses of both families. */
export function encodeGetAddresses(writer: MessageWriter): number {
  return encodeAddress(writer, RTM.getAddress, NLM_F.request | NLM_F.dump, {
    family: 0,
    prefixLength: 0,
    headerFlags: 0,
    scope: 0,
    index: 0,
  });
}

/** Appends a link message of `type` RTM_NEWLINK, RTM_DELLINK or RTM_GETLINK; returns its sequence number. */
export function encodeLink(writer: MessageWriter, type: number, flags: number, message: LinkMessage): number {
  const { family, hardwareType, index, linkFlags, change, ...attributes } = message;
  const sequence = writer.begin(type, flags);
  writer.u8(family);
  writer.u8(0);
  writer.u16(hardwareType);
  writer.u32(index);
  writer.u32(linkFlags);
  writer.u32(change);
  encodeAttributes(writer, LINK_ATTRIBUTES, attributes);
  writer.end();
  return sequence;
}

/** Dump of all links. */
export function encodeGetLinks(writer: MessageWriter): number {
  return encodeLink(writer, RTM.getLink, NLM_F.request | NLM_F.dump, {
    family: 0,
    hardwareType: 0,
    index: 0,
    linkFlags: 0,
    change: 0,
  });
}

/**
 * A link of a dump or a notification.
 * Checked here: message type, lengths, the name's UTF-8.
 * Left to the caller: that a name is there. A bridge's notifications about its ports have family AF_BRIDGE: not the link's own.
 */
export function decodeLink(
  message: NetlinkMessage,
): Result<LinkMessage & { readonly unknown: number }, NetlinkFailure> {
  if (message.type < RTM.newLink || message.type > RTM.getLink) {
    return netlinkFailure("wrongType", `message type ${message.type} is no RTM_*LINK`);
  }
  if (message.payload.length < LINK_HEADER_BYTES) {
    return netlinkFailure("truncated", `struct ifinfomsg of ${message.payload.length} bytes`);
  }
  const view = viewOf(message.payload);
  const decoded = decodeAttributes(LINK_ATTRIBUTES, message.payload.subarray(LINK_HEADER_BYTES));
  if (!decoded.ok) return decoded;
  return ok({
    family: view.getUint8(0),
    hardwareType: view.getUint16(2, true),
    index: view.getInt32(4, true),
    linkFlags: view.getUint32(8, true),
    change: view.getUint32(12, true),
    ...decoded.value.attributes,
    unknown: decoded.value.unknown,
  });
}
