import type { CheckTiming } from "../../config/check.types.ts";
import { toMilliseconds } from "../../core/units.ts";
import type { ProbeOutcome } from "../../health/types.ts";
import { armDeadline, failureOf, TIMED_OUT } from "./failure.ts";

/** What ends every probe that runs, when the checkers are closed. */
export interface Running {
  cancel(error: Error): void;
}

/** One probe: one deadline over all of it, and exactly one outcome, never before the call that began it returns. */
export class Attempt implements Running {
  readonly #done: (outcome: ProbeOutcome) => void;
  readonly #running: Set<Running>;
  readonly #disarm: () => void;
  #undo: () => void = () => undefined;
  #beginning = true;
  #settled = false;

  constructor(
    { connectTimeout }: Pick<CheckTiming, "connectTimeout">,
    { running, done }: { readonly running: Set<Running>; readonly done: (outcome: ProbeOutcome) => void },
  ) {
    this.#done = done;
    this.#running = running;
    running.add(this);
    this.#disarm = armDeadline(toMilliseconds(connectTimeout), () => this.settle(TIMED_OUT));
    queueMicrotask(() => {
      this.#beginning = false;
    });
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** What frees the probe's sockets; called once, when it is over, at once where it is already. */
  onEnd(undo: () => void): void {
    if (this.#settled) undo();
    else this.#undo = undo;
  }

  settle(outcome: ProbeOutcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#disarm();
    this.#running.delete(this);
    try {
      // The outcome first: what is done with it does not wait for sockets that close.
      if (this.#beginning) setImmediate(() => this.#done(outcome));
      else this.#done(outcome);
    } finally {
      this.#undo();
    }
  }

  fail(error: unknown): void {
    this.settle(failureOf(error));
  }

  cancel(error: Error): void {
    this.fail(error);
  }

  /** Runs what may throw: that is an outcome too. */
  try(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }
}
