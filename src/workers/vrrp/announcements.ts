import type { AnnouncePacingConfig, VrrpConfig } from "../../config/vrrp.types.ts";
import { type Family, family, type Ip } from "../../core/ip.ts";
import { after, type DurationUs, milliseconds, type Us } from "../../core/units.ts";
import type { Announcer } from "./ports.ts";

/** Frames sent without a look at whether an advert is due. */
const TURN_FRAMES_MAX = 64;
/** Between rounds of one address where no pause is configured: one round says all to a switch, the others are for losses. */
const ROUND_PAUSE: DurationUs = milliseconds(1);

export interface AnnouncementModules {
  /** Throws when the device is missing or its socket cannot be opened. */
  readonly announcer: (device: string) => Announcer;
  readonly onError: (owner: string, device: string, error: unknown) => void;
}

export interface AnnouncementRequest {
  /** Name of the instance: what it releases is not announced any more. */
  readonly owner: string;
  readonly device: string;
  readonly addresses: readonly Ip[];
  readonly repeat: number;
}

interface Waiting {
  readonly owner: string;
  readonly device: string;
  readonly address: Ip;
  remaining: number;
  notBefore: Us;
}

/**
 * Gratuitous ARP and unsolicited neighbour advertisements that wait for their turn. Every address is announced once before
 * any is announced again, and never more than TURN_FRAMES_MAX without letting adverts through. Where `vrrp_garp_interval`
 * or a `garp_group` asks for it, frames of the interfaces concerned keep their distance.
 */
export class Announcements {
  readonly #modules: AnnouncementModules;
  #pacing: Pacing;
  /** In the order of sending; by owner, device and address, so that a second request for one only adds rounds. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(config: PacingConfig, modules: AnnouncementModules) {
    this.#modules = modules;
    this.#pacing = new Pacing(config);
  }

  get waiting(): number {
    let frames = 0;
    for (const { remaining } of this.#waiting.values()) frames += remaining;
    return frames;
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  configure(config: PacingConfig): void {
    this.#pacing = new Pacing(config);
  }

  /** Queues; nothing is sent before the next `send`. */
  request({ owner, device, addresses, repeat }: AnnouncementRequest, now: Us): void {
    if (repeat <= 0) return;
    for (const address of addresses) {
      const key = `${owner} ${device} ${address}`;
      const known = this.#waiting.get(key);
      // Asked for anew is news: at once, and as often as the longer of the two requests.
      this.#waiting.delete(key);
      this.#waiting.set(key, {
        owner,
        device,
        address,
        remaining: Math.max(repeat, known?.remaining ?? 0),
        notBefore: now,
      });
    }
  }

  /** What an owner gave up must not be announced any more; without `addresses`, everything of it. */
  cancel(owner: string, addresses?: ReadonlySet<Ip>): void {
    for (const [key, entry] of this.#waiting) {
      if (entry.owner === owner && addresses?.has(entry.address) !== false) this.#waiting.delete(key);
    }
  }

  /** When `send` has something to do. */
  get deadline(): Us | undefined {
    let soonest: number | undefined;
    for (const entry of this.#waiting.values()) {
      const at = Math.max(entry.notBefore, this.#pacing.freeAt(entry.device, family(entry.address)));
      if (soonest === undefined || at < soonest) soonest = at;
    }
    return soonest as Us | undefined;
  }

  /** Sends what is due, up to a bound, in batches by device. */
  send(now: Us): void {
    if (this.#waiting.size === 0) return;
    const batches = new Map<string, Waiting[]>();
    let frames = 0;
    for (const [key, entry] of [...this.#waiting]) {
      if (frames >= TURN_FRAMES_MAX) break;
      const addressFamily = family(entry.address);
      if (entry.notBefore > now || this.#pacing.freeAt(entry.device, addressFamily) > now) continue;
      this.#pacing.take(entry.device, addressFamily, now);
      frames++;
      this.#waiting.delete(key);
      const batch = batches.get(entry.device);
      if (batch === undefined) batches.set(entry.device, [entry]);
      else batch.push(entry);
      entry.remaining--;
      entry.notBefore = after(now, ROUND_PAUSE);
      // Behind all others: they come first once.
      if (entry.remaining > 0) this.#waiting.set(key, entry);
    }
    for (const [device, batch] of batches) this.#sendBatch(device, batch);
  }

  #sendBatch(device: string, batch: readonly Waiting[]): void {
    try {
      this.#modules.announcer(device).announce(batch.map((entry) => entry.address));
    } catch (error) {
      for (const owner of new Set(batch.map((entry) => entry.owner))) this.#modules.onError(owner, device, error);
    }
  }
}

export type PacingConfig = Pick<VrrpConfig, "announcePacing" | "garpInterval" | "gnaInterval">;

/** Which interfaces share a pause, and until when each pause lasts. */
class Pacing {
  readonly #groups = new Map<string, AnnouncePacingConfig>();
  readonly #config: PacingConfig;
  readonly #freeAt = new Map<object | string, { garp: number; gna: number }>();

  constructor(config: PacingConfig) {
    this.#config = config;
    for (const group of config.announcePacing) for (const name of group.interfaces) this.#groups.set(name, group);
  }

  freeAt(device: string, addressFamily: Family): number {
    const until = this.#freeAt.get(this.#groups.get(device) ?? device);
    return until === undefined ? 0 : addressFamily === 4 ? until.garp : until.gna;
  }

  take(device: string, addressFamily: Family, now: Us): void {
    const { garpInterval, gnaInterval } = this.#groups.get(device) ?? this.#config;
    const pause = addressFamily === 4 ? garpInterval : gnaInterval;
    if (pause === 0) return;
    const key = this.#groups.get(device) ?? device;
    const until = this.#freeAt.get(key) ?? { garp: 0, gna: 0 };
    if (addressFamily === 4) until.garp = now + pause;
    else until.gna = now + pause;
    this.#freeAt.set(key, until);
  }
}
