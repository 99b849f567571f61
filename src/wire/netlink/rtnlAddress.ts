/**
 * Addresses of rtnetlink (linux/if_addr.h): requests, dumps and notifications, which have one form.
 *
 *     struct ifaddrmsg
 *     +--------+--------+--------+--------+
 *     | family | prefix | flags  | scope  |
 *     +--------+--------+--------+--------+
 *     | index of the link                 |
 *     +-----------------------------------+
 *     | attributes (IFA_*)                |
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
  u8,
  u32,
  u32Struct,
} from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { type NetlinkMessage, NLM_F } from "./message.ts";
import { AF_INET, AF_INET6, RTM } from "./rtnlConstants.ts";
import type { MessageWriter } from "./writer.ts";

const ADDRESS_HEADER_BYTES = 8;

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

/** struct ifaddrmsg and its attributes, as the kernel has them. */
export interface AddressMessage extends AttributeValues<typeof ADDRESS_ATTRIBUTES> {
  readonly family: number;
  readonly prefixLength: number;
  /** The lower eight flags; `flags` of the attribute has all. */
  readonly headerFlags: number;
  readonly scope: number;
  readonly index: number;
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
  /** With `peer` it is the peer's. */
  readonly prefixLength: number;
  readonly linkIndex: number;
  /** The other end of a point-to-point link (IFA_ADDRESS beside IFA_LOCAL). */
  readonly peer?: Ip | undefined;
}

export interface NewAddressRequest extends AddressRequest {
  /** `eth0:1`; IPv4 only, at most 15 bytes. */
  readonly label: string | undefined;
  readonly scope: number;
  /** Whole seconds; undefined = for ever. */
  readonly lifetime: { readonly preferredSec: number; readonly validSec: number } | undefined;
  /** IFA_F_*; noDad for IPv6, so that a VIP is usable at once. */
  readonly flags: number;
  /** IPv4 only. */
  readonly broadcast?: Ip | undefined;
  /** IFA_PROTO, 1 to 255: who made it. Kernels before 5.18 ignore it. A refresh without it clears the mark. */
  readonly protocol?: number | undefined;
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
    ...(request.broadcast === undefined ? {} : { broadcast: ipBytes(request.broadcast) }),
    ...(request.label === undefined ? {} : { label: request.label }),
    ...(long ? { flags: request.flags } : {}),
    ...(request.protocol === undefined ? {} : { protocol: request.protocol }),
    address: request.peer === undefined ? bytes : ipBytes(request.peer),
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
    address: request.peer === undefined ? bytes : ipBytes(request.peer),
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
