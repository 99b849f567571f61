import type { Clock, Timers } from "../../../src/core/interfaces.ts";
import type { Us } from "../../../src/core/units.ts";
import type { SimRouter } from "../vrrp/simRouter.ts";

/** A turn of the event loop: how late a timer or a message is handled. */
const TURN_MAX_US = 200;

/** The main thread of one process on a simulated host: it runs when the host lets it, on the host's own clock, until it ends. */
export class MainThread implements Clock, Timers {
  readonly #router: SimRouter;
  readonly #waiting: (() => void)[] = [];
  #ended = false;
  #busyUntilUs = 0;
  #postedAtUs = 0;

  constructor(router: SimRouter) {
    this.#router = router;
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    this.#ended = true;
    this.#waiting.length = 0;
  }

  nowUs(): Us {
    return this.#router.clockUs();
  }

  at(instant: Us, call: () => void): () => void {
    const router = this.#router;
    let armed = true;
    const wait = (): void => {
      const at = Math.max(router.world.nowUs, router.worldTimeOf(instant));
      router.world.at(at + router.dice.next() * TURN_MAX_US, look);
    };
    const look = (): void => {
      if (!armed) return;
      this.enter(() => {
        if (!armed) return;
        // Its clock has stood still meanwhile.
        if (router.clockUs() < instant) wait();
        else {
          armed = false;
          call();
        }
      });
    };
    wait();
    return () => {
      armed = false;
    };
  }

  /** Something of the world reaches the thread after `us`, by the world's clock. */
  after(us: number, work: () => void): void {
    const { world } = this.#router;
    world.at(world.nowUs + us, () => this.enter(work));
  }

  /** A message of another thread; messages keep their order. */
  post(work: () => void): void {
    const { world } = this.#router;
    this.#postedAtUs = Math.max(this.#postedAtUs, world.nowUs + this.#router.turnUs());
    world.at(this.#postedAtUs, () => this.enter(work));
  }

  /** Now, or when the thread can run; in order. */
  enter(work: () => void): void {
    if (this.#ended) return;
    this.#waiting.push(work);
    this.wake();
  }

  /** A call of the kernel takes so long: nothing else runs until then. */
  block(us: number): void {
    const { world } = this.#router;
    this.#busyUntilUs = Math.max(this.#busyUntilUs, world.nowUs + us);
    world.at(this.#busyUntilUs, () => this.wake());
  }

  wake(): void {
    const { world } = this.#router;
    while (!this.#ended && this.#router.canRun && world.nowUs >= this.#busyUntilUs) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }
}
