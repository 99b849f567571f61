import { describe, expect, test } from "vitest";
import { type Trouble, World } from "./world.ts";

/** Rounds of each kind of trouble: HOLDFAST_ROUNDS, HOLDFAST_SEED repeat or extend what `npm test` plays. */
const ROUNDS = Number(process.env.HOLDFAST_ROUNDS ?? 60);
const SEED = Number(process.env.HOLDFAST_SEED ?? 1);
const ROUNDS_A_WORLD = 6;

describe.each<Trouble>(["none", "faults", "hands"])("a director over a Patroni cluster, trouble: %s", (trouble) => {
  test(`${ROUNDS} rounds from seed ${SEED}`, { timeout: 60_000 + ROUNDS * 1_000 }, () => {
    let rounds = 0;
    let operations = 0;
    let words = 0;
    let cuts = 0;
    const switchMs: number[] = [];
    for (let seed = SEED; rounds < ROUNDS; seed++) {
      const world = playWorld(seed, trouble, Math.min(ROUNDS_A_WORLD, ROUNDS - rounds));
      rounds += world.rounds;
      operations += world.invariants.operations;
      cuts += world.sessions.cuts;
      words += world.words.count;
      switchMs.push(...world.switchMs);
    }
    expect(operations).toBeGreaterThan(rounds);
    expect(cuts).toBeGreaterThan(rounds / 10);
    expect(words).toBeGreaterThan(rounds / 4);
    const figures = trouble === "none" ? `; promotion to weight: ${summary(switchMs)}` : "";
    process.stdout.write(
      `sim ${trouble}: ${rounds} rounds from seed ${SEED}, ${operations} operations checked, ${words} words of operators, sessions of ${cuts} rows cut${figures}\n`,
    );
    for (const took of switchMs) expect(took).toBeLessThanOrEqual(60);
  });
});

function playWorld(seed: number, trouble: Trouble, rounds: number): World {
  const world = new World(seed, trouble);
  try {
    for (let round = 0; round < rounds; round++) world.playRound();
  } catch (error) {
    throw new Error(`HOLDFAST_SEED=${seed} HOLDFAST_ROUNDS=${ROUNDS_A_WORLD}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return world;
}

function summary(values: readonly number[]): string {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (fraction: number): string =>
    (sorted[Math.floor((sorted.length - 1) * fraction)] ?? Number.NaN).toFixed(1);
  return `${sorted.length} switches, median ${at(0.5)} ms, worst ${at(1)} ms`;
}
