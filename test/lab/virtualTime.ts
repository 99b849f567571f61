import type { Clock, Timers } from "../../src/core/interfaces.ts";
import { instantUs, type Us } from "../../src/core/units.ts";

/** A clock that stands still until it is told to go on, and calls what was armed in order. */
export class VirtualTime implements Clock, Timers {
  #nowUs = 1_000_000_000;
  #armed: { readonly at: number; readonly call: () => void }[] = [];

  nowUs(): Us {
    return instantUs(this.#nowUs);
  }

  at(instant: Us, call: () => void): () => void {
    const entry = { at: instant, call };
    this.#armed.push(entry);
    return () => {
      this.#armed = this.#armed.filter((each) => each !== entry);
    };
  }

  /** Whether something is still to be called. */
  isAwaited(): boolean {
    return this.#armed.length > 0;
  }

  /** The thread is busy: time goes on, and what was armed is called late, by the next `pass`. */
  block(ms: number): void {
    this.#nowUs += ms * 1_000;
  }

  /** Lets `ms` pass; promises that are settled by a call are awaited before the next one. */
  async pass(ms: number): Promise<void> {
    const end = this.#nowUs + ms * 1_000;
    for (;;) {
      await settled();
      const next = this.#armed.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#armed = this.#armed.filter((each) => each !== next);
      this.#nowUs = Math.max(this.#nowUs, next.at);
      next.call();
    }
    this.#nowUs = end;
    await settled();
  }
}

/** Everything that waits for promises alone has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
