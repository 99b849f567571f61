/**
 * Routes of rtnetlink (linux/rtnetlink.h): requests, dumps and notifications, which have one form.
 *
 *     struct rtmsg
 *     +--------+--------+--------+--------+
 *     | family | dst_len| src_len| tos    |
 *     +--------+--------+--------+--------+
 *     | table  |protocol| scope  | type   |
 *     +--------+--------+--------+--------+
 *     | flags (RTM_F_*, RTNH_F_*)         |
 *     +-----------------------------------+
 *     | attributes (RTA_*)                |
 */
import { ok, type Result } from "../../core/result.ts";
import { copyOf, viewOf } from "../bytes.ts";
import {
  type AttributeTable,
  type AttributeType,
  type AttributeValues,
  binary,
  decodeAttributes,
  encodeAttributes,
  nestedUnmarked,
  s32,
  text,
  u8,
  u32,
  u32Struct,
} from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import type { NetlinkMessage } from "./message.ts";
import { RTM } from "./rtnlConstants.ts";
import { align, type MessageWriter } from "./writer.ts";

const ROUTE_HEADER_BYTES = 12;
const NEXTHOP_HEADER_BYTES = 8;

/** RTN_*: rtm_type. */
export const RTN = {
  unspecified: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const;

/** RTNH_F_*: of a route with one nexthop in rtm_flags, else in each nexthop. */
export const RTNH_F = { dead: 1, onlink: 4, linkDown: 16 } as const;
/** RTM_F_CLONED: a cached exception, no route of the table. */
export const RTM_F_CLONED = 0x200;

/** RTAX_* that are not plain u32. */
export const RTAX = { lock: 1, mtu: 2, features: 12, congestionControl: 16 } as const;
/** RTAX_MAX of Linux 6: fastopen_no_cookie. */
const RTAX_MAX = 17;

/** RTA_METRICS: a u32 for each RTAX_* number, the congestion control's name apart. */
export interface RouteMetrics {
  readonly values: Readonly<Record<number, number>>;
  readonly congestionControl?: string;
}

const METRICS_TABLE: AttributeTable = Object.fromEntries(
  Array.from({ length: RTAX_MAX }, (_, index) => index + 1).map((attr) =>
    attr === RTAX.congestionControl
      ? [String(attr), { attr, type: text, kernel: "RTAX_CC_ALGO" }]
      : [String(attr), { attr, type: u32, kernel: `RTAX ${attr}` }],
  ),
);
const metricsAttributes = nestedUnmarked(METRICS_TABLE);

const metricsType: AttributeType<RouteMetrics> = {
  flag: 0,
  write: (writer, { values, congestionControl }) =>
    metricsAttributes.write(writer, {
      ...values,
      ...(congestionControl === undefined ? {} : { [RTAX.congestionControl]: congestionControl }),
    }),
  read(payload, tally) {
    const decoded = metricsAttributes.read(payload, tally);
    if (!decoded.ok) return decoded;
    const { [RTAX.congestionControl]: congestionControl, ...values } = decoded.value as Record<number, unknown>;
    return ok({
      values: values as Record<number, number>,
      ...(congestionControl === undefined ? {} : { congestionControl: congestionControl as string }),
    });
  },
};

/** struct rtvia: a gateway of the other family. */
export interface Via {
  readonly family: number;
  readonly address: Uint8Array;
}
const viaType: AttributeType<Via> = {
  flag: 0,
  write(writer, via) {
    writer.u16(via.family);
    writer.raw(via.address);
  },
  read(payload) {
    if (payload.length < 2) return netlinkFailure("badLength", `struct rtvia of ${payload.length} bytes`);
    return ok({ family: viewOf(payload).getUint16(0, true), address: copyOf(payload.subarray(2)) });
  },
};

const ipAddress = binary(0, 32);

/** Of a nexthop in RTA_MULTIPATH; a route with one nexthop has the same attributes itself. */
export const NEXTHOP_ATTRIBUTES = {
  gateway: { attr: 5, type: ipAddress, kernel: "RTA_GATEWAY" },
  flow: { attr: 11, type: u32, kernel: "RTA_FLOW" },
  via: { attr: 18, type: viaType, kernel: "RTA_VIA" },
} as const satisfies AttributeTable;

/** struct rtnexthop and its attributes. */
export interface NexthopMessage extends AttributeValues<typeof NEXTHOP_ATTRIBUTES> {
  /** RTNH_F_* */
  readonly nexthopFlags: number;
  /** Weight less 1. */
  readonly hops: number;
  readonly index: number;
}

/**
 *     struct rtnexthop
 *     +-----------------+--------+--------+
 *     | length (16)     | flags  | hops   |
 *     +-----------------+--------+--------+
 *     | index of the link                 |
 *     +-----------------------------------+
 *     | attributes (RTA_*)                |
 */
const multipathType: AttributeType<readonly NexthopMessage[]> = {
  flag: 0,
  write(writer, nexthops) {
    for (const { nexthopFlags, hops, index, ...attributes } of nexthops) {
      // Its length stands where an attribute's does, flags and hops where its number does.
      const start = writer.beginAttribute(nexthopFlags | (hops << 8));
      writer.u32(index);
      encodeAttributes(writer, NEXTHOP_ATTRIBUTES, attributes);
      writer.endAttribute(start);
    }
  },
  read(payload, tally) {
    const view = viewOf(payload);
    const nexthops: NexthopMessage[] = [];
    let offset = 0;
    while (offset < payload.length) {
      const left = payload.length - offset;
      if (left < NEXTHOP_HEADER_BYTES) return netlinkFailure("truncated", `struct rtnexthop of ${left} bytes`);
      const length = view.getUint16(offset, true);
      if (length < NEXTHOP_HEADER_BYTES) return netlinkFailure("badLength", `rtnh_len ${length}`);
      if (length > left) return netlinkFailure("truncated", `rtnh_len ${length}, ${left} bytes left`);
      const decoded = decodeAttributes(
        NEXTHOP_ATTRIBUTES,
        payload.subarray(offset + NEXTHOP_HEADER_BYTES, offset + length),
      );
      if (!decoded.ok) return decoded;
      tally.unknown += decoded.value.unknown;
      nexthops.push({
        nexthopFlags: view.getUint8(offset + 2),
        hops: view.getUint8(offset + 3),
        index: view.getInt32(offset + 4, true),
        ...decoded.value.attributes,
      });
      offset += align(length);
    }
    return ok(nexthops);
  },
};

export const ROUTE_ATTRIBUTES = {
  destination: { attr: 1, type: ipAddress, kernel: "RTA_DST" },
  source: { attr: 2, type: ipAddress, kernel: "RTA_SRC" },
  inputLink: { attr: 3, type: s32, kernel: "RTA_IIF" },
  outputLink: { attr: 4, type: s32, kernel: "RTA_OIF" },
  gateway: NEXTHOP_ATTRIBUTES.gateway,
  priority: { attr: 6, type: u32, kernel: "RTA_PRIORITY" },
  preferredSource: { attr: 7, type: ipAddress, kernel: "RTA_PREFSRC" },
  metrics: { attr: 8, type: metricsType, kernel: "RTA_METRICS" },
  multipath: { attr: 9, type: multipathType, kernel: "RTA_MULTIPATH" },
  flow: NEXTHOP_ATTRIBUTES.flow,
  /** struct rta_cacheinfo; expires is signed, in hundredths of a second. */
  cacheInfo: {
    attr: 12,
    type: u32Struct(["references", "lastUse", "expires", "error", "used", "id", "timestamp", "timestampAge"]),
    kernel: "RTA_CACHEINFO",
  },
  table: { attr: 15, type: u32, kernel: "RTA_TABLE" },
  via: NEXTHOP_ATTRIBUTES.via,
  preference: { attr: 20, type: u8, kernel: "RTA_PREF" },
  expiresSec: { attr: 23, type: u32, kernel: "RTA_EXPIRES" },
} as const satisfies AttributeTable;

/** struct rtmsg and its attributes. */
export interface RouteMessage extends AttributeValues<typeof ROUTE_ATTRIBUTES> {
  readonly family: number;
  readonly destinationLength: number;
  readonly sourceLength: number;
  readonly typeOfService: number;
  /** The lower eight bits; `table` of the attribute has all. */
  readonly headerTable: number;
  /** RTPROT_* */
  readonly protocol: number;
  readonly scope: number;
  /** RTN_* */
  readonly type: number;
  readonly routeFlags: number;
}

/** Appends a route message of `type` RTM_NEWROUTE, RTM_DELROUTE or RTM_GETROUTE; returns its sequence number. */
export function encodeRoute(writer: MessageWriter, type: number, flags: number, message: RouteMessage): number {
  const { family, destinationLength, sourceLength, typeOfService, headerTable, protocol, scope, routeFlags, ...rest } =
    message;
  const { type: routeType, ...attributes } = rest;
  const sequence = writer.begin(type, flags);
  for (const byte of [family, destinationLength, sourceLength, typeOfService]) writer.u8(byte);
  for (const byte of [headerTable, protocol, scope, routeType]) writer.u8(byte);
  writer.u32(routeFlags);
  encodeAttributes(writer, ROUTE_ATTRIBUTES, attributes);
  writer.end();
  return sequence;
}

/**
 * A route of a dump or a notification.
 * Checked here: message type, lengths.
 * Left to the caller: that the family is one it knows, that address lengths fit it, RTM_F_CLONED.
 */
export function decodeRoute(
  message: NetlinkMessage,
): Result<RouteMessage & { readonly unknown: number }, NetlinkFailure> {
  if (message.type < RTM.newRoute || message.type > RTM.getRoute) {
    return netlinkFailure("wrongType", `message type ${message.type} is no RTM_*ROUTE`);
  }
  if (message.payload.length < ROUTE_HEADER_BYTES) {
    return netlinkFailure("truncated", `struct rtmsg of ${message.payload.length} bytes`);
  }
  const view = viewOf(message.payload);
  const decoded = decodeAttributes(ROUTE_ATTRIBUTES, message.payload.subarray(ROUTE_HEADER_BYTES));
  if (!decoded.ok) return decoded;
  return ok({
    family: view.getUint8(0),
    destinationLength: view.getUint8(1),
    sourceLength: view.getUint8(2),
    typeOfService: view.getUint8(3),
    headerTable: view.getUint8(4),
    protocol: view.getUint8(5),
    scope: view.getUint8(6),
    type: view.getUint8(7),
    routeFlags: view.getUint32(8, true),
    ...decoded.value.attributes,
    unknown: decoded.value.unknown,
  });
}
