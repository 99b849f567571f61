import type { Clock, Timers } from "../../core/interfaces.ts";
import {
  describeOutcome,
  type FinishedScript,
  type ScriptRequest,
  type ScriptRunner,
  succeeded,
} from "../../core/scripts.ts";
import { after, type DurationUs } from "../../core/units.ts";
import type { EventLog } from "../events.ts";

export interface QueueModules {
  readonly runner: ScriptRunner;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly wallMs: () => number;
  readonly events: EventLog;
}

export interface QueueLimits {
  /** Scripts that may wait; a new one pushes the oldest out. */
  readonly waitingMax: number;
  /** A script that has not ended after this is no longer waited for: it runs on, and the next one begins. */
  readonly patience: DurationUs;
}

export interface QueueStatus {
  readonly started: number;
  readonly failed: number;
  readonly dropped: number;
  /** Begun and not ended, overtaken ones too. */
  readonly running: number;
  readonly waiting: number;
  readonly last:
    | { readonly name: string; readonly atMs: number; readonly tookMs: number; readonly outcome: string }
    | undefined;
}

type Job = Pick<ScriptRequest, "name" | "arguments" | "user" | "group" | "environment">;

/** The notification scripts of one instance or group, one after the other: each sees the world as the one before left it. */
export class ScriptQueue {
  readonly #limits: QueueLimits;
  readonly #modules: QueueModules;
  readonly #waiting: Job[] = [];
  readonly #running = new Set<Promise<FinishedScript>>();
  #busy = false;
  #started = 0;
  #failed = 0;
  #dropped = 0;
  #last: QueueStatus["last"];
  #idle: (() => void)[] = [];

  constructor(limits: QueueLimits, modules: QueueModules) {
    this.#limits = limits;
    this.#modules = modules;
  }

  push(job: Job): void {
    this.#waiting.push(job);
    while (this.#waiting.length > this.#limits.waitingMax) this.#drop();
    this.#next();
  }

  status(): QueueStatus {
    return {
      started: this.#started,
      failed: this.#failed,
      dropped: this.#dropped,
      running: this.#running.size,
      waiting: this.#waiting.length,
      last: this.#last,
    };
  }

  /** Resolves when nothing waits or runs. */
  async drained(): Promise<void> {
    if (!this.#busy && this.#running.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #drop(): void {
    const oldest = this.#waiting.shift();
    if (oldest === undefined) return;
    this.#dropped += 1;
    this.#modules.events.record("error", "notifyDropped", `${oldest.name} is not run: too many notifications wait`, {
      script: oldest.name,
    });
  }

  #next(): void {
    if (this.#busy) return;
    const job = this.#waiting.shift();
    if (job === undefined) {
      if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#busy = true;
    this.#started += 1;
    const run = this.#modules.runner.run({ ...job, timeout: undefined, outputLevel: "info" });
    this.#running.add(run.done);
    let waitedFor = true;
    const goOn = (): void => {
      if (!waitedFor) return;
      waitedFor = false;
      this.#busy = false;
      this.#next();
    };
    const disarm = this.#modules.timers.at(after(this.#modules.clock.nowUs(), this.#limits.patience), () => {
      this.#modules.events.record(
        "warn",
        "notifySlow",
        `${job.name} has not ended; it runs on, others no longer wait for it`,
        {
          script: job.name,
        },
      );
      goOn();
    });
    void run.done.then((finished) => {
      disarm();
      this.#running.delete(run.done);
      this.#ended(job, finished);
      goOn();
      // An overtaken one may have been the last that somebody waited for.
      this.#next();
    });
  }

  #ended(job: Job, { outcome, tookMs, output }: FinishedScript): void {
    this.#last = { name: job.name, atMs: this.#modules.wallMs(), tookMs, outcome: describeOutcome(outcome) };
    if (succeeded(outcome)) return;
    this.#failed += 1;
    this.#modules.events.record("warn", "notifyFailed", `${job.name}: ${describeOutcome(outcome)}`, {
      script: job.name,
      outcome,
      output,
    });
  }
}
