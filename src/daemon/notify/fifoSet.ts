import type { NotifyFifoConfig } from "../../config/types.ts";
import type { Clock, Timers } from "../../core/interfaces.ts";
import type { FifoEvents, FifoSpec, FifoStatus, NotifyFifo } from "../../core/notify.ts";
import { describeOutcome, type ScriptRun, type ScriptRunner } from "../../core/scripts.ts";
import { after, milliseconds } from "../../core/units.ts";
import type { EventLog } from "../events.ts";

/** A reader that dies at once is started again after longer and longer pauses. */
const RESTART_MS_MIN = 1_000;
const RESTART_MS_MAX = 30_000;
/** For a reader to take the last lines and end by itself. */
const END_OF_FILE = milliseconds(1_000);

export interface FifoSetModules {
  /** Throws what the system refuses. */
  readonly openFifo: (spec: FifoSpec, events: FifoEvents) => NotifyFifo;
  readonly runner: ScriptRunner;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly events: EventLog;
}

export interface FifoReaderStatus extends FifoStatus {
  readonly events: readonly ("vrrp" | "lvs")[];
  /** The script that reads it, where one is configured. */
  readonly script:
    | { readonly running: boolean; readonly restarts: number; readonly lastOutcome: string | undefined }
    | undefined;
}

/** The notify FIFOs with the scripts that read them; one that is defined as before goes on over a reload. */
export class FifoSet {
  readonly #modules: FifoSetModules;
  #fifos = new Map<string, OpenFifo>();

  constructor(modules: FifoSetModules) {
    this.#modules = modules;
  }

  configure(configs: readonly NotifyFifoConfig[]): void {
    const wanted = new Map(configs.map((config) => [JSON.stringify(config), config]));
    // First closed, then opened: a changed definition has the same path.
    for (const [key, fifo] of this.#fifos) if (!wanted.has(key)) void fifo.close();
    this.#fifos = new Map(
      [...wanted].map(([key, config]) => [key, this.#fifos.get(key) ?? new OpenFifo(config, this.#modules)]),
    );
  }

  write(kind: "vrrp" | "lvs", line: string): void {
    for (const fifo of this.#fifos.values()) if (fifo.config.events.includes(kind)) fifo.write(line);
  }

  status(): readonly FifoReaderStatus[] {
    return [...this.#fifos.values()].map((fifo) => fifo.status());
  }

  /** Resolves when the scripts have ended: by the end of file that they read, else by a signal. */
  async close(): Promise<void> {
    const ends = [...this.#fifos.values()].map((fifo) => fifo.close());
    this.#fifos.clear();
    await Promise.all(ends);
  }
}

class OpenFifo {
  readonly config: NotifyFifoConfig;
  readonly #modules: FifoSetModules;
  #fifo: NotifyFifo | undefined;
  #problem: string | undefined;
  #run: ScriptRun | undefined;
  #restarts = 0;
  #restartMs = RESTART_MS_MIN;
  #lastOutcome: string | undefined;
  #closed = false;
  #disarm: () => void = () => undefined;

  constructor(config: NotifyFifoConfig, modules: FifoSetModules) {
    this.config = config;
    this.#modules = modules;
    const { path } = config;
    try {
      this.#fifo = modules.openFifo(config, {
        onFull: () =>
          modules.events.record("warn", "fifoFull", `${path} is full: nobody reads it; its oldest lines are given up`, {
            path,
          }),
      });
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      modules.events.record("error", "fifoUnusable", `the notify FIFO ${path} cannot be used: ${this.#problem}`, {
        path,
      });
    }
    if (this.#fifo !== undefined) this.#startScript();
  }

  write(line: string): void {
    this.#fifo?.write(line);
  }

  status(): FifoReaderStatus {
    const { path, events, script } = this.config;
    const fifo = this.#fifo?.status() ?? { path, written: 0, waiting: 0, dropped: 0, problem: this.#problem };
    return {
      ...fifo,
      events,
      script:
        script === undefined
          ? undefined
          : { running: this.#run !== undefined, restarts: this.#restarts, lastOutcome: this.#lastOutcome },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    this.#fifo?.close();
    this.#fifo = undefined;
    const run = this.#run;
    if (run === undefined) return;
    // The end of file comes with our closing, behind the last lines. Who has opened it for both ways needs a signal.
    const { clock, timers } = this.#modules;
    const disarm = timers.at(after(clock.nowUs(), END_OF_FILE), () => run.kill());
    await run.done;
    disarm();
  }

  #startScript(): void {
    const { script, path } = this.config;
    if (script === undefined || this.#closed) return;
    const startedUs = this.#modules.clock.nowUs();
    const run = this.#modules.runner.run({
      ...script,
      name: `notify_fifo_script of ${path}`,
      arguments: [...script.arguments, path],
      environment: {},
      timeout: undefined,
      outputLevel: "info",
    });
    this.#run = run;
    void run.done.then(({ outcome }) => {
      this.#run = undefined;
      this.#lastOutcome = describeOutcome(outcome);
      if (this.#closed) return;
      const words = `the script that reads ${path} has ended (${this.#lastOutcome}); it is started again`;
      this.#modules.events.record("warn", "fifoScriptEnded", words, { path, outcome });
      const now = this.#modules.clock.nowUs();
      if (now - startedUs > milliseconds(RESTART_MS_MAX)) this.#restartMs = RESTART_MS_MIN;
      this.#restarts += 1;
      this.#disarm = this.#modules.timers.at(after(now, milliseconds(this.#restartMs)), () => this.#startScript());
      this.#restartMs = Math.min(RESTART_MS_MAX, this.#restartMs * 2);
    });
  }
}
