/**
 * Links of rtnetlink (linux/if_link.h): requests, dumps and notifications, which have one form.
 *
 *     struct ifinfomsg
 *     +--------+--------+-----------------+
 *     | family | pad    | type (ARPHRD_*) |
 *     +--------+--------+-----------------+
 *     | index                             |
 *     +-----------------------------------+
 *     | flags (IFF_*)                     |
 *     +-----------------------------------+
 *     | change: which flags a request sets|
 *     +-----------------------------------+
 *     | attributes (IFLA_*)               |
 */
import { ok, type Result } from "../../core/result.ts";
import { viewOf } from "../bytes.ts";
import {
  type AttributeTable,
  type AttributeType,
  type AttributeValues,
  binary,
  decodeAttributes,
  encodeAttributes,
  nestedUnmarked,
  nulString,
  s32,
  text,
  u8,
  u16,
  u32,
} from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { type NetlinkMessage, NLM_F } from "./message.ts";
import { IFF, RTM } from "./rtnlConstants.ts";
import type { MessageWriter } from "./writer.ts";

const LINK_HEADER_BYTES = 16;
/** IFALIASZ, less its NUL. */
export const LINK_ALIAS_BYTES_MAX = 255;

/** MACVLAN_MODE_*: `private` keeps the macvlans of one parent apart, which VRRP needs (it must not hear itself). */
export const MACVLAN_MODE = { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 } as const;
/** IPVLAN_MODE_* */
export const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 } as const;
/** IPVLAN_F_*; 0 is bridge. */
export const IPVLAN_F = { private: 0x01, vepa: 0x02 } as const;
/** IN6_ADDR_GEN_MODE_*: `none` keeps the kernel from making a link-local address of the hardware address. */
export const ADDRESS_GENERATION = { eui64: 0, none: 1, stablePrivacy: 2, random: 3 } as const;

export const MACVLAN_ATTRIBUTES = {
  mode: { attr: 1, type: u32, kernel: "IFLA_MACVLAN_MODE" },
} as const satisfies AttributeTable;

export const IPVLAN_ATTRIBUTES = {
  mode: { attr: 1, type: u16, kernel: "IFLA_IPVLAN_MODE" },
  flags: { attr: 2, type: u16, kernel: "IFLA_IPVLAN_FLAGS" },
} as const satisfies AttributeTable;

export const LINK_INFO_ATTRIBUTES = {
  kind: { attr: 1, type: text, kernel: "IFLA_INFO_KIND" },
  /** Its meaning depends on the kind: `linkInfoType` below reads it. */
  data: { attr: 2, type: binary(0, 0xffff), kernel: "IFLA_INFO_DATA" },
} as const satisfies AttributeTable;

/** IFLA_LINKINFO: what kind of device it is, and what holdfast knows of that kind. */
export type LinkInfo =
  | { readonly kind: "macvlan"; readonly macvlan: AttributeValues<typeof MACVLAN_ATTRIBUTES> }
  | { readonly kind: "ipvlan"; readonly ipvlan: AttributeValues<typeof IPVLAN_ATTRIBUTES> }
  /** `veth`, `vlan`, `bond`, `dummy`, ... */
  | { readonly kind: string };

const macvlanData = nestedUnmarked(MACVLAN_ATTRIBUTES);
const ipvlanData = nestedUnmarked(IPVLAN_ATTRIBUTES);

const linkInfoType: AttributeType<LinkInfo> = {
  flag: 0,
  write(writer, info) {
    encodeAttributes(writer, LINK_INFO_ATTRIBUTES, { kind: info.kind });
    const data = writer.beginAttribute(LINK_INFO_ATTRIBUTES.data.attr);
    if ("macvlan" in info) macvlanData.write(writer, info.macvlan);
    if ("ipvlan" in info) ipvlanData.write(writer, info.ipvlan);
    writer.endAttribute(data);
  },
  read(payload, tally) {
    const decoded = decodeAttributes(LINK_INFO_ATTRIBUTES, payload);
    if (!decoded.ok) return decoded;
    const { kind = "", data = new Uint8Array() } = decoded.value.attributes;
    tally.unknown += decoded.value.unknown;
    if (kind === "macvlan") {
      const macvlan = macvlanData.read(data, tally);
      return macvlan.ok ? ok({ kind, macvlan: macvlan.value }) : macvlan;
    }
    if (kind === "ipvlan") {
      const ipvlan = ipvlanData.read(data, tally);
      return ipvlan.ok ? ok({ kind, ipvlan: ipvlan.value }) : ipvlan;
    }
    return ok({ kind });
  },
};

export const INET6_ATTRIBUTES = {
  addressGeneration: { attr: 8, type: u8, kernel: "IFLA_INET6_ADDR_GEN_MODE" },
} as const satisfies AttributeTable;

/** IFLA_AF_SPEC: one attribute a family, its number being AF_*. */
export const FAMILY_ATTRIBUTES = {
  inet6: { attr: 10, type: nestedUnmarked(INET6_ATTRIBUTES), kernel: "AF_INET6" },
} as const satisfies AttributeTable;

export const LINK_ATTRIBUTES = {
  hardwareAddress: { attr: 1, type: binary(0, 32), kernel: "IFLA_ADDRESS" },
  name: { attr: 3, type: nulString, kernel: "IFLA_IFNAME" },
  mtu: { attr: 4, type: u32, kernel: "IFLA_MTU" },
  /** The index of the link below: of a macvlan's or VLAN's parent, of a veth's peer. */
  link: { attr: 5, type: s32, kernel: "IFLA_LINK" },
  master: { attr: 10, type: u32, kernel: "IFLA_MASTER" },
  operationalState: { attr: 16, type: u8, kernel: "IFLA_OPERSTATE" },
  info: { attr: 18, type: linkInfoType, kernel: "IFLA_LINKINFO" },
  /** Anybody's words about a link, in whatever bytes; written without a NUL, and read with one. */
  alias: { attr: 20, type: binary(0, LINK_ALIAS_BYTES_MAX + 1), kernel: "IFLA_IFALIAS" },
  perFamily: { attr: 26, type: nestedUnmarked(FAMILY_ATTRIBUTES), kernel: "IFLA_AF_SPEC" },
  carrier: { attr: 33, type: u8, kernel: "IFLA_CARRIER" },
} as const satisfies AttributeTable;

/** struct ifinfomsg and its attributes. */
export interface LinkMessage extends AttributeValues<typeof LINK_ATTRIBUTES> {
  readonly family: number;
  /** ARPHRD_*: 1 Ethernet, 772 loopback. */
  readonly hardwareType: number;
  readonly index: number;
  readonly linkFlags: number;
  readonly change: number;
}

const utf8 = new TextEncoder();

const NO_LINK: LinkMessage = { family: 0, hardwareType: 0, index: 0, linkFlags: 0, change: 0 };

/** Appends a link message of `type` RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK or RTM_GETLINK; returns its sequence number. */
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

/** A device of our own on `parentIndex`. */
export interface NewLinkRequest {
  /** At most 15 bytes. */
  readonly name: string;
  readonly parentIndex: number;
  /** Six bytes; undefined: a macvlan draws one, an ipvlan has its parent's. */
  readonly hardwareAddress: Uint8Array | undefined;
  readonly info:
    | { readonly kind: "macvlan"; readonly macvlan: { readonly mode: number } }
    | { readonly kind: "ipvlan"; readonly ipvlan: { readonly mode: number; readonly flags: number } };
}

/** `ip link add link PARENT name NAME address MAC type macvlan mode private`: created down. EEXIST when the name is taken. */
export function encodeNewLink(writer: MessageWriter, request: NewLinkRequest): number {
  const { name, parentIndex, hardwareAddress, info } = request;
  return encodeLink(writer, RTM.newLink, NLM_F.request | NLM_F.create | NLM_F.exclusive, {
    ...NO_LINK,
    // The order of `ip link`, so that its bytes can be compared with ours.
    ...(hardwareAddress === undefined ? {} : { hardwareAddress }),
    link: parentIndex,
    name,
    info,
  });
}

/** What `encodeSetLink` changes of a link; absent members stay as they are. */
export interface SetLinkRequest {
  /** A device that was created in the same batch is only known by its name. */
  readonly device: { readonly index: number } | { readonly name: string };
  readonly up?: boolean | undefined;
  readonly hardwareAddress?: Uint8Array | undefined;
  /** ADDRESS_GENERATION: to be set before the link is up. */
  readonly addressGeneration?: number | undefined;
  /** At most LINK_ALIAS_BYTES_MAX bytes of UTF-8 are written. */
  readonly alias?: string | undefined;
}

/** `ip link set dev DEVICE up|down`, `address MAC`, `addrgenmode none`, `alias WORDS`. ENODEV when it is gone. */
export function encodeSetLink(writer: MessageWriter, request: SetLinkRequest): number {
  const { device, up, hardwareAddress, addressGeneration, alias } = request;
  return encodeLink(writer, RTM.newLink, NLM_F.request, {
    ...NO_LINK,
    ...device,
    linkFlags: up === true ? IFF.up : 0,
    change: up === undefined ? 0 : IFF.up,
    ...(hardwareAddress === undefined ? {} : { hardwareAddress }),
    ...(addressGeneration === undefined ? {} : { perFamily: { inet6: { addressGeneration } } }),
    ...(alias === undefined ? {} : { alias: utf8.encode(alias).subarray(0, LINK_ALIAS_BYTES_MAX) }),
  });
}

/** `ip link delete`: ENODEV when it is gone, EOPNOTSUPP for hardware. */
export function encodeDeleteLink(writer: MessageWriter, index: number): number {
  return encodeLink(writer, RTM.deleteLink, NLM_F.request, { ...NO_LINK, index });
}

/** Dump of all links. */
export function encodeGetLinks(writer: MessageWriter): number {
  return encodeLink(writer, RTM.getLink, NLM_F.request | NLM_F.dump, NO_LINK);
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
