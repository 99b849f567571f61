import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { FrameSender } from "../../src/io/frameSockets.ts";
import { encodeArp, encodeGratuitousArp } from "../../src/wire/arp.ts";
import { FILTER_ADDRESSES_MAX } from "../../src/wire/bpf.ts";
import { encodeIpv4 } from "../../src/wire/ipv4.ts";
import { encodeNeighborAdvertisement, encodeUnsolicitedNeighborAdvertisement } from "../../src/wire/neighbor.ts";
import { encodeAdvert } from "../../src/wire/vrrp.ts";
import type { HostInterface } from "../../src/workers/vrrp/hostView.ts";
import { openHost } from "../../src/workers/vrrp/openHost.ts";
import type { FrameWatch } from "../../src/workers/vrrp/ports.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { openDescriptors } from "./native/descriptors.ts";
import { inNamespace } from "./native/inNamespace.ts";
import { linkIndex } from "./native/linkIndex.ts";

const OWN = ip("192.0.2.1");
const VIP = ip("192.0.2.100");
const VIP6 = ip("2001:db8::100");
const GROUP = ip("224.0.0.18");
/** Of no device. */
const STRANGER = Uint8Array.of(2, 0, 0, 0, 0, 9);
const STRANGER_TEXT = "02:00:00:00:00:09";

/** So many that a close that waits for the kernel would be seen: each takes a good part of 10 ms. */
const MANY = 100;

requires("netns", "tshark")("frames by packet sockets", () => {
  const addon = loadAddon();
  const opened: { close(): void }[] = [];
  let network: Network;
  let a: NetworkHost;
  let b: NetworkHost;

  beforeAll(async () => {
    network = await createNetwork({
      prefix: "frames",
      hosts: [
        { name: "a", addresses: [`${OWN}/24`, "2001:db8::1/64"] },
        { name: "b", addresses: ["192.0.2.2/24", "2001:db8::2/64"] },
      ],
    });
    a = network.host("a");
    b = network.host("b");
  });
  afterAll(() => network?.remove());
  afterEach(() => {
    for (const each of opened.splice(0)) each.close();
  });

  test("closing many holds nobody up, and they are closed all the same", async () => {
    const before = openDescriptors();
    for (let count = 0; count < MANY; count++) await sender(a);
    expect(openDescriptors().length).toBe(before.length + MANY);
    const begunMs = performance.now();
    for (const each of opened.splice(0)) each.close();
    expect(performance.now() - begunMs).toBeLessThan(2 * MANY);
    await waitFor(() => openDescriptors().join() === before.join(), { what: "the descriptors to be closed" });
  });

  const keep = <Opened extends { close(): void }>(each: Opened): Opened => {
    opened.push(each);
    return each;
  };
  const hostOf = (where: NetworkHost) => keep(inNamespace(addon, where.path, openHost));
  const linkOf = (host: ReturnType<typeof openHost>): HostInterface => {
    const link = host.view().interfaces.find(({ name }) => name === "eth0");
    if (link === undefined) throw new Error("no eth0");
    return link;
  };
  const sender = async (where: NetworkHost) => {
    const link = { name: "eth0", index: await linkIndex(where) };
    return keep(inNamespace(addon, where.path, () => new FrameSender({ link }, { addon })));
  };
  /** A watch at a, and what it has told. */
  const watchAtA = (): { heard: string[]; watch: FrameWatch; announce: (addresses: readonly Ip[]) => void } => {
    const heard: string[] = [];
    return inNamespace(addon, a.path, () => {
      const host = keep(openHost());
      const link = linkOf(host);
      const announcer = keep(host.openAnnouncer(link));
      const watch = keep(
        host.openFrameWatch(link, {
          arp: ({ address, hardwareAddress }) => heard.push(`arp ${address} ${hardwareAddress}`),
          neighbor: ({ address, hardwareAddress }) => heard.push(`neighbor ${address} ${hardwareAddress}`),
          ownSource: ({ source, hardwareAddress }) => heard.push(`advert ${source} ${hardwareAddress}`),
          error: (error) => expect.unreachable(error.message),
        }),
      );
      return {
        heard,
        // Sockets are opened by `look` too.
        watch: { look: (at) => inNamespace(addon, a.path, () => watch.look(at)), close: () => watch.close() },
        announce: (addresses: readonly Ip[]) => announcer.announce(addresses),
      };
    });
  };
  const advertFrame = (source: Ip, protocol = 112): Uint8Array => {
    const advert = { version: 3, virtualRouterId: 1, priority: 9, advertIntervalCs: 100, addresses: [VIP] } as const;
    const header = { typeOfService: 0, identification: 1, fragment: 0, timeToLive: 255, protocol, source };
    const message = encodeAdvert(advert, { source, destination: GROUP });
    const packet = encodeIpv4({ ...header, destination: GROUP }, message);
    return Uint8Array.from([0x01, 0, 0x5e, 0, 0, 18, ...STRANGER, 0x08, 0x00, ...packet]);
  };
  /** IEEE 802.1Q */
  const inVlan = (frame: Uint8Array, id: number): Uint8Array =>
    Uint8Array.from([...frame.subarray(0, 12), 0x81, 0x00, id >> 8, id & 0xff, ...frame.subarray(12)]);

  test("neighbours follow an announcement of either family, from our hardware address", async () => {
    const stale = "lladdr 02:00:00:00:00:99 dev eth0 nud reachable";
    await b.ipBatch([`neigh replace ${VIP} ${stale}`, `neigh replace ${VIP6} ${stale}`]);
    const host = hostOf(a);
    const announcer = keep(inNamespace(addon, a.path, () => host.openAnnouncer(linkOf(host))));
    // The kernel believes a gratuitous ARP only when the entry is older than `locktime`.
    await b.setSysctl("net.ipv4.neigh.eth0.locktime", 0);
    inNamespace(addon, a.path, () => announcer.announce([VIP, VIP6]));
    const hardware = await a.hardwareAddress();
    for (const address of [VIP, VIP6]) {
      const shown = async () => await b.ip("neigh", "show", address);
      await waitFor(async () => (await shown()).includes(hardware), { what: `${address} at its new place` });
    }
  });

  test("tshark: a right neighbour advertisement, with the router flag of a host that forwards", async () => {
    const fields = ["icmpv6.nd.na.target_address", "icmpv6.nd.na.flag.r", "icmpv6.nd.na.flag.o"];
    const more = ["icmpv6.checksum.status", "icmpv6.opt.linkaddr", "eth.src", "eth.dst", "ipv6.dst", "ipv6.hlim"];
    const capture = await network.bridge.start("tshark", [
      ...["-l", "-n", "-i", "br0", "-f", "icmp6", "-T", "fields", "-E", "separator=|"],
      ...[...fields, ...more].flatMap((field) => ["-e", field]),
    ]);
    await capture.waitForOutput(/Capturing on/);
    const host = hostOf(a);
    const announcer = keep(inNamespace(addon, a.path, () => host.openAnnouncer(linkOf(host))));
    const hardware = await a.hardwareAddress();
    for (const forwarding of [0, 1]) {
      await a.setSysctl("net.ipv6.conf.eth0.forwarding", forwarding);
      const flag = forwarding === 1 ? "(1|True)" : "(0|False)";
      const expected = `^${VIP6}\\|${flag}\\|(1|True)\\|(1|Good)\\|${hardware}\\|${hardware}\\|33:33:00:00:00:01\\|ff02::1\\|255$`;
      await waitFor(
        () => {
          inNamespace(addon, a.path, () => announcer.announce([VIP6]));
          return capture.stdout.split("\n").some((line) => new RegExp(expected).test(line));
        },
        { what: `an advertisement with forwarding ${forwarding}`, found: () => capture.output },
      );
    }
    await capture.stop();
  });

  test("ARP claims of others for what is looked for, in requests and replies", async () => {
    const { heard, watch, announce } = watchAtA();
    const atB = await sender(b);
    watch.look({ senders: [VIP], sources: [] });
    // Our own announcements, other addresses, another VLAN, a probe: nothing of it is a claim.
    announce([VIP]);
    atB.send(encodeGratuitousArp(ip("192.0.2.101"), STRANGER));
    atB.send(inVlan(encodeGratuitousArp(VIP, Uint8Array.of(2, 0, 0, 0, 0, 8)), 10));
    const own = Buffer.from((await a.hardwareAddress()).replaceAll(":", ""), "hex");
    const request = { destination: own, source: STRANGER, senderHardware: STRANGER, targetHardware: own };
    atB.send(encodeArp({ ...request, operation: 1, senderIp: ip("0.0.0.0"), targetIp: VIP }));
    // One of ours that a loop of switches brings back; not with our Ethernet source, by which the bridge would learn.
    atB.send(Uint8Array.from([...encodeGratuitousArp(VIP, own)]).fill(2, 6, 12));
    atB.send(encodeGratuitousArp(VIP, STRANGER));
    atB.send(encodeArp({ ...request, operation: 2, senderIp: VIP, targetIp: OWN }));
    await waitFor(() => heard.length >= 2, { what: "both claims", found: () => heard.join("; ") });
    expect(heard).toEqual([`arp ${VIP} ${STRANGER_TEXT}`, `arp ${VIP} ${STRANGER_TEXT}`]);
    heard.length = 0;

    watch.look({ senders: [OWN], sources: [] });
    atB.send(encodeGratuitousArp(VIP, STRANGER));
    atB.send(encodeGratuitousArp(OWN, STRANGER));
    await waitFor(() => heard.length >= 1, { what: "the claim of what is looked for now" });
    expect(heard).toEqual([`arp ${OWN} ${STRANGER_TEXT}`]);
  });

  test("neighbour advertisements of others for what is looked for, sent to all and to us alone", async () => {
    const { heard, watch, announce } = watchAtA();
    const atB = await sender(b);
    const own = Buffer.from((await a.hardwareAddress()).replaceAll(":", ""), "hex");
    const unsolicited = (address: Ip, hardware = STRANGER) =>
      encodeUnsolicitedNeighborAdvertisement(address, hardware, { router: false });
    const solicited = {
      destinationHardware: own,
      sourceHardware: STRANGER,
      trafficClass: 0,
      flowLabel: 0,
      source: ip("2001:db8::2"),
      destination: ip("2001:db8::1"),
      router: false,
      solicited: true,
      override: false,
      target: VIP6,
      targetHardware: undefined,
    };
    watch.look({ senders: [VIP6], sources: [] });
    announce([VIP6]);
    atB.send(unsolicited(ip("2001:db8::101")));
    // The same last four bytes, so the kernel's filter lets it pass.
    atB.send(unsolicited(ip("2001:db8:0:1::100")));
    atB.send(inVlan(unsolicited(VIP6), 10));
    // With another checksum, and from beyond a router.
    atB.send(unsolicited(VIP6).with(56, 0));
    atB.send(unsolicited(VIP6).with(21, 254));
    atB.send(unsolicited(VIP6));
    atB.send(encodeNeighborAdvertisement(solicited));
    await waitFor(() => heard.length >= 2, { what: "both claims", found: () => heard.join("; ") });
    expect(heard).toEqual([`neighbor ${VIP6} ${STRANGER_TEXT}`, `neighbor ${VIP6} ${STRANGER_TEXT}`]);
    heard.length = 0;

    watch.look({ senders: [VIP], sources: [] });
    atB.send(unsolicited(VIP6));
    atB.send(encodeGratuitousArp(VIP, STRANGER));
    await waitFor(() => heard.length >= 1, { what: "the claim of what is looked for now" });
    expect(heard).toEqual([`arp ${VIP} ${STRANGER_TEXT}`]);
  });

  test("adverts that carry our own source, which no raw socket gets", async () => {
    const { heard, watch } = watchAtA();
    const atB = await sender(b);
    watch.look({ senders: [], sources: [OWN] });
    atB.send(advertFrame(ip("192.0.2.2")));
    atB.send(advertFrame(OWN, 17));
    atB.send(inVlan(advertFrame(OWN), 10));
    atB.send(encodeGratuitousArp(OWN, STRANGER));
    atB.send(advertFrame(OWN));
    await waitFor(() => heard.length >= 1, { what: "the advert", found: () => heard.join("; ") });
    expect(heard).toEqual([`advert ${OWN} ${STRANGER_TEXT}`]);
    heard.length = 0;

    watch.look({ senders: [VIP], sources: [] });
    atB.send(advertFrame(OWN));
    atB.send(encodeGratuitousArp(VIP, STRANGER));
    await waitFor(() => heard.length >= 1, { what: "the claim after it" });
    expect(heard).toEqual([`arp ${VIP} ${STRANGER_TEXT}`]);
  });

  test("the largest filter fits an older kernel's limit, also when it replaces one; beyond it all is compared here", async () => {
    await a.setSysctl("net.core.optmem_max", 20_480);
    const { heard, watch } = watchAtA();
    const atB = await sender(b);
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => ipFromBytes(Uint8Array.of(198, 18, n >> 8, n & 0xff)));
    watch.look({ senders: many(FILTER_ADDRESSES_MAX), sources: [] });
    watch.look({ senders: many(FILTER_ADDRESSES_MAX), sources: [] });
    watch.look({ senders: many(FILTER_ADDRESSES_MAX + 1), sources: [] });
    const last = many(FILTER_ADDRESSES_MAX + 1).at(-1) ?? VIP;
    atB.send(encodeGratuitousArp(VIP, STRANGER));
    atB.send(encodeGratuitousArp(last, STRANGER));
    await waitFor(() => heard.length >= 1, { what: "the claim of the last address" });
    expect(heard).toEqual([`arp ${last} ${STRANGER_TEXT}`]);
    heard.length = 0;

    const many6 = (count: number) => Array.from({ length: count }, (_, n) => ip(`2001:db8::1:${(n + 1).toString(16)}`));
    watch.look({ senders: many6(FILTER_ADDRESSES_MAX), sources: [] });
    watch.look({ senders: many6(FILTER_ADDRESSES_MAX), sources: [] });
    watch.look({ senders: many6(FILTER_ADDRESSES_MAX + 1), sources: [] });
    const last6 = many6(FILTER_ADDRESSES_MAX + 1).at(-1) ?? VIP6;
    for (const claimed of [VIP6, last6]) {
      atB.send(encodeUnsolicitedNeighborAdvertisement(claimed, STRANGER, { router: false }));
    }
    await waitFor(() => heard.length >= 1, { what: "the claim of the last IPv6 address" });
    expect(heard).toEqual([`neighbor ${last6} ${STRANGER_TEXT}`]);
  });
});
