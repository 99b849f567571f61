import { type Family, family, type Ip, inSubnet, ip } from "../core/ip.ts";
import { ago, type DurationUs, durationUs, instantUs, milliseconds, type Us } from "../core/units.ts";
import { isMulticast, VRRP_PROTOCOL, VRRP_TIME_TO_LIVE, VRRP_TYPE_OF_SERVICE } from "../wire/vrrp.ts";
import type { NativeAddon, NativeError, NativeSocket, ReceivedMessage } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import {
  decodeControl,
  decodeInetAddress,
  deviceOption,
  inetAddress,
  intOption,
  ipv4Membership,
  ipv6Membership,
} from "./sockaddr.ts";
import { opened, setReceiveBuffer } from "./socketSetup.ts";

/** An interface by both its names: SO_BINDTODEVICE takes the one, memberships the other. Both die with the interface. */
export interface BoundInterface {
  readonly name: string;
  readonly index: number;
}

/** One packet of protocol 112. */
export interface VrrpDatagram {
  /** IPv4: the whole packet, since raw sockets deliver its header too (raw(7)). IPv6: the VRRP message (RFC 3542 3). */
  readonly bytes: Buffer;
  readonly source: Ip | undefined;
  /** From the ancillary data, as `timeToLive`: undefined when that was cut short. */
  readonly destination: Ip | undefined;
  /** Time to live or hop limit. */
  readonly timeToLive: number | undefined;
  /** When the kernel had it, by its own stamp; at most WAIT_MAX ago, undefined without a stamp. */
  readonly receivedAt: Us | undefined;
  /** The datagram was longer than an advert can be: `bytes` is only its beginning. */
  readonly truncated: boolean;
}

/** An advert with 255 addresses has 60 + 8 + 255 * 4 + 8 bytes with the longest IPv4 header, 8 + 255 * 16 without the one of IPv6. */
const DATAGRAM_BYTES_MAX = { 4: 2048, 6: 4096 } as const;
const DATAGRAMS_PER_BATCH = 32;
/** Adverts of 255 routers at 10 ms during a second's stall of this thread, with the kernel's overhead for each. */
const RECEIVE_BUFFER_BYTES = 4 << 20;
/** linux/pkt_sched.h TC_PRIO_CONTROL: ahead of all other traffic in a priority queue. Above 6 it takes CAP_NET_ADMIN. */
const TC_PRIO_CONTROL = 7;

/**
 * What is believed of a wait. The stamp is of a clock that may be set while a packet waits, and then must not make a
 * BACKUP's timer run out too early by more than this.
 */
export const WAIT_MAX: DurationUs = milliseconds(10);

const ANY: Ip = ip("0.0.0.0");

/**
 * Receives the VRRP adverts of one family on one interface: those to the groups asked for, and those to an address of this
 * host. Delivers batches on this thread's loop.
 */
export class VrrpReceiver {
  readonly #addon: NativeAddon;
  readonly #socket: NativeSocket;
  readonly #bytesMax: number;
  readonly #groups: ReadonlySet<Ip>;
  readonly #onDatagrams: (datagrams: readonly VrrpDatagram[]) => void;

  /**
   * Throws NativeError: EPERM without CAP_NET_RAW, ENODEV when the interface is gone, ENOBUFS for more groups than a socket
   * may join (net.ipv4.igmp_max_memberships). `onError`: ENETDOWN and the like; receiving goes on.
   */
  constructor(
    options: {
      readonly link: BoundInterface;
      readonly family: Family;
      readonly groups: readonly Ip[];
      readonly onDatagrams: (datagrams: readonly VrrpDatagram[]) => void;
      readonly onError: (error: NativeError) => void;
    },
    modules: { readonly addon: NativeAddon },
  ) {
    const { link, family, groups, onDatagrams, onError } = options;
    this.#addon = modules.addon;
    this.#bytesMax = DATAGRAM_BYTES_MAX[family];
    this.#groups = new Set(groups);
    this.#onDatagrams = onDatagrams;
    this.#socket = openRaw(modules.addon, family, link, (socket) => {
      setReceiveBuffer(socket, RECEIVE_BUFFER_BYTES);
      socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_TIMESTAMPNS, intOption(1));
      if (family === 4) listenIpv4(socket, link, groups);
      else listenIpv6(socket, link, groups);
      socket.startReceiving(DATAGRAMS_PER_BATCH, this.#bytesMax, (messages) => this.#deliver(messages), onError);
    });
  }

  /** Delivers now, within this call, what waits. Throws NativeError. */
  drain(): void {
    for (;;) {
      const messages = this.#socket.receive(DATAGRAMS_PER_BATCH, this.#bytesMax);
      if (messages.length === 0) return;
      this.#deliver(messages);
    }
  }

  close(): void {
    this.#socket.close();
  }

  #deliver(messages: readonly ReceivedMessage[]): void {
    // Both clocks before anything is decoded, which takes long enough to count when the code is cold.
    const read = { realtimeUs: this.#addon.realtimeUs(), at: instantUs(this.#addon.monotonicUs()) };
    const datagrams = messages
      .map((message) => vrrpDatagram(message, read))
      .filter(({ destination }) => this.#isAsked(destination));
    if (datagrams.length > 0) this.#onDatagrams(datagrams);
  }

  /** An IPv6 raw socket gets every group that any program of the host has joined, also with IPV6_MULTICAST_ALL 0. */
  #isAsked(destination: Ip | undefined): boolean {
    return destination === undefined || !isMulticast(destination) || this.#groups.has(destination);
  }
}

function listenIpv4(socket: NativeSocket, link: BoundInterface, groups: readonly Ip[]): void {
  // Membership is per interface, delivery per socket: with IP_MULTICAST_ALL this one would also get groups that
  // any other program of the host has joined.
  socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_MULTICAST_ALL, intOption(0));
  socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_RECVTTL, intOption(1));
  socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_PKTINFO, intOption(1));
  for (const group of groups) {
    socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_ADD_MEMBERSHIP, ipv4Membership(group, link.index));
  }
}

function listenIpv6(socket: NativeSocket, link: BoundInterface, groups: readonly Ip[]): void {
  socket.setOption(LINUX.IPPROTO_IPV6, LINUX.IPV6_RECVHOPLIMIT, intOption(1));
  socket.setOption(LINUX.IPPROTO_IPV6, LINUX.IPV6_RECVPKTINFO, intOption(1));
  for (const group of groups) {
    socket.setOption(LINUX.IPPROTO_IPV6, LINUX.IPV6_JOIN_GROUP, ipv6Membership(group, link.index));
  }
}

function vrrpDatagram(message: ReceivedMessage, read: { readonly realtimeUs: number; readonly at: Us }): VrrpDatagram {
  const { hopLimit, destination, receivedAtUs } = decodeControl(message.control);
  const waited =
    receivedAtUs === undefined ? undefined : Math.min(Math.max(0, read.realtimeUs - receivedAtUs), WAIT_MAX);
  return {
    bytes: message.data,
    source: decodeInetAddress(message.from)?.address,
    destination,
    timeToLive: hopLimit,
    receivedAt: waited === undefined ? undefined : ago(read.at, durationUs(waited)),
    truncated: (message.flags & LINUX.MSG_TRUNC) !== 0,
  };
}

/** Sends the adverts of one family on one interface, to groups and to single peers. */
export class VrrpSender {
  readonly #socket: NativeSocket;
  readonly #linkIndex: number;
  readonly #destinations = new Map<Ip, Uint8Array>();
  #source: Ip | undefined;

  /**
   * `timeToLive` (or hop limit) is that of unicast adverts; multicast ones have 255 (RFC 3768 5.2.3, RFC 9568 5.1.2.3).
   * Throws NativeError: EPERM without CAP_NET_RAW, ENODEV when the interface is gone.
   */
  constructor(
    options: { readonly link: BoundInterface; readonly family: Family; readonly timeToLive?: number },
    modules: { readonly addon: NativeAddon },
  ) {
    const { link, family, timeToLive = VRRP_TIME_TO_LIVE } = options;
    this.#linkIndex = link.index;
    this.#socket = openRaw(modules.addon, family, link, (socket) => {
      if (family === 4) speakIpv4(socket, link, timeToLive);
      else speakIpv6(socket, link, timeToLive);
      // After IP_TOS, which sets the priority too.
      socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_PRIORITY, intOption(TC_PRIO_CONTROL));
      // A raw socket receives as well, and nobody reads this one: the kernel's least.
      socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_RCVBUF, intOption(0));
    });
  }

  /**
   * Hands one VRRP message (without IP header) to the kernel. Throws NativeError: EADDRNOTAVAIL when the source is no
   * address of this host (or of IPv6 still tentative), EINVAL when an IPv4 one is gone since the last send, ENETDOWN,
   * ENODEV, ENETUNREACH, ENOBUFS when the device's queue is full.
   */
  send(source: Ip, destination: Ip, message: Uint8Array): void {
    // IPv4 looks at the source with every packet, IPv6 only here.
    if (source !== this.#source || family(source) === 6) {
      this.#source = undefined;
      this.#socket.bind(inetAddress(source, 0, this.#scopeOf(source)));
      this.#source = source;
    }
    let to = this.#destinations.get(destination);
    if (to === undefined) {
      to = inetAddress(destination, 0, this.#scopeOf(destination));
      this.#destinations.set(destination, to);
    }
    this.#socket.send(message, 0, message.length, to);
  }

  close(): void {
    this.#socket.close();
  }

  /** Link-local addresses and groups are nothing without their link (RFC 4007 6). */
  #scopeOf(address: Ip): number {
    return family(address) === 6 && (isMulticast(address) || inSubnet(address, LINK_LOCAL, 10)) ? this.#linkIndex : 0;
  }
}

const LINK_LOCAL: Ip = ip("fe80::");

function speakIpv4(socket: NativeSocket, link: BoundInterface, timeToLive: number): void {
  // On the sending socket it decides whether our own adverts come back to us.
  socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_MULTICAST_LOOP, intOption(0));
  socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_MULTICAST_TTL, intOption(VRRP_TIME_TO_LIVE));
  socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_MULTICAST_IF, ipv4Membership(ANY, link.index));
  socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_TTL, intOption(timeToLive));
  socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_TOS, intOption(VRRP_TYPE_OF_SERVICE));
}

function speakIpv6(socket: NativeSocket, link: BoundInterface, hopLimit: number): void {
  // As above. The checksum is ours: the kernel fills in none but ICMPv6's unless asked (RFC 3542 3.1).
  socket.setOption(LINUX.IPPROTO_IPV6, LINUX.IPV6_MULTICAST_LOOP, intOption(0));
  socket.setOption(LINUX.IPPROTO_IPV6, LINUX.IPV6_MULTICAST_HOPS, intOption(VRRP_TIME_TO_LIVE));
  socket.setOption(LINUX.IPPROTO_IPV6, LINUX.IPV6_MULTICAST_IF, intOption(link.index));
  socket.setOption(LINUX.IPPROTO_IPV6, LINUX.IPV6_UNICAST_HOPS, intOption(hopLimit));
  socket.setOption(LINUX.IPPROTO_IPV6, LINUX.IPV6_TCLASS, intOption(VRRP_TYPE_OF_SERVICE));
}

function openRaw(
  addon: NativeAddon,
  family: Family,
  link: BoundInterface,
  setUp: (socket: NativeSocket) => void,
): NativeSocket {
  const domain = family === 4 ? LINUX.AF_INET : LINUX.AF_INET6;
  return opened(addon.openSocket(domain, LINUX.SOCK_RAW, VRRP_PROTOCOL), (socket) => {
    socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_BINDTODEVICE, deviceOption(link.name));
    setUp(socket);
  });
}
