/** Figures of the benchmarks: printed with their goal, never asserted; machines are shared and noisy. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

export const worst = (values: readonly number[]): number => Math.max(...values);

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** At most this; undefined where a figure is only for comparison. */
  readonly goalAtMost?: number;
}

/** One line a figure, aligned, with `met` or `MISSED` where there is a goal. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  const width = Math.max(...figures.map(({ what }) => what.length));
  const lines = figures.map(({ what, value, unit, goalAtMost }) => {
    const goal =
      goalAtMost === undefined ? "" : `   goal <= ${goalAtMost} ${unit}: ${value <= goalAtMost ? "met" : "MISSED"}`;
    return `  ${what.padEnd(width)}  ${value.toFixed(1).padStart(9)} ${unit}${goal}`;
  });
  const note = process.env.HOLDFAST_BENCH === "quick" ? " [few rounds, beside other tests: no measurement]" : "";
  process.stdout.write(`\n[figures] ${title}${note}\n${lines.join("\n")}\n`);
}

/** Few rounds in every run of the tests, all of them where the figures are what is asked for. */
export function rounds(few: number, all: number, environment: NodeJS.ProcessEnv = process.env): number {
  return environment.HOLDFAST_BENCH === "full" || environment.HOLDFAST_SOAK === "1" ? all : few;
}
