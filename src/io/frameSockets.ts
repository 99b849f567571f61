/** Whole Ethernet frames by packet sockets (packet(7)): what no IP socket of the kernel sends or shows. */
import { family, type Ip } from "../core/ip.ts";
import { type ArpClaim, arpClaim, decodeArp } from "../wire/arp.ts";
import { foreignArpFilter, foreignNeighborFilter, ownSourceFilter } from "../wire/bpf.ts";
import { ETHERNET_HEADER_BYTES, MAC_BYTES } from "../wire/ethernet.ts";
import { decodeIpv4 } from "../wire/ipv4.ts";
import { decodeNeighborAdvertisement, neighborClaim } from "../wire/neighbor.ts";
import { VRRP_PROTOCOL } from "../wire/vrrp.ts";
import type { NativeAddon, NativeError, NativeSocket } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import { packetAddress } from "./sockaddr.ts";
import { opened } from "./socketSetup.ts";
import type { BoundInterface } from "./vrrpSockets.ts";

/** Where the Ethernet type stands. */
const ETHERTYPE_OFFSET = 12;
/** ARP and adverts are shorter (an IPv4 advert has 1096 bytes at most); of longer frames the beginning comes, and no sum fits. */
const FRAME_BYTES_MAX = 2048;
const FRAMES_PER_BATCH = 16;

/** Sends whole Ethernet frames on one interface; receives nothing. */
export class FrameSender {
  readonly #socket: NativeSocket;
  readonly #linkIndex: number;
  readonly #to = new Map<number, Uint8Array>();

  /** Throws NativeError: EPERM without CAP_NET_RAW, ENODEV when the interface is gone. */
  constructor(options: { readonly link: BoundInterface }, modules: { readonly addon: NativeAddon }) {
    this.#linkIndex = options.link.index;
    this.#socket = openPacket(modules.addon, (socket) => bindTo(socket, this.#linkIndex, 0));
  }

  /** Throws NativeError: ENETDOWN, ENXIO when the interface is gone, ENOBUFS when its queue is full, EMSGSIZE above its MTU. */
  send(frame: Uint8Array): void {
    const type = ((frame[ETHERTYPE_OFFSET] ?? 0) << 8) | (frame[ETHERTYPE_OFFSET + 1] ?? 0);
    let to = this.#to.get(type);
    if (to === undefined) {
      to = packetAddress({ interfaceIndex: this.#linkIndex, protocol: type, hardwareAddress: new Uint8Array() });
      this.#to.set(type, to);
    }
    this.#socket.send(frame, 0, frame.length, to);
  }

  close(): void {
    this.#socket.close();
  }
}

export interface FrameWatchOptions {
  /** With its hardware address, if it has one: frames that come back to us (from a loop of switches) are no news. */
  readonly link: BoundInterface & { readonly hardwareAddress: Uint8Array | undefined };
  readonly onArp: (claim: ArpClaim) => void;
  readonly onNeighbor: (claim: ArpClaim) => void;
  readonly onOwnSource: (heard: { readonly source: Ip; readonly hardwareAddress: Uint8Array }) => void;
  /** ENETDOWN and the like; watching goes on. */
  readonly onError: (error: NativeError) => void;
}

/**
 * ARP and neighbour advertisements of others that claim one of `senders`, and IPv4 adverts of others that carry one of `sources`. All else is dropped by
 * filters in the kernel; of what nothing is looked for, there is no socket.
 */
export class FrameWatch {
  readonly #arp: FilteredFrames;
  readonly #neighbors: FilteredFrames;
  readonly #adverts: FilteredFrames;
  readonly #own: readonly Uint8Array[];
  #senders: ReadonlySet<Ip> = new Set();
  #sources: ReadonlySet<Ip> = new Set();

  constructor(options: FrameWatchOptions, modules: { readonly addon: NativeAddon }) {
    const { link, onArp, onNeighbor, onOwnSource, onError } = options;
    const { addon } = modules;
    this.#own = link.hardwareAddress?.length === MAC_BYTES ? [link.hardwareAddress] : [];
    this.#arp = new FilteredFrames({ addon, link, protocol: LINUX.ETH_P_ARP, onError }, (frame) => {
      const decoded = decodeArp(frame);
      const claim = decoded.ok ? arpClaim(decoded.value) : undefined;
      // Compared here too: a frame may have come in by the filter before.
      if (claim !== undefined && this.#senders.has(claim.address)) onArp(claim);
    });
    this.#neighbors = new FilteredFrames({ addon, link, protocol: LINUX.ETH_P_IPV6, onError }, (frame) => {
      const decoded = decodeNeighborAdvertisement(frame);
      if (!decoded.ok) return;
      const claim = neighborClaim(decoded.value);
      if (this.#senders.has(claim.address)) onNeighbor(claim);
    });
    this.#adverts = new FilteredFrames({ addon, link, protocol: LINUX.ETH_P_IP, onError }, (frame) => {
      const packet = decodeIpv4(frame.subarray(ETHERNET_HEADER_BYTES));
      if (!packet.ok || packet.value.header.protocol !== VRRP_PROTOCOL) return;
      const { source } = packet.value.header;
      if (this.#sources.has(source)) onOwnSource({ source, hardwareAddress: frame.subarray(MAC_BYTES, 2 * MAC_BYTES) });
    });
  }

  /** From now on. Throws NativeError: EPERM without CAP_NET_RAW, ENODEV when the interface is gone; RangeError as the filters. */
  look(at: { readonly senders: readonly Ip[]; readonly sources: readonly Ip[] }): void {
    this.#senders = new Set(at.senders);
    this.#sources = new Set(at.sources);
    const senders4 = at.senders.filter((address) => family(address) === 4);
    const senders6 = at.senders.filter((address) => family(address) === 6);
    this.#arp.want(senders4.length === 0 ? undefined : foreignArpFilter(senders4, this.#own));
    this.#neighbors.want(senders6.length === 0 ? undefined : foreignNeighborFilter(senders6, this.#own));
    this.#adverts.want(at.sources.length === 0 ? undefined : ownSourceFilter(at.sources));
  }

  close(): void {
    this.#arp.want(undefined);
    this.#neighbors.want(undefined);
    this.#adverts.want(undefined);
  }
}

interface FilteredFramesOptions {
  readonly addon: NativeAddon;
  readonly link: BoundInterface;
  readonly protocol: number;
  readonly onError: (error: NativeError) => void;
}

/** A packet socket of one Ethernet type that exists while there is something to filter for. */
class FilteredFrames {
  readonly #options: FilteredFramesOptions;
  readonly #onFrame: (frame: Buffer) => void;
  #socket: NativeSocket | undefined;

  constructor(options: FilteredFramesOptions, onFrame: (frame: Buffer) => void) {
    this.#options = options;
    this.#onFrame = onFrame;
  }

  want(filter: Uint8Array | undefined): void {
    if (filter === undefined) {
      this.#socket?.close();
      this.#socket = undefined;
      return;
    }
    if (this.#socket !== undefined) {
      this.#socket.attachFilter(filter);
      return;
    }
    const { addon, link, protocol, onError } = this.#options;
    this.#socket = openPacket(addon, (socket) => {
      // Only the bind lets frames in: none passes without the filter.
      socket.attachFilter(filter);
      bindTo(socket, link.index, protocol);
      socket.startReceiving(
        FRAMES_PER_BATCH,
        FRAME_BYTES_MAX,
        (messages) => {
          for (const { data } of messages) this.#onFrame(data);
        },
        onError,
      );
    });
  }
}

/** Protocol 0: it gets nothing before it is bound to one. */
function openPacket(addon: NativeAddon, setUp: (socket: NativeSocket) => void): NativeSocket {
  return opened(addon.openSocket(LINUX.AF_PACKET, LINUX.SOCK_RAW, 0), setUp);
}

function bindTo(socket: NativeSocket, interfaceIndex: number, protocol: number): void {
  socket.bind(packetAddress({ interfaceIndex, protocol, hardwareAddress: new Uint8Array() }));
}
