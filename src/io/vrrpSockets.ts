import type { Ip } from "../core/ip.ts";
import { ip } from "../core/ip.ts";
import { VRRP_MULTICAST_IPV4, VRRP_PROTOCOL, VRRP_TIME_TO_LIVE, VRRP_TYPE_OF_SERVICE } from "../wire/vrrp.ts";
import type { NativeAddon, NativeError, NativeSocket, ReceivedMessage } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import { decodeControl, deviceOption, inetAddress, intOption, ipv4Membership, packetAddress } from "./sockaddr.ts";
import { opened, setReceiveBuffer } from "./socketSetup.ts";

/** An interface by both its names: SO_BINDTODEVICE takes the one, memberships the other. Both die with the interface. */
export interface BoundInterface {
  readonly name: string;
  readonly index: number;
}

/** One IPv4 datagram of protocol 112, whole: raw sockets deliver the IP header too (raw(7)). */
export interface VrrpDatagram {
  readonly bytes: Buffer;
  /** Time to live as the kernel tells it; equal to the header's. Undefined when the ancillary data was cut short. */
  readonly timeToLive: number | undefined;
  readonly destination: Ip | undefined;
  /** The datagram was longer than an advert can be: `bytes` is only its beginning. */
  readonly truncated: boolean;
}

/** The longest advert with 255 addresses has 20 + 8 + 255 * 4 + 8 bytes; an IP header can have 40 more. */
const DATAGRAM_BYTES_MAX = 2048;
const DATAGRAMS_PER_BATCH = 32;
/** Adverts of 255 routers at 10 ms during a second's stall of this thread, with the kernel's overhead for each. */
const RECEIVE_BUFFER_BYTES = 4 << 20;
/** linux/pkt_sched.h TC_PRIO_CONTROL: ahead of all other traffic in a priority queue. Above 6 it takes CAP_NET_ADMIN. */
const TC_PRIO_CONTROL = 7;

const ANY: Ip = ip("0.0.0.0");

/**
 * Receives VRRP adverts (RFC 3768 5.2) of one interface: only those, since the socket is bound to the device and takes
 * no group that others joined. Delivers batches on this thread's loop.
 */
export class VrrpReceiver {
  readonly #socket: NativeSocket;
  readonly #onDatagrams: (datagrams: readonly VrrpDatagram[]) => void;

  /** Throws NativeError: EPERM without CAP_NET_RAW, ENODEV when the interface is gone. `onError`: ENETDOWN and the like; receiving goes on. */
  constructor(
    options: {
      readonly link: BoundInterface;
      readonly group?: Ip;
      readonly onDatagrams: (datagrams: readonly VrrpDatagram[]) => void;
      readonly onError: (error: NativeError) => void;
    },
    modules: { readonly addon: NativeAddon },
  ) {
    const { link, group = VRRP_MULTICAST_IPV4, onDatagrams, onError } = options;
    this.#onDatagrams = onDatagrams;
    this.#socket = openRaw(modules.addon, link, (socket) => {
      // Membership is per interface, delivery per socket: with IP_MULTICAST_ALL this one would also get groups that
      // any other program of the host has joined.
      socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_MULTICAST_ALL, intOption(0));
      socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_RECVTTL, intOption(1));
      socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_PKTINFO, intOption(1));
      setReceiveBuffer(socket, RECEIVE_BUFFER_BYTES);
      socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_ADD_MEMBERSHIP, ipv4Membership(group, link.index));
      socket.startReceiving(
        DATAGRAMS_PER_BATCH,
        DATAGRAM_BYTES_MAX,
        (messages) => onDatagrams(messages.map(vrrpDatagram)),
        onError,
      );
    });
  }

  /** Delivers now, within this call, what waits. Throws NativeError. */
  drain(): void {
    for (;;) {
      const messages = this.#socket.receive(DATAGRAMS_PER_BATCH, DATAGRAM_BYTES_MAX);
      if (messages.length === 0) return;
      this.#onDatagrams(messages.map(vrrpDatagram));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

function vrrpDatagram(message: ReceivedMessage): VrrpDatagram {
  const { hopLimit, destination } = decodeControl(message.control);
  return {
    bytes: message.data,
    timeToLive: hopLimit,
    destination,
    truncated: (message.flags & LINUX.MSG_TRUNC) !== 0,
  };
}

/** Sends adverts to the group on one interface, from one source address (RFC 3768 5.2.1: the primary one). */
export class VrrpSender {
  readonly #socket: NativeSocket;
  readonly #to: Uint8Array;
  #source: Ip | undefined;

  /** Throws NativeError: EPERM without CAP_NET_RAW, ENODEV when the interface is gone. */
  constructor(
    options: { readonly link: BoundInterface; readonly group?: Ip; readonly timeToLive?: number },
    modules: { readonly addon: NativeAddon },
  ) {
    const { link, group = VRRP_MULTICAST_IPV4, timeToLive = VRRP_TIME_TO_LIVE } = options;
    this.#to = inetAddress(group);
    this.#socket = openRaw(modules.addon, link, (socket) => {
      // On the sending socket it decides whether our own adverts come back to us.
      socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_MULTICAST_LOOP, intOption(0));
      socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_MULTICAST_TTL, intOption(timeToLive));
      socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_MULTICAST_IF, ipv4Membership(ANY, link.index));
      socket.setOption(LINUX.IPPROTO_IP, LINUX.IP_TOS, intOption(VRRP_TYPE_OF_SERVICE));
      // After IP_TOS, which sets the priority too.
      socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_PRIORITY, intOption(TC_PRIO_CONTROL));
      // A raw socket receives as well, and nobody reads this one: the kernel's least.
      socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_RCVBUF, intOption(0));
    });
  }

  /**
   * Hands one VRRP message (without IP header) to the kernel. Throws NativeError: EADDRNOTAVAIL when the source is no
   * address of this host, ENETDOWN, ENODEV, ENOBUFS when the device's queue is full.
   */
  send(source: Ip, advert: Uint8Array): void {
    if (source !== this.#source) {
      this.#source = undefined;
      this.#socket.bind(inetAddress(source));
      this.#source = source;
    }
    this.#socket.send(advert, 0, advert.length, this.#to);
  }

  close(): void {
    this.#socket.close();
  }
}

/** Sends whole Ethernet frames with ARP in them on one interface; receives nothing. */
export class ArpSender {
  readonly #socket: NativeSocket;
  readonly #to: Uint8Array;

  /** Throws NativeError: EPERM without CAP_NET_RAW, ENODEV when the interface is gone. */
  constructor(options: { readonly link: BoundInterface }, modules: { readonly addon: NativeAddon }) {
    const { index } = options.link;
    // Protocol 0: a packet socket with one gets a copy of every frame.
    this.#socket = opened(modules.addon.openSocket(LINUX.AF_PACKET, LINUX.SOCK_RAW, 0), (socket) => {
      socket.bind(packetAddress({ interfaceIndex: index, protocol: 0, hardwareAddress: new Uint8Array() }));
    });
    this.#to = packetAddress({ interfaceIndex: index, protocol: LINUX.ETH_P_ARP, hardwareAddress: new Uint8Array() });
  }

  /** Throws NativeError: ENETDOWN, ENXIO when the interface is gone, ENOBUFS when its queue is full. */
  send(frame: Uint8Array): void {
    this.#socket.send(frame, 0, frame.length, this.#to);
  }

  close(): void {
    this.#socket.close();
  }
}

function openRaw(addon: NativeAddon, link: BoundInterface, setUp: (socket: NativeSocket) => void): NativeSocket {
  return opened(addon.openSocket(LINUX.AF_INET, LINUX.SOCK_RAW, VRRP_PROTOCOL), (socket) => {
    socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_BINDTODEVICE, deviceOption(link.name));
    setUp(socket);
  });
}
