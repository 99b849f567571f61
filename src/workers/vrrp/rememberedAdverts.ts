import type { Family, Ip } from "../../core/ip.ts";
import type { HeardAdvert } from "../../vrrp/types.ts";
import { copyOf } from "../../wire/bytes.ts";
import { IPV4_HEADER_BYTES } from "../../wire/ipv4.ts";
import type { ChecksumForm, VrrpAdvert } from "../../wire/vrrp.ts";
import type { Datagram } from "./ports.ts";
import type { AdvertListener } from "./receive.ts";

/** Senders remembered: on a segment with forged ones all are forgotten when there are more. */
const SENDERS_MAX = 256;
/** Where the virtual router id stands in a message (RFC 3768 5.1, RFC 9568 5.1). */
const VRID_OFFSET = 1;

/** What a whole advert came to. */
export type RememberedAdvert =
  | {
      readonly listener: AdvertListener;
      readonly heard: HeardAdvert;
      readonly checksumForm: ChecksumForm | undefined;
    }
  /** Of a virtual router that nobody here takes part in: others may share the segment. */
  | { readonly listener: undefined; readonly advert: VrrpAdvert; readonly source: Ip };

interface Entry {
  readonly advert: RememberedAdvert;
  readonly bytes: Uint8Array;
  readonly destination: Ip | undefined;
  readonly timeToLive: number | undefined;
}

/**
 * The last advert of each sender and virtual router on one interface. All adverts of a term are equal, byte for byte, so
 * what was decoded and judged once needs a comparison only. To be forgotten when the listeners are others.
 */
export class RememberedAdverts {
  readonly #family: Family;
  /** By sender (IPv4: as a number), then by virtual router id. */
  readonly #entries = new Map<Ip | number, (Entry | undefined)[]>();

  constructor(family: Family) {
    this.#family = family;
  }

  find(datagram: Datagram): RememberedAdvert | undefined {
    const { bytes } = datagram;
    const entry = this.#entries.get(this.#sender(datagram))?.[this.#virtualRouterId(bytes)];
    if (entry === undefined || !isSame(entry.bytes, bytes)) return undefined;
    const { destination, timeToLive } = datagram;
    const isAddressed = this.#family === 4 || (entry.destination === destination && entry.timeToLive === timeToLive);
    return isAddressed ? entry.advert : undefined;
  }

  remember(datagram: Datagram, advert: RememberedAdvert): void {
    const sender = this.#sender(datagram);
    let ofSender = this.#entries.get(sender);
    if (ofSender === undefined) {
      if (this.#entries.size >= SENDERS_MAX) this.#entries.clear();
      ofSender = [];
      this.#entries.set(sender, ofSender);
    }
    const { bytes, destination, timeToLive } = datagram;
    ofSender[this.#virtualRouterId(bytes)] = { advert, bytes: copyOf(bytes), destination, timeToLive };
  }

  /** Whatever stands there in a packet that is none: the bytes are compared anyway. */
  #sender({ bytes, source }: Datagram): Ip | number {
    if (this.#family === 6) return source ?? 0;
    return (at(bytes, 12) << 24) | (at(bytes, 13) << 16) | (at(bytes, 14) << 8) | at(bytes, 15);
  }

  #virtualRouterId(bytes: Uint8Array): number {
    return at(bytes, this.#family === 6 ? VRID_OFFSET : IPV4_HEADER_BYTES + VRID_OFFSET);
  }
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a;
  if (length !== b.length) return false;
  for (let index = 0; index < length; index++) if (a[index] !== b[index]) return false;
  return true;
}
