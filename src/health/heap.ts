import type { Us } from "../core/units.ts";

/** A binary heap by instant: the earliest on top, equal ones in any fixed order. */
export class Heap<Entry extends { readonly at: Us }> {
  private readonly entries: Entry[] = [];

  top(): Entry | undefined {
    return this.entries[0];
  }

  push(entry: Entry): void {
    let index = this.entries.length;
    this.entries.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.entries[parent];
      if (above === undefined || above.at <= entry.at) break;
      this.entries[index] = above;
      index = parent;
    }
    this.entries[index] = entry;
  }

  pop(): Entry | undefined {
    const first = this.entries[0];
    const last = this.entries.pop();
    if (last === undefined || this.entries.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      let below = this.entries[child];
      if (below === undefined) break;
      const right = this.entries[child + 1];
      if (right !== undefined && right.at < below.at) {
        child += 1;
        below = right;
      }
      if (below.at >= last.at) break;
      this.entries[index] = below;
      index = child;
    }
    this.entries[index] = last;
    return first;
  }
}
