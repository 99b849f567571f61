import type { ChecksumForm, VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Ip } from "../../core/ip.ts";
import { between, durationUs, toSeconds, type Us } from "../../core/units.ts";
import type { HeardAdvert, Input } from "../../vrrp/types.ts";
import type { PeerStatus } from "./protocol.ts";

/** Routers heard beyond the configured ones that are kept: on a segment with forged sources the oldest is dropped. */
const STRANGERS_MAX = 16;

type AdvertInput = Extract<Input, { readonly kind: "advert" }>;

interface Peer {
  /** The last one, as the machine is told of it. */
  input: AdvertInput;
  /** The last one itself: often the same object for a whole term, which spares the comparison. */
  advert: HeardAdvert;
  checksumForm: ChecksumForm | undefined;
  heardAt: Us;
}

/** Who was heard for one virtual router, for the status. */
export class Peers {
  readonly #heard = new Map<Ip, Peer>();
  /** Of `#heard`, who was heard last: mostly the one MASTER. */
  #last: Peer | undefined;
  readonly #since: Us;

  /** `since`: when we began to listen. */
  constructor(since: Us) {
    this.#since = since;
  }

  /**
   * Returns what the machine is to be told: the same object as for the last advert of its sender where that is equal, since
   * adverts of one term all are, and the flight recorder keeps thousands of them.
   */
  heard(advert: HeardAdvert, checksumForm: ChecksumForm | undefined, now: Us): AdvertInput {
    const peer = this.#last?.advert.source === advert.source ? this.#last : this.#heard.get(advert.source);
    this.#last = peer;
    if (peer !== undefined) {
      if (peer.advert !== advert && !sameAdvert(peer.advert, advert)) peer.input = { kind: "advert", advert };
      peer.advert = advert;
      peer.checksumForm = checksumForm;
      peer.heardAt = now;
      return peer.input;
    }
    if (this.#heard.size >= STRANGERS_MAX) this.#dropOldest();
    const input: AdvertInput = { kind: "advert", advert };
    this.#heard.set(advert.source, { input, advert, checksumForm, heardAt: now });
    return input;
  }

  status({ transport, downTimerAdverts }: VrrpInstanceConfig, now: Us): PeerStatus[] {
    const configured = transport.kind === "unicast" ? transport.peers.map((peer) => peer.address) : [];
    const addresses = new Set([...configured, ...this.#heard.keys()]);
    return [...addresses].map((address): PeerStatus => {
      const peer = this.#heard.get(address);
      const silence = between(peer?.heardAt ?? this.#since, now);
      const patience = durationUs((peer?.input.advert.advertInterval ?? 0) * downTimerAdverts);
      return {
        address,
        configured: configured.includes(address),
        priority: peer?.input.advert.priority,
        claimsMaster: peer !== undefined && peer.input.advert.priority > 0 && silence <= patience,
        advertInterval: peer?.input.advert.advertInterval,
        checksumForm: peer?.checksumForm,
        silentSec: toSeconds(silence),
      };
    });
  }

  #dropOldest(): void {
    let oldest: Ip | undefined;
    let heardAt = Number.POSITIVE_INFINITY;
    for (const [address, peer] of this.#heard) {
      if (peer.heardAt >= heardAt) continue;
      oldest = address;
      heardAt = peer.heardAt;
    }
    this.#last = undefined;
    if (oldest !== undefined) this.#heard.delete(oldest);
  }
}

function sameAdvert(a: HeardAdvert, b: HeardAdvert): boolean {
  return (
    a.priority === b.priority &&
    a.version === b.version &&
    a.advertInterval === b.advertInterval &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, index) => address === b.addresses[index])
  );
}
