import { type DurationUs, durationUs, milliseconds } from "../../src/core/units.ts";

/** Everything that a simulation draws comes from one seed. */
export class Dice {
  private word: number;

  constructor(seed: number) {
    this.word = seed >>> 0;
  }

  /** A number in [0, 1): a 32-bit linear congruential step, its high bits stirred. */
  next(): number {
    this.word = (Math.imul(this.word, 1_664_525) + 1_013_904_223) >>> 0;
    const stirred = Math.imul(this.word ^ (this.word >>> 16), 0x45d9f3b) >>> 0;
    return ((stirred ^ (stirred >>> 15)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** From `low` to `high`, both possible. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** A duration between two numbers of milliseconds. */
  span(lowMs: number, highMs: number): DurationUs {
    return durationUs(milliseconds(lowMs) + Math.floor(this.next() * (milliseconds(highMs) - milliseconds(lowMs) + 1)));
  }
}
