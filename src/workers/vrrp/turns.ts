/**
 * How often the VRRP thread has answered its timer, in memory that both threads have: the main thread sees that it runs and
 * wakes nobody for it. An idle processor that is woken costs more than what there is to do.
 */
export class Turns {
  /** For the other thread's `Turns`. */
  readonly shared: SharedArrayBuffer;
  readonly #count: Int32Array;
  #seen = 0;

  constructor(shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#count = new Int32Array(shared);
  }

  count(): void {
    Atomics.add(this.#count, 0, 1);
  }

  /** Whether it has done so since this was asked last. */
  hasTurned(): boolean {
    const seen = this.#seen;
    this.#seen = Atomics.load(this.#count, 0);
    return this.#seen !== seen;
  }
}
