import { describe, expect, it } from "vitest";
import { parseConfig } from "../../../src/config/index.ts";
import type { RouteConfig, RuleConfig } from "../../../src/config/vrrp.types.ts";
import { ip } from "../../../src/core/ip.ts";
import { routeConfig, ruleConfig } from "../../lab/vrrpConfig.ts";

const INSTANCE =
  "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n10.0.2.10/24\n}\nMORE\n}\n";
const block = (keyword: string, ...lines: string[]): string => `${keyword} {\n${lines.join("\n")}\n}\n`;
const parse = (more: string, before = "") => parseConfig(before + INSTANCE.replace("MORE", more), "t.conf");

function route(line: string): RouteConfig | undefined {
  const { config, diagnostics } = parse(block("virtual_routes", line));
  if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return config.vrrp.instances[0]?.virtualRoutes[0];
}
function rule(line: string): RuleConfig | undefined {
  const { config, diagnostics } = parse(block("virtual_rules", line));
  if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return config.vrrp.instances[0]?.virtualRules[0];
}
const faults = (keyword: string, line: string) =>
  parse(block(keyword, line)).diagnostics.map(({ code, message }) => `${code}: ${message}`);
const via = (address: string) => ({ gateway: ip(address), device: undefined });
const hop = { gateway: undefined, device: undefined, onlink: false, weight: 1, realms: undefined };

describe("virtual_routes", () => {
  it.each<[string, RouteConfig]>([
    [
      "src 192.168.100.1 to 192.168.109.0/24 via 192.168.200.254 dev eth1",
      routeConfig("192.168.109.0/24", {
        preferredSource: ip("192.168.100.1"),
        gateway: ip("192.168.200.254"),
        device: "eth1",
      }),
    ],
    ["192.168.111.0/24 dev eth2 no_track", routeConfig("192.168.111.0/24", { device: "eth2", noTrack: true })],
    ["192.168.112.0/24 via 192.168.100.254", routeConfig("192.168.112.0/24", via("192.168.100.254"))],
    [
      "192.168.113.0/24 via 192.168.200.254 or 192.168.100.254 dev eth1",
      routeConfig("192.168.113.0/24", {
        device: undefined,
        nexthops: ["192.168.200.254", "192.168.100.254"].map((address) => ({
          ...hop,
          device: "eth1",
          gateway: ip(address),
        })),
      }),
    ],
    ["blackhole 192.168.114.0/24", routeConfig("192.168.114.0/24", { type: "blackhole", device: undefined })],
    ["0.0.0.0/0 gw 192.168.0.1 table 100", routeConfig("0.0.0.0/0", { ...via("192.168.0.1"), table: 100 })],
    ["default via 192.168.0.1", routeConfig("0.0.0.0/0", via("192.168.0.1"))],
    ["default via fe80::1 dev eth0", routeConfig("::/0", { gateway: ip("fe80::1") })],
    ["inet6 default dev eth0 table main", routeConfig("::/0")],
    ["192.168.15.5 dev eth0", routeConfig("192.168.15.5/32")],
    [
      "192.168.200.0/24 dev p33p1.2 table 6909 tos 0x04 protocol bird scope link priority 12 mtu 1000 hoplimit 100 advmss 101 rtt 102 rttvar 103 reordering 104 window 105 cwnd 106 ssthresh lock 107 realms 18/0x14 rto_min 108 initcwnd 109 initrwnd 110 features ecn",
      routeConfig("192.168.200.0/24", {
        device: "p33p1.2",
        table: 6909,
        typeOfService: 4,
        protocol: 12,
        scope: 253,
        metric: 12,
        metrics: {
          1: 1 << 6,
          2: 1000,
          3: 105,
          4: 102,
          5: 103,
          6: 107,
          7: 106,
          8: 101,
          9: 104,
          10: 100,
          11: 109,
          13: 108,
          14: 110,
        },
        realms: 18 * 65_536 + 20,
        features: 1,
      }),
    ],
    [
      "192.168.1.0/24 dev eth0 rtt 200ms rttvar lock 0.5s rto_min 2s quickack 1 fastopen_no_cookie 0 congctl lock cubic append",
      routeConfig("192.168.1.0/24", {
        metrics: { 1: (1 << 5) | (1 << 16), 4: 1600, 5: 2000, 13: 2000, 15: 1, 17: 0 },
        congestionControl: "cubic",
        append: true,
      }),
    ],
    [
      "192.168.100.0/24 table 6909 nexthop via 192.168.101.1 dev wlan0 onlink weight 1 nexthop via 192.168.101.2 dev wlan0 onlink weight 2 realms 3",
      routeConfig("192.168.100.0/24", {
        device: undefined,
        table: 6909,
        nexthops: [
          { ...hop, gateway: ip("192.168.101.1"), device: "wlan0", onlink: true },
          { ...hop, gateway: ip("192.168.101.2"), device: "wlan0", onlink: true, weight: 2, realms: 3 },
        ],
      }),
    ],
    [
      "192.168.100.0/24 nexthop via 192.168.101.1 weight 9 realms 3",
      routeConfig("192.168.100.0/24", { ...via("192.168.101.1"), realms: 3 }),
    ],
    [
      "2001:db8:1::7/48 from 2001:db8:2::/64 via fe80::1 dev eth0 expires 300 pref high metric 0",
      routeConfig("2001:db8:1::/48", {
        from: { address: ip("2001:db8:2::"), prefixLength: 64 },
        gateway: ip("fe80::1"),
        expiresSec: 300,
        preference: 1,
      }),
    ],
    ["192.168.1.0/24 via inet6 fe80::1 dev eth0", routeConfig("192.168.1.0/24", { gateway: ip("fe80::1") })],
    ["local 192.168.1.0/24 dev eth0", routeConfig("192.168.1.0/24", { type: "local", scope: 254 })],
    ["broadcast 192.168.1.255 oif eth0", routeConfig("192.168.1.255/32", { type: "broadcast", scope: 253 })],
    ["unreachable 2001:db8::/32", routeConfig("2001:db8::/32", { type: "unreachable", device: undefined })],
    [
      "192.168.1.0/24 via 10.9.9.9 dev eth0 onlink",
      routeConfig("192.168.1.0/24", { gateway: ip("10.9.9.9"), onlink: true }),
    ],
  ])("%s", (line, expected) => {
    expect(route(line)).toEqual(expected);
  });

  it.each([
    ["dev eth0", "missing-value: virtual_routes: a route has no destination"],
    ["10.1.0.0/16", "missing-value: virtual_routes: the route leads nowhere: it has neither via nor dev nor nexthop"],
    ["10.1.0.1/16 dev eth0", "invalid-value: virtual_routes: 10.1.0.1/16 has bits behind its prefix"],
    ["10.1/16 dev eth0", "unknown-keyword: virtual_routes: 10.1/16 is no option of a route"],
    ["10.1.0.0/16 via fe80::1", "invalid-value: virtual_routes: fe80::1 is no IPv4 address, and the line is IPv4"],
    [
      "2001:db8::/32 via inet 10.0.2.1",
      "invalid-value: virtual_routes: 10.0.2.1 is an IPv4 gateway, which no IPv6 route can have",
    ],
    ["blackhole 10.1.0.0/16 dev eth0", "invalid-value: virtual_routes: eth0 leads a blackhole route somewhere"],
    ["local blackhole 10.1.0.0/16", "invalid-value: virtual_routes: blackhole is a second type of the route"],
    ["10.1.0.0/16 dev eth0 dev eth1", "invalid-value: virtual_routes: dev is written twice for a route"],
    ["10.1.0.0/16 10.2.0.0/16 dev eth0", "invalid-value: virtual_routes: 10.2.0.0/16 is written twice for a route"],
    ["10.1.0.0/16 or 10.0.2.1 dev eth0", "invalid-value: virtual_routes: 10.0.2.1 is a second gateway without a first"],
    ["10.1.0.0/16 via 10.0.2.1 onlink", "invalid-value: virtual_routes: onlink has no device"],
    ["10.1.0.0/16 dev eth0 nexthop via 10.0.2.1", "invalid-value: virtual_routes: eth0 stands beside nexthop"],
    [
      "10.1.0.0/16 nexthop via 10.0.2.1 nexthop weight 2",
      "invalid-value: virtual_routes: weight is no way: a nexthop has via or dev",
    ],
    [
      "10.1.0.0/16 nexthop via 10.0.2.1 nexthop",
      "invalid-value: virtual_routes: nexthop is no way: a nexthop has via or dev",
    ],
    ["10.1.0.0/16 nexthop via 10.0.2.1 onlink", "invalid-value: virtual_routes: via is onlink without a device"],
    ["10.1.0.0/16 nexthop via 10.0.2.1 table 5", "unknown-keyword: virtual_routes: table is no option of a nexthop"],
    ["10.1.0.0/16 dev eth0 expires 5", "invalid-value: virtual_routes: 5 is for IPv6 routes only"],
    ["2001:db8::/32 dev eth0 realms 5", "invalid-value: virtual_routes: 5 are realms, which IPv4 alone has"],
    [
      "10.1.0.0/16 dev eth0 table blue",
      "invalid-value: virtual_routes: blue is no table that has this name on every host",
    ],
    ["10.1.0.0/16 dev eth0 table 0", "out-of-range: virtual_routes: 0 is not from 1 to 4294967295"],
    [
      "10.1.0.0/16 dev eth0 protocol kernel",
      "invalid-value: virtual_routes: kernel is the protocol of what the kernel makes itself",
    ],
    [
      "10.1.0.0/16 dev eth0 protocol 2",
      "invalid-value: virtual_routes: 2 is the protocol of what the kernel makes itself",
    ],
    ["10.1.0.0/16 dev eth0 realms PQA/0x14", "invalid-value: virtual_routes: PQA/0x14 are no numbers of realms"],
    ["10.1.0.0/16 dev eth0 mtu lock", "missing-value: virtual_routes: a value is missing behind lock"],
    ["10.1.0.0/16 dev eth0 rtt soon", "invalid-value: virtual_routes: soon is no time"],
    ["10.1.0.0/16 dev eth0 quickack 2", "out-of-range: virtual_routes: 2 is not from 0 to 1"],
    ["10.1.0.0/16 dev eth0 features tls", "invalid-value: virtual_routes: tls is no feature of a route"],
    [
      "10.1.0.0/16 dev eth0 vrf blue",
      "left-out: virtual_routes: vrf is left out: the number of its table is known on the host only",
    ],
    ["10.1.0.0/16 dev eth0 track_group T", "unknown-keyword: virtual_routes: track_group is no option of a route"],
  ])("%s is refused", (line, expected) => {
    expect(faults("virtual_routes", line)).toEqual([expected]);
  });
});

describe("virtual_rules", () => {
  const from = (address: string, prefixLength: number) => ({ from: { address: ip(address), prefixLength } });

  it.each<[string, RuleConfig]>([
    ["from 192.168.2.0/24 table 1", ruleConfig(undefined, { ...from("192.168.2.0", 24), table: 1 })],
    [
      "to 192.168.2.0/24 table 1 no_track",
      ruleConfig(undefined, { to: { address: ip("192.168.2.0"), prefixLength: 24 }, table: 1, noTrack: true }),
    ],
    [
      "from 192.168.28.0/24 to 192.168.29.0/26 table 9 iif p33p1 oif wlan0 tos 22 fwmark 24/12 preference 39 realms 30/20",
      ruleConfig(39, {
        ...from("192.168.28.0", 24),
        to: { address: ip("192.168.29.0"), prefixLength: 26 },
        table: 9,
        inputInterface: "p33p1",
        outputInterface: "wlan0",
        typeOfService: 22,
        fwmark: { value: 24, mask: 12 },
        realms: 30 * 65_536 + 20,
      }),
    ],
    [
      "to 1:2:3:4:5:6:7:0/112 from 7:6:5:4:3:2::/96 table 6908 uidrange 10000-19999",
      ruleConfig(undefined, {
        family: 6,
        ...from("7:6:5:4:3:2::", 96),
        to: { address: ip("1:2:3:4:5:6:7:0"), prefixLength: 112 },
        table: 6908,
        uidRange: { from: 10_000, to: 19_999 },
      }),
    ],
    [
      "to 1:2:3:4:6:6:7:0/112 from 8:6:5:4:3:2::/96 l3mdev protocol 12 ip_proto UDP sport 10-20 dport 20-30",
      ruleConfig(undefined, {
        family: 6,
        ...from("8:6:5:4:3:2::", 96),
        to: { address: ip("1:2:3:4:6:6:7:0"), prefixLength: 112 },
        table: undefined,
        l3mdev: true,
        protocol: 12,
        ipProtocol: 17,
        sourcePorts: { from: 10, to: 20 },
        destinationPorts: { from: 20, to: 30 },
      }),
    ],
    [
      "not from 10.0.2.1 goto 40 order 5",
      ruleConfig(5, { ...from("10.0.2.1", 32), not: true, action: "goto", goto: 40, table: undefined }),
    ],
    ["inet6 iif eth0 lookup main priority 0", ruleConfig(0, { family: 6, inputInterface: "eth0", table: 254 })],
    [
      "from all fwmark 0x10 prohibit",
      ruleConfig(undefined, { fwmark: { value: 16, mask: 0xffff_ffff }, action: "prohibit", table: undefined }),
    ],
    [
      "table main suppress_prefixlength 0 suppress_ifgroup default tun_id 77 preference 7",
      ruleConfig(7, { table: 254, suppressPrefixLength: 0, suppressInterfaceGroup: 0, tunnelId: 77n }),
    ],
    [
      "from 10.0.2.1 unreachable preference 8",
      ruleConfig(8, { ...from("10.0.2.1", 32), action: "unreachable", table: undefined }),
    ],
    ["dev eth1 nop preference 9", ruleConfig(9, { inputInterface: "eth1", action: "nop", table: undefined })],
    ["to any blackhole preference 9", ruleConfig(9, { action: "blackhole", table: undefined })],
  ])("%s", (line, expected) => {
    expect(rule(line)).toEqual(expected);
  });

  it.each([
    ["from 10.0.2.26", "missing-value: virtual_rules: the rule does nothing: it has no action"],
    [
      "from 10.0.2.1 table 1 blackhole preference 1",
      "invalid-value: virtual_rules: blackhole is a second action of the rule",
    ],
    [
      "from 10.0.2.1 to 2001:db8::1 table 1",
      "invalid-value: virtual_rules: 2001:db8::1 is no IPv4 address, and the line is IPv4",
    ],
    ["from 10.0.2.1 goto 9", "invalid-value: virtual_rules: 9 cannot be compared with this rule's preference"],
    [
      "from 10.0.2.1 goto 9 preference 9",
      "invalid-value: virtual_rules: 9 is not behind this rule: a goto leads forward",
    ],
    ["inet6 table 9 realms 3", "invalid-value: virtual_rules: 3 are realms, which IPv4 alone has"],
    [
      "from 10.0.2.1 nop suppress_prefixlength 3",
      "invalid-value: virtual_rules: 3 passes over what a table finds, and the rule has no table",
    ],
    [
      "from 10.0.2.1 table 1 sport 20-10",
      "invalid-value: virtual_rules: 20-10 is a range whose end is below its beginning",
    ],
    ["from 10.0.2.1 table 1 sport 1-2-3", "invalid-value: virtual_rules: 1-2-3 is no number"],
    ["from 10.0.2.1 table 1 fwmark 1/2/3", "invalid-value: virtual_rules: 1/2/3 is no number"],
    ["from 10.0.2.1 table 1 ipproto foo", "invalid-value: virtual_rules: foo is no IP protocol"],
    ["10.0.2.1 table 1", "unknown-keyword: virtual_rules: 10.0.2.1 is no option of a rule"],
  ])("%s is refused", (line, expected) => {
    expect(faults("virtual_rules", line)).toEqual([expected]);
  });

  it("without a preference there is a warning: keepalived's order is the opposite one", () => {
    const { config, diagnostics } = parse(
      block("virtual_rules", "from 10.0.2.1 table 1", "from 10.0.2.2 table 1 preference 5"),
    );
    expect(config).toBeDefined();
    expect(diagnostics.map(({ code, severity, at }) => [code, severity, at.line])).toEqual([
      ["rule-without-preference", "warning", 8],
    ]);
  });
});

describe("static_routes and static_rules", () => {
  const GROUP = block("track_group T", block("group", "A"));

  it("stay on the host, and may be tracked by a group", () => {
    const text =
      GROUP +
      block("static_routes", "192.168.2.0/24 via 192.168.1.100 dev eth0 track_group T") +
      block("static_rules", "from 192.168.2.0/24 table 1 preference 5 track_group T");
    const { config } = parse("", text);
    expect(config?.vrrp.staticRoutes).toEqual([
      routeConfig("192.168.2.0/24", { gateway: ip("192.168.1.100"), trackGroup: "T" }),
    ]);
    expect(config?.vrrp.staticRules).toEqual([
      ruleConfig(5, { from: { address: ip("192.168.2.0"), prefixLength: 24 }, table: 1, trackGroup: "T" }),
    ]);
  });

  it("name a group that there is", () => {
    const lines = ["192.168.2.0/24 dev eth0 track_group X", "from 192.168.2.0/24 table 1 preference 5 track_group X"];
    const text = GROUP + block("static_routes", lines[0] ?? "") + block("static_rules", lines[1] ?? "");
    expect(parse("", text).diagnostics.map(({ code }) => code)).toEqual(["unknown-name", "unknown-name"]);
  });
});
