import type { DurationUs } from "./units.ts";

/** Programs that an operator names in the configuration: what is asked for and what comes of it. src/io/scripts runs them. */

/** Why a script cannot be run at all. */
export type ScriptProblemReason =
  | "notFound"
  | "notExecutable"
  /** It would run as root, and others may write it or a folder on its path (`enable_script_security`). */
  | "insecure"
  | "userUnknown"
  | "groupUnknown"
  /** We are not root: nobody else's scripts can be started. */
  | "userNotPermitted"
  /** The kernel refused to start or to execute it. */
  | "notStarted";

export interface ScriptProblem {
  readonly reason: ScriptProblemReason;
  readonly detail: string;
}

export type ScriptOutcome =
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "signalled"; readonly signal: string }
  /** It ran longer than it may and was killed. */
  | { readonly kind: "timedOut"; readonly afterMs: number }
  | ({ readonly kind: "cannotRun" } & ScriptProblem);

export interface FinishedScript {
  readonly outcome: ScriptOutcome;
  readonly tookMs: number;
  /** The end of what it printed. */
  readonly output: string;
}

export interface ScriptRequest {
  /** Names it in log lines. */
  readonly name: string;
  /** First the program, then what the configuration and the caller add. */
  readonly arguments: readonly string[];
  readonly user: string | undefined;
  readonly group: string | undefined;
  /** Added to the daemon's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined: it may run for ever. */
  readonly timeout: DurationUs | undefined;
  /** Its lines in the log: information, or only for somebody who looks for a fault. */
  readonly outputLevel: "info" | "debug";
  /** At once when the time is over; `done` waits for the end of the process. */
  readonly onTimeout?: () => void;
}

export interface ScriptRun {
  /** Never rejects. Resolves when the process has ended. */
  readonly done: Promise<FinishedScript>;
  /** SIGTERM to its process group, SIGKILL a second later. */
  kill(): void;
}

export interface ScriptRunner {
  /** What keeps this script from running, or what is dangerous about it; nothing is started. */
  examine(script: ScriptIdentity): {
    readonly refused: ScriptProblem | undefined;
    readonly warning: string | undefined;
  };
  run(request: ScriptRequest): ScriptRun;
}

/** What of a script decides whether it can run. */
export type ScriptIdentity = Pick<ScriptRequest, "arguments" | "user" | "group">;

/** In words, for log, status and mail. */
export function describeOutcome(outcome: ScriptOutcome): string {
  switch (outcome.kind) {
    case "exited":
      return `exit status ${outcome.status}`;
    case "signalled":
      return `killed by ${outcome.signal}`;
    case "timedOut":
      return `killed: it had not ended after ${outcome.afterMs} ms`;
    case "cannotRun":
      return `cannot run (${outcome.reason}): ${outcome.detail}`;
  }
}

export const succeeded = (outcome: ScriptOutcome): boolean => outcome.kind === "exited" && outcome.status === 0;
