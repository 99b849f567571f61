import type { DaemonStatus } from "../control.types.ts";
import type { Labels } from "../tally.ts";

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** Counts of values by upper bound, for a histogram. */
export interface Buckets {
  /** Rising, the last one Infinity. */
  readonly bounds: readonly number[];
  /** For each bound the values that are not beyond it and beyond the one before. */
  readonly counts: readonly number[];
  readonly sum: number;
}

interface Common {
  /** Ends in its unit (`_seconds`, `_bytes`), a counter in `_total`. */
  readonly name: string;
  readonly help: string;
}

/** One metric for Prometheus: a function of the status, so both always say the same. */
export type Metric = Common &
  (
    | {
        readonly type: "gauge" | "counter";
        readonly labels: readonly string[];
        readonly samples: (status: DaemonStatus) => readonly Sample[];
      }
    | { readonly type: "histogram"; readonly buckets: (status: DaemonStatus) => Buckets }
  );

/** A row with one value and no labels. */
export function single(
  type: "gauge" | "counter",
  name: string,
  help: string,
  value: (status: DaemonStatus) => number | undefined,
): Metric {
  return {
    ...{ type, name, help, labels: [] },
    samples: (status) => {
      const found = value(status);
      return found === undefined ? [] : [{ labels: {}, value: found }];
    },
  };
}

/** One sample for each item of a list that has a value. */
export function each<T>(
  type: "gauge" | "counter",
  name: string,
  help: string,
  labels: readonly string[],
  items: (status: DaemonStatus) => readonly T[],
  sample: (item: T) => { readonly labels: readonly string[]; readonly value: number | boolean | undefined },
): Metric {
  const samples = (status: DaemonStatus): Sample[] =>
    items(status).flatMap((item) => {
      const found = sample(item);
      if (found.value === undefined) return [];
      const named = Object.fromEntries(labels.map((label, index) => [label, found.labels[index] ?? ""]));
      return [{ labels: named, value: Number(found.value) }];
    });
  return { type, name, help, labels, samples };
}

export const secondsOf = (wallMs: number): number => wallMs / 1_000;
