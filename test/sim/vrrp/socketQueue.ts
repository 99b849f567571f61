import { ago, between, durationUs, type Us } from "../../../src/core/units.ts";
import { WAIT_MAX } from "../../../src/io/vrrpSockets.ts";
import type { Datagram } from "../../../src/workers/vrrp/ports.ts";
import type { Packet } from "./lan.ts";

/** What a socket of the kernel holds until its process reads: packets, and when each came by the router's own clock. */
export class SocketQueue {
  /** Columns that are kept: nearly every packet is read before the next one comes, and a new array for it would cost more than all else. */
  readonly #packets: Packet[] = [];
  readonly #arrivedAt: Us[] = [];
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  push(packet: Packet, arrivedAt: Us): void {
    this.#packets[this.#size] = packet;
    this.#arrivedAt[this.#size] = arrivedAt;
    this.#size++;
  }

  /** Not to be asked for while it is empty. One read at `now` empties it: `give` gets all datagrams at once, then `taken` each packet. */
  drain(now: Us, give: (datagrams: readonly Datagram[]) => void, taken: (packet: Packet) => void): void {
    const size = this.#size;
    const datagrams = [this.#datagram(0, now)];
    for (let at = 1; at < size; at++) datagrams.push(this.#datagram(at, now));
    // Nothing arrives while it is read: the LAN delivers by events of their own.
    this.#size = 0;
    give(datagrams);
    for (let at = 0; at < size; at++) taken(this.#packets[at] as Packet);
  }

  /** As the product's receiver reads the kernel's stamp; what was read at once is shared by all who got it. */
  #datagram(at: number, now: Us): Datagram {
    const { datagram } = this.#packets[at] as Packet;
    const waited = between(this.#arrivedAt[at] as Us, now);
    return waited === 0 ? datagram : { ...datagram, receivedAt: ago(now, durationUs(Math.min(waited, WAIT_MAX))) };
  }
}
