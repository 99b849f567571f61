import { ok, type Result } from "../../src/core/result.ts";
import { type ArpFrame, decodeArp, encodeArp } from "../../src/wire/arp.ts";
import { encodeIpv4, type Ipv4Header } from "../../src/wire/ipv4.ts";
import { encodeIpv6, type Ipv6Header } from "../../src/wire/ipv6.ts";
import {
  decodeNeighborAdvertisement,
  encodeNeighborAdvertisement,
  type NeighborAdvertisement,
} from "../../src/wire/neighbor.ts";
import { type AttributeValues, decodeAttributes, encodeAttributes } from "../../src/wire/netlink/attributes.ts";
import type { NetlinkFailure } from "../../src/wire/netlink/failure.ts";
import { CONTROLLER_ATTRIBUTES, decodeGeneric, writeGenericHeader } from "../../src/wire/netlink/genl.ts";
import { decodeIpvs, decodeIpvsInfo, encodeIpvs, IPVS_COMMAND, type IpvsMessage } from "../../src/wire/netlink/ipvs.ts";
import {
  decodeAcknowledgement,
  decodeDone,
  decodeMessages,
  type NetlinkMessage,
  NLMSG,
} from "../../src/wire/netlink/message.ts";
import {
  type AddressMessage,
  decodeAddress,
  decodeLink,
  decodeRoute,
  decodeRule,
  encodeAddress,
  encodeLink,
  encodeRoute,
  encodeRule,
  type LinkMessage,
  type RouteMessage,
  RTM,
  type RuleMessage,
} from "../../src/wire/netlink/rtnl.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";
import { decodeAdvertPacket, decodeIpv6AdvertPacket, encodeAdvert, type VrrpAdvert } from "../../src/wire/vrrp.ts";

/** How the cases of a folder are decoded and, where the product encodes such a thing, encoded. */
export interface Codec {
  decode(bytes: Uint8Array): Result<unknown, unknown>;
  /** Undefined for values that the product only reads. */
  encode(value: unknown): Uint8Array | undefined;
}

export const CODECS: Readonly<Record<string, Codec>> = {
  vrrp: {
    decode: (bytes) => decodeAdvertPacket(bytes),
    encode(value) {
      const { header, advert } = value as { header: Ipv4Header; advert: VrrpAdvert };
      return encodeIpv4(header, encodeAdvert(advert, header));
    },
  },
  vrrp6: {
    decode: (bytes) => decodeIpv6AdvertPacket(bytes),
    encode(value) {
      const { header, advert } = value as { header: Ipv6Header; advert: VrrpAdvert };
      return encodeIpv6(header, encodeAdvert(advert, header));
    },
  },
  neighbor: {
    decode: decodeNeighborAdvertisement,
    encode: (value) => encodeNeighborAdvertisement(value as NeighborAdvertisement),
  },
  arp: { decode: decodeArp, encode: (value) => encodeArp(value as ArpFrame) },
  rtnl: netlinkCodec({ decode: decodeRouting, encode: encodeRouting }),
  genl: netlinkCodec({ decode: decodeController, encode: encodeController }),
  ipvs: netlinkCodec({ decode: decodeIpvsBody, encode: encodeIpvsBody }),
};

/** Message types beyond the control messages; each protocol numbers them for itself. */
interface Bodies {
  decode(message: NetlinkMessage): Result<Body, NetlinkFailure>;
  /** False for a body that the product never writes. */
  encode(writer: MessageWriter, message: DecodedMessage): boolean;
}

type Body = { readonly [kind: string]: unknown };

type DecodedMessage = Body & {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly portId: number;
};

/** A datagram is a list of messages, each with its header and one body. */
function netlinkCodec(bodies: Bodies): Codec {
  const body = (message: NetlinkMessage): Result<Body, NetlinkFailure> => {
    if (message.type === NLMSG.error) return wrapped("acknowledgement", decodeAcknowledgement(message));
    if (message.type === NLMSG.done) return wrapped("done", decodeDone(message));
    return bodies.decode(message);
  };
  return {
    decode(bytes) {
      const messages = decodeMessages(bytes);
      if (!messages.ok) return messages;
      const decoded: DecodedMessage[] = [];
      for (const message of messages.value) {
        const part = body(message);
        if (!part.ok) return part;
        const { type, flags, sequence, portId } = message;
        decoded.push({ type, flags, sequence, portId, ...part.value });
      }
      return ok(decoded);
    },
    encode(value) {
      const parts: Uint8Array[] = [];
      for (const message of value as DecodedMessage[]) {
        const writer = new MessageWriter(64, message.sequence === 0 ? 1 : message.sequence);
        if (!bodies.encode(writer, message)) return undefined;
        // The product leaves the port to the kernel, and no notification is a request of ours.
        const bytes = Uint8Array.from(writer.bytes);
        const view = new DataView(bytes.buffer);
        view.setUint32(8, message.sequence, true);
        view.setUint32(12, message.portId, true);
        parts.push(bytes);
      }
      return Uint8Array.from(Buffer.concat(parts));
    },
  };
}

function wrapped<Failure>(kind: string, result: Result<unknown, Failure>): Result<Body, Failure> {
  return result.ok ? ok({ [kind]: result.value }) : result;
}

/** Without the count that decoding adds. Bytes with attributes that have no row cannot be made again. */
function known<Value extends { readonly unknown: number }>(value: Value): Omit<Value, "unknown"> {
  const { unknown, ...rest } = value;
  if (unknown !== 0) throw new Error(`${unknown} attributes without a row`);
  return rest;
}

function decodeRouting(message: NetlinkMessage): Result<Body, NetlinkFailure> {
  if (message.type >= RTM.newRule) return wrapped("rule", decodeRule(message));
  if (message.type >= RTM.newRoute) return wrapped("route", decodeRoute(message));
  if (message.type >= RTM.newAddress) return wrapped("address", decodeAddress(message));
  return wrapped("link", decodeLink(message));
}

function encodeRouting(writer: MessageWriter, message: DecodedMessage): boolean {
  const { type, flags, link, address, route, rule } = message;
  const counted = (link ?? address ?? route ?? rule) as { readonly unknown: number } | undefined;
  // Newer kernels tell more than there are rows for, of links dozens of attributes: only the decoding is compared then.
  if (counted === undefined || counted.unknown > 0) return false;
  if (link !== undefined) encodeLink(writer, type, flags, known(link as Counted<LinkMessage>));
  if (address !== undefined) encodeAddress(writer, type, flags, known(address as Counted<AddressMessage>));
  if (route !== undefined) encodeRoute(writer, type, flags, known(route as Counted<RouteMessage>));
  if (rule !== undefined) encodeRule(writer, type, flags, known(rule as Counted<RuleMessage>));
  return true;
}

type Counted<Message> = Message & { readonly unknown: number };

interface ControllerBody {
  readonly command: number;
  readonly version: number;
  readonly attributes: AttributeValues<typeof CONTROLLER_ATTRIBUTES>;
  readonly unknown: number;
}

function decodeController(message: NetlinkMessage): Result<Body, NetlinkFailure> {
  const generic = decodeGeneric(message);
  if (!generic.ok) return generic;
  const decoded = decodeAttributes(CONTROLLER_ATTRIBUTES, generic.value.attributes);
  if (!decoded.ok) return decoded;
  const { command, version } = generic.value;
  return ok({ controller: { command, version, ...decoded.value } satisfies ControllerBody });
}

function encodeController(writer: MessageWriter, message: DecodedMessage): boolean {
  const { command, version, attributes, unknown } = message.controller as ControllerBody;
  if (unknown > 0) return false;
  writer.begin(message.type, message.flags);
  writeGenericHeader(writer, command, version);
  encodeAttributes(writer, CONTROLLER_ATTRIBUTES, attributes);
  writer.end();
  return true;
}

function decodeIpvsBody(message: NetlinkMessage): Result<Body, NetlinkFailure> {
  const generic = decodeGeneric(message);
  if (!generic.ok) return generic;
  return generic.value.command === IPVS_COMMAND.setInfo
    ? wrapped("info", decodeIpvsInfo(message))
    : wrapped("ipvs", decodeIpvs(message));
}

function encodeIpvsBody(writer: MessageWriter, message: DecodedMessage): boolean {
  if (message.ipvs === undefined) return false;
  encodeIpvs(writer, message.type, message.flags, known(message.ipvs as IpvsMessage & { unknown: number }));
  return true;
}
