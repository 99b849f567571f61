import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { decodeMessages, type NetlinkMessage, NLM_F } from "../../src/wire/netlink/message.ts";
import {
  ADDRESS_GENERATION,
  decodeLink,
  decodeRoute,
  decodeRule,
  encodeDeleteLink,
  encodeDeleteRoute,
  encodeDeleteRule,
  encodeGetRoutes,
  encodeGetRules,
  encodeLink,
  encodeNewAddress,
  encodeNewLink,
  encodeNewRoute,
  encodeNewRule,
  encodeRoute,
  encodeRule,
  encodeSetLink,
  IFA_F,
  IPVLAN_F,
  IPVLAN_MODE,
  isRequestedRoute,
  isRequestedRule,
  type LinkMessage,
  listedRoute,
  listedRule,
  MACVLAN_MODE,
  type RouteMessage,
  type RouteRequest,
  RTM,
  RTPROT,
  type RuleMessage,
  type RuleRequest,
  SCOPE,
} from "../../src/wire/netlink/rtnl.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";
import { goldenBytes } from "../golden/cases.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function all(bytes: Uint8Array): NetlinkMessage[] {
  const decoded = decodeMessages(bytes);
  if (!decoded.ok) throw new Error(decoded.error.detail);
  return decoded.value;
}

function only(bytes: Uint8Array): NetlinkMessage {
  const [message, ...others] = all(bytes);
  if (message === undefined || others.length > 0) throw new Error(`${others.length + 1} messages`);
  return message;
}

/** Our message with the sequence number and the acknowledgement of the captured one. */
function ours(name: string, write: (writer: MessageWriter) => void): Buffer {
  const writer = new MessageWriter(64, only(goldenBytes("rtnl", name)).sequence);
  write(writer);
  writer.addFlags(writer.span(0), NLM_F.ack);
  return Buffer.from(writer.bytes);
}

const ROUTE: RouteRequest = {
  family: 4,
  type: "unicast",
  destination: { address: ip("198.51.100.0"), prefixLength: 24 },
  from: undefined,
  preferredSource: undefined,
  gateway: ip("192.0.2.1"),
  linkIndex: 10,
  onlink: false,
  scope: SCOPE.universe,
  table: 254,
  protocol: RTPROT.keepalived,
  typeOfService: 0,
  metric: undefined,
  metrics: {},
  features: undefined,
  congestionControl: undefined,
  realms: undefined,
  preference: undefined,
  expiresSec: undefined,
  nexthops: [],
};
const to = (address: string, prefixLength: number): Pick<RouteRequest, "destination"> => ({
  destination: { address: ip(address), prefixLength },
});
const HOP = { linkIndex: 10, onlink: false, weight: 1, realms: undefined };
const ROUTE6 = { ...ROUTE, family: 6, gateway: ip("fe80::1") } as const;

/** By the name of the capture. */
const ROUTES: Readonly<Record<string, RouteRequest>> = {
  "route-add-gateway": { ...ROUTE, preferredSource: ip("192.0.2.11"), metric: 50 },
  "route-replace-default": { ...ROUTE, ...to("0.0.0.0", 0), table: 1000 },
  "route-append": { ...ROUTE, gateway: ip("192.0.2.2"), typeOfService: 0x10 },
  "route-add-onlink": { ...ROUTE, ...to("203.0.113.0", 24), gateway: ip("10.9.9.9"), onlink: true },
  "route-add-link": { ...ROUTE, ...to("203.0.113.7", 32), gateway: undefined, scope: SCOPE.link, realms: 7 },
  "route-add-blackhole": {
    ...ROUTE,
    ...to("198.18.0.0", 15),
    type: "blackhole",
    gateway: undefined,
    linkIndex: undefined,
  },
  "route-add-multipath": {
    ...ROUTE,
    ...to("198.51.101.0", 24),
    gateway: undefined,
    linkIndex: undefined,
    nexthops: [
      { ...HOP, gateway: ip("192.0.2.1"), weight: 3 },
      { ...HOP, gateway: ip("10.9.9.9"), weight: 2, onlink: true },
    ],
  },
  "route-add-metrics": { ...ROUTE, ...to("198.51.102.0", 24), metrics: { 2: 1400, 8: 1300 } },
  "route-add-congestion": { ...ROUTE, ...to("198.51.105.0", 24), features: 1, congestionControl: "cubic" },
  "route-add-via-inet6": { ...ROUTE, ...to("198.51.104.0", 24), gateway: ip("fe80::1") },
  "route-add-ipv6": { ...ROUTE6, ...to("2001:db8:1::", 48), metric: 50, preference: 1, expiresSec: 300 },
  "route-add-ipv6-from": {
    ...ROUTE6,
    ...to("2001:db8:2::", 48),
    from: { address: ip("2001:db8:3::"), prefixLength: 64 },
  },
  "route-add-ipv6-multipath": {
    ...ROUTE6,
    ...to("2001:db8:4::", 48),
    gateway: undefined,
    nexthops: [
      { ...HOP, gateway: ip("fe80::1") },
      { ...HOP, gateway: ip("fe80::2") },
    ],
  },
  "route-add-ipv6-unreachable": {
    ...ROUTE6,
    ...to("2001:db8:5::", 48),
    type: "unreachable",
    gateway: undefined,
    linkIndex: undefined,
  },
};

const RULE: RuleRequest = {
  family: 4,
  action: "table",
  from: undefined,
  to: undefined,
  not: false,
  typeOfService: 0,
  fwmark: undefined,
  inputInterface: undefined,
  outputInterface: undefined,
  table: undefined,
  goto: undefined,
  preference: undefined,
  realms: undefined,
  tunnelId: undefined,
  suppressPrefixLength: undefined,
  suppressInterfaceGroup: undefined,
  l3mdev: false,
  uidRange: undefined,
  protocol: undefined,
  ipProtocol: undefined,
  sourcePorts: undefined,
  destinationPorts: undefined,
};
const FROM = { address: ip("192.0.2.0"), prefixLength: 24 };

const RULES: Readonly<Record<string, RuleRequest>> = {
  "rule-add-lookup": {
    ...RULE,
    from: FROM,
    to: { address: ip("198.51.100.7"), prefixLength: 32 },
    preference: 100,
    fwmark: { value: 7, mask: 0xff },
    table: 1000,
  },
  "rule-add-iif": {
    ...RULE,
    inputInterface: "eth0",
    outputInterface: "lo",
    preference: 101,
    table: 254,
    protocol: RTPROT.keepalived,
  },
  "rule-add-not": {
    ...RULE,
    not: true,
    from: FROM,
    typeOfService: 0x10,
    preference: 102,
    table: 254,
    suppressPrefixLength: 0,
  },
  "rule-add-ports": {
    ...RULE,
    action: "blackhole",
    preference: 103,
    uidRange: { from: 0, to: 99 },
    ipProtocol: 6,
    sourcePorts: { from: 1000, to: 2000 },
    destinationPorts: { from: 80, to: 80 },
  },
  "rule-add-goto": { ...RULE, action: "goto", preference: 104, goto: 200 },
  "rule-add-realms": {
    ...RULE,
    from: { address: ip("10.1.0.0"), prefixLength: 16 },
    preference: 105,
    realms: 0x3_0004,
    table: 9,
    suppressInterfaceGroup: 0,
  },
  "rule-add-tunnel": { ...RULE, preference: 106, tunnelId: 77n, table: 9 },
  "rule-add-l3mdev": { ...RULE, preference: 107, l3mdev: true },
  "rule-add-ipv6": {
    ...RULE,
    family: 6,
    action: "prohibit",
    from: { address: ip("2001:db8:9::"), prefixLength: 48 },
    preference: 100,
  },
};

describe("virtual devices", () => {
  const MAC = Uint8Array.of(0, 0, 0x5e, 0, 1, 0x33);

  test.each<[string, (writer: MessageWriter) => number]>([
    [
      "link-add-macvlan",
      (w) =>
        encodeNewLink(w, {
          name: "vrrp.51",
          parentIndex: 10,
          hardwareAddress: MAC,
          info: { kind: "macvlan", macvlan: { mode: MACVLAN_MODE.private } },
        }),
    ],
    [
      "link-add-ipvlan",
      (w) =>
        encodeNewLink(w, {
          name: "ipvlan.52",
          parentIndex: 10,
          hardwareAddress: undefined,
          info: { kind: "ipvlan", ipvlan: { mode: IPVLAN_MODE.l2, flags: IPVLAN_F.private } },
        }),
    ],
    ["link-set-up", (w) => encodeSetLink(w, { device: { index: 10 }, up: true })],
    ["link-set-down", (w) => encodeSetLink(w, { device: { index: 2 }, up: false })],
    ["link-set-address", (w) => encodeSetLink(w, { device: { index: 2 }, hardwareAddress: MAC.with(5, 0x34) })],
    [
      "link-set-addrgenmode",
      (w) => encodeSetLink(w, { device: { index: 2 }, addressGeneration: ADDRESS_GENERATION.none }),
    ],
    ["link-delete", (w) => encodeDeleteLink(w, 2)],
  ])("%s is iproute2's request, byte for byte", (name, write) => {
    expect(hex(ours(name, write))).toBe(hex(goldenBytes("rtnl", name)));
  });

  test("every link survives encoding", () => {
    const number = fc.integer({ min: 0, max: 0xffff_ffff });
    const info = fc.oneof(
      fc.record({ kind: fc.constant("macvlan"), macvlan: fc.record({ mode: number }, { requiredKeys: [] }) }),
      fc.record({
        kind: fc.constant("ipvlan"),
        ipvlan: fc.record({ mode: fc.nat(0xffff), flags: fc.nat(0xffff) }, { requiredKeys: [] }),
      }),
      fc.record({ kind: fc.constantFrom("veth", "dummy", "") }),
    );
    const link: fc.Arbitrary<LinkMessage> = fc.record(
      {
        family: fc.nat(255),
        hardwareType: fc.nat(0xffff),
        index: fc.nat(),
        linkFlags: number,
        change: number,
        hardwareAddress: fc.uint8Array({ maxLength: 32 }),
        name: fc.constantFrom("eth0", "vrrp.51"),
        link: fc.integer(),
        info,
        perFamily: fc.record({ inet6: fc.record({ addressGeneration: fc.nat(3) }) }, { requiredKeys: [] }),
      },
      { requiredKeys: ["family", "hardwareType", "index", "linkFlags", "change"] },
    );
    fc.assert(
      fc.property(link, (value) => {
        const writer = new MessageWriter(16);
        encodeLink(writer, RTM.newLink, 0, value);
        expect(decodeLink(only(writer.bytes))).toEqual({ ok: true, value: { ...value, unknown: 0 } });
      }),
      { numRuns: 300 },
    );
  });
});

describe("addresses", () => {
  const ADDRESS = { linkIndex: 10, label: undefined, scope: SCOPE.universe, lifetime: undefined, flags: 0 };
  test.each([
    ["address-add-peer", { ...ADDRESS, ip: ip("10.0.9.1"), prefixLength: 32, peer: ip("10.0.9.2") }],
    [
      "address-add-flags",
      { ...ADDRESS, ip: ip("239.1.2.3"), prefixLength: 32, flags: IFA_F.noPrefixRoute | IFA_F.multicastAutojoin },
    ],
    [
      "address-add-home",
      {
        ...ADDRESS,
        ip: ip("2001:db8:7::77"),
        prefixLength: 64,
        flags: IFA_F.homeAddress | IFA_F.manageTemporaryAddresses | IFA_F.noDad,
      },
    ],
  ])("%s is iproute2's request, byte for byte", (name, request) => {
    expect(hex(ours(name, (w) => encodeNewAddress(w, request, "exclusive")))).toBe(hex(goldenBytes("rtnl", name)));
  });
});

describe("routes", () => {
  const modes = (name: string) =>
    name === "route-replace-default" ? "replace" : name === "route-append" ? "append" : "add";

  test.each(Object.entries(ROUTES))("%s is iproute2's request, byte for byte", (name, request) => {
    expect(hex(ours(name, (w) => encodeNewRoute(w, request, modes(name))))).toBe(hex(goldenBytes("rtnl", name)));
  });

  const dumped = all(goldenBytes("rtnl", "dump-routes")).map((message) => {
    const route = decodeRoute(message);
    if (!route.ok) throw new Error(route.error.detail);
    const listed = listedRoute(route.value);
    if (listed === undefined) throw new Error("a route that is none");
    return listed;
  });

  // The dump was made before this one was added.
  const inDump = Object.entries(ROUTES).filter(([name]) => name !== "route-add-congestion");
  test.each(inDump)("%s is found in the kernel's dump, once", (_name, request) => {
    expect(dumped.filter((listed) => isRequestedRoute(request, listed))).toHaveLength(1);
  });

  test.each<[string, Partial<RouteRequest>]>([
    ["family", { family: 6 }],
    ["type", { type: "blackhole" }],
    ["destination", to("198.51.99.0", 24)],
    ["prefix length", to("198.51.100.0", 25)],
    ["source prefix", { from: { address: ip("10.0.0.0"), prefixLength: 8 } }],
    ["table", { table: 100 }],
    ["protocol", { protocol: RTPROT.static }],
    ["type of service", { typeOfService: 8 }],
    ["metric", { metric: 51 }],
    ["no metric", { metric: undefined }],
    ["preferred source", { preferredSource: ip("192.0.2.12") }],
    ["gateway", { gateway: ip("192.0.2.9") }],
    ["no gateway", { gateway: undefined }],
    ["link", { linkIndex: 11 }],
  ])("another %s is another route", (_name, change) => {
    const request = ROUTES["route-add-gateway"] ?? ROUTE;
    expect(dumped.some((listed) => isRequestedRoute(request, listed))).toBe(true);
    expect(dumped.some((listed) => isRequestedRoute({ ...request, ...change }, listed))).toBe(false);
  });

  test("another weight, gateway or number of nexthops is another route; a link that is left open is any", () => {
    const request = ROUTES["route-add-multipath"] ?? ROUTE;
    const [first, second] = request.nexthops;
    if (first === undefined || second === undefined) throw new Error("two nexthops");
    const found = (nexthops: RouteRequest["nexthops"]) =>
      dumped.some((listed) => isRequestedRoute({ ...request, nexthops }, listed));
    expect(found([second, first])).toBe(true);
    expect(found([{ ...first, linkIndex: undefined }, second])).toBe(true);
    expect(found([{ ...first, weight: 4 }, second])).toBe(false);
    expect(found([{ ...first, gateway: ip("192.0.2.2") }, second])).toBe(false);
    expect(found([first])).toBe(false);
    expect(found([first, second, second])).toBe(false);
  });

  test("deleting says the same of the route, except its expiry", () => {
    const request = ROUTES["route-add-ipv6"] ?? ROUTE6;
    const writer = new MessageWriter();
    encodeDeleteRoute(writer, request);
    encodeNewRoute(writer, { ...request, expiresSec: undefined }, "add");
    const [deletion, addition] = all(writer.bytes);
    expect(deletion).toMatchObject({ type: RTM.deleteRoute, flags: NLM_F.request });
    expect(hex(deletion?.payload ?? new Uint8Array())).toBe(hex(addition?.payload ?? Uint8Array.of(1)));
  });

  test("prepend creates, and neither replaces, appends nor refuses what is there", () => {
    const writer = new MessageWriter();
    encodeNewRoute(writer, ROUTE, "prepend");
    expect(only(writer.bytes).flags).toBe(NLM_F.request | NLM_F.create);
  });

  test("every route survives encoding", () => {
    const byte = fc.nat(255);
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    const number = fc.integer({ min: 0, max: 0xffff_ffff });
    const via = fc.record({ family: fc.nat(0xffff), address });
    const hop = fc.record(
      { nexthopFlags: byte, hops: byte, index: fc.nat(), gateway: address, flow: number, via },
      { requiredKeys: ["nexthopFlags", "hops", "index"] },
    );
    const metrics = fc.record(
      {
        values: fc.dictionary(fc.constantFrom("1", "2", "8", "12", "17"), number).map((values) => ({ ...values })),
        congestionControl: fc.constantFrom("cubic", "bbr"),
      },
      { requiredKeys: ["values"] },
    );
    const route: fc.Arbitrary<RouteMessage> = fc.record(
      {
        family: byte,
        destinationLength: byte,
        sourceLength: byte,
        typeOfService: byte,
        headerTable: byte,
        protocol: byte,
        scope: byte,
        type: byte,
        routeFlags: number,
        destination: address,
        gateway: address,
        metrics,
        multipath: fc.array(hop, { maxLength: 4 }),
        via,
        table: number,
        preference: byte,
      },
      {
        requiredKeys: [
          "family",
          "destinationLength",
          "sourceLength",
          "typeOfService",
          "headerTable",
          "protocol",
          "scope",
          "type",
          "routeFlags",
        ],
      },
    );
    fc.assert(
      fc.property(route, (value) => {
        const writer = new MessageWriter(16);
        encodeRoute(writer, RTM.newRoute, 0, value);
        expect(decodeRoute(only(writer.bytes))).toEqual({ ok: true, value: { ...value, unknown: 0 } });
      }),
      { numRuns: 300 },
    );
  });

  test("other families, malformed addresses and nexthops are refused", () => {
    const base: RouteMessage = {
      family: 129,
      destinationLength: 0,
      sourceLength: 0,
      typeOfService: 0,
      headerTable: 0,
      protocol: 0,
      scope: 0,
      type: 1,
      routeFlags: 0,
    };
    expect(listedRoute(base)).toBeUndefined();
    expect(listedRoute({ ...base, family: 2, destination: new Uint8Array(3) })).toBeUndefined();
    const writer = new MessageWriter();
    encodeRoute(writer, RTM.newRoute, 0, { ...base, multipath: [{ nexthopFlags: 0, hops: 0, index: 1 }] });
    const bytes = Uint8Array.from(writer.bytes);
    const broken = (length: number) => decodeRoute(only(bytes.with(32, length)));
    expect(broken(7)).toMatchObject({ ok: false, error: { reason: "badLength" } });
    expect(broken(9)).toMatchObject({ ok: false, error: { reason: "truncated" } });
    expect(decodeRoute({ ...only(bytes), type: RTM.newRule })).toMatchObject({ error: { reason: "wrongType" } });
  });
});

describe("rules", () => {
  const decoded = (bytes: Uint8Array) => decodeRule(only(bytes));

  // The order of iproute2's attributes is that of its arguments.
  test.each(Object.entries(RULES))("%s says what iproute2's request says", (name, request) => {
    const theirs = goldenBytes("rtnl", name);
    const bytes = ours(name, (w) => encodeNewRule(w, request));
    expect(decoded(bytes)).toEqual(decoded(theirs));
    expect(bytes.length).toBe(theirs.length);
    expect(only(bytes)).toMatchObject({ type: only(theirs).type, flags: only(theirs).flags });
  });

  const dumped = ["dump-rules", "dump-rules-ipv6"].flatMap((name) =>
    all(goldenBytes("rtnl", name))
      .filter(({ type }) => type === RTM.newRule)
      .map((message) => {
        const rule = decodeRule(message);
        if (!rule.ok) throw new Error(rule.error.detail);
        const listed = listedRule(rule.value);
        if (listed === undefined) throw new Error("a rule that is none");
        return listed;
      }),
  );

  test.each(Object.entries(RULES))("%s is found in the kernel's dump, once", (_name, request) => {
    expect(dumped.filter((listed) => isRequestedRule(request, listed))).toHaveLength(1);
  });

  test.each<[string, Partial<RuleRequest>]>([
    ["family", { family: 6 }],
    ["action", { action: "nop" }],
    ["source", { from: { ...FROM, prefixLength: 25 } }],
    ["no source", { from: undefined }],
    ["destination", { to: FROM }],
    ["inversion", { not: true }],
    ["mark", { fwmark: { value: 8, mask: 0xff } }],
    ["mask", { fwmark: { value: 7, mask: 0xffff_ffff } }],
    ["interface", { inputInterface: "eth1" }],
    ["table", { table: 1001 }],
    ["preference", { preference: 99 }],
    ["protocol", { protocol: 4 }],
    ["tunnel", { tunnelId: 1n }],
  ])("another %s is another rule", (_name, change) => {
    const request = RULES["rule-add-lookup"] ?? RULE;
    expect(dumped.some((listed) => isRequestedRule({ ...request, ...change }, listed))).toBe(false);
  });

  test("what a request leaves to the kernel may be anything", () => {
    const request = { ...RULES["rule-add-lookup"], preference: undefined, protocol: undefined } as RuleRequest;
    expect(dumped.some((listed) => isRequestedRule(request, listed))).toBe(true);
  });

  test("deleting says the same of the rule", () => {
    const writer = new MessageWriter();
    const request = RULES["rule-add-ports"] ?? RULE;
    encodeDeleteRule(writer, request);
    encodeNewRule(writer, request);
    const [deletion, addition] = all(writer.bytes);
    expect(deletion).toMatchObject({ type: RTM.deleteRule, flags: NLM_F.request });
    expect(hex(deletion?.payload ?? new Uint8Array())).toBe(hex(addition?.payload ?? Uint8Array.of(1)));
  });

  test("a table above 255 stands in its attribute alone", () => {
    const writer = new MessageWriter();
    encodeNewRule(writer, { ...RULE, table: 256 });
    expect(decoded(writer.bytes)).toMatchObject({ ok: true, value: { headerTable: 0, table: 256 } });
  });

  test("every rule survives encoding", () => {
    const byte = fc.nat(255);
    const number = fc.integer({ min: 0, max: 0xffff_ffff });
    const range = fc.record({ from: fc.nat(0xffff), to: fc.nat(0xffff) });
    const rule: fc.Arbitrary<RuleMessage> = fc.record(
      {
        family: byte,
        destinationLength: byte,
        sourceLength: byte,
        typeOfService: byte,
        headerTable: byte,
        action: byte,
        ruleFlags: number,
        source: fc.uint8Array({ maxLength: 32 }),
        inputInterface: fc.constantFrom("eth0", "lo"),
        tunnelId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        uidRange: fc.record({ from: number, to: number }),
        sourcePorts: range,
        destinationPorts: range,
      },
      {
        requiredKeys: [
          "family",
          "destinationLength",
          "sourceLength",
          "typeOfService",
          "headerTable",
          "action",
          "ruleFlags",
        ],
      },
    );
    fc.assert(
      fc.property(rule, (value) => {
        const writer = new MessageWriter(16);
        encodeRule(writer, RTM.newRule, 0, value);
        expect(decoded(writer.bytes)).toEqual({ ok: true, value: { ...value, unknown: 0 } });
      }),
      { numRuns: 300 },
    );
  });
});

test("dumps ask for both families", () => {
  const writer = new MessageWriter();
  encodeGetRoutes(writer);
  encodeGetRules(writer);
  for (const message of all(writer.bytes)) {
    expect(message.flags).toBe(NLM_F.request | NLM_F.dump);
    expect([...message.payload]).toEqual(new Array<number>(12).fill(0));
  }
});

test("decoders never throw, whatever the bytes", () => {
  const real = ["dump-routes", "dump-rules", "dump-links-macvlan", "route-add-multipath"].flatMap((name) =>
    all(goldenBytes("rtnl", name)),
  );
  const mutated = fc
    .tuple(fc.constantFrom(...real), fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 8 }), fc.nat(300))
    .map(([message, changes, length]) => {
      const payload = Uint8Array.from(message.payload.subarray(0, length));
      for (const [at, value] of changes) if (at < payload.length) payload[at] = value;
      return { ...message, payload };
    });
  fc.assert(
    fc.property(mutated, (message) => {
      decodeLink(message);
      const route = decodeRoute(message);
      if (route.ok) listedRoute(route.value);
      const rule = decodeRule(message);
      if (rule.ok) listedRule(rule.value);
    }),
    { numRuns: 5_000 },
  );
});
