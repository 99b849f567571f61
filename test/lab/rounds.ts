/** More rounds of each story are asked for by HOLDFAST_SOAK. */
export const SOAK = process.env.HOLDFAST_SOAK === "1";

/** All `rounds` of a story, or part of them by HOLDFAST_ROUNDS, as FIRST-LAST from 0 on: a soak can be run in slices. */
export function roundsAsked(rounds: number): { readonly first: number; readonly count: number } {
  const asked = process.env.HOLDFAST_ROUNDS;
  if (asked === undefined) return { first: 0, count: rounds };
  const [, first, last] = /^(\d+)-(\d+)$/.exec(asked)?.map(Number) ?? [];
  if (first === undefined || last === undefined || last < first) {
    throw new Error(`HOLDFAST_ROUNDS is FIRST-LAST, for instance 0-4, not ${asked}`);
  }
  return { first, count: last - first + 1 };
}
