/** Routes as they are asked for and as dumps tell of them, above the messages of rtnlRoute.ts. */
import { type Family, family, type Ip, ip, ipBytes, ipFromBytes } from "../../core/ip.ts";
import { NLM_F } from "./message.ts";
import { AF_INET, AF_INET6, RT_TABLE, RTM } from "./rtnlConstants.ts";
import {
  encodeRoute,
  type NexthopMessage,
  type RouteMessage,
  type RouteMetrics,
  RTAX,
  RTN,
  RTNH_F,
  type Via,
} from "./rtnlRoute.ts";
import type { MessageWriter } from "./writer.ts";

export type RouteTypeName =
  | "unicast"
  | "local"
  | "broadcast"
  | "multicast"
  | "throw"
  | "unreachable"
  | "prohibit"
  | "blackhole";

export interface Prefix {
  readonly address: Ip;
  readonly prefixLength: number;
}

/** A route as `virtual_routes` describes it, with indexes in the place of names. */
export interface RouteRequest {
  readonly family: Family;
  readonly type: RouteTypeName;
  /** 0.0.0.0/0 or ::/0 is the default route. */
  readonly destination: Prefix;
  /** IPv6 only (`from`). */
  readonly from: Prefix | undefined;
  readonly preferredSource: Ip | undefined;
  /** Of either family: another than the route's becomes RTA_VIA. */
  readonly gateway: Ip | undefined;
  readonly linkIndex: number | undefined;
  readonly onlink: boolean;
  /** RT_SCOPE_* */
  readonly scope: number;
  readonly table: number;
  /** RTPROT_* */
  readonly protocol: number;
  readonly typeOfService: number;
  /** RTA_PRIORITY */
  readonly metric: number | undefined;
  /** By RTAX_* number, RTAX_LOCK's bits among them. */
  readonly metrics: Readonly<Record<number, number>>;
  /** RTAX_FEATURES */
  readonly features: number | undefined;
  /** Name of RTAX_CC_ALGO. */
  readonly congestionControl: string | undefined;
  readonly realms: number | undefined;
  /** IPv6 RTA_PREF: 0 medium, 1 high, 3 low. */
  readonly preference: number | undefined;
  /** IPv6 only: the kernel refuses it for IPv4. */
  readonly expiresSec: number | undefined;
  /** Two or more: `gateway` and `linkIndex` are not looked at then. */
  readonly nexthops: readonly NexthopRequest[];
}

export interface NexthopRequest {
  readonly gateway: Ip | undefined;
  readonly linkIndex: number | undefined;
  readonly onlink: boolean;
  /** 1 to 256 */
  readonly weight: number;
  readonly realms: number | undefined;
}

/**
 * As `ip route` names them. `add`: EEXIST when there is one of the same destination, metric and type of service; `replace`
 * puts it in that one's place; `prepend` and `append` put it before and behind (IPv6: one more nexthop of it).
 */
export type RouteMode = "add" | "replace" | "prepend" | "append";

const MODE_FLAGS: Readonly<Record<RouteMode, number>> = {
  add: NLM_F.create | NLM_F.exclusive,
  replace: NLM_F.create | NLM_F.replace,
  prepend: NLM_F.create,
  append: NLM_F.create | NLM_F.append,
};

/** `ip route add|replace|prepend|append` */
export function encodeNewRoute(writer: MessageWriter, request: RouteRequest, mode: RouteMode): number {
  return encodeRoute(writer, RTM.newRoute, NLM_F.request | MODE_FLAGS[mode], routeMessage(request));
}

/** `ip route del` of exactly this route: ESRCH when it is not there. */
export function encodeDeleteRoute(writer: MessageWriter, request: RouteRequest): number {
  // An expiry is no part of what a route is found by.
  return encodeRoute(writer, RTM.deleteRoute, NLM_F.request, routeMessage({ ...request, expiresSec: undefined }));
}

/** What a dump is narrowed to, on a socket with NETLINK_GET_STRICT_CHK; without it (Linux before 4.20) everything comes. */
export interface RouteFilter {
  readonly family: Family;
  readonly table: number;
  readonly protocol: number;
}

/** Dump of all routes of both families and of all tables, or of a part: ENOENT when there is no such table. */
export function encodeGetRoutes(writer: MessageWriter, filter?: RouteFilter): number {
  const table = filter?.table ?? RT_TABLE.unspecified;
  return encodeRoute(writer, RTM.getRoute, NLM_F.request | NLM_F.dump, {
    family: filter === undefined ? 0 : filter.family === 4 ? AF_INET : AF_INET6,
    destinationLength: 0,
    sourceLength: 0,
    typeOfService: 0,
    headerTable: table < 256 ? table : RT_TABLE.unspecified,
    protocol: filter?.protocol ?? 0,
    scope: 0,
    type: 0,
    routeFlags: 0,
    ...(table < 256 ? {} : { table }),
  });
}

/** The attributes stand in the order of `ip route`, so that its bytes can be compared with ours. */
function routeMessage(request: RouteRequest): RouteMessage {
  const { destination, from, preferredSource, linkIndex, metric, table, realms, preference, expiresSec } = request;
  const multipath = request.nexthops.length > 0;
  const metrics = routeMetrics(request);
  return {
    family: request.family === 4 ? AF_INET : AF_INET6,
    destinationLength: destination.prefixLength,
    sourceLength: from?.prefixLength ?? 0,
    typeOfService: request.typeOfService,
    headerTable: table < 256 ? table : RT_TABLE.unspecified,
    protocol: request.protocol,
    scope: request.scope,
    type: RTN[request.type],
    routeFlags: request.onlink && !multipath ? RTNH_F.onlink : 0,
    ...(destination.prefixLength > 0 ? { destination: ipBytes(destination.address) } : {}),
    ...(from !== undefined && from.prefixLength > 0 ? { source: ipBytes(from.address) } : {}),
    ...(multipath ? {} : gatewayAttribute(request.gateway, request.family)),
    ...(preferredSource === undefined ? {} : { preferredSource: ipBytes(preferredSource) }),
    ...(metric === undefined ? {} : { priority: metric }),
    ...(realms === undefined || multipath ? {} : { flow: realms }),
    ...(table < 256 ? {} : { table }),
    ...(preference === undefined ? {} : { preference }),
    ...(expiresSec === undefined ? {} : { expiresSec }),
    ...(linkIndex === undefined || multipath ? {} : { outputLink: linkIndex }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(multipath ? { multipath: request.nexthops.map((hop) => nexthopMessage(hop, request.family)) } : {}),
  };
}

function routeMetrics({ metrics, features, congestionControl }: RouteRequest): RouteMetrics | undefined {
  const values = { ...metrics, ...(features === undefined ? {} : { [RTAX.features]: features }) };
  if (Object.keys(values).length === 0 && congestionControl === undefined) return undefined;
  return { values, ...(congestionControl === undefined ? {} : { congestionControl }) };
}

function nexthopMessage(hop: NexthopRequest, routeFamily: Family): NexthopMessage {
  return {
    nexthopFlags: hop.onlink ? RTNH_F.onlink : 0,
    hops: hop.weight - 1,
    index: hop.linkIndex ?? 0,
    ...gatewayAttribute(hop.gateway, routeFamily),
    ...(hop.realms === undefined ? {} : { flow: hop.realms }),
  };
}

function gatewayAttribute(
  gateway: Ip | undefined,
  routeFamily: Family,
): { readonly gateway?: Uint8Array; readonly via?: Via } {
  if (gateway === undefined) return {};
  const address = ipBytes(gateway);
  if (family(gateway) === routeFamily) return { gateway: address };
  return { via: { family: address.length === 4 ? AF_INET : AF_INET6, address } };
}

/** A route of a dump. */
export interface ListedRoute {
  readonly family: Family;
  /** RTN_*, also those that cannot be asked for. */
  readonly type: number;
  readonly destination: Prefix;
  readonly from: Prefix | undefined;
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  readonly typeOfService: number;
  /** IPv6: 1024 where none was asked for. */
  readonly metric: number | undefined;
  readonly preferredSource: Ip | undefined;
  /** One or more; a route without gateway and link (blackhole) has none. */
  readonly nexthops: readonly ListedNexthop[];
}

export interface ListedNexthop {
  readonly gateway: Ip | undefined;
  readonly linkIndex: number | undefined;
  readonly weight: number;
}

/** Undefined for other families than IPv4 and IPv6 (a dump of all has multicast routing and MPLS too) and for malformed addresses. */
export function listedRoute(message: RouteMessage): ListedRoute | undefined {
  const routeFamily = message.family === AF_INET ? 4 : message.family === AF_INET6 ? 6 : undefined;
  if (routeFamily === undefined) return undefined;
  const any = ip(routeFamily === 4 ? "0.0.0.0" : "::");
  const destination = message.destination === undefined ? any : addressOf(message.destination);
  const from = message.source === undefined ? undefined : addressOf(message.source);
  if (destination === undefined) return undefined;
  return {
    family: routeFamily,
    type: message.type,
    destination: { address: destination, prefixLength: message.destinationLength },
    from: from === undefined ? undefined : { address: from, prefixLength: message.sourceLength },
    table: message.table ?? message.headerTable,
    protocol: message.protocol,
    scope: message.scope,
    typeOfService: message.typeOfService,
    metric: message.priority,
    preferredSource: message.preferredSource === undefined ? undefined : addressOf(message.preferredSource),
    nexthops: listedNexthops(message),
  };
}

function listedNexthops(message: RouteMessage): readonly ListedNexthop[] {
  const gatewayOf = (hop: { readonly gateway?: Uint8Array; readonly via?: Via }): Ip | undefined => {
    const bytes = hop.gateway ?? hop.via?.address;
    return bytes === undefined ? undefined : addressOf(bytes);
  };
  if (message.multipath !== undefined) {
    return message.multipath.map((hop) => ({ gateway: gatewayOf(hop), linkIndex: hop.index, weight: hop.hops + 1 }));
  }
  const gateway = gatewayOf(message);
  if (gateway === undefined && message.outputLink === undefined) return [];
  return [{ gateway, linkIndex: message.outputLink, weight: 1 }];
}

const addressOf = (bytes: Uint8Array): Ip | undefined =>
  bytes.length === 4 || bytes.length === 16 ? ipFromBytes(bytes) : undefined;

/** IP6_RT_PRIO_USER: what IPv6 gives a route that was added without a metric. */
const IPV6_METRIC_DEFAULT = 1024;

/**
 * Whether a dumped route is the one that was asked for: destination, table, type, metric, protocol, source and every
 * nexthop. What the request leaves open (a link that follows from its gateway) may be anything. Metrics are not compared.
 */
export function isRequestedRoute(request: RouteRequest, listed: ListedRoute): boolean {
  const metric = request.metric ?? (request.family === 6 ? IPV6_METRIC_DEFAULT : undefined);
  return (
    listed.family === request.family &&
    listed.type === RTN[request.type] &&
    samePrefix(listed.destination, request.destination) &&
    (request.from === undefined || request.from.prefixLength === 0 || samePrefix(listed.from, request.from)) &&
    listed.table === request.table &&
    listed.protocol === request.protocol &&
    listed.typeOfService === request.typeOfService &&
    listed.metric === metric &&
    (request.preferredSource === undefined || listed.preferredSource === request.preferredSource) &&
    sameNexthops(request, listed.nexthops)
  );
}

function sameNexthops(request: RouteRequest, listed: readonly ListedNexthop[]): boolean {
  const single = { gateway: request.gateway, linkIndex: request.linkIndex, weight: 1 };
  const wanted = request.nexthops.length > 0 ? request.nexthops : [single];
  const isWanted = (hop: ListedNexthop, { gateway, linkIndex, weight }: typeof single): boolean =>
    hop.gateway === gateway && hop.weight === weight && (linkIndex === undefined || hop.linkIndex === linkIndex);
  // IPv6 gives unreachable and blackhole routes the loopback device.
  if (request.nexthops.length === 0 && request.gateway === undefined && request.linkIndex === undefined) return true;
  // IPv6 joins routes of one destination and metric to one with several nexthops.
  const sameCount = request.family === 6 || wanted.length === listed.length;
  return sameCount && wanted.every((each) => listed.some((hop) => isWanted(hop, each)));
}

function samePrefix(a: Prefix | undefined, b: Prefix): boolean {
  return a !== undefined && a.prefixLength === b.prefixLength && a.address === b.address;
}
