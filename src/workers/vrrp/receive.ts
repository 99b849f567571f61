import type { UnicastPeerConfig, VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Family, Ip } from "../../core/ip.ts";
import { durationUs, type Us } from "../../core/units.ts";
import type { HeardAdvert } from "../../vrrp/types.ts";
import {
  type AdvertEndpoints,
  authProblem,
  type ChecksumForm,
  decodeAdvertMessage,
  decodeAdvertPacket,
  hopLimitProblem,
  isMulticast,
  type VrrpAdvert,
} from "../../wire/vrrp.ts";
import type { Datagram } from "./ports.ts";
import { type RememberedAdvert, RememberedAdverts } from "./rememberedAdverts.ts";

const US_PER_CENTISECOND = 10_000;

/** What receives the adverts of one virtual router. */
export interface AdvertListener {
  readonly config: VrrpInstanceConfig;
  /** `heardAt`: as `Datagram.receivedAt`. */
  receive(advert: HeardAdvert, checksumForm: ChecksumForm | undefined, heardAt: Us | undefined): void;
  /** An advert for this router that is not acted on. */
  discard(reason: string): void;
}

export interface DispatcherModules {
  /** Packets that cannot be assigned to a virtual router, by reason. */
  readonly discarded: (reason: string) => void;
  readonly unknownVrid: (device: string, advert: VrrpAdvert, source: Ip) => void;
}

interface Heard extends AdvertEndpoints {
  readonly advert: VrrpAdvert;
  readonly hopLimit: number;
}

/**
 * Decodes what arrives and finds whom it is for: by interface, family, virtual router id and transport. Several routers may
 * share all of these by unicast when their peers differ.
 */
export class Dispatcher {
  readonly #modules: DispatcherModules;
  readonly #listeners = new Map<string, AdvertListener[]>();
  /** By interface: of IPv4, of IPv6. */
  readonly #remembered = new Map<string, Readonly<Record<Family, RememberedAdverts>>>();

  constructor(modules: DispatcherModules) {
    this.#modules = modules;
  }

  /** The listeners from now on. `device` names the interface whose socket hears an instance's adverts. */
  follow(listeners: Iterable<AdvertListener>, device: (config: VrrpInstanceConfig) => string): void {
    this.#listeners.clear();
    this.#remembered.clear();
    for (const listener of listeners) {
      const { family, virtualRouterId } = listener.config;
      const key = keyOf(device(listener.config), family, virtualRouterId);
      const others = this.#listeners.get(key);
      if (others === undefined) this.#listeners.set(key, [listener]);
      else others.push(listener);
    }
  }

  dispatch(device: string, family: Family, datagram: Datagram): void {
    const remembered = this.#rememberedOf(device)[family];
    const known = remembered.find(datagram);
    if (known !== undefined) {
      this.#give(device, known, datagram.receivedAt);
      return;
    }
    const heard = this.#decode(family, datagram);
    if (heard === undefined) return;
    const { advert, source, destination } = heard;
    const listeners = this.#listeners.get(keyOf(device, family, advert.virtualRouterId));
    if (listeners === undefined) {
      const unknown = { listener: undefined, advert, source };
      remembered.remember(datagram, unknown);
      this.#give(device, unknown, datagram.receivedAt);
      return;
    }
    const listener = isMulticast(destination) ? ofGroup(listeners, destination) : ofPeer(listeners, source);
    // For this router, but not by its transport: another group, or sent to us alone while others are to hear it too.
    if (listener === undefined) {
      this.#modules.discarded("wrongDestination");
      return;
    }
    const reason = reasonAgainst(listener.config, heard);
    if (reason !== undefined) {
      listener.discard(reason);
      return;
    }
    const { version, priority, addresses, checksumForm } = advert;
    const advertInterval = durationUs(advert.advertIntervalCs * US_PER_CENTISECOND);
    const accepted = { listener, heard: { source, version, priority, advertInterval, addresses }, checksumForm };
    remembered.remember(datagram, accepted);
    this.#give(device, accepted, datagram.receivedAt);
  }

  #give(device: string, remembered: RememberedAdvert, heardAt: Us | undefined): void {
    if (remembered.listener !== undefined) {
      remembered.listener.receive(remembered.heard, remembered.checksumForm, heardAt);
      return;
    }
    this.#modules.discarded("unknownVrid");
    this.#modules.unknownVrid(device, remembered.advert, remembered.source);
  }

  #rememberedOf(device: string): Readonly<Record<Family, RememberedAdverts>> {
    let remembered = this.#remembered.get(device);
    if (remembered === undefined) {
      remembered = { 4: new RememberedAdverts(4), 6: new RememberedAdverts(6) };
      this.#remembered.set(device, remembered);
    }
    return remembered;
  }

  #decode(family: Family, { bytes, source, destination, timeToLive }: Datagram): Heard | undefined {
    if (family === 4) {
      const packet = decodeAdvertPacket(bytes);
      if (packet.ok)
        return { ...packet.value.header, hopLimit: packet.value.header.timeToLive, advert: packet.value.advert };
      this.#modules.discarded(packet.error);
      return undefined;
    }
    if (source === undefined || destination === undefined || timeToLive === undefined) {
      // Ancillary data cut short: nothing can be checked.
      this.#modules.discarded("ipTruncated");
      return undefined;
    }
    const meta = { source, destination, hopLimit: timeToLive };
    const message = decodeAdvertMessage(bytes, meta);
    if (message.ok) return { ...meta, advert: message.value };
    this.#modules.discarded(message.error);
    return undefined;
  }
}

function keyOf(device: string, family: Family, virtualRouterId: number): string {
  return `${device} ${family} ${virtualRouterId}`;
}

function ofGroup(listeners: readonly AdvertListener[], group: Ip): AdvertListener | undefined {
  return listeners.find(({ config: { transport } }) => transport.kind === "multicast" && transport.group === group);
}

/** The one that names the sender as a peer; else one that takes adverts of anybody; else the first, to count it there. */
function ofPeer(listeners: readonly AdvertListener[], source: Ip): AdvertListener | undefined {
  const unicast = listeners.filter(({ config }) => config.transport.kind === "unicast");
  return (
    unicast.find(({ config }) => peerOf(config, source) !== undefined) ??
    unicast.find(({ config: { transport } }) => transport.kind === "unicast" && !transport.checkSource) ??
    unicast[0]
  );
}

function peerOf({ transport }: VrrpInstanceConfig, source: Ip): UnicastPeerConfig | undefined {
  return transport.kind === "unicast" ? transport.peers.find((peer) => peer.address === source) : undefined;
}

/** What keeps an advert for this router from being acted on, except what concerns the machine. */
function reasonAgainst(config: VrrpInstanceConfig, heard: Heard): string | undefined {
  const { advert, source } = heard;
  if (config.transport.kind === "unicast") {
    const peer = peerOf(config, source);
    if (peer === undefined) {
      if (config.transport.checkSource) return "sourceNotPeer";
    } else if (peer.timeToLiveMin !== undefined || peer.timeToLiveMax !== undefined) {
      const range = { min: peer.timeToLiveMin ?? 0, max: peer.timeToLiveMax ?? 255 };
      const problem = hopLimitProblem(heard, range);
      if (problem !== undefined) return problem;
    }
  }
  // The version of the router itself is the machine's matter: it raises an alarm.
  if (advert.version === 2 && config.version === 2) return authProblem(advert, config.authPassword);
  return undefined;
}
