import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { type Address, type AddressOperation, HostNetwork, readHostFacts } from "../../src/io/hostNetwork.ts";
import { readSysctl, writeSysctl } from "../../src/io/sysctl.ts";
import { IFA_F, IFAPROT_HOLDFAST, MACVLAN_MODE, type NewAddressRequest, SCOPE } from "../../src/wire/netlink/rtnl.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { inNamespace } from "./native/inNamespace.ts";

const OWN = "192.0.2.11";
const MAC = "02:00:00:00:00:0b";
const VIP = ip("192.0.2.100");
const VIP6 = ip("2001:db8::100");

requires("netns")("the host's network", () => {
  const addon = loadAddon();
  let network: Network;
  let host: NetworkHost;
  let hostNetwork: HostNetwork;
  let index: number;

  beforeAll(async () => {
    network = await createNetwork({
      prefix: "hostnet",
      hosts: [{ name: "a", addresses: [`${OWN}/24`, "2001:db8::11/64"], hardwareAddress: MAC }],
    });
    host = network.host("a");
    hostNetwork = inNamespace(addon, host.path, () => new HostNetwork(addon));
    index = hostNetwork.listLinks().find(({ name }) => name === "eth0")?.index ?? 0;
  });
  afterAll(() => {
    hostNetwork?.close();
    network?.remove();
  });
  afterEach(async () => {
    await host.ip("address", "flush", "dev", "eth0", "to", `${VIP}/32`);
    await host.ip("-6", "address", "flush", "dev", "eth0", "to", `${VIP6}/128`);
    await host.ip("address", "flush", "dev", "eth0", "to", "10.0.0.0/8");
  });

  const set = (request: Partial<NewAddressRequest> = {}): AddressOperation => ({
    kind: "set",
    request: {
      ip: VIP,
      prefixLength: 32,
      linkIndex: index,
      label: undefined,
      scope: SCOPE.universe,
      lifetime: { preferredSec: 0, validSec: 30 },
      flags: 0,
      ...request,
    },
  });
  const remove = (address: Ip, prefixLength: number): AddressOperation => ({
    kind: "delete",
    request: { ip: address, prefixLength, linkIndex: index },
  });
  const listed = (address: Ip): Address | undefined => hostNetwork.listAddresses().find((one) => one.ip === address);

  test("links with their state and hardware address, as `ip link` shows them", async () => {
    const link = (): unknown => hostNetwork.listLinks().find(({ name }) => name === "eth0");
    const hardwareAddress = Uint8Array.from(Buffer.from(MAC.replaceAll(":", ""), "hex"));
    const device = { kind: "veth", baseIndex: expect.any(Number) };
    const eth0 = { index, name: "eth0", hardwareAddress, mtu: 1500, administrativelyUp: true, ...device };
    await waitFor(() => (link() as { up: boolean }).up, { what: "the carrier" });
    expect(link()).toEqual({ ...eth0, up: true });
    await host.unplug();
    expect(link()).toEqual({ ...eth0, up: false });
    await host.plug();
    await waitFor(() => (link() as { up: boolean }).up, { what: "the carrier's return" });
    expect(hostNetwork.listLinks().map(({ name }) => name)).toContain("lo");
  });

  test("addresses of both families", () => {
    const common = {
      linkIndex: index,
      scope: "global",
      permanent: true,
      secondary: false,
      tentative: false,
      broadcast: undefined,
      peer: undefined,
      validSec: undefined,
      protocol: undefined,
    };
    expect(listed(ip(OWN))).toEqual({ ...common, ip: OWN, prefixLength: 24, label: "eth0" });
    expect(listed(ip("2001:db8::11"))).toEqual({ ...common, ip: "2001:db8::11", prefixLength: 64, label: undefined });
    expect(listed(ip("127.0.0.1"))).toMatchObject({ prefixLength: 8, scope: "host", label: "lo" });
  });

  test("what `validate` compares a configuration with", () => {
    const facts = inNamespace(addon, host.path, () => readHostFacts(addon));
    const eth0 = facts.interfaces.find(({ name }) => name === "eth0");
    expect(eth0?.addresses).toContainEqual({ ip: OWN, prefixLength: 24 });
    expect(eth0?.addresses).toContainEqual({ ip: "2001:db8::11", prefixLength: 64 });
  });

  describe("an address is", () => {
    test("added with label, scope and lifetimes, as `ip address` shows them", async () => {
      expect(hostNetwork.applyAddresses([set({ label: "eth0:1", scope: SCOPE.link })])).toEqual([{ ok: true }]);
      const shown = (await host.addresses()).find(({ address }) => address === VIP);
      expect(shown).toMatchObject({
        prefixLength: 32,
        label: "eth0:1",
        scope: "link",
        secondary: false,
        preferredLifetimeSec: 0,
      });
      expect(shown?.validLifetimeSec).toBeGreaterThan(25);
      expect(shown?.validLifetimeSec).toBeLessThanOrEqual(30);
      expect(listed(VIP)).toMatchObject({ label: "eth0:1", scope: "link", permanent: false, secondary: false });
    });

    test("added for ever", () => {
      expect(hostNetwork.applyAddresses([set({ lifetime: undefined })])).toEqual([{ ok: true }]);
      expect(listed(VIP)).toMatchObject({ permanent: true, validSec: undefined });
    });

    test("IPv6, usable at once and never preferred as a source", async () => {
      const lifetime = { preferredSec: 0, validSec: 30 };
      const operation = set({ ip: VIP6, prefixLength: 128, flags: IFA_F.noDad, lifetime });
      expect(hostNetwork.applyAddresses([operation])).toEqual([{ ok: true }]);
      const shown = await host.ip("address", "show", "dev", "eth0", "to", `${VIP6}/128`);
      expect(shown).toContain("deprecated");
      expect(shown).not.toContain("tentative");
    });

    test("added with another end, a broadcast address, flags and the mark that it is ours", async () => {
      const flags = IFA_F.noPrefixRoute;
      const marks = { peer: ip("10.0.9.2"), broadcast: ip("10.0.9.255"), flags, protocol: IFAPROT_HOLDFAST };
      expect(hostNetwork.applyAddresses([set({ ip: ip("10.0.9.1"), ...marks })])).toEqual([{ ok: true }]);
      const shown = await host.ip("address", "show", "dev", "eth0", "to", "10.0.9.0/24");
      expect(shown).toContain("inet 10.0.9.1 peer 10.0.9.2/32 brd 10.0.9.255 scope global");
      expect(shown).toContain("noprefixroute");
      const { flags: _, ...listedMarks } = marks;
      expect(listed(ip("10.0.9.1"))).toMatchObject({ prefixLength: 32, ...listedMarks });
      const request = { ip: ip("10.0.9.1"), prefixLength: 32, linkIndex: index, peer: ip("10.0.9.2") };
      expect(hostNetwork.applyAddresses([{ kind: "delete", request }])).toEqual([{ ok: true }]);
      expect(listed(ip("10.0.9.1"))).toBeUndefined();
    });

    test("IPv6 with another end", () => {
      const peer = ip("2001:db8:9::2");
      const request = { ip: ip("2001:db8:9::1"), prefixLength: 128, peer, flags: IFA_F.noDad };
      expect(hostNetwork.applyAddresses([set(request)])).toEqual([{ ok: true }]);
      expect(listed(request.ip)).toMatchObject({ peer, prefixLength: 128, tentative: false });
      const gone = { ip: request.ip, prefixLength: 128, linkIndex: index, peer };
      expect(hostNetwork.applyAddresses([{ kind: "delete", request: gone }])).toEqual([{ ok: true }]);
    });

    test("IPv6, and tentative while its detection runs", () => {
      expect(hostNetwork.applyAddresses([set({ ip: VIP6, prefixLength: 128 })])).toEqual([{ ok: true }]);
      expect(listed(VIP6)).toMatchObject({ tentative: true });
    });

    test("refreshed: the lifetime begins again, and nothing is added", async () => {
      hostNetwork.applyAddresses([set({ lifetime: { preferredSec: 0, validSec: 5 } })]);
      hostNetwork.applyAddresses([set({ lifetime: { preferredSec: 0, validSec: 100 } })]);
      expect(listed(VIP)?.validSec).toBeGreaterThan(90);
      expect((await host.addresses()).filter(({ address }) => address === VIP)).toHaveLength(1);
    });

    test("gone by itself when it is not refreshed", async () => {
      hostNetwork.applyAddresses([set({ lifetime: { preferredSec: 0, validSec: 1 } })]);
      expect(listed(VIP)).toBeDefined();
      await waitFor(() => listed(VIP) === undefined, { what: "the end of the lease", timeoutMs: 5_000 });
    });

    test("deleted; one that is not there is refused by name, and the rest goes on", () => {
      hostNetwork.applyAddresses([set()]);
      const outcomes = hostNetwork.applyAddresses([
        remove(ip("192.0.2.55"), 32),
        remove(VIP, 32),
        set({ ip: ip("10.0.0.1") }),
        set({ ip: ip("10.0.0.2"), linkIndex: 9_999 }),
      ]);
      expect(outcomes).toEqual([
        { ok: false, code: "EADDRNOTAVAIL" },
        { ok: true },
        { ok: true },
        { ok: false, code: "ENODEV" },
      ]);
      expect(listed(VIP)).toBeUndefined();
      expect(listed(ip("10.0.0.1"))).toBeDefined();
    });
  });

  test("more than one batch: every outcome stands at its operation's place", () => {
    const address = (n: number): Ip => ipFromBytes(Uint8Array.of(10, 0, n >> 8, n & 0xff));
    const operations = Array.from({ length: 200 }, (_, n) =>
      // Every tenth deletes what is not there.
      n % 10 === 9 ? remove(ip("10.9.9.9"), 32) : set({ ip: address(n) }),
    );
    const outcomes = hostNetwork.applyAddresses(operations);
    expect(outcomes.map((outcome) => outcome.ok)).toEqual(operations.map(({ kind }) => kind === "set"));
    expect(hostNetwork.listAddresses().filter((one) => one.ip.startsWith("10.0."))).toHaveLength(180);
  });

  test("changes of addresses and links are told", async () => {
    const told = { changed: 0, overrun: 0 };
    const errors: Error[] = [];
    const watcher = inNamespace(addon, host.path, () => {
      const made = new HostNetwork(addon);
      made.watch({
        changed: () => told.changed++,
        overrun: () => told.overrun++,
        error: (error) => errors.push(error),
      });
      return made;
    });
    try {
      for (const change of [
        () => host.ip("address", "add", "10.1.1.1/32", "dev", "eth0"),
        () => host.ip("-6", "address", "add", `${VIP6}/128`, "dev", "eth0", "nodad"),
        () => host.unplug(),
        () => host.plug(),
      ]) {
        const before = told.changed;
        await change();
        await waitFor(() => told.changed > before, { what: `news of ${change}` });
      }
    } finally {
      watcher.close();
    }
    expect({ overrun: told.overrun, errors }).toEqual({ overrun: 0, errors: [] });
  });

  test("a refresh of what is marked as ours is no news, its removal by others is", async () => {
    let changed = 0;
    const watcher = inNamespace(addon, host.path, () => {
      const made = new HostNetwork(addon);
      made.watch({ changed: () => changed++, overrun: () => {}, error: () => {} });
      return made;
    });
    const own = (request: Partial<NewAddressRequest>): AddressOperation =>
      set({ protocol: IFAPROT_HOLDFAST, ...request });
    const six = { ip: VIP6, prefixLength: 128, flags: IFA_F.noDad };
    try {
      for (let round = 0; round < 3; round++) watcher.applyAddresses([own({}), own(six)]);
      // Behind it in the queue: when this one has been told, the others have been read.
      watcher.applyAddresses([set({ ip: ip("10.0.0.1") })]);
      await waitFor(() => changed > 0, { what: "the unmarked one" });
      expect(changed).toBe(1);
      await host.ip("address", "del", `${VIP}/32`, "dev", "eth0");
      await waitFor(() => changed > 1, { what: "the removal" });
      watcher.applyAddresses([remove(VIP6, 128)]);
      await waitFor(() => changed > 2, { what: "our own removal" });
      await host.ip("-6", "address", "add", `${VIP6}/128`, "dev", "eth0", "nodad");
      await waitFor(() => changed > 3, { what: "an address that others gave" });
    } finally {
      watcher.close();
    }
  });

  describe("a device of our own", () => {
    const hardwareAddress = Uint8Array.of(0, 0, 0x5e, 0, 1, 51);
    const ALIAS = "holdfast:VRRP:Schlüssel";
    const create = (parentIndex = index) =>
      hostNetwork.createLink(
        {
          name: "vrrp.51",
          parentIndex,
          hardwareAddress,
          info: { kind: "macvlan", macvlan: { mode: MACVLAN_MODE.private } },
        },
        ALIAS,
      );
    const device = () => hostNetwork.listLinks().find(({ name }) => name === "vrrp.51");
    const setting = (path: string) => inNamespace(addon, host.path, () => readSysctl(path));

    test("is created down, brought up without an address of its own making, and deleted", async () => {
      expect(create()).toEqual({ ok: true });
      expect(device()).toMatchObject({ kind: "macvlan", baseIndex: index, administrativelyUp: false, hardwareAddress });
      expect(setting("ipv6/conf/vrrp.51/addr_gen_mode")).toBe("1");
      expect(create()).toEqual({ ok: false, code: "EEXIST" });
      const made = device()?.index ?? 0;
      expect(hostNetwork.setLinkUp(made)).toEqual({ ok: true });
      await waitFor(() => device()?.up, { what: "its carrier" });
      expect(hostNetwork.listAddresses().filter(({ linkIndex }) => linkIndex === made)).toEqual([]);
      expect(hostNetwork.deleteLink(made)).toEqual({ ok: true });
      expect(device()).toBeUndefined();
      expect(hostNetwork.deleteLink(made)).toEqual({ ok: false, code: "ENODEV" });
      expect(hostNetwork.setLinkUp(made)).toEqual({ ok: false, code: "ENODEV" });
    });

    test("does not mark the device of another that has the name", async () => {
      await host.ip("link", "add", "vrrp.51", "link", "eth0", "type", "macvlan", "mode", "bridge");
      expect(create()).toEqual({ ok: false, code: "EEXIST" });
      expect(device()?.alias).toBeUndefined();
      await host.ip("link", "delete", "vrrp.51");
    });

    test("has the alias that it was created with, or was given; one that is no UTF-8 spoils no dump", async () => {
      create();
      expect(device()).toMatchObject({ alias: ALIAS });
      expect(await host.ip("link", "show", "vrrp.51")).toContain(`alias ${ALIAS}`);
      const made = device()?.index ?? 0;
      // As long as the kernel takes it.
      expect(hostNetwork.setLinkAlias(made, "x".repeat(300))).toEqual({ ok: true });
      expect(device()?.alias).toBe("x".repeat(255));
      await host.exec("sh", ["-c", "ip link set vrrp.51 alias $(printf 'b\\374ro')"]);
      expect(device()?.alias).toBe("b\ufffdro");
      hostNetwork.deleteLink(made);
      expect(hostNetwork.setLinkAlias(made, ALIAS)).toEqual({ ok: false, code: "ENODEV" });
    });

    test("is refused on a base that is not there", () => {
      expect(create(9_999)).toEqual({ ok: false, code: "ENODEV" });
    });
  });

  test("settings of the namespace, and why they cannot be set", () => {
    const inside = <Value>(call: () => Value): Value => inNamespace(addon, host.path, call);
    const path = "ipv4/conf/eth0/arp_ignore";
    expect(inside(() => [readSysctl(path), writeSysctl(path, "1"), readSysctl(path)])).toEqual([
      "0",
      { ok: true },
      "1",
    ]);
    inside(() => writeSysctl(path, "0"));
    expect(inside(() => readSysctl("ipv4/conf/eth7/arp_ignore"))).toBeUndefined();
    expect(inside(() => writeSysctl("ipv4/conf/eth7/arp_ignore", "1"))).toEqual({ ok: false, code: "ENOENT" });
    expect(inside(() => writeSysctl(path, "many"))).toEqual({ ok: false, code: "EINVAL" });
  });

  test("lost notifications are told as an overrun", async () => {
    const told = { overrun: 0 };
    const watcher = inNamespace(addon, host.path, () => {
      const made = new HostNetwork(addon);
      made.watch(
        { changed: () => {}, overrun: () => told.overrun++, error: () => {} },
        // The kernel's minimum: room for a few notifications.
        { receiveBufferBytes: 1 },
      );
      return made;
    });
    try {
      // In one turn of the loop, so nobody reads.
      const address = (n: number): Ip => ipFromBytes(Uint8Array.of(10, 2, n >> 8, n & 0xff));
      hostNetwork.applyAddresses(Array.from({ length: 300 }, (_, n) => set({ ip: address(n) })));
      await waitFor(() => told.overrun > 0, { what: "the overrun" });
    } finally {
      watcher.close();
    }
  });
});
