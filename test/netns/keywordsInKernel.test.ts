import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/index.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { HostNetwork } from "../../src/io/hostNetwork.ts";
import { HostRouting } from "../../src/io/hostRouting.ts";
import { openRoutes } from "../../src/workers/vrrp/hostRoutes.ts";
import type { RoutingHost } from "../../src/workers/vrrp/ports.ts";
import { routingObjects } from "../../src/workers/vrrp/routing.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { roundRobinThreads } from "../lab/processors.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { inNamespace } from "./native/inNamespace.ts";

/** A line of static_routes, and the words of `ip -d route` for it. */
const ROUTES: readonly [line: string, shown: string][] = [
  [
    "inet 198.51.113.0/24 dev eth0 scope link realms 3/4",
    "198.51.113.0/24 dev eth0 proto keepalived scope link realms 3/4",
  ],
  [
    "198.51.114.0/24 dev eth0 mtu lock 1400 advmss 1300 features ecn congctl cubic",
    "mtu lock 1400 advmss 1300 features ecn congctl cubic",
  ],
  [
    "198.51.115.0/24 nexthop via 10.0.2.254 dev eth0 weight 2 nexthop via 10.0.2.253 dev eth0",
    "nexthop via 10.0.2.254 dev eth0 weight 2",
  ],
  [
    "src 10.0.2.1 to 198.51.116.0/24 dev eth0 metric 7",
    "198.51.116.0/24 dev eth0 proto keepalived src 10.0.2.1 metric 7",
  ],
  ["2001:db8:a::/48 from 2001:db8:4::/64 dev eth0", "2001:db8:a::/48 from 2001:db8:4::/64 dev eth0"],
  ["blackhole 198.51.117.0/24", "blackhole 198.51.117.0/24"],
  ["local 198.51.100.0/24 dev eth0", "local 198.51.100.0/24 dev eth0"],
  ["broadcast 198.51.100.255 dev eth0", "broadcast 198.51.100.255 dev eth0"],
  ["multicast 239.9.0.0/16 dev eth0", "multicast 239.9.0.0/16 dev eth0"],
  ["throw 198.51.101.0/24", "throw 198.51.101.0/24"],
  ["unreachable 198.51.102.0/24", "unreachable 198.51.102.0/24"],
  ["prohibit 198.51.103.0/24", "prohibit 198.51.103.0/24"],
  [
    "unicast 198.51.104.0/24 gw 10.9.9.9 oif eth0 onlink",
    "unicast 198.51.104.0/24 via 10.9.9.9 dev eth0 proto keepalived onlink",
  ],
  ["198.51.105.0/24 via 10.0.2.254 or 10.0.2.253 dev eth0", "nexthop via 10.0.2.253 dev eth0 weight 1"],
  ["198.51.106.0/24 via inet6 fe80::1 dev eth0", "198.51.106.0/24 via inet6 fe80::1 dev eth0"],
  ["198.51.107.0/24 dev eth0 window 105 rtt 200ms rttvar lock 0.5s", "window 105 rtt 200ms rttvar lock 500ms"],
  ["198.51.108.0/24 dev eth0 ssthresh lock 107 cwnd lock 106", "ssthresh lock 107 cwnd lock 106"],
  ["198.51.109.0/24 dev eth0 reordering 9 hoplimit 100 initcwnd 11", "reordering 9 hoplimit 100 initcwnd 11"],
  ["198.51.110.0/24 dev eth0 rto_min 2s initrwnd 12 quickack 1", "rto_min 2s initrwnd 12 quickack 1"],
  ["198.51.111.0/24 dev eth0 fastopen_no_cookie 1", "fastopen_no_cookie 1"],
  [
    "198.51.112.0/24 dev eth0 preference 5 table 77 protocol bird dsfield 0x10",
    "198.51.112.0/24 tos 0x10 dev eth0 table 77 proto bird",
  ],
  ["inet6 default dev eth0 pref high table 78", "default dev eth0 table 78 proto keepalived metric 1024 pref high"],
  [
    "2001:db8:9::/48 via fe80::1 dev eth0 expires 300",
    "2001:db8:9::/48 via fe80::1 dev eth0 proto keepalived metric 1024 expires ",
  ],
];

/** A line of static_rules, and the words of `ip -d rule` for it. */
const RULES: readonly [line: string, shown: string][] = [
  [
    "inet to 198.51.100.7 oif lo tos 0x10 table 100 preference 108",
    "from all to 198.51.100.7 tos 0x10 oif lo lookup 100",
  ],
  [
    "from all uidrange 1-9 sport 10-20 ipproto udp table 100 suppress_prefixlength 0 preference 109",
    "uidrange 1-9 ipproto udp sport 10-20 lookup 100 suppress_prefixlength 0",
  ],
  ["not from all iif eth0 fwmark 24/12 prohibit preference 110", "not from all fwmark 0x18/0xc iif eth0 prohibit"],
  ["from all goto 40000 preference 111", "goto 40000"],
  [
    "from 10.0.2.1 dport 20-30 ip_proto tcp table 100 preference 100",
    "from 10.0.2.1 ipproto tcp dport 20-30 lookup 100",
  ],
  ["tun_id 77 table 100 preference 101", "from all tun_id 77 lookup 100"],
  ["table 100 suppress_ifgroup 5 preference 102", "lookup 100 suppress_ifgroup 5"],
  ["dev eth0 nop preference 103", "iif eth0 nop"],
  ["from all fwmark 1 blackhole preference 104", "fwmark 0x1 blackhole"],
  ["from all fwmark 2 unreachable preference 105", "fwmark 0x2 unreachable"],
  ["from 10.0.2.1 realms 3/4 table 100 preference 106", "lookup 100 realms 3/4"],
  ["inet6 l3mdev protocol 12 preference 107", "from all lookup [l3mdev-table] proto bird"],
];

requires("netns")("each option of a line, as iproute2 shows what the kernel has of it", () => {
  const addon = loadAddon();
  let network: Network;
  let host: NetworkHost;
  let links: HostNetwork;
  let kernel: HostRouting;
  let routing: RoutingHost;

  beforeAll(async () => {
    const hosts = [{ name: "a", addresses: ["10.0.2.1/24", "2001:db8::1/64"] }];
    network = await createNetwork({ prefix: "keywords", hosts });
    host = network.host("a");
    await waitFor(async () => (await host.ip("link", "show", "eth0")).includes("LOWER_UP"), { what: "the carrier" });
    [links, kernel] = inNamespace(addon, host.path, () => [new HostNetwork(addon), new HostRouting(addon)]);
    routing = openRoutes(links, kernel, () => undefined);
  });
  afterAll(async () => {
    links?.close();
    kernel?.close();
    await network?.remove();
  });

  const objectsOf = (keyword: string, line: string) => {
    const { config, diagnostics } = parseConfig(`${keyword} {\n${line}\n}\n`, "t.conf");
    if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
    return routingObjects(config.vrrp.staticRoutes, config.vrrp.staticRules);
  };
  const words = (text: string): string =>
    text
      .replace(/ scope global| table main/g, "")
      .replace(/\s+/g, " ")
      .trim();

  test.each([
    ...ROUTES.map((each) => ["static_routes", ...each] as const),
    ...RULES.map((each) => ["static_rules", ...each] as const),
  ])("%s: %s", async (keyword, line, expected) => {
    const objects = objectsOf(keyword, line);
    const six = objects.some((each) => (each.kind === "route" ? each.route : each.rule).family === 6);
    const list = keyword === "static_routes" ? ["route", "show", "table", "all"] : ["rule", "show"];
    const shown = async () => words(await host.ip("-d", six ? "-6" : "-4", ...list));
    const before = await shown();
    expect(before).not.toContain(expected);
    expect(routing.applyRoutes(objects.map((object) => ({ action: "add", object })))).toEqual([{ ok: true }]);
    expect(await shown()).toContain(expected);
    expect(routing.applyRoutes(objects.map((object) => ({ action: "delete", object })))).toEqual([{ ok: true }]);
    expect(await shown()).toBe(before);
  });

  describe("of addresses", () => {
    let folder: string;
    let daemon: Holdfast | undefined;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "holdfast-keywords-"));
    });
    afterEach(async () => {
      await daemon?.stop();
      daemon = undefined;
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const OPTIONS = (network4: string, network6: string) => [
      `${network4}.1/24 dev eth0 label eth0:k scope link brd + noprefixroute`,
      `${network4}.5 dev eth0 peer ${network4}.6 preferred_lft forever`,
      `${network6}::1/64 dev eth0 home mngtmpaddr`,
      `${network6}::2/64 dev eth0 noprefixroute preferred_lft 0`,
      `239.${network4.slice(-1)}.0.1 dev eth0 autojoin`,
    ];
    const shownAt = async (address: string): Promise<string> => {
      const family = address.includes(":") ? "-6" : "-4";
      const lines = (await host.ip("-o", "-d", family, "address", "show", "dev", "eth0")).split("\n");
      return words(lines.find((line) => line.includes(` ${address}/`) || line.includes(` ${address} peer`)) ?? "");
    };
    const judge = async (network4: string, network6: string) => {
      const first = await shownAt(`${network4}.1`);
      expect(first).toContain(`inet ${network4}.1/24 brd ${network4}.255 scope link`);
      expect(first).toContain("noprefixroute eth0:k");
      const second = await shownAt(`${network4}.5`);
      expect(second).toContain(`peer ${network4}.6/32`);
      expect(second).not.toContain("deprecated");
      expect(await shownAt(`${network6}::1`)).toMatch(/ home .*mngtmpaddr|mngtmpaddr .*home/);
      expect(await shownAt(`${network6}::2`)).toMatch(/deprecated.* noprefixroute|noprefixroute.* deprecated/);
      expect(await shownAt(`239.${network4.slice(-1)}.0.1`)).toContain("autojoin");
      expect(await host.ip("maddress", "show", "dev", "eth0")).toContain(`239.${network4.slice(-1)}.0.1`);
    };

    test("vrrp_rt_priority: the VRRP thread has it, where it is granted at all", async () => {
      const file = join(folder, "priority.conf");
      const instance = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.2.10\n}\n}\n";
      writeFileSync(file, `global_defs {\nvrrp_rt_priority 33\n}\n${instance}`);
      daemon = await Holdfast.start(host, file, join(folder, "run"));
      const { vrrp } = await daemon.waitForStatus("BACKUP", (status) => status.vrrp.instances[0]?.state === "BACKUP");
      expect(roundRobinThreads(daemon.process.pid).map(({ priority }) => priority)).toEqual(vrrp.realtime ? [33] : []);
    });

    test("static_ipaddress and virtual_ipaddress: label, scope, brd, peer, home, mngtmpaddr, noprefixroute, autojoin, preferred_lft", async () => {
      const file = join(folder, "keepalived.conf");
      const block = (keyword: string, lines: readonly string[]) => `${keyword} {\n${lines.join("\n")}\n}\n`;
      writeFileSync(
        file,
        block("static_ipaddress", OPTIONS("10.0.3", "2001:db8:3")) +
          block("vrrp_instance A", [
            "interface eth0\nvirtual_router_id 1\npriority 255\n",
            block("virtual_ipaddress", ["10.0.2.10/24"]),
            block("virtual_ipaddress_excluded", OPTIONS("10.0.4", "2001:db8:4")),
          ]),
      );
      daemon = await Holdfast.start(host, file, join(folder, "run"));
      await daemon.waitForStatus("MASTER", (status) => status.vrrp.instances[0]?.state === "MASTER");
      await judge("10.0.3", "2001:db8:3");
      await judge("10.0.4", "2001:db8:4");
      expect(await shownAt("10.0.3.1")).toContain("valid_lft forever");
      expect(await shownAt("10.0.4.1")).not.toContain("valid_lft forever");
    });
  });
});
