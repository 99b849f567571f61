import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Ip, ip } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { FrameSender } from "../../src/io/frameSockets.ts";
import { type VrrpDatagram, VrrpReceiver, VrrpSender } from "../../src/io/vrrpSockets.ts";
import { decodeAdvertPacket, encodeAdvert, VRRP_MULTICAST_IPV4 } from "../../src/wire/vrrp.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { inNamespace } from "./native/inNamespace.ts";
import { linkIndex } from "./native/linkIndex.ts";

const SOURCE = ip("192.0.2.1");
const SECOND_SOURCE = ip("192.0.2.3");
const OTHER_GROUP = ip("224.0.0.5");

requires("netns")("VRRP sockets", () => {
  const addon = loadAddon();
  const opened: { close(): void }[] = [];
  let network: Network;
  let a: NetworkHost;
  let b: NetworkHost;

  beforeAll(async () => {
    network = await createNetwork({
      prefix: "nativevrrp",
      hosts: [
        { name: "a", addresses: [`${SOURCE}/24`, `${SECOND_SOURCE}/24`] },
        { name: "b", addresses: ["192.0.2.2/24"] },
      ],
    });
    a = network.host("a");
    b = network.host("b");
    await b.ip("link", "add", "mac0", "link", "eth0", "type", "macvlan", "mode", "bridge");
    await b.ip("link", "set", "mac0", "up");
  });
  afterAll(() => network?.remove());
  afterEach(() => {
    for (const each of opened.splice(0)) each.close();
  });

  const keep = <Opened extends { close(): void }>(each: Opened): Opened => {
    opened.push(each);
    return each;
  };
  const receiver = async (
    host: NetworkHost,
    { device = "eth0", groups = [VRRP_MULTICAST_IPV4] }: { device?: string; groups?: readonly Ip[] } = {},
  ) => {
    const heard: VrrpDatagram[] = [];
    const index = await linkIndex(host, device);
    const socket = inNamespace(
      addon,
      host.path,
      () =>
        new VrrpReceiver(
          {
            link: { name: device, index },
            family: 4,
            groups,
            onDatagrams: (datagrams) => heard.push(...datagrams),
            onError: (error) => expect.unreachable(error.message),
          },
          { addon },
        ),
    );
    return { heard, socket: keep(socket) };
  };
  const sender = async (host: NetworkHost, options: { timeToLive?: number } = {}) => {
    const link = { name: "eth0", index: await linkIndex(host) };
    return keep(inNamespace(addon, host.path, () => new VrrpSender({ link, family: 4, ...options }, { addon })));
  };
  const advert = (priority: number): Uint8Array =>
    encodeAdvert(
      { version: 2, virtualRouterId: 51, priority, advertIntervalCs: 100, addresses: [ip("192.0.2.100")] },
      { source: SOURCE, destination: VRRP_MULTICAST_IPV4 },
    );

  test("an advert arrives whole, with its header, and not at its sender", async () => {
    const atA = await receiver(a);
    const atB = await receiver(b);
    (await sender(a)).send(SOURCE, VRRP_MULTICAST_IPV4, advert(100));
    await waitFor(() => atB.heard.length > 0, { what: "the advert at b" });
    expect(atB.heard.length).toBe(1);
    const [datagram] = atB.heard;
    expect(datagram).toMatchObject({ timeToLive: 255, source: SOURCE, destination: "224.0.0.18", truncated: false });
    const decoded = decodeAdvertPacket(datagram?.bytes ?? Buffer.alloc(0));
    expect(decoded).toMatchObject({
      ok: true,
      value: { header: { source: SOURCE, timeToLive: 255 }, advert: { virtualRouterId: 51, priority: 100 } },
    });
    // Type of service: RFC 3768 leaves it open; internetwork control, as every router sends it.
    expect(datagram?.bytes[1]).toBe(0xc0);
    atA.socket.drain();
    expect(atA.heard).toEqual([]);
  });

  test("it carries the kernel's time of arrival on the monotonic clock, believed for 10 ms back at most", async () => {
    const atB = await receiver(b);
    const sending = await sender(a);
    const busy = (us: number): void => {
      const until = addon.monotonicUs() + us;
      while (addon.monotonicUs() < until);
    };
    // A busy machine may take this thread off its processor for longer than is believed: then once more.
    await waitFor(
      () => {
        const sentUs = addon.monotonicUs();
        sending.send(SOURCE, VRRP_MULTICAST_IPV4, advert(100));
        busy(4_000);
        atB.socket.drain();
        const receivedAt = atB.heard.at(-1)?.receivedAt ?? Number.NaN;
        return receivedAt >= sentUs - 100 && receivedAt < sentUs + 3_000;
      },
      { what: "an advert that was stamped when it came", found: () => atB.heard.at(-1)?.receivedAt },
    );

    sending.send(SOURCE, VRRP_MULTICAST_IPV4, advert(100));
    busy(200_000);
    const drainedUs = addon.monotonicUs();
    atB.socket.drain();
    expect(atB.heard.at(-1)?.receivedAt).toBeGreaterThanOrEqual(drainedUs - 10_000);
  });

  test("the source address follows each send; one that is not ours is refused", async () => {
    const atB = await receiver(b);
    const sending = await sender(a);
    sending.send(SOURCE, VRRP_MULTICAST_IPV4, advert(1));
    sending.send(SECOND_SOURCE, VRRP_MULTICAST_IPV4, advert(2));
    expect(() => sending.send(ip("192.0.2.77"), VRRP_MULTICAST_IPV4, advert(3))).toThrow("EADDRNOTAVAIL");
    sending.send(SOURCE, VRRP_MULTICAST_IPV4, advert(4));
    await waitFor(() => atB.heard.length === 3, { what: "three adverts" });
    const sources = atB.heard
      .map(({ bytes }) => decodeAdvertPacket(bytes))
      .map((each) => each.ok && each.value.header.source);
    expect(sources).toEqual([SOURCE, SECOND_SOURCE, SOURCE]);
  });

  test("drain delivers at once what waits", async () => {
    const atB = await receiver(b);
    const sending = await sender(a);
    for (let priority = 0; priority < 100; priority++) sending.send(SOURCE, VRRP_MULTICAST_IPV4, advert(priority));
    // No turn of the loop: veth hands over within the send, or shortly after it on another processor.
    const deadlineUs = addon.monotonicUs() + 1_000_000;
    while (atB.heard.length < 100 && addon.monotonicUs() < deadlineUs) atB.socket.drain();
    expect(atB.heard.length).toBe(100);
  });

  test("a receiver takes its own interface and its own groups only", async () => {
    const unicast = ip("192.0.2.2");
    const onEthernet = await receiver(b);
    const onMacvlan = await receiver(b, { device: "mac0" });
    const otherGroup = await receiver(b, { groups: [OTHER_GROUP] });
    const bothGroups = await receiver(b, { groups: [OTHER_GROUP, VRRP_MULTICAST_IPV4] });
    const noGroup = await receiver(b, { groups: [] });
    const sending = await sender(a, { timeToLive: 64 });
    sending.send(SOURCE, OTHER_GROUP, advert(5));
    // By unicast, which no membership selects: the socket is bound to its device.
    sending.send(SOURCE, unicast, advert(7));
    sending.send(SOURCE, VRRP_MULTICAST_IPV4, advert(6));
    await waitFor(() => bothGroups.heard.length > 2 && onMacvlan.heard.length > 0, {
      what: "an advert at each receiver",
    });
    const seen = ({ heard, socket }: Awaited<ReturnType<typeof receiver>>) => {
      socket.drain();
      return heard.map(({ destination, timeToLive }) => `${destination} ${timeToLive}`);
    };
    expect(seen(otherGroup)).toEqual(["224.0.0.5 255", "192.0.2.2 64"]);
    expect(seen(onEthernet)).toEqual(["192.0.2.2 64", "224.0.0.18 255"]);
    expect(seen(bothGroups)).toEqual(["224.0.0.5 255", "192.0.2.2 64", "224.0.0.18 255"]);
    expect(seen(noGroup)).toEqual(["192.0.2.2 64"]);
    expect(seen(onMacvlan)).toEqual(["224.0.0.18 255"]);
  });

  test("a datagram longer than any advert is cut and says so", async () => {
    const atB = await receiver(b);
    (await sender(a)).send(SOURCE, VRRP_MULTICAST_IPV4, new Uint8Array(4_000));
    await waitFor(() => atB.heard.length > 0, { what: "the long datagram" });
    expect(atB.heard[0]).toMatchObject({ truncated: true });
  });

  test("an interface that is not there", () => {
    const link = { name: "none0", index: 4_000 };
    for (const family of [4, 6] as const) {
      const options = { link, family, groups: [], onDatagrams: () => {}, onError: () => {} };
      expect(() => new VrrpReceiver(options, { addon })).toThrow("ENODEV");
      expect(() => new VrrpSender({ link, family }, { addon })).toThrow("ENODEV");
    }
    expect(() => new FrameSender({ link }, { addon })).toThrow("ENODEV");
  });
});
