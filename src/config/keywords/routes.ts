import { type Family, family, type Ip } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import type { NexthopConfig, RouteConfig } from "../vrrp.types.ts";
import { invalid, type Parsed } from "./kinds.ts";
import { parseOptions } from "./options.ts";
import { metricsOf } from "./routeMetrics.ts";
import {
  DEAD_ENDS,
  type Gateway,
  nexthopOptions,
  ROUTE_TYPES,
  type RouteOptions,
  type RouteTypeName,
  staticRouteOptions,
  virtualRouteOptions,
  type WrittenNexthop,
} from "./routeOptions.ts";
import {
  destinationPrefix,
  familyOf,
  lineFamily,
  looksLikePrefix,
  otherFamily,
  prefixText,
  ROUTE_SCOPES,
  type RoutingPrefix,
} from "./routingWords.ts";
import type { ValueKind } from "./row.ts";

/** A line of `virtual_routes` or `static_routes`. */
export interface RouteLine {
  readonly route: RouteConfig;
  /** Where the name of the track_group stands. */
  readonly trackGroup: Word | undefined;
}

const BARE = { option: "to", isMeant: looksLikePrefix } as const;

export const virtualRouteLine = routeLine("virtual");
export const staticRouteLine = routeLine("static");

function routeLine(use: "virtual" | "static"): ValueKind<RouteLine> {
  return {
    syntax: "[TYPE] [to] <IPADDR>[/<PREFIX>]|default [via <IPADDR>] [dev <INTERFACE>] [OPTION ...] [nexthop ...]",
    minimumWords: 1,
    maximumWords: Number.POSITIVE_INFINITY,
    parse: (words) => {
      const options =
        use === "virtual"
          ? parseOptions(virtualRouteOptions, words, "a route", BARE)
          : parseOptions(staticRouteOptions, words, "a route", BARE);
      return options.ok ? routeOf(options.value) : options;
    },
    format: ({ route }) => `${route.type} ${prefixText(route.destination)} table ${route.table}`,
  };
}

function routeOf(options: RouteOptions): Parsed<RouteLine> {
  if (options.to === undefined) {
    const message = "a route has no destination";
    return fail({ code: "missing-value", message, remedy: "write the destination, for example default via 10.0.2.1" });
  }
  const type = typeOf(options);
  if (!type.ok) return type;
  const addresses = addressesOf(options);
  const ofFamily = lineFamily(options, [familyOf(options.to.value), ...addresses.map((each) => each?.family)]);
  const fault =
    otherFamily(ofFamily, addresses) ?? wayFault(options, type.value) ?? onlyOneFamilyFault(options, ofFamily);
  if (fault !== undefined) return fault;
  const destination = destinationPrefix(options.to.value, ofFamily);
  if (!destination.ok) return destination;
  const from = options.from === undefined ? ok(undefined) : destinationPrefix(options.from.value, ofFamily);
  if (!from.ok) return from;
  const { metric } = options;
  return ok({
    route: {
      family: ofFamily,
      type: type.value,
      destination: destination.value,
      from: from.value,
      preferredSource: options.src?.value,
      ...waysOf(options),
      scope: options.scope?.value ?? defaultScope(type.value),
      table: options.table?.value ?? virtualRouteOptions.rows.table.default,
      protocol: options.protocol?.value ?? virtualRouteOptions.rows.protocol.default,
      typeOfService: options.tos?.value ?? virtualRouteOptions.rows.tos.default,
      metric: metric === undefined || metric.value === 0 ? undefined : metric.value,
      metrics: metricsOf(options),
      features: options.features?.value,
      congestionControl: options.congctl?.value.name,
      preference: options.pref === undefined ? undefined : ROUTER_PREFERENCE[options.pref.value],
      expiresSec: options.expires?.value,
      append: options.append !== undefined,
      noTrack: options.no_track !== undefined,
      trackGroup: options.track_group?.value.text,
    },
    trackGroup: options.track_group?.value,
  });
}

/** ICMPV6_ROUTER_PREF_* (RFC 4191 2.1). */
const ROUTER_PREFERENCE = { medium: 0, high: 1, low: 3 } as const;

function typeOf(options: RouteOptions): Parsed<RouteTypeName> {
  const [type, second] = ROUTE_TYPES.filter((name) => options[name] !== undefined);
  const word = second === undefined ? undefined : options[second]?.word;
  return word === undefined ? ok(type ?? "unicast") : invalid(word, "is a second type of the route", "keep one");
}

/** As ip-route(8); the kernel refuses a wider one for these types. */
function defaultScope(type: RouteTypeName): number {
  if (type === "local") return ROUTE_SCOPES.host;
  return type === "broadcast" ? ROUTE_SCOPES.link : ROUTE_SCOPES.global;
}

/** What must be of the route's family: all but a gateway whose family is written. */
function addressesOf({ to, from, src, via, or, nexthop }: RouteOptions) {
  const prefix = (option: { readonly value: RoutingPrefix } | undefined) =>
    option?.value.kind === "prefix" ? option.value : undefined;
  const address = (option: { readonly value: Ip; readonly word: Word } | undefined) =>
    option === undefined ? undefined : { family: family(option.value), word: option.word };
  const gatewayAddress = (option: { readonly value: Gateway } | undefined) =>
    option === undefined || option.value.explicit ? undefined : option.value;
  return [
    prefix(to),
    prefix(from),
    address(src),
    gatewayAddress(via),
    address(or),
    ...(nexthop?.value.map(({ options }) => gatewayAddress(options.via)) ?? []),
  ];
}

function wayFault(options: RouteOptions, type: RouteTypeName): ReturnType<typeof invalid> | undefined {
  const { via, or, dev, onlink, nexthop } = options;
  const way = via ?? dev ?? nexthop;
  if (DEAD_ENDS.has(type)) {
    const unwanted = way ?? or ?? onlink;
    return unwanted === undefined ? undefined : invalid(unwanted.word, `leads a ${type} route somewhere`, "remove it");
  }
  if (way === undefined) {
    const message = "the route leads nowhere: it has neither via nor dev nor nexthop";
    return fail({ code: "missing-value", message, remedy: "write the gateway with via, or the device with dev" });
  }
  if (nexthop !== undefined && (via ?? dev ?? or ?? onlink) !== undefined) {
    const remedy = "write it in a nexthop of its own";
    return invalid((via ?? dev ?? or ?? onlink ?? nexthop).word, "stands beside nexthop", remedy);
  }
  if (or !== undefined && via === undefined)
    return invalid(or.word, "is a second gateway without a first", "write via");
  if (onlink !== undefined && dev === undefined) return invalid(onlink.word, "has no device", "write it with dev");
  const nowhere = nexthop?.value.find((hop) => (hop.options.via ?? hop.options.dev) === undefined);
  if (nowhere !== undefined) return invalid(nowhere.word, "is no way: a nexthop has via or dev", "write one of them");
  const linkless = nexthop?.value.find((hop) => hop.options.onlink !== undefined && hop.options.dev === undefined);
  return linkless === undefined ? undefined : invalid(linkless.word, "is onlink without a device", "write it with dev");
}

function onlyOneFamilyFault(options: RouteOptions, ofFamily: Family) {
  const only6 = options.from ?? options.expires ?? options.pref;
  if (ofFamily === 4 && only6 !== undefined) return invalid(only6.word, "is for IPv6 routes only", "remove it");
  const only4 =
    options.realms ?? options.nexthop?.value.find((hop) => hop.options.realms !== undefined)?.options.realms;
  if (ofFamily === 6 && only4 !== undefined)
    return invalid(only4.word, "are realms, which IPv4 alone has", "remove them");
  const gateways = [options.via, ...(options.nexthop?.value.map((hop) => hop.options.via) ?? [])];
  const foreign = gateways.find((each) => each !== undefined && each.value.family < ofFamily);
  return foreign === undefined
    ? undefined
    : invalid(foreign.value.word, "is an IPv4 gateway, which no IPv6 route can have", "write an IPv6 gateway");
}

function waysOf(options: RouteOptions): Pick<RouteConfig, "gateway" | "device" | "onlink" | "realms" | "nexthops"> {
  const realm = options.realms?.value;
  const device = options.dev?.value;
  const onlink = options.onlink !== undefined;
  if (options.or !== undefined) {
    const hop = { device, onlink, weight: 1, realms: undefined };
    const ways = [options.via?.value.address, options.or.value];
    const hops = ways.map((via) => ({ ...hop, gateway: via }));
    return { gateway: undefined, device: undefined, onlink: false, realms: realm, nexthops: hops };
  }
  const [only, ...others] = (options.nexthop?.value ?? []).map(nexthopOf);
  // One nexthop is no multipath: the kernel shows it as a plain route.
  if (only !== undefined && others.length === 0) {
    const { weight: _, ...way } = only;
    return { ...way, realms: only.realms ?? realm, nexthops: [] };
  }
  const hops = only === undefined ? [] : [only, ...others];
  return { gateway: options.via?.value.address, device, onlink, realms: realm, nexthops: hops };
}

function nexthopOf({ options }: WrittenNexthop): NexthopConfig {
  return {
    gateway: options.via?.value.address,
    device: options.dev?.value,
    onlink: options.onlink !== undefined,
    weight: options.weight?.value ?? nexthopOptions.rows.weight.default,
    realms: options.realms?.value,
  };
}
