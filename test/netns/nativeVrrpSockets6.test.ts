import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Ip, ip } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { type VrrpDatagram, VrrpReceiver, VrrpSender } from "../../src/io/vrrpSockets.ts";
import { decodeAdvertMessage, encodeAdvert, VRRP_MULTICAST_IPV6 } from "../../src/wire/vrrp.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { inNamespace } from "./native/inNamespace.ts";
import { linkIndex } from "./native/linkIndex.ts";

const LINK_LOCAL = ip("fe80::a");
const GLOBAL = ip("2001:db8::a");
const PEER_LINK_LOCAL = ip("fe80::b");
const PEER = ip("2001:db8::b");
const OTHER_GROUP = ip("ff02::5");

requires("netns", "tshark")("VRRP sockets of IPv6", () => {
  const addon = loadAddon();
  const opened: { close(): void }[] = [];
  let network: Network;
  let a: NetworkHost;
  let b: NetworkHost;

  beforeAll(async () => {
    network = await createNetwork({
      prefix: "nativevrrp6",
      hosts: [
        { name: "a", addresses: [`${LINK_LOCAL}/64`, `${GLOBAL}/64`] },
        { name: "b", addresses: [`${PEER_LINK_LOCAL}/64`, `${PEER}/64`] },
      ],
    });
    a = network.host("a");
    b = network.host("b");
  });
  afterAll(() => network?.remove());
  afterEach(() => {
    for (const each of opened.splice(0)) each.close();
  });

  const keep = <Opened extends { close(): void }>(each: Opened): Opened => {
    opened.push(each);
    return each;
  };
  const receiver = async (host: NetworkHost, groups: readonly Ip[] = [VRRP_MULTICAST_IPV6]) => {
    const heard: VrrpDatagram[] = [];
    const link = { name: "eth0", index: await linkIndex(host) };
    const options = {
      link,
      family: 6 as const,
      groups,
      onDatagrams: (datagrams: readonly VrrpDatagram[]) => heard.push(...datagrams),
      onError: (error: Error) => expect.unreachable(error.message),
    };
    const socket = keep(inNamespace(addon, host.path, () => new VrrpReceiver(options, { addon })));
    return { heard, socket };
  };
  const sender = async (timeToLive = 64) => {
    const link = { name: "eth0", index: await linkIndex(a) };
    return keep(inNamespace(addon, a.path, () => new VrrpSender({ link, family: 6, timeToLive }, { addon })));
  };
  const advert = (source: Ip, destination: Ip, count = 1): Uint8Array =>
    encodeAdvert(
      {
        version: 3,
        virtualRouterId: 51,
        priority: 100,
        advertIntervalCs: 100,
        addresses: Array.from({ length: count }, (_, index) => ip(`fe80::100:${index.toString(16)}`)),
      },
      { source, destination },
    );
  const endpoints = ({ source, destination, timeToLive }: VrrpDatagram): string =>
    `${source} ${destination} ${timeToLive}`;

  test("by multicast and unicast, from link-local and global sources; not at its sender", async () => {
    const atA = await receiver(a);
    const atB = await receiver(b);
    const sending = await sender();
    const cases = [
      [LINK_LOCAL, VRRP_MULTICAST_IPV6, 255],
      [GLOBAL, PEER, 64],
      [LINK_LOCAL, PEER_LINK_LOCAL, 64],
      [GLOBAL, VRRP_MULTICAST_IPV6, 255],
    ] as const;
    for (const [source, destination] of cases) sending.send(source, destination, advert(source, destination));
    await waitFor(() => atB.heard.length >= cases.length, { what: "the adverts at b" });
    expect(atB.heard.map(endpoints)).toEqual(cases.map((each) => each.join(" ")));
    for (const { bytes, source = GLOBAL, destination = PEER, timeToLive = 0 } of atB.heard) {
      const decoded = decodeAdvertMessage(bytes, { source, destination, hopLimit: timeToLive });
      expect(decoded).toMatchObject({ ok: true, value: { virtualRouterId: 51, priority: 100 } });
    }
    atA.socket.drain();
    expect(atA.heard).toEqual([]);
  });

  test("a receiver hands over its own groups only, and what is sent to the host", async () => {
    const own = await receiver(b);
    const other = await receiver(b, [OTHER_GROUP]);
    const none = await receiver(b, []);
    const both = await receiver(b, [OTHER_GROUP, VRRP_MULTICAST_IPV6]);
    const sending = await sender();
    for (const to of [OTHER_GROUP, PEER, VRRP_MULTICAST_IPV6]) sending.send(LINK_LOCAL, to, advert(LINK_LOCAL, to));
    await waitFor(() => both.heard.length >= 3, { what: "all three at the last receiver" });
    const seen = ({ heard, socket }: Awaited<ReturnType<typeof receiver>>) => {
      socket.drain();
      return heard.map(({ destination }) => destination);
    };
    expect(seen(own)).toEqual([PEER, VRRP_MULTICAST_IPV6]);
    expect(seen(other)).toEqual([OTHER_GROUP, PEER]);
    expect(seen(none)).toEqual([PEER]);
    expect(seen(both)).toEqual([OTHER_GROUP, PEER, VRRP_MULTICAST_IPV6]);
  });

  test("the message is sent as it is: the kernel puts no checksum of its own", async () => {
    const atB = await receiver(b);
    const wrong = advert(LINK_LOCAL, VRRP_MULTICAST_IPV6);
    wrong.set([0x12, 0x34], 6);
    (await sender()).send(LINK_LOCAL, VRRP_MULTICAST_IPV6, wrong);
    await waitFor(() => atB.heard.length > 0, { what: "the advert at b" });
    expect(Buffer.compare(atB.heard[0]?.bytes ?? Buffer.alloc(0), wrong)).toBe(0);
  });

  test("the longest advert, in fragments, is whole", async () => {
    const atB = await receiver(b);
    const longest = advert(LINK_LOCAL, VRRP_MULTICAST_IPV6, 255);
    (await sender()).send(LINK_LOCAL, VRRP_MULTICAST_IPV6, longest);
    await waitFor(() => atB.heard.length > 0, { what: "the advert at b" });
    expect(atB.heard[0]?.truncated).toBe(false);
    expect(Buffer.compare(atB.heard[0]?.bytes ?? Buffer.alloc(0), longest)).toBe(0);
  });

  test("a source that is not ours, or not any more, is refused", async () => {
    const sending = await sender();
    const passing = ip("2001:db8::c");
    const send = () => sending.send(passing, PEER, advert(passing, PEER));
    expect(send).toThrow("EADDRNOTAVAIL");
    await a.ip("address", "add", `${passing}/64`, "dev", "eth0", "nodad");
    send();
    await a.ip("address", "del", `${passing}/64`, "dev", "eth0");
    expect(send).toThrow("EADDRNOTAVAIL");
  });

  test("tshark finds hop limit, traffic class and checksum right", async () => {
    const fields = ["ipv6.src", "ipv6.dst", "ipv6.hlim", "ipv6.tclass", "vrrp.version", "vrrp.checksum.status"];
    const capture = await network.bridge.start("tshark", [
      ...["-l", "-n", "-i", "br0", "-f", "ip6 proto 112", "-T", "fields", "-E", "separator=|"],
      ...fields.flatMap((field) => ["-e", field]),
    ]);
    await capture.waitForOutput(/Capturing on/);
    const sending = await sender(9);
    // It says "Capturing" before it does: sent again until seen.
    const lines = await waitFor(
      () => {
        sending.send(LINK_LOCAL, VRRP_MULTICAST_IPV6, advert(LINK_LOCAL, VRRP_MULTICAST_IPV6));
        sending.send(GLOBAL, PEER, advert(GLOBAL, PEER));
        const found = new Set(capture.stdout.split("\n").filter((line) => line.includes("|")));
        return found.size === 2 ? [...found].sort().reverse() : undefined;
      },
      { what: "both adverts in the capture", found: () => capture.output },
    );
    await capture.stop();
    expect(lines).toEqual([
      expect.stringMatching(/^fe80::a\|ff02::12\|255\|0x0*c0\|3\|(1|Good)$/),
      expect.stringMatching(/^2001:db8::a\|2001:db8::b\|9\|0x0*c0\|3\|(1|Good)$/),
    ]);
  });
});
