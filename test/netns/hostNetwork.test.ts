import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { type Address, type AddressOperation, HostNetwork, readHostFacts } from "../../src/io/hostNetwork.ts";
import { IFA_F, type NewAddressRequest, SCOPE } from "../../src/wire/netlink/rtnl.ts";
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
    const eth0 = { index, name: "eth0", hardwareAddress, mtu: 1500 };
    await waitFor(() => (link() as { up: boolean }).up, { what: "the carrier" });
    expect(link()).toEqual({ ...eth0, up: true });
    await host.unplug();
    expect(link()).toEqual({ ...eth0, up: false });
    await host.plug();
    await waitFor(() => (link() as { up: boolean }).up, { what: "the carrier's return" });
    expect(hostNetwork.listLinks().map(({ name }) => name)).toContain("lo");
  });

  test("addresses of both families", () => {
    const common = { linkIndex: index, scope: "global", permanent: true, secondary: false, validSec: undefined };
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
