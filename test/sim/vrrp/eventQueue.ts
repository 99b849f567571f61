/** What happens at an instant. */
export interface Event {
  run(): void;
}

/**
 * A binary heap of events by instant; of equal instants the one pushed first comes first, so that a seed always gives
 * the same run. Instants and sequence numbers lie in typed arrays: comparing them touches no object.
 */
export class EventQueue {
  #at = new Float64Array(1024);
  #order = new Float64Array(1024);
  readonly #events: Event[] = [];
  #size = 0;
  #pushed = 0;

  get size(): number {
    return this.#size;
  }

  /** Instant of the earliest event in microseconds of the world; Infinity when there is none. */
  get nextAt(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#at[0] as number);
  }

  push(atUs: number, event: Event): void {
    if (this.#size === this.#at.length) this.#grow();
    const at = this.#at;
    const order = this.#order;
    const events = this.#events;
    let hole = this.#size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      // The new event has the highest number: equal instants stay above it.
      if ((at[parent] as number) <= atUs) break;
      at[hole] = at[parent] as number;
      order[hole] = order[parent] as number;
      events[hole] = events[parent] as Event;
      hole = parent;
    }
    at[hole] = atUs;
    order[hole] = this.#pushed++;
    events[hole] = event;
  }

  /** Takes the earliest event out; throws when there is none. */
  pop(): Event {
    const first = this.#events[0];
    if (this.#size === 0 || first === undefined) throw new Error("no event is left");
    const last = --this.#size;
    const event = this.#events.pop() as Event;
    if (last > 0) this.#sink(this.#at[last] as number, this.#order[last] as number, event);
    return first;
  }

  #sink(atUs: number, number: number, event: Event): void {
    const at = this.#at;
    const order = this.#order;
    const events = this.#events;
    const size = this.#size;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#before(child + 1, child)) child++;
      const childAt = at[child] as number;
      if (childAt > atUs || (childAt === atUs && (order[child] as number) > number)) break;
      at[hole] = childAt;
      order[hole] = order[child] as number;
      events[hole] = events[child] as Event;
      hole = child;
    }
    at[hole] = atUs;
    order[hole] = number;
    events[hole] = event;
  }

  #before(a: number, b: number): boolean {
    const atA = this.#at[a] as number;
    const atB = this.#at[b] as number;
    return atA < atB || (atA === atB && (this.#order[a] as number) < (this.#order[b] as number));
  }

  #grow(): void {
    const at = new Float64Array(this.#at.length * 2);
    const order = new Float64Array(this.#order.length * 2);
    at.set(this.#at);
    order.set(this.#order);
    this.#at = at;
    this.#order = order;
  }
}
