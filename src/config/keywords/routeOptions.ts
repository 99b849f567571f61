import { type Family, family, type Ip } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { choice, flag, interfaceName, ipAddress, parseAddress } from "./kinds.ts";
import { type Options, parseOptions } from "./options.ts";
import { metricRows } from "./routeMetrics.ts";
import {
  PROTOCOL_KEEPALIVED,
  plainNumber,
  type RoutingPrefix,
  realms,
  routeScope,
  routingPrefix,
  routingProtocol,
  routingTable,
  TABLES,
  trackGroupWord,
  typeOfService,
} from "./routingWords.ts";
import { blockTable, leftOutRows, MAN, type ValueKind, type ValueRow } from "./row.ts";

/** The words of a line of `virtual_routes` or `static_routes`: keepalived.conf(5), in the words of ip-route(8). */

export interface Gateway {
  readonly address: Ip;
  readonly family: Family;
  /** Its family is written: it may be another than the route's. */
  readonly explicit: boolean;
  readonly word: Word;
}

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;
const U32_MAX = 0xffff_ffff;

const gateway: ValueKind<Gateway> = {
  syntax: "[inet|inet6] <IPADDR>",
  minimumWords: 1,
  maximumWords: 2,
  wordsTaken: ([first]) => (isFamilyWord(first) ? 2 : 1),
  parse: ([first, second]) => {
    const explicit = isFamilyWord(first);
    const word = explicit ? second : first;
    if (word === undefined) {
      return fail({ code: "missing-value", message: "the address of the gateway is missing", remedy: "write it" });
    }
    const address = parseAddress(word);
    return address.ok ? ok({ address: address.value, family: family(address.value), explicit, word }) : address;
  },
  format: ({ address, explicit, family: of }) => (explicit ? `inet${of === 6 ? "6" : ""} ${address}` : address),
};

const isFamilyWord = (word: Word | undefined): boolean => word?.text === "inet" || word?.text === "inet6";

const encapsulationRows = leftOutRows({
  as: {
    doc: "Translates addresses (of an old kernel's routing).",
    reason: "no kernel of today has it",
    remedy: "remove it",
  },
  encap: {
    doc: "Encapsulates what takes the route (MPLS, IP, ILA).",
    reason: "it belongs to tunnels that stay, not to addresses that move",
    remedy: "make a device with the encapsulation, and route to it with dev",
  },
  "ttl-propagate": {
    doc: "Copies the TTL of MPLS.",
    reason: "routes of MPLS are left out too",
    remedy: "remove it",
  },
});

export const nexthopOptions = blockTable("a nexthop", {
  via: {
    ...row,
    aliases: ["gw"],
    kind: gateway,
    doc: "Gateway.",
    example: "nexthop via 10.0.2.1",
  } satisfies ValueRow<Gateway>,
  dev: {
    ...row,
    aliases: ["oif"],
    kind: interfaceName,
    doc: "Device it leaves by.",
    example: "nexthop dev eth0",
  } satisfies ValueRow<string>,
  onlink: {
    ...row,
    kind: flag,
    doc: "The gateway is on the link of the device, whatever its address.",
    example: "nexthop via 10.9.9.9 dev eth0 onlink",
  } satisfies ValueRow<true>,
  weight: {
    ...row,
    kind: plainNumber({ min: 1, max: 256 }),
    default: 1,
    doc: "Share of the traffic.",
    example: "nexthop via 10.0.2.1 weight 2",
  } satisfies ValueRow<number>,
  realms: {
    ...row,
    kind: realms,
    doc: "Realms, IPv4 only.",
    example: "nexthop via 10.0.2.1 realms 3/4",
  } satisfies ValueRow<number>,
  as: encapsulationRows.as,
  encap: encapsulationRows.encap,
});

export interface WrittenNexthop {
  readonly options: Options<typeof nexthopOptions.rows>;
  /** The word `nexthop`, or the first behind it. */
  readonly word: Word;
}

/** Everything from the first `nexthop` to the end of the line. */
const nexthops: ValueKind<readonly WrittenNexthop[]> = {
  syntax: "[via [inet|inet6] <IPADDR>] [dev <INTERFACE>] [onlink] [weight <NUMBER>] [realms <REALMS>] [nexthop ...]",
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: (words) => {
    const found: WrittenNexthop[] = [];
    let from = 0;
    for (let at = 0; at <= words.length; at++) {
      if (at < words.length && words[at]?.text !== "nexthop") continue;
      const word = words[from] ?? words[from - 1];
      const options = parseOptions(nexthopOptions, words.slice(from, at), "a nexthop");
      if (!options.ok) return options;
      if (word !== undefined) found.push({ options: options.value, word });
      from = at + 1;
    }
    return ok(found);
  },
  format: (hops) =>
    hops
      .map(({ options: { via, dev, onlink, weight, realms: realm } }) =>
        [
          ...(via === undefined ? [] : ["via", gateway.format(via.value)]),
          ...(dev === undefined ? [] : ["dev", dev.value]),
          ...(onlink === undefined ? [] : ["onlink"]),
          ...(weight === undefined ? [] : ["weight", String(weight.value)]),
          ...(realm === undefined ? [] : ["realms", realms.format(realm.value)]),
        ].join(" "),
      )
      .join(" nexthop "),
};

const typeRow = (doc: string, name: string) =>
  ({ ...row, kind: flag, doc, example: `${name} 10.1.0.0/16` }) satisfies ValueRow<true>;

const typeRows = {
  unicast: typeRow("Type of the route: forwards (the default).", "unicast"),
  local: typeRow("Type of the route: delivers to this host.", "local"),
  broadcast: typeRow("Type of the route: delivers, and sends as broadcast.", "broadcast"),
  multicast: typeRow("Type of the route: for multicast.", "multicast"),
  throw: typeRow("Type of the route: ends the look into this table.", "throw"),
  unreachable: typeRow("Type of the route: refuses with host unreachable.", "unreachable"),
  prohibit: typeRow("Type of the route: refuses with administratively prohibited.", "prohibit"),
  blackhole: typeRow("Type of the route: drops silently.", "blackhole"),
} as const;
export type RouteTypeName = keyof typeof typeRows;
export const ROUTE_TYPES = Object.keys(typeRows) as RouteTypeName[];
/** Types that lead nowhere: no gateway, no device. */
export const DEAD_ENDS: ReadonlySet<RouteTypeName> = new Set(["throw", "unreachable", "prohibit", "blackhole"]);

const commonOptions = {
  to: {
    ...row,
    kind: routingPrefix,
    doc: "Destination; `to` may be left out.",
    example: "to 10.1.0.0/16 dev eth0",
  } satisfies ValueRow<RoutingPrefix>,
  ...typeRows,
  inet: { ...row, kind: flag, doc: "The line is IPv4.", example: "inet default dev eth0" } satisfies ValueRow<true>,
  inet6: { ...row, kind: flag, doc: "The line is IPv6.", example: "inet6 default dev eth0" } satisfies ValueRow<true>,
  via: {
    ...row,
    aliases: ["gw"],
    kind: gateway,
    doc: "Gateway; with its family before it, it may be of another family than the route.",
    example: "10.1.0.0/16 via 10.0.2.1",
  } satisfies ValueRow<Gateway>,
  or: {
    ...row,
    kind: ipAddress,
    doc: "A second gateway of the same weight: `nexthop` says the same.",
    example: "10.1.0.0/16 via 10.0.2.1 or 10.0.2.3 dev eth0",
  } satisfies ValueRow<Ip>,
  dev: {
    ...row,
    aliases: ["oif"],
    kind: interfaceName,
    doc: "Device it leaves by.",
    example: "10.1.0.0/16 dev eth0",
  } satisfies ValueRow<string>,
  onlink: {
    ...row,
    kind: flag,
    doc: "The gateway is on the link of the device, whatever its address.",
    example: "10.1.0.0/16 via 10.9.9.9 dev eth0 onlink",
  } satisfies ValueRow<true>,
  src: {
    ...row,
    kind: ipAddress,
    doc: "Source address of what this host sends by it.",
    example: "src 10.0.2.10 to 10.1.0.0/16 via 10.0.2.1",
  } satisfies ValueRow<Ip>,
  from: {
    ...row,
    kind: routingPrefix,
    doc: "Counts for these sources only (IPv6).",
    example: "2001:db8:1::/48 from 2001:db8:2::/64 via fe80::1 dev eth0",
  } satisfies ValueRow<RoutingPrefix>,
  table: {
    ...row,
    kind: routingTable,
    default: TABLES.main,
    doc: "Table it stands in.",
    example: "0.0.0.0/0 gw 192.168.0.1 table 100",
  } satisfies ValueRow<number>,
  protocol: {
    ...row,
    kind: routingProtocol,
    default: PROTOCOL_KEEPALIVED,
    doc: "Who made the route.",
    example: "10.1.0.0/16 dev eth0 protocol bird",
  } satisfies ValueRow<number>,
  scope: {
    ...row,
    kind: routeScope,
    defaultFrom: "the type: local host, broadcast link, others global",
    doc: "Distance of the destination.",
    example: "10.1.0.0/16 dev eth0 scope link",
  } satisfies ValueRow<number>,
  tos: {
    ...row,
    aliases: ["dsfield"],
    kind: typeOfService,
    default: 0,
    doc: "Counts for this type of service only.",
    example: "10.1.0.0/16 dev eth0 tos 0x10",
  } satisfies ValueRow<number>,
  metric: {
    ...row,
    aliases: ["priority", "preference"],
    kind: plainNumber({ min: 0, max: U32_MAX }),
    doc: "The lower, the sooner; 0 is the kernel's default.",
    example: "10.1.0.0/16 dev eth0 metric 50",
  } satisfies ValueRow<number>,
  realms: {
    ...row,
    kind: realms,
    doc: "Realms, IPv4 only.",
    example: "10.1.0.0/16 dev eth0 realms 3/4",
  } satisfies ValueRow<number>,
  expires: {
    ...row,
    kind: plainNumber({ min: 1, max: U32_MAX, unit: "SECONDS" }),
    doc: "Goes by itself after this time (IPv6).",
    example: "2001:db8:1::/48 dev eth0 expires 300",
  } satisfies ValueRow<number>,
  pref: {
    ...row,
    kind: choice("preference", ["low", "medium", "high"]),
    doc: "Preference of a router (IPv6, RFC 4191).",
    example: "2001:db8:1::/48 via fe80::1 dev eth0 pref high",
  } satisfies ValueRow<"low" | "medium" | "high">,
  ...metricRows,
  append: {
    ...row,
    kind: flag,
    doc: "Stands behind matching routes instead of before them.",
    example: "10.1.0.0/16 dev eth0 append",
  } satisfies ValueRow<true>,
  nexthop: {
    ...row,
    kind: nexthops,
    doc: "One of several ways; the last of the line.",
    example: "10.1.0.0/16 nexthop via 10.0.2.1 dev eth0 weight 1 nexthop via 10.0.2.3 dev eth0 weight 2",
  } satisfies ValueRow<readonly WrittenNexthop[]>,
  no_track: {
    ...row,
    kind: flag,
    doc: "When somebody deletes the route it is not put back before the next transition, and nothing follows from it.",
    example: "10.1.0.0/16 dev eth0 no_track",
  } satisfies ValueRow<true>,
  ...encapsulationRows,
  ...leftOutRows({
    vrf: {
      doc: "The table of a VRF device.",
      reason: "the number of its table is known on the host only",
      remedy: "write the number with table",
    },
    add: {
      doc: "Adds the route.",
      reason: "keepalived.conf(5) does not say what it changes",
      remedy: "remove it: the route is added anyway",
    },
  }),
} as const;

export const virtualRouteOptions = blockTable("a virtual_routes line", commonOptions);
export const staticRouteOptions = blockTable("a static_routes line", {
  ...commonOptions,
  track_group: {
    ...row,
    kind: trackGroupWord,
    doc: "The instances of this `track_group` go to FAULT while the route cannot be kept.",
    example: "10.1.0.0/16 via 10.0.2.1 dev eth0 track_group GROUP1",
  } satisfies ValueRow<Word>,
});
export type RouteOptions = Options<typeof staticRouteOptions.rows>;
