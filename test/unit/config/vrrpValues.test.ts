import { describe, expect, it } from "vitest";
import { type Config, parseConfig } from "../../../src/config/index.ts";
import type { VrrpInstanceConfig } from "../../../src/config/vrrp.types.ts";
import { seconds } from "../../../src/core/units.ts";
import { instanceConfig, vipConfig } from "../../lab/vrrpConfig.ts";

function parsed(text: string): Config {
  const { config, diagnostics } = parseConfig(text, "t.conf");
  if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return config;
}

const instanceText = (lines: string, { name = "A", vrid = 7, device = "eth0" } = {}): string =>
  `vrrp_instance ${name} {\ninterface ${device}\nvirtual_router_id ${vrid}\n${lines}\n}\n`;
const globals = (lines: string): string => `global_defs {\n${lines}\n}\n`;
const lines = (keyword: string, ...each: string[]): string => `${keyword} {\n${each.join("\n")}\n}\n`;

function instance(text: string, global = "", more = ""): VrrpInstanceConfig {
  const [first] = parsed(globals(global) + more + instanceText(text)).vrrp.instances;
  if (first === undefined) throw new Error("no instance");
  return first;
}

const VIP = lines("virtual_ipaddress", "10.0.2.10/24");
const VIP6 = lines("virtual_ipaddress", "fe80::10/64", "2001:db8::10/64");

describe("version and family", () => {
  it("IPv6 is version 3 in its own group, IPv4 is what vrrp_version or version says", () => {
    expect(instance(VIP6)).toMatchObject({
      version: 3,
      family: 6,
      transport: { kind: "multicast", group: "ff02::12" },
    });
    expect(instance(`version 2\n${VIP6}`)).toMatchObject({ version: 3, family: 6 });
    expect(instance(VIP, "vrrp_version 3")).toMatchObject({ version: 3, family: 4 });
    expect(instance(`version 2\n${VIP}`, "vrrp_version 3")).toMatchObject({ version: 2, family: 4 });
    expect(instance("native_ipv6")).toMatchObject({ version: 3, family: 6 });
  });

  it("centiseconds belong to version 3", () => {
    expect(instance(`version 3\nadvert_int 0.01\n${VIP}`).advertInterval).toBe(seconds(0.01));
    expect(instance(`version 3\nadvert_int 40.95\n${VIP}`).advertInterval).toBe(seconds(40.95));
    expect(instance(`advert_int 255\n${VIP}`).advertInterval).toBe(seconds(255));
  });

  it("excluded addresses may be of the other family", () => {
    const { family, excludedAddresses } = instance(VIP + lines("virtual_ipaddress_excluded", "2001:db8::10/64"));
    expect(family).toBe(4);
    expect(excludedAddresses).toEqual([vipConfig("2001:db8::10/64")]);
  });
});

describe("election", () => {
  it("takes preempt_delay, down_timer_adverts and what is said about other priorities", () => {
    expect(
      instance(`${VIP}preempt_delay 300\ndown_timer_adverts 4\nlower_prio_no_advert\nhigher_prio_send_advert\ndebug 2`),
    ).toMatchObject({
      preemptDelay: seconds(300),
      downTimerAdverts: 4,
      lowerPrioNoAdvert: true,
      higherPrioSendAdvert: true,
      debugLevel: 2,
    });
  });

  it("takes them from global_defs where the instance says nothing", () => {
    const global =
      "vrrp_down_timer_adverts 5\nvrrp_lower_prio_no_advert\nvrrp_higher_prio_send_advert\nvrrp_skip_check_adv_addr";
    expect(instance(VIP, global)).toMatchObject({
      downTimerAdverts: 5,
      lowerPrioNoAdvert: true,
      higherPrioSendAdvert: true,
      skipCheckAdvAddr: true,
    });
    const own = "down_timer_adverts 3\nlower_prio_no_advert off\nhigher_prio_send_advert no\nskip_check_adv_addr off";
    expect(instance(VIP + own, global)).toEqual(instanceConfig({ name: "A", virtualRouterId: 7 }));
  });

  it("leases the addresses unless the file says otherwise", () => {
    expect(instance(VIP).vipLease).toBe(true);
    expect(instance(`${VIP}vip_lease on\n`).vipLease).toBe(true);
    expect(instance(`${VIP}vip_lease off\n`).vipLease).toBe(false);
  });

  it("does not answer lower priorities in strict mode", () => {
    expect(instance(VIP, "vrrp_strict").lowerPrioNoAdvert).toBe(true);
    expect(instance(VIP).lowerPrioNoAdvert).toBe(false);
  });

  it("drops preempt_delay where there is nothing to delay", () => {
    expect(instance(`${VIP}preempt_delay 5\nstate MASTER\npriority 150`).preemptDelay).toBe(0);
    expect(instance(`${VIP}preempt_delay 5\nnopreempt`).preemptDelay).toBe(0);
  });
});

describe("transport", () => {
  it("unicast needs peers, or the word that their absence is a fault", () => {
    expect(instance(`${VIP}unicast_src_ip 10.0.2.1\n${lines("unicast_peer", "10.0.2.2", "10.0.2.3")}`)).toMatchObject({
      sourceAddress: "10.0.2.1",
      transport: {
        kind: "unicast",
        peers: [
          { address: "10.0.2.2", timeToLiveMin: undefined, timeToLiveMax: undefined },
          { address: "10.0.2.3", timeToLiveMin: undefined, timeToLiveMax: undefined },
        ],
        timeToLive: 255,
        checkSource: false,
      },
    });
    expect(instance(`${VIP}unicast_fault_no_peer`).transport).toMatchObject({ kind: "unicast", peers: [] });
  });

  it("a TTL of a peer turns the check of the source on", () => {
    const peers = lines("unicast_peer", "10.0.2.2 min_ttl 254", "10.0.2.3 max_ttl 200 min_ttl 0");
    expect(instance(`${VIP}unicast_ttl 64\n${peers}`).transport).toEqual({
      kind: "unicast",
      peers: [
        { address: "10.0.2.2", timeToLiveMin: 254, timeToLiveMax: undefined },
        { address: "10.0.2.3", timeToLiveMin: 0, timeToLiveMax: 200 },
      ],
      timeToLive: 64,
      checkSource: true,
    });
    const plain = lines("unicast_peer", "10.0.2.2");
    expect(instance(`${VIP}check_unicast_src\n${plain}`).transport).toMatchObject({ checkSource: true });
    expect(instance(VIP + plain, "vrrp_check_unicast_src").transport).toMatchObject({ checkSource: true });
  });

  it("a unicast instance may take default_interface, if that is written", () => {
    const text = globals("default_interface eth5") + instanceText(VIP + lines("unicast_peer", "10.0.2.2"));
    const [first] = parsed(text.replace("interface eth0\n", "")).vrrp.instances;
    expect(first).toMatchObject({ interface: "eth5", virtualAddresses: [{ device: "eth5" }] });
  });

  it("multicast has its group, source and the word that the source must be there", () => {
    expect(instance(`${VIP}mcast_dst_ip 224.0.0.99\nmcast_src_ip 10.0.2.1\ntrack_src_ip`)).toMatchObject({
      transport: { kind: "multicast", group: "224.0.0.99" },
      sourceAddress: "10.0.2.1",
      trackSourceAddress: true,
    });
    const groups = "vrrp_mcast_group4 224.0.0.77\nvrrp_mcast_group6 ff02::77";
    expect(instance(VIP, groups).transport).toMatchObject({ group: "224.0.0.77" });
    expect(instance(VIP6, groups).transport).toMatchObject({ group: "ff02::77" });
  });

  it("a password is eight bytes at most, whole characters", () => {
    const password = (word: string) => instance(`${VIP}authentication {\nauth_pass ${word}\n}`).authPassword;
    expect(password("1234")).toBe("1234");
    expect(password("1234567890")).toBe("12345678");
    expect(password("1234567é")).toBe("1234567");
  });

  it("the checksum's form is one of two", () => {
    expect(instance(`version 3\nv3_checksum without_pseudo_header\n${VIP}`).checksumForm).toBe("withoutPseudoHeader");
    expect(instance(`version 3\n${VIP}`).checksumForm).toBe("withPseudoHeader");
  });

  it.each([
    ["the other family", VIP6, ""],
    ["another multicast group", `mcast_dst_ip 224.0.0.99\n${lines("virtual_ipaddress", "10.0.2.11")}`, ""],
    [
      "other peers",
      lines("unicast_peer", "10.0.2.3") + lines("virtual_ipaddress", "10.0.2.11"),
      lines("unicast_peer", "10.0.2.2"),
    ],
    ["unicast beside multicast", lines("unicast_peer", "10.0.2.3") + lines("virtual_ipaddress", "10.0.2.11"), ""],
  ])("a virtual_router_id may be used again on an interface: %s", (_why, second, first) => {
    const { vrrp } = parsed(instanceText(VIP + first) + instanceText(second, { name: "B" }));
    expect(vrrp.instances.map(({ virtualRouterId }) => virtualRouterId)).toEqual([7, 7]);
  });
});

describe("addresses", () => {
  const addresses = (...each: string[]) => instance(lines("virtual_ipaddress", ...each)).virtualAddresses;

  it("have every option of the manual page", () => {
    expect(
      addresses(
        "10.0.2.10/24 brd 10.0.2.255 dev eth1 scope nowhere label eth1:1 noprefixroute autojoin no_track",
        "10.0.2.11/24 brd + preferred_lft 30",
        "10.0.2.12/20 broadcast - preferred_lft forever",
        "10.0.2.13 peer 10.0.2.14 scope 253 preferred_lft 0",
      ),
    ).toEqual([
      vipConfig("10.0.2.10/24", {
        device: "eth1",
        broadcast: "10.0.2.255" as never,
        scope: "nowhere",
        label: "eth1:1",
        noPrefixRoute: true,
        autojoin: true,
        noTrack: true,
      }),
      vipConfig("10.0.2.11/24", { broadcast: "10.0.2.255" as never, preferredLifetime: 30 }),
      vipConfig("10.0.2.12/20", { broadcast: "10.0.0.0" as never, preferredLifetime: "forever" }),
      vipConfig("10.0.2.13/32", { peer: "10.0.2.14" as never, scope: "link" }),
    ]);
    expect(addresses("fe80::1", "2001:db8::10/64 home -nodad mngtmpaddr")).toEqual([
      vipConfig("fe80::1/128"),
      vipConfig("2001:db8::10/64", { home: true, manageTemporaryAddresses: true }),
    ]);
  });

  it("that are static stay: their device is default_interface, their lifetime endless", () => {
    const group = "track_group T {\ngroup {\nA\n}\n}\n";
    const text =
      group +
      lines("static_ipaddress", "10.0.9.1/24 track_group T", "2001:db8::9", "10.0.9.2/24 dev eth3 preferred_lft 60");
    const { vrrp } = parsed(globals("default_interface eth4") + text + instanceText(VIP));
    expect(vrrp.trackGroups).toEqual({ T: ["A"] });
    expect(vrrp.staticAddresses).toEqual([
      vipConfig("10.0.9.1/24", { device: "eth4", preferredLifetime: "forever", trackGroup: "T" }),
      vipConfig("2001:db8::9/128", { device: "eth4", preferredLifetime: 0 }),
      vipConfig("10.0.9.2/24", { device: "eth3", preferredLifetime: 60 }),
    ]);
    expect(parsed(text + instanceText(VIP)).vrrp.staticAddresses[0]?.device).toBe("eth0");
  });
});

describe("virtual MAC devices", () => {
  const macvlan = (name: string, last: readonly number[], changes = {}) => ({
    kind: "macvlan",
    name,
    hardwareAddress: [0, 0, 0x5e, 0, ...last],
    ipvlanMode: undefined,
    ipvlanAddress: undefined,
    transmitFromBase: false,
    ...changes,
  });

  it("carry the addresses that name no other interface", () => {
    const { virtualMac, virtualAddresses } = instance(
      `use_vmac\n${lines("virtual_ipaddress", "10.0.2.10", "10.0.2.11 dev eth0", "10.0.2.12 dev eth1")}`,
    );
    expect(virtualMac).toEqual(macvlan("vrrp.7", [1, 7]));
    expect(virtualAddresses.map(({ device }) => device)).toEqual(["vrrp.7", "vrrp.7", "eth1"]);
    expect(instance(`use_vmac\n${VIP6}`).virtualMac).toEqual(macvlan("vrrp6.7", [2, 7]));
  });

  it("take a name and a hardware address in either order, and the VRID for a sixth byte", () => {
    const written = { kind: "macvlan", name: "v7", hardwareAddress: [2, 0x11, 0x22, 0x33, 0x44, 0x55] };
    expect(instance(`use_vmac v7 02:11:22:33:44:55\n${VIP}`).virtualMac).toMatchObject(written);
    expect(instance(`use_vmac 2:11:22:33:44:55 v7\n${VIP}`).virtualMac).toMatchObject(written);
    expect(instance(`use_vmac 02:11:22:33:44\nvmac_xmit_base\n${VIP}`).virtualMac).toMatchObject({
      name: "vrrp.7",
      hardwareAddress: [2, 0x11, 0x22, 0x33, 0x44, 7],
      transmitFromBase: true,
    });
  });

  it("of single addresses stand on their interface, one for each interface and family", () => {
    const text = `use_vmac\nuse_vmac_addr\n${lines("virtual_ipaddress", "10.0.2.10", "10.0.3.10 dev eth1", "10.0.3.11 dev eth1")}${lines("virtual_ipaddress_excluded", "2001:db8::10")}`;
    const { virtualAddresses, excludedAddresses } = instance(text, "vmac_prefix vm\nvmac_addr_prefix va");
    expect(virtualAddresses).toEqual([
      vipConfig("10.0.2.10/32", { device: "vm.7" }),
      vipConfig("10.0.3.10/32", {
        device: "va.7",
        ownVirtualMac: macvlan("va.7", [1, 7]) as never,
        baseInterface: "eth1",
      }),
      vipConfig("10.0.3.11/32", {
        device: "va.7",
        ownVirtualMac: macvlan("va.7", [1, 7]) as never,
        baseInterface: "eth1",
      }),
    ]);
    expect(excludedAddresses).toMatchObject([{ device: "va6.7", baseInterface: "eth0" }]);
  });

  it("of one address are asked for in its line; another family without the word is on the instance's", () => {
    const excluded = lines("virtual_ipaddress_excluded", "10.0.3.10 dev eth1 use_vmac", "2001:db8::10");
    expect(instance(`use_vmac\n${VIP}${excluded}`).excludedAddresses).toMatchObject([
      { device: "vrrp.7.2", baseInterface: "eth1" },
      { device: "vrrp.7", ownVirtualMac: undefined },
    ]);
    expect(instance(lines("virtual_ipaddress", "10.0.2.10 use_vmac")).virtualAddresses).toMatchObject([
      { device: "vrrp.7", baseInterface: "eth0" },
    ]);
  });

  it("have names that nobody else has", () => {
    const { vrrp } = parsed(
      instanceText(`use_vmac\n${VIP}`) +
        instanceText(`use_vmac\n${lines("virtual_ipaddress", "10.0.3.10")}`, { name: "B", device: "eth1" }) +
        instanceText(`use_vmac vrrp.7\n${lines("virtual_ipaddress", "10.0.4.10")}`, { name: "C", device: "eth2" }),
    );
    expect(vrrp.instances.map(({ virtualMac }) => virtualMac?.name)).toEqual(["vrrp.7.2", "vrrp.7.3", "vrrp.7"]);
  });

  it("may be ipvlan devices", () => {
    expect(instance(`use_ipvlan ipv7 10.0.2.3/24 private\n${VIP}`)).toMatchObject({
      virtualMac: {
        kind: "ipvlan",
        name: "ipv7",
        hardwareAddress: undefined,
        ipvlanMode: "private",
        ipvlanAddress: { address: "10.0.2.3", prefixLength: 24 },
      },
      virtualAddresses: [{ device: "ipv7" }],
    });
    expect(instance(`use_ipvlan\n${VIP6}`).virtualMac).toMatchObject({ name: "vrrp6.7", ipvlanMode: "bridge" });
  });
});

describe("announcements", () => {
  it("after a lower priority are those of a new master unless they have words of their own", () => {
    expect(instance(`${VIP}garp_master_delay 10\ngarp_master_repeat 2`).garp).toMatchObject({
      lowerPrioDelay: seconds(10),
      lowerPrioRepeat: 2,
    });
    const global = "vrrp_garp_lower_prio_delay 3\nvrrp_garp_lower_prio_repeat 4\nvrrp_garp_extra_if all 100";
    expect(instance(VIP, global).garp).toMatchObject({
      lowerPrioDelay: seconds(3),
      lowerPrioRepeat: 4,
      extraInterval: seconds(100),
      extraAll: true,
    });
    const own = "garp_lower_prio_delay 0\ngarp_lower_prio_repeat 0\ngarp_extra_if 50";
    expect(instance(VIP + own, global).garp).toMatchObject({
      lowerPrioDelay: 0,
      lowerPrioRepeat: 0,
      extraInterval: seconds(50),
      extraAll: false,
    });
  });

  it("are one with vrrp_min_garp, where nothing else is written", () => {
    expect(instance(VIP, "vrrp_min_garp").garp).toMatchObject({ masterDelay: 0, masterRepeat: 1, lowerPrioRepeat: 1 });
    expect(instance(VIP, "vrrp_min_garp\nvrrp_garp_master_repeat 3").garp).toMatchObject({ masterRepeat: 3 });
    expect(instance(VIP, "vrrp_min_garp off").garp).toMatchObject({ masterDelay: seconds(5), masterRepeat: 5 });
  });

  it("have pauses by interface", () => {
    const { vrrp } = parsed(
      `${globals("vrrp_garp_interval 0.1\nvrrp_gna_interval 0.2")}garp_group {\ngarp_interval 0.001\ninterface eth0\n}\ngarp_group {\ngna_interval 0.5\ninterfaces {\neth1 eth2\neth3\n}\n}\n${instanceText(VIP)}`,
    );
    expect(vrrp).toMatchObject({
      garpInterval: seconds(0.1),
      gnaInterval: seconds(0.2),
      announcePacing: [
        { interfaces: ["eth0"], garpInterval: seconds(0.001), gnaInterval: 0 },
        { interfaces: ["eth1", "eth2", "eth3"], garpInterval: 0, gnaInterval: seconds(0.5) },
      ],
    });
  });
});

describe("tracking", () => {
  const trackers =
    "vrrp_script s {\nscript \"/bin/check 'a b' c\"\ninterval 2\ntimeout 1.5\nrise 2\nfall 3\nweight 10 reverse\nuser nobody nogroup\ninit_fail\n}\n" +
    "track_file f {\nfile /run/f\nweight 2\ninit_file 5 overwrite\n}\n" +
    'vrrp_track_process p {\nprocess "a b" -x "y z"\nparam_match initial\nquorum 2\nquorum_max 3\ndelay 1\nterminate_delay 2\nfull_command\n}\n';
  const tracked =
    lines("track_interface", "eth1", "eth2 weight -5 reverse") +
    lines("track_script", "s") +
    lines("track_file", "f weight -1") +
    lines("track_process", "p");

  it("is by weights, each written, of the tracker's block, or the default", () => {
    expect(instance(VIP + tracked, "", trackers).track).toEqual({
      interfaces: [
        { name: "eth1", weight: 0, reverse: false },
        { name: "eth2", weight: -5, reverse: true },
      ],
      scripts: [{ name: "s", weight: 10, reverse: true }],
      files: [{ name: "f", weight: -1, reverse: false }],
      processes: [{ name: "p", weight: 1, reverse: false }],
    });
    const own = lines("track_script", "s weight 3 noreverse");
    const others = lines("track_file", "f") + lines("track_process", "p weight 0 reverse");
    expect(instance(VIP + own + others, "", trackers).track).toMatchObject({
      scripts: [{ name: "s", weight: 3, reverse: false }],
      files: [{ name: "f", weight: 2, reverse: false }],
      processes: [{ name: "p", weight: 0, reverse: true }],
    });
  });

  it("has trackers as written", () => {
    const { scripts, trackFiles, trackProcesses } = parsed(trackers + instanceText(VIP + tracked));
    expect(scripts).toEqual([
      {
        name: "s",
        command: { arguments: ["/bin/check", "a b", "c"], user: "nobody", group: "nogroup" },
        interval: seconds(2),
        timeout: seconds(1.5),
        rise: 2,
        fall: 3,
        initFail: true,
      },
    ]);
    expect(trackFiles).toEqual([{ name: "f", path: "/run/f", initialize: { value: 5, overwrite: true } }]);
    expect(trackProcesses).toEqual([
      {
        name: "p",
        process: "a b",
        parameters: ["-x", "y z"],
        parameterMatch: "initial",
        fullCommand: true,
        quorum: 2,
        quorumMax: 3,
        forkDelay: seconds(1),
        terminateDelay: seconds(2),
      },
    ]);
  });

  it("has trackers with defaults", () => {
    const plain =
      "vrrp_script s {\nscript /bin/true\n}\ntrack_file f {\nfile /run/f\n}\nvrrp_track_process p {\nprocess haproxy\n}\n";
    const { scripts, trackFiles, trackProcesses } = parsed(plain + instanceText(VIP + tracked));
    expect(scripts).toMatchObject([{ interval: seconds(1), timeout: seconds(1), rise: 1, fall: 1, initFail: false }]);
    expect(trackFiles).toMatchObject([{ initialize: undefined }]);
    expect(trackProcesses).toMatchObject([
      {
        process: "haproxy",
        parameters: undefined,
        parameterMatch: "exact",
        quorum: 1,
        forkDelay: 0,
        terminateDelay: 0,
      },
    ]);
  });

  it("of an owner has no weights, and its own interface is not listed", () => {
    const { track } = instance(
      `state MASTER\npriority 255\n${VIP}${lines("track_interface", "eth0", "eth1", "eth2 weight 5")}`,
    );
    expect(track.interfaces).toEqual([{ name: "eth1", weight: 0, reverse: false }]);
  });
});

describe("sync groups", () => {
  const two = (a = "", b = "") =>
    instanceText(VIP + a) + instanceText(lines("virtual_ipaddress", "10.0.3.10") + b, { name: "B", device: "eth1" });
  const group = (inside = "") => `vrrp_sync_group G {\n${lines("group", "A", "B")}${inside}\n}\n`;
  const interfacesOf = (text: string) => parsed(text).vrrp.instances.map(({ track }) => track.interfaces);

  it("have members, and words of their own", () => {
    const { vrrp } = parsed(group('notify "/bin/n x" nobody\nnotify_priority_changes on\nsmtp_alert') + two());
    expect(vrrp.syncGroups).toEqual([
      {
        name: "G",
        members: ["A", "B"],
        notify: {
          ...instanceConfig().notify,
          any: { arguments: ["/bin/n", "x"], user: "nobody", group: undefined },
          priorityChanges: true,
          smtpAlert: true,
        },
      },
    ]);
  });

  it("give their trackers to all members, but none its own interface; weights of members are 0", () => {
    const text =
      group(lines("track_interface", "eth1", "eth5 weight 4")) + two(lines("track_interface", "eth6 weight 7 reverse"));
    expect(interfacesOf(text)).toEqual([
      [
        { name: "eth1", weight: 0, reverse: false },
        { name: "eth5", weight: 4, reverse: false },
        { name: "eth6", weight: 0, reverse: true },
      ],
      [{ name: "eth5", weight: 4, reverse: false }],
    ]);
  });

  it("let weights of members count with sync_group_tracking_weight", () => {
    const text = group("sync_group_tracking_weight") + two(lines("track_interface", "eth6 weight 7"));
    expect(interfacesOf(text)).toEqual([[{ name: "eth6", weight: 7, reverse: false }], []]);
  });

  it("share the members' trackers with global_tracking", () => {
    const text = group("global_tracking") + two(lines("track_interface", "eth6"), lines("track_interface", "eth7"));
    expect(interfacesOf(text)).toEqual([
      [
        { name: "eth6", weight: 0, reverse: false },
        { name: "eth7", weight: 0, reverse: false },
      ],
      [
        { name: "eth7", weight: 0, reverse: false },
        { name: "eth6", weight: 0, reverse: false },
      ],
    ]);
  });
});

describe("notifications", () => {
  it("have a command line of their own each, split without a shell", () => {
    const text = `${VIP}notify_master /bin/m\nnotify_backup "/bin/b 'x y' \\"z\\" $HOME" nobody\nnotify_fault /bin/f nobody nogroup\nnotify_stop '/bin/s "q r"'\nnotify_master_rx_lower_pri /bin/l\nnotify /bin/n\nnotify_deleted`;
    const command = (words: string[], user?: string, name?: string) => ({ arguments: words, user, group: name });
    expect(instance(text).notify).toEqual({
      master: command(["/bin/m"]),
      backup: command(["/bin/b", "x y", "z", "$HOME"], "nobody"),
      fault: command(["/bin/f"], "nobody", "nogroup"),
      stop: command(["/bin/s", "q r"]),
      deleted: undefined,
      tellsDeleted: true,
      masterRxLowerPri: command(["/bin/l"]),
      any: command(["/bin/n"]),
      priorityChanges: false,
      smtpAlert: false,
    });
    expect(instance(`${VIP}notify_deleted /bin/d`).notify).toMatchObject({
      deleted: command(["/bin/d"]),
      tellsDeleted: true,
    });
  });

  it("changes of the priority are told where the instance says so, else where vrrp_notify_priority_changes does", () => {
    const told = (own: string, global = "") => instance(VIP + own, global).notify.priorityChanges;
    expect([told(""), told("notify_priority_changes"), told("", "vrrp_notify_priority_changes on")]).toEqual([
      false,
      true,
      true,
    ]);
    expect(told("notify_priority_changes off", "vrrp_notify_priority_changes")).toBe(false);
  });

  it.each([
    ["", "", false],
    ["smtp_alert on", "", true],
    ["smtp_alert on\nsmtp_alert_vrrp off", "", false],
    ["smtp_alert_vrrp", "smtp_alert off", false],
    ["", "smtp_alert", true],
  ])("mail is asked for by %j and %j", (global, own, alert) => {
    expect(instance(VIP + own, global).notify.smtpAlert).toBe(alert);
  });

  it("go to FIFOs with their readers", () => {
    const text =
      'notify_fifo /run/a nobody nogroup\nnotify_fifo_script "/bin/r x" nobody\nvrrp_notify_fifo /run/b\nlvs_notify_fifo /run/c\nfifo_write_vrrp_states_on_reload\nvrrp_notify_priority_changes';
    const { global, vrrp } = parsed(globals(text) + instanceText(VIP));
    expect(global.fifoWriteStatesOnReload).toBe(true);
    expect(vrrp.instances[0]?.notify.priorityChanges).toBe(true);
    expect(global.fifos).toEqual([
      {
        path: "/run/a",
        user: "nobody",
        group: "nogroup",
        events: ["vrrp", "lvs"],
        script: { arguments: ["/bin/r", "x"], user: "nobody", group: undefined },
      },
      { path: "/run/b", user: undefined, group: undefined, events: ["vrrp"], script: undefined },
      { path: "/run/c", user: undefined, group: undefined, events: ["lvs"], script: undefined },
    ]);
  });

  it("go by mail", () => {
    const text =
      "notification_email {\na@example.com b@example.com\nc@example.com\n}\nnotification_email_from kad1@example.com\nsmtp_server mail.example.com 2525\nsmtp_helo_name kad1\nsmtp_connect_timeout 3\nno_email_faults\nsmtp_alert on";
    expect(parsed(globals(text) + instanceText(VIP)).global.mail).toEqual({
      to: ["a@example.com", "b@example.com", "c@example.com"],
      from: "kad1@example.com",
      server: "mail.example.com",
      port: 2525,
      heloName: "kad1",
      connectTimeout: seconds(3),
      noFaults: true,
    });
    expect(parsed(globals("notification_email {\na@example.com\n}") + instanceText(VIP)).global.mail).toEqual({
      to: ["a@example.com"],
      from: undefined,
      server: "127.0.0.1",
      port: 25,
      heloName: undefined,
      connectTimeout: seconds(30),
      noFaults: false,
    });
    expect(parsed(instanceText(VIP)).global.mail).toBeUndefined();
  });

  it("scripts of the daemon have their times", () => {
    const text =
      'startup_script "/bin/up x" nobody\nshutdown_script /bin/down\nshutdown_script_timeout 3\nscript_user root wheel\nenable_script_security';
    expect(parsed(globals(text) + instanceText(VIP)).global).toMatchObject({
      startupScript: { command: { arguments: ["/bin/up", "x"], user: "nobody" }, timeout: seconds(10) },
      shutdownScript: { command: { arguments: ["/bin/down"] }, timeout: seconds(3) },
      scriptUser: { user: "root", group: "wheel" },
      enableScriptSecurity: true,
    });
  });
});

describe("the whole of VRRP", () => {
  it("delays link changes, polls links, and starts late", () => {
    const text =
      globals("vrrp_startup_delay 5.5\nlog_unknown_vrids\nvrrp_rt_priority 40") +
      lines("interface_up_down_delays", "eth0 0.5", "eth1 0.1 2") +
      lines("linkbeat_interfaces", "eth0", "eth1 ETHTOOL");
    const { vrrp, global } = parsed(text + instanceText(VIP));
    expect(global.vrrpRealtimePriority).toBe(40);
    expect(vrrp).toMatchObject({
      startupDelay: seconds(5.5),
      logUnknownVrids: true,
      linkDelays: [
        { interface: "eth0", down: seconds(0.5), up: seconds(0.5) },
        { interface: "eth1", down: seconds(0.1), up: seconds(2) },
      ],
      linkbeatInterfaces: ["eth0", "eth1"],
    });
  });

  it("polls the links of one instance or of all", () => {
    const tracked = lines("track_interface", "eth9");
    const polled = (text: string) => parsed(text).vrrp.linkbeatInterfaces;
    expect(polled(instanceText(`linkbeat_use_polling\n${VIP}${tracked}`))).toEqual(["eth0"]);
    expect(polled(`linkbeat_use_polling\n${instanceText(VIP + tracked)}`)).toEqual(["eth0", "eth9"]);
    expect(polled(instanceText(VIP + tracked))).toEqual([]);
  });
});
