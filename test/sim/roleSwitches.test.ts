import { expect, test } from "vitest";
import { toSeconds } from "../../src/core/units.ts";
import { SOAK } from "../lab/rounds.ts";
import { SWITCH_PACE } from "./fakePatroni.ts";
import { type Trouble, World } from "./world.ts";

const DAY = 86_400;
/** One each virtual second: a day of them, with HOLDFAST_SOAK=1 a month on new seeds. HOLDFAST_SWITCHES and HOLDFAST_SEED ask for others. */
const SWITCHES = Number(process.env.HOLDFAST_SWITCHES ?? (SOAK ? 30 * DAY : DAY));
/** In `npm test` always the same day; a soak plays new ones (docs/testing.md). */
const FIRST_SEED = Number(process.env.HOLDFAST_SEED ?? (SOAK ? Math.floor(Math.random() * 2 ** 30) : 111_222));
/** So many without a rest, and so many in one world. */
const IN_A_ROW = 100;
const A_WORLD = 300;
const TROUBLES: readonly Trouble[] = ["none", "faults", "hands"];

test(`${SWITCHES} switches of the role, one each second, from seed ${FIRST_SEED}`, {
  timeout: 120_000 + SWITCHES * 15,
}, () => {
  const sum = { worlds: 0, switches: 0, taken: 0, changes: 0, operations: 0, words: 0, cuts: 0, virtual: 0 };
  const began = process.cpuUsage();
  for (let seed = FIRST_SEED; sum.switches < SWITCHES; seed++) {
    const world = playWorld(seed, Math.min(A_WORLD, SWITCHES - sum.switches));
    sum.worlds += 1;
    sum.switches += world.patroni.switches.length;
    sum.taken += world.reasons.holdersTaken;
    sum.changes += world.reasons.changes;
    sum.operations += world.invariants.operations;
    sum.words += world.words.count;
    sum.cuts += world.sessions.cuts;
    sum.virtual += toSeconds(world.elapsed);
  }
  const { user, system } = process.cpuUsage(began);
  const text = [
    `sim role switches: ${sum.switches} switches of the role in ${sum.worlds} worlds from seed ${FIRST_SEED}, ${(sum.virtual / 3600).toFixed(2)} virtual hours in ${((user + system) / 1e6).toFixed(0)} s of processor time`,
    `${sum.taken} times a service took a holder, ${sum.changes} changes with their reasons, ${sum.operations} operations checked, ${sum.words} words of operators, sessions of ${sum.cuts} rows cut`,
  ];
  process.stdout.write(`${text.join("\n")}\n`);
  expect(sum.switches).toBe(SWITCHES);
  // A world in which the product sleeps shows nothing.
  expect(sum.taken).toBeGreaterThan(SWITCHES / 2);
  expect(sum.operations).toBeGreaterThan(SWITCHES);
});

function playWorld(seed: number, switches: number): World {
  const world = new World(seed, TROUBLES[seed % TROUBLES.length] as Trouble, SWITCH_PACE);
  try {
    for (let left = switches; left > 0; left -= IN_A_ROW) world.playSwitches(Math.min(IN_A_ROW, left));
  } catch (error) {
    const again = `HOLDFAST_SEED=${seed} HOLDFAST_SWITCHES=${switches} npx vitest run --project sim test/sim/roleSwitches.test.ts`;
    throw new Error(`seed ${seed}: ${(error as Error).message}\nagain: ${again}`, { cause: error });
  }
  return world;
}
