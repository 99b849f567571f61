import type { FinishedScript, ScriptOutcome, ScriptRequest, ScriptRunner } from "../../src/core/scripts.ts";

export interface FakeRun {
  readonly request: ScriptRequest;
  readonly startedMs: number;
  end(outcome: ScriptOutcome): void;
  killed: boolean;
}

/** A runner whose runs are written down and end when the test says so, or at once where `outcome` says how. */
export function fakeRunner(
  nowUs: () => number,
  outcome?: (request: ScriptRequest) => ScriptOutcome | undefined,
): { readonly runner: ScriptRunner; readonly runs: FakeRun[] } {
  const runs: FakeRun[] = [];
  const runner: ScriptRunner = {
    examine: () => ({ refused: undefined, warning: undefined }),
    run: (request) => {
      let resolve: (finished: FinishedScript) => void = () => undefined;
      const done = new Promise<FinishedScript>((settle) => {
        resolve = settle;
      });
      const entry: FakeRun = {
        request,
        startedMs: nowUs() / 1_000,
        end: (how) => resolve({ outcome: how, tookMs: 1, output: "said so" }),
        killed: false,
      };
      runs.push(entry);
      const now = outcome?.(request);
      if (now !== undefined) entry.end(now);
      const kill = (): void => {
        entry.killed = true;
      };
      return { done, kill };
    },
  };
  return { runner, runs };
}
