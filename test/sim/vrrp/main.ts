import { parseArgs } from "node:util";
import { drawOptions } from "./options.ts";
import { describeFailure, describeFigures, describeOptions } from "./report.ts";
import { type FailureKind, simulate } from "./simulate.ts";

/**
 * `npm run sim -- [--seed N] [--hours H] [--routers N] [--instances N]`: one world; what is not said is drawn from the seed.
 * The exit status tells how it ended; 2 = wrong arguments.
 */
const EXIT: Readonly<Record<FailureKind, number>> = { crash: 10, safety: 11, liveness: 12 };

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

function count(word: string, low: number, high: number): number {
  const number = Number(word);
  if (!Number.isInteger(number) || number < low || number > high)
    throw new TypeError(`${word} is no whole number from ${low} to ${high}`);
  return number;
}

function run(words: readonly string[]): number {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...words],
    options: { seed: text, hours: text, routers: text, instances: text },
  });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const hours = Number(values.hours ?? 1);
  if (!Number.isSafeInteger(seed) || !(hours > 0))
    throw new TypeError("--seed a whole number, --hours a number above 0");
  const changes = {
    ...(values.routers === undefined ? {} : { routers: count(values.routers, 2, 8) }),
    ...(values.instances === undefined ? {} : { instances: count(values.instances, 1, 50) }),
  };
  say(describeOptions(drawOptions(seed, changes)));
  const result = simulate({ seed, hours, changes, realMs: () => performance.now(), cpuMs });
  if (result.failure !== undefined) say(describeFailure(result));
  say(describeFigures(result.figures));
  return result.failure === undefined ? 0 : EXIT[result.failure.kind];
}

try {
  process.exitCode = run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  say(error.message);
  process.exitCode = 2;
}
