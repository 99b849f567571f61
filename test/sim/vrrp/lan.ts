import type { Family, Ip } from "../../../src/core/ip.ts";
import type { DurationUs } from "../../../src/core/units.ts";
import type { Datagram } from "../../../src/workers/vrrp/ports.ts";
import type { Dice } from "../dice.ts";
import type { Event } from "./eventQueue.ts";
import type { LanOptions } from "./options.ts";
import type { SentAdvert } from "./seat.ts";

/** An IP packet on a LAN; its bytes are shared by all who get it and changed by nobody. */
export interface Packet {
  /** IPv4: with its header. IPv6: the payload. */
  readonly bytes: Uint8Array;
  /** The same as a socket delivers it. */
  readonly datagram: Datagram;
  readonly family: Family;
  readonly source: Ip;
  readonly destination: Ip;
  readonly multicast: boolean;
  readonly timeToLive: number;
  /** The sending router, and when its kernel sent it, in microseconds of the world. */
  readonly from: number;
  readonly sentAtUs: number;
  /** What the checkers know of it; the LAN does not look. */
  readonly advert: SentAdvert | undefined;
}

/** A router's place on a LAN; whether its interface takes the packet is its own matter. */
export interface Port {
  readonly router: number;
  /** Whether a unicast packet to this address is for it. */
  has(address: Ip): boolean;
  arrive(packet: Packet): void;
}

export interface LanModules {
  readonly dice: Dice;
  /** Of the advertisement intervals that there may be: at rest one packet is later than another by half of it at most. */
  readonly intervalMin: DurationUs;
  readonly push: (atUs: number, event: Event) => void;
  readonly nowUs: () => number;
}

/** However many faults add up: that two routers do not hear each other, the checkers know only of cuts. */
const LOSS_MAX = 0.7;

/** One broadcast domain: loss, delay, duplicates, reordering, and cuts for each direction between two routers. */
export class Lan {
  lossMore = 0;
  delayMore = 0;
  /** At rest nothing is lost, doubled or overtaken, and no delay looks like a lost advert. */
  atRest = false;
  delivered = 0;
  readonly #ports: Port[] = [];
  readonly #options: LanOptions;
  readonly #modules: LanModules;
  readonly #routers: number;
  /** How many cuts there are from one router to another, and since when it is so. */
  readonly #cuts: Uint8Array;
  readonly #changedAt: Float64Array;

  constructor(routers: number, options: LanOptions, modules: LanModules) {
    this.#routers = routers;
    this.#options = options;
    this.#modules = modules;
    this.#cuts = new Uint8Array(routers * routers);
    this.#changedAt = new Float64Array(routers * routers);
  }

  attach(port: Port): void {
    this.#ports.push(port);
  }

  cut(from: number, to: number): void {
    this.#change(from, to, 1);
  }

  mend(from: number, to: number): void {
    this.#change(from, to, -1);
  }

  /** Whether what one sends reaches the other, and since when it is so or not. */
  reaches(from: number, to: number): { readonly yes: boolean; readonly sinceUs: number } {
    const at = from * this.#routers + to;
    return { yes: this.#cuts[at] === 0, sinceUs: this.#changedAt[at] as number };
  }

  /** `sentAtUs` may lie ahead of the world's clock, by what its sender was stalled. */
  transmit(packet: Packet): void {
    const { from, multicast, destination } = packet;
    const cuts = this.#cuts;
    for (const port of this.#ports) {
      if (port.router === from || cuts[from * this.#routers + port.router] !== 0) continue;
      if (!multicast && !port.has(destination)) continue;
      this.#forward(packet, port);
    }
  }

  #forward(packet: Packet, port: Port): void {
    const { dice } = this.#modules;
    const { loss, duplicate, reorder, reorderDelay } = this.#options;
    if (this.atRest) {
      this.#deliver(packet, port, 0);
      return;
    }
    const lost = Math.min(loss + this.lossMore, LOSS_MAX);
    if (lost > 0 && dice.chance(lost)) return;
    this.#deliver(packet, port, reorder > 0 && dice.chance(reorder) ? dice.next() * reorderDelay : 0);
    if (duplicate > 0 && dice.chance(duplicate)) this.#deliver(packet, port, 0);
  }

  #deliver(packet: Packet, port: Port, held: number): void {
    const { dice, push, intervalMin } = this.#modules;
    const { delayMin, delayMax } = this.#options;
    const jitter = delayMax - delayMin + this.delayMore;
    const delay = delayMin + dice.next() * (this.atRest ? Math.min(jitter, intervalMin / 2) : jitter);
    push(packet.sentAtUs + delay + held, new Delivery(this, port, packet));
  }

  #change(from: number, to: number, by: number): void {
    const at = from * this.#routers + to;
    this.#cuts[at] = (this.#cuts[at] as number) + by;
    this.#changedAt[at] = this.#modules.nowUs();
  }
}

class Delivery implements Event {
  readonly #lan: Lan;
  readonly #port: Port;
  readonly #packet: Packet;

  constructor(lan: Lan, port: Port, packet: Packet) {
    this.#lan = lan;
    this.#port = port;
    this.#packet = packet;
  }

  run(): void {
    this.#lan.delivered++;
    this.#port.arrive(this.#packet);
  }
}
