import { Buffer } from "node:buffer";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { seconds } from "../../src/core/units.ts";
import { encodeIpv4 } from "../../src/wire/ipv4.ts";
import { encodeAdvert } from "../../src/wire/vrrp.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { roundRobinThreads } from "../lab/processors.ts";
import { requires } from "../lab/requires.ts";
import { instanceConfig as instance, vipConfig as vip } from "../lab/vrrpConfig.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture } from "./vrrp/capture.ts";
import { compiled, VrrpHost } from "./vrrp/routers.ts";

const VIP = "10.0.2.10";

interface Spoilt {
  readonly priority?: number;
  readonly intervalSec?: number;
  readonly virtualRouterId?: number;
  readonly timeToLive?: number;
  readonly destination?: string;
  readonly spoil?: (advert: Uint8Array) => Uint8Array;
}

/** A whole packet of the other host with an advert of priority 254, which would end our term if it were acted on. */
function packet(options: Spoilt = {}): string {
  const { virtualRouterId = 1, priority = 254, timeToLive = 255, destination = "224.0.0.18", spoil } = options;
  const advertIntervalCs = (options.intervalSec ?? 1) * 100;
  const endpoints = { source: ip("10.0.2.2"), destination: ip(destination) };
  const advert = encodeAdvert(
    { version: 2, virtualRouterId, priority, advertIntervalCs, addresses: [ip(VIP)] },
    endpoints,
  );
  const header = { typeOfService: 0xc0, identification: 1, fragment: 0, timeToLive, protocol: 112 };
  const bytes = encodeIpv4({ ...header, ...endpoints }, spoil?.(advert) ?? advert);
  return Buffer.from(bytes).toString("hex");
}

requires("netns")("the VRRP worker on a real kernel", () => {
  let network: Network;
  let ours: NetworkHost;
  let other: NetworkHost;

  beforeEach(async () => {
    network = await createNetwork({
      prefix: "vrrpw",
      hosts: [
        { name: "ours", addresses: ["10.0.2.1/24"] },
        { name: "other", addresses: ["10.0.2.2/24"] },
      ],
    });
    ours = network.host("ours");
    other = network.host("other");
  });

  afterEach(() => network?.remove());

  const inet = async (): Promise<string[]> =>
    (await ours.addresses()).filter(({ family }) => family === "inet").map((a) => `${a.address}/${a.prefixLength}`);

  const master = async (...args: Parameters<typeof VrrpHost.start> extends [unknown, ...infer Rest] ? Rest : never) => {
    const host = await VrrpHost.start(ours, ...args);
    await host.waitForState("MASTER");
    return host;
  };

  it("counts malformed and foreign adverts by reason and acts on none", async () => {
    const host = await master([instance()]);
    const spoiled = {
      truncated: packet({ spoil: (advert) => advert.subarray(0, 6) }),
      wrongVersion: packet({ spoil: (advert) => advert.fill(0x41, 0, 1) }),
      wrongType: packet({ spoil: (advert) => advert.fill(0x22, 0, 1) }),
      badChecksum: packet({ spoil: (advert) => advert.fill(0x99, 7, 8) }),
      addressCountMismatch: packet({ spoil: (advert) => Buffer.concat([advert, Buffer.alloc(4)]) }),
      authTypeUnsupported: packet({ spoil: (advert) => advert.fill(2, 4, 5) }),
      ttlNot255: packet({ timeToLive: 254 }),
      wrongDestination: packet({ destination: "10.0.2.1" }),
      unknownVrid: packet({ virtualRouterId: 7 }),
    };
    await other.exec(process.execPath, [compiled("sendPackets"), ...Object.values(spoiled)]);
    const expected = Object.fromEntries(Object.keys(spoiled).map((reason) => [reason, 1]));
    await waitFor(async () => Object.keys((await host.status()).discarded).length >= Object.keys(expected).length, {
      what: "every packet to be counted",
      found: async () => (await host.status()).discarded,
    });
    expect((await host.status()).discarded).toEqual(expected);
    expect((await host.status()).instances[0]).toMatchObject({ state: "MASTER", advertsReceived: 0 });
    // The same packet unspoiled does end the term: the ones before were refused for what was wrong with them.
    await other.exec(process.execPath, [compiled("sendPackets"), packet()]);
    await host.waitForState("BACKUP");
    expect(host.transitions().at(-1)).toBe("BACKUP higherPriorityHeard");
  });

  it("sweeps what a killed one left behind before its first advert", async () => {
    const first = await master([instance()]);
    expect(await inet()).toEqual(["10.0.2.1/24", "10.0.2.10/32"]);
    first.process.kill();
    await first.process.exited;
    // Whatever the time of the restart: an address with an end on the VIP's device is one of ours.
    await ours.ip("address", "replace", "10.0.2.10/32", "dev", "eth0", "valid_lft", "600", "preferred_lft", "0");
    const second = await VrrpHost.start(ours, [instance()]);
    await second.waitForEvent("the start", ({ event }) => event === "started");
    expect(await inet()).toEqual(["10.0.2.1/24"]);
    expect(second.events()).toContainEqual(
      expect.objectContaining({ event: "log", level: "warn", fields: { addresses: ["10.0.2.10/32 dev eth0"] } }),
    );
    expect((await second.status()).instances[0]?.advertsSent).toBe(0);
  });

  it("vip_lease off: the address outlives a killed one by more than every lease, and the next one sweeps it", async () => {
    const configs = [instance({ vipLease: false })];
    const first = await master(configs);
    const life = async () => (await ours.addresses()).find(({ address }) => address === VIP)?.validLifetimeSec ?? 0;
    first.process.kill();
    await first.process.exited;
    // Not for ever, else it would be the host's own.
    expect(await life()).toBeGreaterThan(4_000_000_000);
    expect(await life()).toBeLessThan(4_294_967_295);
    const second = await VrrpHost.start(ours, configs);
    await second.waitForEvent("the start", ({ event }) => event === "started");
    expect(await inet()).toEqual(["10.0.2.1/24"]);
    await second.waitForState("MASTER");
    await second.process.stop();
    expect(await inet()).toEqual(["10.0.2.1/24"]);
  });

  it("never touches an address that the host has for ever: the owner is MASTER at once, and leaves it when it stops", async () => {
    await ours.ip("address", "add", "10.0.2.10/24", "dev", "eth0");
    const host = await master([instance({ priority: 255 })]);
    expect(host.transitions()).toEqual(["MASTER startedAsOwner"]);
    await waitFor(async () => ((await host.status()).instances[0]?.advertsSent ?? 0) >= 3, { what: "three adverts" });
    const own = (await ours.addresses()).find(({ address }) => address === VIP);
    expect(own).toMatchObject({ validLifetimeSec: 4294967295, prefixLength: 24 });
    await host.process.stop();
    expect(await inet()).toEqual(["10.0.2.1/24", "10.0.2.10/24"]);
  });

  it("interface down and up, without carrier, without address: FAULT, and back through BACKUP", async () => {
    const host = await master([instance()]);
    const through = async (state: string): Promise<void> => await host.waitForState(state);
    await ours.linkDown();
    await through("FAULT");
    await waitFor(async () => !(await ours.hasAddress(VIP)), { what: "the VIP gone" });
    await ours.linkUp();
    await through("BACKUP");
    await through("MASTER");
    await ours.unplug();
    await through("FAULT");
    await ours.plug();
    await through("BACKUP");
    await ours.ip("address", "del", "10.0.2.1/24", "dev", "eth0");
    await through("FAULT");
    await ours.ip("address", "add", "10.0.2.1/24", "dev", "eth0");
    await through("MASTER");
    expect(host.transitions().filter((line) => line.startsWith("FAULT"))).toEqual([
      "FAULT interfaceDown",
      "FAULT interfaceDown",
      "FAULT noPrimaryAddress",
    ]);
    expect(await inet()).toContain("10.0.2.10/32");
  });

  it("interface deleted and created again, and missing at the start", async () => {
    await network.bridge.ip("link", "del", "p0");
    const host = await VrrpHost.start(ours, [instance()]);
    await host.waitForState("FAULT");
    const create = async (): Promise<void> => {
      await network.bridge.ipBatch([
        `link add p0 type veth peer name eth0 netns ${ours.name}`,
        "link set p0 master br0 up",
      ]);
      await ours.ipBatch(["link set eth0 up", "address add 10.0.2.1/24 dev eth0"]);
    };
    await create();
    await host.waitForState("MASTER");
    expect(await ours.hasAddress(VIP)).toBe(true);
    await network.bridge.ip("link", "del", "p0");
    await host.waitForState("FAULT");
    await create();
    await host.waitForState("MASTER");
    expect(await ours.hasAddress(VIP)).toBe(true);
    // It listens on the new interface as well.
    await other.exec(process.execPath, [compiled("sendPackets"), packet()]);
    await host.waitForState("BACKUP");
  });

  it("an address that others remove is put back at once and announced, with an alarm", async () => {
    const capture = await Capture.start(network.bridge);
    try {
      const host = await master([instance({ garp: { masterDelay: seconds(0) } })]);
      const before = capture.announcements(VIP).length;
      await ours.ip("address", "del", "10.0.2.10/32", "dev", "eth0");
      await host.waitForEvent("the alarm", (event) => JSON.stringify(event.alarm ?? "").includes("RemovedByOthers"));
      await waitFor(async () => await ours.hasAddress(VIP), { what: "the VIP back", timeoutMs: 2_000 });
      await waitFor(() => capture.announcements(VIP).length > before, { what: "an announcement" });
      expect(host.transitions().at(-1)).toBe("MASTER masterDown");
    } finally {
      await capture.stop();
    }
  });

  it("an advert of lower priority is answered at once, and the VIP announced again", async () => {
    const capture = await Capture.start(network.bridge);
    try {
      const host = await master([
        instance({ advertInterval: seconds(60), garp: { masterDelay: seconds(0) }, priority: 255 }),
      ]);
      await waitFor(() => capture.announcements(VIP).length === 5, { what: "the announcements of the takeover" });
      await other.exec(process.execPath, [compiled("sendPackets"), packet({ priority: 50, intervalSec: 60 })]);
      await waitFor(() => capture.adverts("10.0.2.1").length === 2, {
        what: "an advert out of turn",
        timeoutMs: 5_000,
      });
      // A second round follows half a second later, for what the other one still answered until it yielded.
      await waitFor(() => capture.announcements(VIP).length >= 10, { what: "the announcements of the answer" });
      expect(host.transitions()).toEqual(["MASTER startedAsOwner"]);
    } finally {
      await capture.stop();
    }
  });

  it("real-time scheduling is used where it is granted, and its refusal is a warning", async () => {
    const host = await VrrpHost.start(ours, [instance()], { args: ["--realtime", "20"] });
    await host.waitForEvent("the start", ({ event }) => event === "started");
    const { realtime } = await host.status();
    const warned = host.events().some((event) => String(event.message).includes("real-time"));
    expect(warned).toBe(!realtime);
    expect(roundRobinThreads(host.process.pid)).toHaveLength(realtime ? 1 : 0);
  });

  it("an address that comes into the VIP's subnet later survives the VIP", async () => {
    const host = await master([instance({ virtualAddresses: [vip("10.0.9.10/24")] })]);
    expect(await inet()).toEqual(["10.0.2.1/24", "10.0.9.10/24"]);
    await ours.setSysctl("net.ipv4.conf.all.promote_secondaries", 0);
    await ours.setSysctl("net.ipv4.conf.eth0.promote_secondaries", 0);
    await ours.ip("address", "add", "10.0.9.1/24", "dev", "eth0");
    await waitFor(async () => (await inet()).includes("10.0.9.10/32"), { what: "the narrower VIP", found: inet });
    expect((await inet()).sort()).toEqual(["10.0.2.1/24", "10.0.9.1/24", "10.0.9.10/32"]);
    host.process.kill();
    await waitFor(async () => !(await inet()).includes("10.0.9.10/32"), { what: "the lapse" });
    expect((await inet()).sort()).toEqual(["10.0.2.1/24", "10.0.9.1/24"]);
  });

  it("lost notifications (an overrun) end in the right state", async () => {
    const host = await master([instance()]);
    // While it sleeps, more happens than the socket's buffer of some megabytes can hold.
    host.process.signal("SIGSTOP");
    const burst = Array.from({ length: 8000 }, (_, i) => `address add 10.${128 + (i >> 8)}.${i & 255}.1/32 dev eth0`);
    await ours.ipBatch(burst);
    await ours.ip("address", "flush", "dev", "eth0", "to", "10.128.0.0/9");
    await ours.ipBatch(burst);
    await ours.ip("link", "set", "eth0", "down");
    host.process.signal("SIGCONT");
    await host.waitForEvent("the alarm", (event) => JSON.stringify(event.alarm ?? "").includes("netlinkOverrun"));
    await host.waitForState("FAULT");
    expect(await ours.hasAddress(VIP)).toBe(false);
    await ours.ip("link", "set", "eth0", "up");
    await host.waitForState("MASTER");
  });

  it("an exhausted heap: released, resigned, started again, and MASTER again", async () => {
    const capture = await Capture.start(network.bridge);
    try {
      const host = await master([instance()]);
      const before = capture.adverts("10.0.2.1").length;
      host.send({ command: "exhaust" });
      await host.waitForEvent("the restart", ({ event }) => event === "restarted", 30_000);
      expect(host.process.exit).toBeUndefined();
      expect(host.events()).toContainEqual(expect.objectContaining({ event: "refused" }));
      await waitFor(
        () =>
          capture
            .adverts("10.0.2.1")
            .slice(before)
            .some(({ priority }) => priority === "0"),
        {
          what: "the priority-0 advert",
        },
      );
      await host.waitForState("MASTER");
      expect(host.transitions().slice(-2)).toEqual(["BACKUP started", "MASTER masterDown"]);
      expect(await inet()).toEqual(["10.0.2.1/24", "10.0.2.10/32"]);
      await host.process.stop();
      expect(await inet()).toEqual(["10.0.2.1/24"]);
    } finally {
      await capture.stop();
    }
  });

  it("without a capability the start fails and names it", async () => {
    for (const name of ["net_raw", "net_admin"]) {
      const wrapper = ["setpriv", `--bounding-set=-${name}`, `--inh-caps=-${name}`];
      const host = await VrrpHost.start(ours, [instance()], { wrapper });
      const failed = await host.waitForEvent("the failure", ({ event }) => event === "failed");
      expect(failed).toMatchObject({ code: "missingCapability" });
      expect(failed.message).toContain(`CAP_${name.toUpperCase()}`);
      expect((await host.process.exited).status).toBe(1);
    }
  });

  it("a new configuration keeps the term and changes the addresses", async () => {
    const host = await master([instance({ virtualAddresses: [vip("10.0.2.10/24"), vip("10.0.2.11/24")] })]);
    host.send({
      command: "configure",
      instances: [instance({ virtualAddresses: [vip("10.0.2.11/24"), vip("10.0.2.12/24")] })],
    });
    await host.waitForEvent("the change", ({ event }) => event === "configured");
    expect((await inet()).sort()).toEqual(["10.0.2.1/24", "10.0.2.11/32", "10.0.2.12/32"]);
    expect(host.transitions().at(-1)).toBe("MASTER masterDown");
  });
});
