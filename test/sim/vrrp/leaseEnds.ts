import type { SimRouter } from "./simRouter.ts";

/** The kernel takes away what has come to its end: one event for the nearest end; a refresh moves the end and leaves the event where it is. */
export class LeaseEnds {
  readonly #router: SimRouter;
  #eventAtUs = Number.POSITIVE_INFINITY;

  constructor(router: SimRouter) {
    this.#router = router;
  }

  schedule(): void {
    const { kernel, world, frozenUs } = this.#router;
    const at = kernel.nextEndUs + frozenUs;
    if (at >= this.#eventAtUs) return;
    this.#eventAtUs = at;
    world.at(at, () => {
      if (this.#eventAtUs !== at) return;
      this.#eventAtUs = Number.POSITIVE_INFINITY;
      if (this.#router.frozenSinceUs !== undefined) return;
      kernel.expire();
      if (kernel.nextEndUs !== Number.POSITIVE_INFINITY) this.schedule();
    });
  }
}
