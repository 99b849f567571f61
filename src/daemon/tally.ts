export type Labels = Readonly<Record<string, string>>;

export interface Counted {
  readonly labels: Labels;
  readonly count: number;
}

/** Counts by labels; labels come from closed lists and the configuration, so there is a bounded number of them. */
export class Tally {
  readonly #counted = new Map<string, Counted>();

  add(labels: Labels): void {
    const key = JSON.stringify(labels);
    this.#counted.set(key, { labels, count: (this.#counted.get(key)?.count ?? 0) + 1 });
  }

  counted(): readonly Counted[] {
    return [...this.#counted.values()];
  }
}
