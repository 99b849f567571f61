import type { Clock, Timers } from "../core/interfaces.ts";
import {
  after,
  between,
  type DurationUs,
  durationUs,
  milliseconds,
  nextMultiple,
  toMilliseconds,
  type Us,
} from "../core/units.ts";
import type { EventLog } from "./events.ts";

/** How often the main thread looks at itself and at the VRRP thread. */
const LOOK_INTERVAL: DurationUs = milliseconds(1_000);
/** A main thread that was away for at least so long has kept checks and the table waiting: that is told. */
const STALL: DurationUs = milliseconds(1_000);
/** Looks without a sign of life of the VRRP thread until that is told; looks and not time, which goes on while nobody looks. */
const SILENT_LOOKS = 2;
/** sd_watchdog_enabled(3) advises a half of the limit; a quarter leaves room for one that is lost. */
const WATCHDOG_PARTS = 4;

export interface LivenessModules {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly events: EventLog;
  /** Resolves when the VRRP thread has been seen to run; rejects while there is none. */
  readonly pulse: () => Promise<void>;
  /** sd_notify(3) */
  readonly notify: (state: string) => void;
}

/**
 * Sees whether both threads run: reports one that did not, and tells the service manager's watchdog only what it has seen.
 * `WATCHDOG=1` is a sign of life of the VRRP thread, told by the main thread, so it proves both.
 */
export class Liveness {
  readonly #watchdog: DurationUs | undefined;
  readonly #modules: LivenessModules;
  #disarm: () => void = () => undefined;
  #plannedAt: Us | undefined;
  #fedAt: Us | undefined;
  #asking = false;
  #silentLooks = 0;

  /** `watchdog`: the service manager's limit (WATCHDOG_USEC); undefined = it does not watch. */
  constructor(options: { readonly watchdog: DurationUs | undefined }, modules: LivenessModules) {
    this.#watchdog = options.watchdog;
    this.#modules = modules;
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#disarm();
  }

  #look(): void {
    const now = this.#modules.clock.nowUs();
    if (this.#plannedAt !== undefined) this.#reportStall(between(this.#plannedAt, now));
    if (this.#asking) this.#reportSilence();
    else void this.#ask();
    // Never sooner than half of it: two looks at once would count one silence twice.
    const interval = this.#interval();
    this.#plannedAt = nextMultiple(interval, after(now, durationUs(interval / 2)));
    this.#disarm = this.#modules.timers.at(this.#plannedAt, () => this.#look());
  }

  #interval(): DurationUs {
    const feeding = this.#watchdog === undefined ? LOOK_INTERVAL : durationUs(this.#watchdog / WATCHDOG_PARTS);
    return durationUs(Math.min(LOOK_INTERVAL, feeding));
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    this.#silentLooks = 0;
    try {
      await this.#modules.pulse();
      this.#feed();
    } catch {
      // It died, and is being replaced: whoever replaces it tells that.
    }
    this.#asking = false;
  }

  #feed(): void {
    if (this.#watchdog === undefined) return;
    const now = this.#modules.clock.nowUs();
    const part = this.#watchdog / WATCHDOG_PARTS;
    // A look that comes a little sooner behind the last one than it was planned is not left out.
    if (this.#fedAt !== undefined && between(this.#fedAt, now) + this.#interval() / 2 < part) return;
    this.#fedAt = now;
    this.#modules.notify("WATCHDOG=1");
  }

  #reportStall(lateness: DurationUs): void {
    if (lateness < STALL) return;
    const stalledMs = Math.round(toMilliseconds(lateness));
    const words = `the main thread did not run for at least ${stalledMs} ms: checks and the table waited, VRRP has a thread of its own`;
    this.#modules.events.record("warn", "mainThreadStalled", words, { stalledMs });
  }

  #reportSilence(): void {
    this.#silentLooks += 1;
    if (this.#silentLooks !== SILENT_LOOKS) return;
    const silentMs = Math.round(toMilliseconds(this.#interval()) * SILENT_LOOKS);
    const words = `the VRRP thread has not answered for ${silentMs} ms; if it holds addresses, the guard ends this process`;
    this.#modules.events.record("error", "vrrpThreadStalled", words, { silentMs });
  }
}
