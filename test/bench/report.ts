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
  /** At least this. */
  readonly goalAtLeast?: number;
}

/** One line a figure, aligned, with `met` or `MISSED` where there is a goal. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  const width = Math.max(...figures.map(({ what }) => what.length));
  const lines = figures.map(
    (figure) =>
      `  ${figure.what.padEnd(width)}  ${figure.value.toFixed(1).padStart(9)} ${figure.unit}${goalOf(figure)}`,
  );
  const note = process.env.HOLDFAST_BENCH === "quick" ? " [few rounds, beside other tests: no measurement]" : "";
  process.stdout.write(`\n[figures] ${title}${note}\n${lines.join("\n")}\n`);
}

function goalOf({ value, unit, goalAtMost, goalAtLeast }: Figure): string {
  const said = (sign: string, goal: number, met: boolean): string =>
    `   goal ${sign} ${goal} ${unit}: ${met ? "met" : "MISSED"}`;
  if (goalAtMost !== undefined) return said("<=", goalAtMost, value <= goalAtMost);
  return goalAtLeast === undefined ? "" : said(">=", goalAtLeast, value >= goalAtLeast);
}

/** Few rounds in every run of the tests, all of them where the figures are what is asked for. */
export function rounds(few: number, all: number, environment: NodeJS.ProcessEnv = process.env): number {
  return environment.HOLDFAST_BENCH === "full" || environment.HOLDFAST_SOAK === "1" ? all : few;
}
