import { afterEach, expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { FrameSender } from "../../src/io/frameSockets.ts";
import { encodeGratuitousArp } from "../../src/wire/arp.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { instanceConfig as instance, vipConfig as vip } from "../lab/vrrpConfig.ts";
import { waitFor } from "../lab/wait.ts";
import { inNamespace } from "./native/inNamespace.ts";
import { linkIndex } from "./native/linkIndex.ts";
import { KeepalivedRouter, VrrpHost } from "./vrrp/routers.ts";

const STRANGER = Uint8Array.of(2, 0, 0, 0, 0, 9);

requires("netns", "keepalived")("the worker's real sockets, with keepalived as the peer", () => {
  let network: Network | undefined;
  afterEach(() => network?.remove());

  const lan = async (ours: readonly string[], theirs: readonly string[]) => {
    network = await createNetwork({
      prefix: "transports",
      hosts: [
        { name: "ours", addresses: ours },
        { name: "theirs", addresses: theirs },
      ],
    });
    return { ours: network.host("ours"), theirs: network.host("theirs") };
  };

  it("IPv6, version 3: keepalived follows our adverts, takes over when we resign, and we follow its", async () => {
    const { ours, theirs } = await lan(["fe80::a/64"], ["fe80::b/64"]);
    const addresses = [vip("fe80::100/64"), vip("2001:db8::100/64")];
    const config = {
      version: 3 as const,
      family: 6 as const,
      transport: { kind: "multicast" as const, group: ip("ff02::12") },
      virtualAddresses: addresses,
    };
    const master = await VrrpHost.start(ours, [instance({ ...config, priority: 150 })]);
    await master.waitForState("MASTER");
    const peer = await KeepalivedRouter.start(theirs, 100, {
      lines: "version 3",
      virtualAddresses: ["fe80::100/64 dev eth0", "2001:db8::100/64 dev eth0"],
    });
    await peer.waitForState("BACKUP");
    // It stays BACKUP past its own master-down time: it hears and accepts us.
    await waitFor(async () => ((await master.status()).instances[0]?.advertsSent ?? 0) >= 8, { what: "eight adverts" });
    expect(peer.process.output).not.toMatch(/Entering MASTER|invalid|bogus|checksum|mismatch/i);
    await master.process.stop();
    await peer.waitForState("MASTER");
    const backup = await VrrpHost.start(ours, [instance({ ...config, priority: 50 })]);
    await backup.waitForState("BACKUP");
    await waitFor(async () => ((await backup.status()).instances[0]?.advertsReceived ?? 0) >= 4, {
      what: "its adverts",
    });
    expect(backup.transitions()).toEqual(["BACKUP started"]);
    expect((await backup.status()).discarded).toEqual({});
  });

  it("IPv4 by unicast, with a TTL of its own", async () => {
    const { ours, theirs } = await lan(["10.0.2.1/24"], ["10.0.2.2/24"]);
    const peerConfig = { address: ip("10.0.2.2"), timeToLiveMin: undefined, timeToLiveMax: undefined };
    const transport = { kind: "unicast" as const, peers: [peerConfig], checkSource: true, timeToLive: 64 };
    const host = await VrrpHost.start(ours, [instance({ priority: 150, transport })]);
    await host.waitForState("MASTER");
    const peer = await KeepalivedRouter.start(theirs, 100, {
      lines: "unicast_src_ip 10.0.2.2\n  unicast_peer {\n    10.0.2.1 min_ttl 64 max_ttl 64\n  }",
    });
    await peer.waitForState("BACKUP");
    await waitFor(async () => ((await host.status()).instances[0]?.advertsSent ?? 0) >= 8, { what: "eight adverts" });
    expect(peer.process.output).not.toMatch(/Entering MASTER|invalid|bogus|checksum|mismatch|ttl/i);
    await host.process.stop();
    await peer.waitForState("MASTER");
  });

  it("an alarm for ARP of another host that claims our VIP", async () => {
    const { ours, theirs } = await lan(["10.0.2.1/24"], ["10.0.2.2/24"]);
    const host = await VrrpHost.start(ours, [instance({ priority: 150 })]);
    await host.waitForState("MASTER");
    const link = { name: "eth0", index: await linkIndex(theirs) };
    const addon = loadAddon();
    const sender = inNamespace(addon, theirs.path, () => new FrameSender({ link }, { addon }));
    try {
      // The addresses are there with the transition's outcome, the watch with the dump after it: sent until heard.
      await waitFor(
        () => {
          sender.send(encodeGratuitousArp(ip("10.0.2.10"), STRANGER));
          return host.events().some((event) => JSON.stringify(event).includes("foreignArpAnswer"));
        },
        { what: "the alarm", found: () => host.process.output },
      );
    } finally {
      sender.close();
    }
    expect(host.events().filter(({ event }) => event === "alarm")).toEqual([
      expect.objectContaining({
        alarm: { kind: "foreignArpAnswer", address: "10.0.2.10", hardwareAddress: "02:00:00:00:00:09" },
      }),
    ]);
  });
});
