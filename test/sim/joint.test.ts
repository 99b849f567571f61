import { expect, test } from "vitest";
import { SOAK } from "../lab/rounds.ts";
import { type JointFigures, simulateJoint } from "./joint/simulate.ts";

/** Virtual hours over all seeds. HOLDFAST_HOURS and HOLDFAST_SEED ask for others. */
const HOURS = Number(process.env.HOLDFAST_HOURS ?? (SOAK ? 240 : 8));
/** In `npm test` always the same; a soak plays new ones (docs/testing.md). */
const FIRST_SEED = Number(process.env.HOLDFAST_SEED ?? (SOAK ? Math.floor(Math.random() * 2 ** 30) : 31_337));
const HOURS_A_WORLD = 0.5;

test(`${HOURS} virtual hours of two directors over one cluster from seed ${FIRST_SEED}`, {
  timeout: 60_000 + HOURS * 60_000,
}, () => {
  const began = process.cpuUsage();
  const all: JointFigures[] = [];
  let left = HOURS;
  for (let seed = FIRST_SEED; left > 0; seed++) {
    const hours = Math.min(left, HOURS_A_WORLD);
    const { failure, figures } = simulateJoint(seed, hours);
    if (failure !== undefined) {
      const words = `${failure.kind} failure of seed ${seed} after ${(failure.atUs / 1e6).toFixed(6)} s: ${failure.message}`;
      const again = `HOLDFAST_SEED=${seed} HOLDFAST_HOURS=${hours} npx vitest run --project sim test/sim/joint.test.ts`;
      throw new Error(`${failure.lastEvents.join("\n")}\n\n${words}\nagain: ${again}`);
    }
    all.push(figures);
    left -= hours;
  }
  const { user, system } = process.cpuUsage(began);
  const sum = (of: keyof JointFigures): number => all.reduce((total, one) => total + one[of], 0);
  const virtualHours = sum("virtualUs") / 3600e6;
  const text = [
    `sim joint: ${all.length} worlds from seed ${FIRST_SEED}, ${virtualHours.toFixed(2)} virtual hours in ${((user + system) / 1e6).toFixed(0)} s of processor time`,
    `${sum("rounds")} rounds, ${sum("faults")} faults, ${sum("hands")} hands, ${sum("episodes")} episodes of the cluster, ${sum("transitions")} transitions of VRRP, ${sum("changes")} changes of health, ${sum("fallbacks")} second tiers, ${sum("operations")} operations checked`,
  ];
  process.stdout.write(`${text.join("\n")}\n`);
  expect(virtualHours).toBeGreaterThanOrEqual(HOURS * 0.999);
  // A world in which nothing happens shows nothing.
  for (const what of ["faults", "episodes", "transitions", "operations"] as const)
    expect(sum(what), what).toBeGreaterThan(HOURS * 10);
  expect(sum("fallbacks"), "fallbacks").toBeGreaterThan(HOURS);
});
