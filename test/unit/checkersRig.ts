import type { CheckConfig } from "../../src/config/check.types.ts";
import type { ScriptRunner } from "../../src/core/scripts.ts";
import { durationUs, milliseconds } from "../../src/core/units.ts";
import { probeKey } from "../../src/health/configure.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import type { Checkers } from "../../src/io/checkers/index.ts";

/** What tests of checkers share. */

/** For checkers that run no program. */
export const noScripts: ScriptRunner = {
  examine: () => ({ refused: undefined, warning: undefined }),
  run: ({ name }) => {
    throw new Error(`no program is to be run here: ${name}`);
  },
};

export function timing(connectTimeoutMs: number): CheckConfig["timing"] {
  return {
    delayLoop: milliseconds(1_000),
    connectTimeout: milliseconds(connectTimeoutMs),
    retry: 0,
    delayBeforeRetry: durationUs(0),
    warmup: durationUs(0),
  };
}

/** One outcome, which must not come before `run` returns and must come only once. */
export function probeWith(checkers: Checkers, check: CheckConfig): Promise<ProbeOutcome> {
  return new Promise((resolve, reject) => {
    let returned = false;
    let outcomes = 0;
    checkers.run({ key: probeKey(check), check }, (outcome) => {
      outcomes += 1;
      if (!returned) reject(new Error("the outcome came before run returned"));
      if (outcomes > 1) throw new Error("two outcomes of one probe");
      resolve(outcome);
    });
    returned = true;
  });
}
