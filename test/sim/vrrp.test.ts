import { expect, test } from "vitest";
import { SOAK } from "../lab/rounds.ts";
import { drawOptions } from "./vrrp/options.ts";
import { describeFailure, describeFigures, describeOptions } from "./vrrp/report.ts";
import { type Figures, simulate } from "./vrrp/simulate.ts";

/** Virtual hours over all seeds, each time on new ones. HOLDFAST_HOURS and HOLDFAST_SEED ask for others. */
const HOURS = Number(process.env.HOLDFAST_HOURS ?? (SOAK ? 1_000 : 100));
const FIRST_SEED = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 2 ** 30));

/** A world of few adverts goes on for hours, one of many for minutes: each is given about as much work. */
const HOURS_MAX = 12;
const ADVERTS_A_WORLD = 40_000;

test(`${HOURS} virtual hours of VRRP from seed ${FIRST_SEED}`, { timeout: 60_000 + HOURS * 10_000 }, () => {
  const figures: Figures[] = [];
  let left = HOURS;
  for (let seed = FIRST_SEED; left > 0; seed++) {
    const hours = Math.min(left, hoursOf(seed));
    const result = simulate({ seed, hours, realMs: () => performance.now(), cpuMs });
    if (result.failure !== undefined) throw new Error(`${describeFailure(result)}\n${describeOptions(result.options)}`);
    figures.push(result.figures);
    left -= hours;
  }
  const sum = sumOf(figures);
  process.stdout.write(`sim vrrp: ${figures.length} worlds from seed ${FIRST_SEED}\n${describeFigures(sum)}\n`);
  expect(sum.virtualUs).toBeGreaterThanOrEqual(HOURS * 3600e6 * 0.999);
  // A world in which nothing happens shows nothing.
  expect(sum.faults).toBeGreaterThan(HOURS);
  expect(sum.transitions).toBeGreaterThan(HOURS);
});

/** By the fastest adverts that the world may have, received by every router. */
function hoursOf(seed: number): number {
  const { routers, instances, intervalMin, version3 } = drawOptions(seed);
  const secondsBetween = version3 === 0 ? 1 : Math.max(0.2, intervalMin / 1e6);
  const hourly = (3600 / secondsBetween) * instances * routers;
  return Math.max(0.1, Math.min(HOURS_MAX, ADVERTS_A_WORLD / hourly));
}

function sumOf(figures: readonly Figures[]): Figures {
  const add = (key: keyof Figures): number => figures.reduce((sum, one) => sum + one[key], 0);
  return {
    virtualUs: add("virtualUs"),
    realMs: add("realMs"),
    cpuMs: add("cpuMs"),
    deliveries: add("deliveries"),
    transitions: add("transitions"),
    faults: add("faults"),
    rounds: add("rounds"),
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
