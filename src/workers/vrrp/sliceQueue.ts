import type { VrrpInstance } from "./instance.ts";

/** Instances with slices of addresses that wait: one slice at a time, and between slices everything else has its turn. */
export class SliceQueue {
  readonly #busy = new Set<VrrpInstance>();

  get isEmpty(): boolean {
    return this.#busy.size === 0;
  }

  note(instance: VrrpInstance): void {
    if (instance.holder.busy) this.#busy.add(instance);
  }

  remove(instance: VrrpInstance): void {
    this.#busy.delete(instance);
  }

  /** One slice of one instance; false when there was none. */
  work(): boolean {
    for (const instance of this.#busy) {
      this.#busy.delete(instance);
      instance.work();
      this.note(instance);
      return true;
    }
    return false;
  }
}
