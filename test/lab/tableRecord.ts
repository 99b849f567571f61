/** Reading what tableWatch recorded. */
import { weighted } from "./ipvsTable.ts";
import type { TableLine } from "./programs/tableWatch.ts";

/**
 * A look this quick is shorter than the least time between lowering one server and raising another (a request to the
 * kernel, its answer and a dump in between), so what it shows existed at one instant.
 */
export const INSTANT_US = 150;

export interface DoubleWriters {
  readonly atUs: number;
  readonly tookUs: number;
  readonly servers: readonly string[];
}

/**
 * Looks that saw several servers with weight on a service. Those that took long are left out when the looks before and
 * after saw one server each, not the same: the table changed while it was read.
 */
export function doubleWriters(lines: readonly TableLine[], service: string): DoubleWriters[] {
  const looks = lines.map((line) => ({ ...line, servers: weighted(line.table, service) }));
  return looks.flatMap(({ atUs, tookUs, servers }, index) => {
    if (servers.length < 2) return [];
    const before = looks[index - 1]?.servers ?? [];
    const after = looks[index + 1]?.servers ?? [];
    const torn = tookUs > INSTANT_US && before.length === 1 && after.length === 1 && before[0] !== after[0];
    return torn ? [] : [{ atUs, tookUs, servers }];
  });
}

/** The first look after `sinceUs` in which `server` alone had weight; undefined when none showed it. */
export function weightedAt(
  lines: readonly TableLine[],
  service: string,
  server: string,
  sinceUs: number,
): number | undefined {
  return lines.find((line) => line.atUs >= sinceUs && weighted(line.table, service).join() === server)?.atUs;
}

/** Spans in which nobody had weight, in microseconds from the first look that showed so to the first that did not. */
export function withoutWriter(
  lines: readonly TableLine[],
  service: string,
): { readonly fromUs: number; readonly toUs: number }[] {
  const spans: { fromUs: number; toUs: number }[] = [];
  let fromUs: number | undefined;
  for (const line of lines) {
    const nobody = weighted(line.table, service).length === 0;
    if (nobody) fromUs ??= line.atUs;
    else if (fromUs !== undefined) {
      spans.push({ fromUs, toUs: line.atUs });
      fromUs = undefined;
    }
  }
  return fromUs === undefined ? spans : [...spans, { fromUs, toUs: Number.POSITIVE_INFINITY }];
}
