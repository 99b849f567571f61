import { describe, expect, it, test } from "vitest";
import { advert, SECOND } from "./vrrpDriverLab.ts";
import { type FileText, hostOf, VIP } from "./vrrpKeywordLab.ts";

/** Where an instance and global_defs have the same keyword, both ways to write it. */
const bothWays = (keyword: string, value: string, more = ""): [string, FileText][] => [
  [keyword, { own: `${VIP}${more}${keyword} ${value}` }],
  [`vrrp_${keyword}`, { own: `${VIP}${more}`, global: `vrrp_${keyword} ${value}` }],
];

const ANNOUNCED = "announce eth0 10.0.2.10";

describe("elections", () => {
  it("state: MASTER without a priority is the owner's, 255", () => {
    const { host, begin, state } = hostOf({ own: `${VIP}state MASTER` });
    begin();
    expect(state()).toMatchObject({ state: "MASTER", last: { reason: "startedAsOwner" } });
    expect(host.calls).toContain("advert eth0 10.0.2.1 vrid=1 priority=255");
  });

  it.each(bothWays("down_timer_adverts", "5"))("%s: so many adverts may be missed", (_keyword, text) => {
    const { host, begin, state } = hostOf(text);
    begin();
    host.advance(5.6 * SECOND);
    expect(state()?.state).toBe("BACKUP");
    host.advance(0.1 * SECOND);
    expect(state()?.state).toBe("MASTER");
  });

  it("preempt_delay: waits by so much longer at the start", () => {
    const { host, begin, state } = hostOf({ own: `${VIP}preempt_delay 10` });
    begin();
    host.advance(13.6 * SECOND);
    expect(state()?.state).toBe("BACKUP");
    host.advance(0.1 * SECOND);
    expect(state()?.state).toBe("MASTER");
  });

  it.each([
    ["nopreempt", "BACKUP"],
    ["preempt", "MASTER"],
  ])("%s beside a lower priority: %s", (keyword, expected) => {
    const { host, begin, state } = hostOf({ own: `${VIP}priority 150\n${keyword}` });
    begin();
    for (let second = 0; second < 6; second++) {
      host.receive("eth0", advert(100));
      host.advance(SECOND);
    }
    expect(state()?.state).toBe(expected);
  });

  it.each(bothWays("higher_prio_send_advert", "on"))("%s: yields with one more advert", (_keyword, text) => {
    const { host, becomeMaster } = hostOf(text);
    becomeMaster();
    host.receive("eth0", advert(200));
    expect(host.calls.at(-1)).toBe("advert eth0 10.0.2.1 vrid=1 priority=100");
  });

  it.each(bothWays("lower_prio_no_advert", "on"))("%s: answers by announcements alone", (_keyword, text) => {
    const { host, becomeMaster } = hostOf(text);
    becomeMaster();
    host.receive("eth0", advert(50));
    expect(host.calls).toEqual([ANNOUNCED]);
  });

  it.each([
    ["vrrp_strict", { own: VIP, global: "vrrp_strict" }],
    ["strict_mode", { own: `${VIP}strict_mode on` }],
  ])("%s: a lower priority is not answered by an advert, as RFC 3768 has it", (_keyword, text) => {
    const { host, becomeMaster } = hostOf(text);
    becomeMaster();
    host.receive("eth0", advert(50));
    expect(host.calls).toEqual([ANNOUNCED]);
    const usual = hostOf({ own: VIP });
    usual.becomeMaster();
    usual.host.receive("eth0", advert(50));
    expect(usual.host.calls).not.toEqual([ANNOUNCED]);
  });

  it.each(bothWays("skip_check_adv_addr", "on"))(
    "%s: another list of the same master is no second alarm",
    (_k, text) => {
      const { host, begin, alarms } = hostOf(text);
      begin();
      host.receive("eth0", advert(200, { addresses: ["10.0.2.11"] }));
      host.receive("eth0", advert(200, { addresses: ["10.0.2.12"] }));
      expect(alarms()).toEqual(["addressListMismatch"]);
      const checking = hostOf({ own: VIP });
      checking.begin();
      checking.host.receive("eth0", advert(200, { addresses: ["10.0.2.11"] }));
      checking.host.receive("eth0", advert(200, { addresses: ["10.0.2.12"] }));
      expect(checking.alarms()).toEqual(["addressListMismatch", "addressListMismatch"]);
    },
  );

  it("dont_track_primary: the interface being down is no fault", () => {
    const { host, becomeMaster, state } = hostOf({ own: `${VIP}dont_track_primary` });
    becomeMaster();
    host.setUp("eth0", false);
    host.advance(2 * SECOND);
    expect(state()?.state).toBe("MASTER");
  });

  it("vrrp_startup_delay: begins to listen so much later", () => {
    const { host, begin, state } = hostOf({ global: "vrrp_startup_delay 10" });
    begin();
    host.advance(13.6 * SECOND);
    expect(state()?.state).toBe("BACKUP");
    host.advance(0.1 * SECOND);
    expect(state()?.state).toBe("MASTER");
  });

  it("interface_up_down_delays: a change counts after it has lasted", () => {
    const { host, becomeMaster, state } = hostOf({ beside: "interface_up_down_delays {\neth0 1 3\n}\n" });
    becomeMaster();
    host.setUp("eth0", false);
    host.advance(0.9 * SECOND);
    host.setUp("eth0", true);
    host.advance(2 * SECOND);
    expect(state()?.state).toBe("MASTER");
    host.setUp("eth0", false);
    host.advance(1.1 * SECOND);
    expect(state()).toMatchObject({ state: "FAULT", last: { reason: "interfaceDown" } });
    host.setUp("eth0", true);
    host.advance(2.9 * SECOND);
    expect(state()?.state).toBe("FAULT");
    host.advance(0.2 * SECOND);
    expect(state()?.state).toBe("BACKUP");
  });
});

describe("transport", () => {
  const V6 = "virtual_ipaddress {\nfe80::10\n}\n";

  it.each<[string, FileText, string]>([
    [
      "mcast_dst_ip",
      { own: `${VIP}mcast_dst_ip 224.0.0.200` },
      "advert eth0 10.0.2.1 vrid=1 priority=100 to=224.0.0.200",
    ],
    [
      "vrrp_mcast_group4",
      { global: "vrrp_mcast_group4 224.0.0.201" },
      "advert eth0 10.0.2.1 vrid=1 priority=100 to=224.0.0.201",
    ],
    [
      "vrrp_mcast_group6",
      { own: V6, global: "vrrp_mcast_group6 ff02::212" },
      "advert eth0 fe80::1 vrid=1 priority=100 to=ff02::212",
    ],
    ["mcast_src_ip", { own: `${VIP}mcast_src_ip 10.0.2.3` }, "advert eth0 10.0.2.3 vrid=1 priority=100"],
  ])("%s: what leaves", (_keyword, text, expected) => {
    const { host, begin } = hostOf(text);
    begin();
    host.advance(3.7 * SECOND);
    expect(host.calls).toContain(expected);
  });

  it.each([
    ["version", { own: `version 3\n${VIP}` }],
    ["vrrp_version", { global: "vrrp_version 3" }],
  ])("%s: the first nibble of every advert", (_keyword, text) => {
    const { host, begin } = hostOf(text);
    begin();
    host.advance(3.7 * SECOND);
    expect((host.sent[0]?.message[0] ?? 0) >> 4).toBe(3);
  });

  it("native_ipv6: listens to IPv6 although no address says so", () => {
    const { host, begin } = hostOf({ own: "native_ipv6" });
    begin();
    expect([...host.receivers.keys()]).toEqual(["eth0 6"]);
  });

  it("log_unknown_vrids: a line for a virtual router that is not ours, once", () => {
    const { host, begin, reports } = hostOf({ global: "log_unknown_vrids" });
    begin();
    host.receive("eth0", advert(100, { virtualRouterId: 9 }), advert(100, { virtualRouterId: 9 }));
    expect(reports.filter(({ kind }) => kind === "log")).toMatchObject([
      { message: "adverts of a virtual router that is not configured", fields: { virtualRouterId: 9 } },
    ]);
    const silent = hostOf({});
    silent.begin();
    silent.host.receive("eth0", advert(100, { virtualRouterId: 9 }));
    expect(silent.reports.filter(({ kind }) => kind === "log")).toEqual([]);
  });

  it.each([
    [0, []],
    [1, ["RW: discarded"]],
    [2, ["RW: input", "RW: discarded"]],
  ])("debug %i: what is ignored, and every input, is logged", (level, expected) => {
    const { host, begin, reports } = hostOf({ own: `${VIP}debug ${level}` });
    begin();
    reports.length = 0;
    host.receive("eth0", advert(200));
    host.receive("eth0", advert(200, { advertIntervalCs: 300 }));
    const messages = reports.flatMap((report) => (report.kind === "log" ? [report.message] : []));
    expect(messages.filter((message, at) => messages.indexOf(message) === at)).toEqual(expected);
  });
});

describe("announcements", () => {
  /** Seconds since becoming MASTER of each announcement. */
  const announcedAt = (text: FileText, forSeconds: number, wanted = ANNOUNCED): number[] => {
    const { host, begin } = hostOf(text);
    begin();
    host.advance(3.609375 * SECOND);
    const since = host.clock.nowUs();
    const times: number[] = [];
    const push = host.calls.push.bind(host.calls);
    const first = host.calls.filter((call) => call === wanted).length;
    times.push(...Array<number>(first).fill(0));
    host.calls.push = (...calls) => {
      for (const call of calls)
        if (call === wanted) times.push(Math.round((host.clock.nowUs() - since) / 10_000) / 100);
      return push(...calls);
    };
    host.advance(forSeconds * SECOND);
    return times;
  };
  const QUIET = "garp_master_delay 0\ngarp_master_repeat 1\n";

  it.each(bothWays("garp_master_repeat", "3", "garp_master_delay 0\n"))("%s", (_keyword, text) => {
    expect(announcedAt(text, 8)).toEqual([0, 0, 0]);
  });

  it.each(bothWays("garp_master_delay", "7", "garp_master_repeat 1\n"))("%s: the second round", (_keyword, text) => {
    expect(announcedAt(text, 9)).toEqual([0, 7]);
  });

  it.each(bothWays("garp_master_refresh", "3", QUIET))("%s: again and again", (_keyword, text) => {
    expect(announcedAt(text, 7)).toEqual([0, 3, 6]);
  });

  it.each(bothWays("garp_master_refresh_repeat", "2", `${QUIET}garp_master_refresh 3\n`))("%s", (_keyword, text) => {
    expect(announcedAt(text, 4)).toEqual([0, 3, 3]);
  });

  it("vrrp_min_garp: once, and no second round", () => {
    expect(announcedAt({ global: "vrrp_min_garp" }, 9)).toEqual([0]);
  });

  it.each([
    ...bothWays("garp_lower_prio_repeat", "2", `${QUIET}garp_lower_prio_delay 0\n`).map(
      (each) => [...each, 2, 0] as const,
    ),
    ...bothWays("garp_lower_prio_delay", "4", `${QUIET}garp_lower_prio_repeat 1\n`).map(
      (each) => [...each, 1, 1] as const,
    ),
  ])("%s", (_keyword, text, atOnce, later) => {
    const { host, becomeMaster } = hostOf(text);
    becomeMaster();
    const count = () => host.calls.filter((call) => call === ANNOUNCED).length;
    host.receive("eth0", advert(50));
    host.advance(0.4 * SECOND);
    expect(count()).toBe(atOnce);
    // Half a second later, when the other has surely yielded, once more (docs/decisions.md).
    host.advance(1 * SECOND);
    const settled = count();
    host.advance(2.4 * SECOND);
    expect(count()).toBe(settled);
    host.advance(1.2 * SECOND);
    expect(count() - settled).toBe(later);
  });

  it.each<[string, FileText]>([
    ["vrrp_garp_interval", { global: "vrrp_garp_interval 0.5" }],
    ["garp_interval", { beside: "garp_group {\ngarp_interval 0.5\ninterface eth0\n}\n" }],
    ["interfaces", { beside: "garp_group {\ngarp_interval 0.5\ninterfaces {\neth1 eth0\n}\n}\n" }],
  ])("%s: so much between two messages", (_keyword, text) => {
    const own = `garp_master_delay 0\ngarp_master_repeat 3\n${VIP}`;
    expect(announcedAt({ own, ...text }, 3)).toEqual([0, 0.5, 1]);
  });

  it.each<[string, FileText]>([
    ["vrrp_gna_interval", { global: "vrrp_gna_interval 0.5" }],
    ["gna_interval", { beside: "garp_group {\ngna_interval 0.5\ninterface eth0\n}\n" }],
  ])("%s: the same for neighbour advertisements", (_keyword, text) => {
    const own = "garp_master_delay 0\ngarp_master_repeat 3\nvirtual_ipaddress {\nfe80::10\n}\n";
    expect(announcedAt({ own, ...text }, 3, "announce eth0 fe80::10")).toEqual([0, 0.5, 1]);
  });

  it.each(bothWays("garp_extra_if", "all 2", `${QUIET}virtual_ipaddress_excluded {\n10.0.3.10 dev eth1\n}\n`))(
    "%s: other interfaces than the instance's, again and again",
    (_keyword, text) => {
      expect(announcedAt(text, 5, "announce eth1 10.0.3.10")).toEqual([0, 2, 4]);
      expect(announcedAt(text, 5)).toEqual([0]);
    },
  );
});

describe("devices", () => {
  const created = (text: FileText): string[] => {
    const { host, begin } = hostOf(text);
    begin();
    return host.calls.filter((call) => call.startsWith("create "));
  };
  const OTHER = "virtual_ipaddress_excluded {\n10.0.3.10 dev eth1\n}\n";

  it.each<[string, FileText, string[]]>([
    ["use_vmac", { own: `${VIP}use_vmac` }, ["create macvlan vrrp.1"]],
    ["vmac_prefix", { own: `${VIP}use_vmac`, global: "vmac_prefix vm" }, ["create macvlan vm.1"]],
    ["use_vmac_addr", { own: `${VIP}${OTHER}use_vmac_addr` }, ["create macvlan vrrp.1"]],
    [
      "vmac_addr_prefix",
      { own: `${VIP}${OTHER}use_vmac\nuse_vmac_addr`, global: "vmac_addr_prefix va" },
      ["create macvlan vrrp.1", "create macvlan va.1"],
    ],
    ["use_vmac of one address", { own: "virtual_ipaddress {\n10.0.2.10/24 use_vmac\n}\n" }, ["create macvlan vrrp.1"]],
  ])("%s", (_keyword, text, expected) => {
    expect(created(text)).toEqual(expected);
  });

  it("use_ipvlan: the addresses and the adverts are on a device with an address of its own", () => {
    const { host, begin } = hostOf({ own: `${VIP}use_ipvlan ipv1 10.0.2.77/24` });
    begin();
    host.advance(4 * SECOND);
    expect(host.calls).toContain("create ipvlan ipv1");
    expect(host.addressesOf("ipv1")).toEqual(["10.0.2.77/24", "10.0.2.10/32"]);
    expect(host.calls).toContain("advert ipv1 10.0.2.77 vrid=1 priority=100");
    // What others take away is put back.
    host.removeAddress("ipv1", "10.0.2.77");
    host.advance(0.1 * SECOND);
    expect(host.addressesOf("ipv1")).toContain("10.0.2.77/24");
  });

  test("no_track: an address that somebody deletes stays away until the next term, and nothing follows from it", () => {
    const { host, becomeMaster, alarms, state } = hostOf({
      own: "virtual_ipaddress {\n10.0.2.10/24\n10.0.2.11/24 no_track\n}\n",
    });
    becomeMaster();
    host.removeAddress("eth0", "10.0.2.11");
    host.advance(3 * SECOND);
    expect([alarms(), state()?.state]).toEqual([[], "MASTER"]);
    expect(host.addressesOf("eth0")).not.toContain("10.0.2.11/32");
    host.receive("eth0", advert(200, { addresses: ["10.0.2.10", "10.0.2.11"] }));
    host.advance(5 * SECOND);
    expect(host.addressesOf("eth0")).toContain("10.0.2.11/32");
  });
});
