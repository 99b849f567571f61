import type { VrrpConfig } from "../../config/vrrp.types.ts";
import { after, type DurationUs, type Us } from "../../core/units.ts";
import type { IndexedView } from "./hostView.ts";

interface Link {
  /** What counts. */
  up: boolean;
  /** The other state is seen since then, and counts from `countsAt` on. */
  countsAt: Us | undefined;
}

/**
 * Whether interfaces are up, with the delays of `interface_up_down_delays`: a change counts after it has lasted so long. A
 * missing interface is down. The state in which an interface is first seen counts at once.
 */
export class DebouncedLinks {
  readonly #links = new Map<string, Link>();
  #delays: ReadonlyMap<string, { readonly up: DurationUs; readonly down: DurationUs }> = new Map();

  configure(delays: VrrpConfig["linkDelays"]): void {
    this.#delays = new Map(delays.map((delay) => [delay.interface, delay]));
    for (const name of this.#links.keys()) if (!this.#delays.has(name)) this.#links.delete(name);
  }

  /** A new dump, or a deadline. */
  observe(view: IndexedView, now: Us): void {
    for (const [name, delay] of this.#delays) {
      const seen = view.named(name)?.up === true;
      const link = this.#links.get(name);
      if (link === undefined) this.#links.set(name, { up: seen, countsAt: undefined });
      else if (seen === link.up) link.countsAt = undefined;
      else {
        link.countsAt ??= after(now, seen ? delay.up : delay.down);
        if (now >= link.countsAt) {
          link.up = seen;
          link.countsAt = undefined;
        }
      }
    }
  }

  isUp(name: string, view: IndexedView): boolean {
    return this.#links.get(name)?.up ?? view.named(name)?.up === true;
  }

  get deadline(): Us | undefined {
    let soonest: Us | undefined;
    for (const { countsAt } of this.#links.values()) {
      if (countsAt !== undefined && (soonest === undefined || countsAt < soonest)) soonest = countsAt;
    }
    return soonest;
  }
}
