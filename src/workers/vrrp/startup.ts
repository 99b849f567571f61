import { after, type DurationUs, seconds, type Us } from "../../core/units.ts";
import type { FollowedView } from "./followedView.ts";
import type { VrrpInstance } from "./instance.ts";
import type { Trackers } from "./trackers.ts";

/** The first results of scripts, files and processes are waited for, but no longer than this: then they count as unknown. */
const TRACK_WAIT_MAX: DurationUs = seconds(5);

/** Which instances may begin their election when: after the first dump, the first programming, `vrrp_startup_delay`, and the first results. */
export class Startup {
  readonly #waiting = new Map<VrrpInstance, Us | undefined>();
  #released = false;
  #notBefore: Us | undefined;
  readonly #view: FollowedView;
  readonly #trackers: Trackers;

  constructor(view: FollowedView, trackers: Trackers) {
    this.#view = view;
    this.#trackers = trackers;
  }

  delayUntil(at: Us): void {
    this.#notBefore = at;
  }

  add(instance: VrrpInstance, now: Us): void {
    this.#waiting.set(instance, this.#released ? after(now, TRACK_WAIT_MAX) : undefined);
  }

  remove(instance: VrrpInstance): void {
    this.#waiting.delete(instance);
  }

  /** The first programming is done. */
  release(now: Us): void {
    this.#released = true;
    for (const instance of this.#waiting.keys()) this.#waiting.set(instance, after(now, TRACK_WAIT_MAX));
  }

  get deadline(): Us | undefined {
    if (!this.#released || !this.#view.isKnown) return undefined;
    let soonest: Us | undefined;
    for (const [instance, until] of this.#waiting) {
      const knownAt = this.#knowsAll(instance) ? (0 as Us) : (until ?? (0 as Us));
      const at = Math.max(knownAt, this.#notBefore ?? 0) as Us;
      if (soonest === undefined || at < soonest) soonest = at;
    }
    return soonest;
  }

  /** Instances that may start now; each is given once. */
  due(now: Us): VrrpInstance[] {
    if (this.#waiting.size === 0 || !this.#released || !this.#view.isKnown || now < (this.#notBefore ?? 0)) return [];
    const due = [...this.#waiting].filter(([instance, until]) => this.#knowsAll(instance) || now >= (until ?? 0));
    return due.map(([instance]) => {
      this.#waiting.delete(instance);
      return instance;
    });
  }

  #knowsAll({ config }: VrrpInstance): boolean {
    return this.#trackers.knowsAll(config.track);
  }
}
