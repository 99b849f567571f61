import type { MiscCheckConfig } from "../../config/check.types.ts";
import type { FinishedScript, ScriptRunner } from "../../core/scripts.ts";
import type { ProbeOutcome } from "../../health/types.ts";
import type { Attempt } from "./attempt.ts";
import { TIMED_OUT } from "./failure.ts";

/**
 * MISC_CHECK: a program, without a shell and without our capabilities, as its user; its exit status is the outcome. It is
 * killed with its children when its time is over.
 */
export function runMiscCheck(check: MiscCheckConfig, attempt: Attempt, scripts: ScriptRunner): void {
  const { command, timing } = check;
  const run = scripts.run({
    ...command,
    name: `MISC_CHECK ${command.arguments[0] ?? ""}`,
    environment: {},
    timeout: timing.connectTimeout,
    outputLevel: "debug",
    // Its end may take another second; its result is known.
    onTimeout: () => attempt.settle(TIMED_OUT),
  });
  attempt.onEnd(() => run.kill());
  void run.done.then(({ outcome }) => attempt.settle(outcomeOf(outcome)));
}

function outcomeOf(outcome: FinishedScript["outcome"]): ProbeOutcome {
  switch (outcome.kind) {
    case "exited":
      return { kind: "exited", status: outcome.status };
    case "signalled":
      return { kind: "signalled", signal: outcome.signal };
    case "timedOut":
      return TIMED_OUT;
    case "cannotRun":
      return { kind: "cannotRun", detail: outcome.detail };
  }
}
