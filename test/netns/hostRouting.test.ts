import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { RouteConfig, RuleConfig } from "../../src/config/vrrp.types.ts";
import { ip } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { HostNetwork } from "../../src/io/hostNetwork.ts";
import { HostRouting } from "../../src/io/hostRouting.ts";
import { LINUX } from "../../src/io/linux.ts";
import { NetlinkSocket, understood } from "../../src/io/netlinkSocket.ts";
import { decodeRoute, encodeGetRoutes, RTPROT } from "../../src/wire/netlink/rtnl.ts";
import { openRoutes } from "../../src/workers/vrrp/hostRoutes.ts";
import type { ChangeOutcome, HostEvent, RoutingHost, RoutingObject } from "../../src/workers/vrrp/ports.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { routeConfig, ruleConfig } from "../lab/vrrpConfig.ts";
import { waitFor } from "../lab/wait.ts";
import { inNamespace } from "./native/inNamespace.ts";

const route = (cidr: string, changes: Partial<RouteConfig> = {}): RoutingObject => ({
  kind: "route",
  route: routeConfig(cidr, changes),
});
const rule = (preference: number, changes: Partial<RuleConfig> = {}): RoutingObject => ({
  kind: "rule",
  rule: ruleConfig(preference, changes),
});
const prefix = (address: string, prefixLength: number) => ({ address: ip(address), prefixLength });
const OK: ChangeOutcome = { ok: true };
const hop = { device: "eth0", onlink: false, weight: 1, realms: undefined };

/** What the kernel shows for it, as `ip` prints it. */
const ROUTES: readonly [RoutingObject, string][] = [
  [route("198.51.100.0/24"), "198.51.100.0/24 dev eth0 proto keepalived scope global"],
  [
    route("198.51.101.0/24", {
      device: undefined,
      gateway: ip("192.0.2.1"),
      preferredSource: ip("192.0.2.11"),
      metric: 7,
    }),
    "198.51.101.0/24 via 192.0.2.1 dev eth0 proto keepalived src 192.0.2.11 metric 7",
  ],
  [
    route("0.0.0.0/0", { gateway: ip("192.0.2.1"), table: 6909 }),
    "default via 192.0.2.1 dev eth0 table 6909 proto keepalived",
  ],
  [route("198.51.102.0/24", { type: "blackhole", device: undefined }), "blackhole 198.51.102.0/24 proto keepalived"],
  [
    route("198.51.103.0/24", {
      device: undefined,
      nexthops: [
        { ...hop, gateway: ip("192.0.2.1"), weight: 2 },
        { ...hop, gateway: ip("10.9.9.9"), onlink: true },
      ],
    }),
    "nexthop via 192.0.2.1 dev eth0 weight 2",
  ],
  [
    route("198.51.104.0/24", { metrics: { 1: 1 << 2, 2: 1400, 8: 1300 }, features: 1, congestionControl: "cubic" }),
    "mtu lock 1400 advmss 1300 features ecn congctl cubic",
  ],
  [
    route("198.51.105.0/24", { typeOfService: 16, scope: 253, realms: (3 << 16) | 4 }),
    "198.51.105.0/24 tos 0x10 dev eth0 proto keepalived scope link realms 3/4",
  ],
  [route("2001:db8:1::/48", { gateway: ip("fe80::1"), preference: 1 }), "2001:db8:1::/48 via fe80::1 dev eth0"],
  [route("2001:db8:2::/48", { type: "unreachable", device: undefined }), "unreachable 2001:db8:2::/48"],
  [route("2001:db8:3::/48", { from: prefix("2001:db8:4::", 64), metric: 9 }), "2001:db8:3::/48 from 2001:db8:4::/64"],
  [
    route("2001:db8:5::/48", {
      device: undefined,
      nexthops: [
        { ...hop, gateway: ip("fe80::1") },
        { ...hop, gateway: ip("fe80::2") },
      ],
    }),
    "nexthop via fe80::2 dev eth0",
  ],
];
const RULES: readonly [RoutingObject, string][] = [
  [
    rule(100, { from: prefix("192.0.2.0", 24), to: prefix("198.51.100.7", 32) }),
    "from 192.0.2.0/24 to 198.51.100.7 lookup 100",
  ],
  [rule(101, { inputInterface: "eth0", outputInterface: "lo", table: 6909 }), "from all iif eth0 oif lo lookup 6909"],
  [
    rule(102, { not: true, fwmark: { value: 24, mask: 12 }, typeOfService: 16 }),
    "not from all tos 0x10 fwmark 0x18/0xc",
  ],
  [rule(103, { action: "goto", goto: 40_000, table: undefined }), "goto 40000"],
  [
    rule(104, { action: "prohibit", table: undefined, ipProtocol: 17, sourcePorts: { from: 10, to: 20 } }),
    "ipproto udp sport 10-20 prohibit",
  ],
  [
    rule(105, { suppressPrefixLength: 0, uidRange: { from: 1, to: 9 } }),
    "uidrange 1-9 lookup 100 suppress_prefixlength 0",
  ],
  [rule(106, { family: 6, from: prefix("2001:db8:9::", 48) }), "from 2001:db8:9::/48 lookup 100"],
];

requires("netns")("the host's routes and rules", () => {
  const addon = loadAddon();
  let network: Network;
  let host: NetworkHost;
  let links: HostNetwork;
  let kernel: HostRouting;
  let routing: RoutingHost;

  beforeAll(async () => {
    const hosts = [{ name: "a", addresses: ["192.0.2.11/24", "2001:db8::11/64"] }];
    network = await createNetwork({ prefix: "routing", hosts });
    host = network.host("a");
    await waitFor(async () => (await host.ip("link", "show", "eth0")).includes("LOWER_UP"), { what: "the carrier" });
    [links, kernel] = inNamespace(addon, host.path, () => [new HostNetwork(addon), new HostRouting(addon)]);
    routing = openRoutes(links, kernel, () => undefined);
  });
  afterAll(() => {
    links?.close();
    kernel?.close();
    network?.remove();
  });
  afterEach(async () => {
    for (const family of ["-4", "-6"]) {
      await host.ip(family, "route", "flush", "proto", "keepalived", "table", "all");
      for (const shown of (await host.ip(family, "rule")).split("\n")) {
        const preference = Number(shown.split(":")[0]);
        if (preference >= 100 && preference < 200) await host.ip(family, "rule", "del", "preference", `${preference}`);
      }
    }
  });

  const add = (...objects: RoutingObject[]) =>
    routing.applyRoutes(objects.map((object) => ({ action: "add", object })));
  const remove = (...objects: RoutingObject[]) =>
    routing.applyRoutes(objects.map((object) => ({ action: "delete", object })));

  test.each([...ROUTES, ...RULES])("%j is there as `ip` shows it, found, and gone again", async (object, shown) => {
    const family = (object.kind === "route" ? object.route.family : object.rule.family) === 4 ? "-4" : "-6";
    const listed = async () =>
      object.kind === "route"
        ? await host.ip("-d", family, "route", "show", "table", "all")
        : await host.ip("-d", family, "rule", "show");
    const before = await listed();
    const words = (text: string) =>
      text
        .replace(/ scope global| table main/g, "")
        .replace(/\s+/g, " ")
        .trim();
    expect(routing.findRoutes([object])).toEqual([false]);
    expect(add(object)).toEqual([OK]);
    expect(words(await listed())).toContain(words(shown));
    expect(routing.findRoutes([object])).toEqual([true]);
    expect(add(object)).toEqual([{ ok: false, code: "EEXIST" }]);
    expect(remove(object)).toEqual([OK]);
    expect(await listed()).toBe(before);
    expect(remove(object)).toEqual([{ ok: false, code: object.kind === "route" ? "ESRCH" : "ENOENT" }]);
  });

  test("each of several has its own outcome; a missing device concerns its own route only", () => {
    const good = route("198.51.100.0/24");
    const elsewhere = route("198.51.101.0/24", { device: "eth7" });
    const unreachable = route("198.51.102.0/24", { gateway: ip("10.9.9.9") });
    expect(add(elsewhere, good, unreachable, rule(100))).toEqual([
      { ok: false, code: "ENODEV" },
      OK,
      { ok: false, code: "ENETUNREACH" },
      OK,
    ]);
    expect(routing.findRoutes([elsewhere, good, unreachable, rule(100)])).toEqual([false, true, false, true]);
  });

  test("a route that others added is found behind ours by `append` only", async () => {
    await host.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.1", "proto", "static");
    const order = async () =>
      (await host.ip("route", "show", "198.51.100.0/24")).split("\n").map((line) => /proto (\w+)/.exec(line)?.[1]);
    add(route("198.51.100.0/24"));
    expect((await order()).slice(0, 2)).toEqual(["keepalived", "static"]);
    remove(route("198.51.100.0/24"));
    add(route("198.51.100.0/24", { append: true }));
    expect((await order()).slice(0, 2)).toEqual(["static", "keepalived"]);
    await host.ip("route", "flush", "198.51.100.0/24");
  });

  test("a dump tells of the table and protocol that it is asked for alone", () => {
    add(route("198.51.100.0/24"), route("198.51.101.0/24", { table: 6909 }));
    const socket = inNamespace(
      addon,
      host.path,
      () => new NetlinkSocket({ protocol: LINUX.NETLINK_ROUTE, narrowDumps: true }, { addon }),
    );
    try {
      const dump = (table: number) =>
        socket
          .dump((writer) => encodeGetRoutes(writer, { family: 4, table, protocol: RTPROT.keepalived }))
          .map((message) => understood(decodeRoute(message)).table);
      expect(dump(254)).toEqual([254]);
      expect(dump(6909)).toEqual([6909]);
    } finally {
      socket.close();
    }
  });

  test("what others change is told; an address's own routes are not", async () => {
    const events: HostEvent[] = [];
    const watcher = inNamespace(addon, host.path, () => new HostRouting(addon));
    try {
      const watching = openRoutes(links, watcher, (event) => events.push(event));
      inNamespace(addon, host.path, () => watching.watchRouting());
      add(route("198.51.100.0/24"));
      await waitFor(() => events.length > 0, { what: "our own route" });
      expect(events.splice(0)).toEqual([{ kind: "routing" }]);
      await host.ip("address", "add", "10.3.0.1/24", "dev", "eth0");
      await host.ip("address", "del", "10.3.0.1/24", "dev", "eth0");
      for (const change of [
        ["route", "del", "198.51.100.0/24"],
        ["rule", "add", "preference", "100", "table", "9"],
        ["-6", "rule", "add", "preference", "100", "table", "9"],
        ["-6", "route", "add", "2001:db8:1::/48", "via", "fe80::1", "dev", "eth0"],
      ]) {
        await host.ip(...change);
        await waitFor(() => events.length > 0, { what: `news of ip ${change.join(" ")}` });
        expect(events.splice(0)).toEqual([{ kind: "routing" }]);
      }
    } finally {
      watcher.close();
      await host.ip("-6", "route", "flush", "2001:db8:1::/48");
    }
  });
});
