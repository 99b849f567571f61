import { after, type DurationUs, type Us } from "../../core/units.ts";
import type { DeadlineTimer } from "./ports.ts";

/** Something that wants to be called at an instant, or now has nothing to wait for. */
export interface Duty {
  readonly deadline: Us | undefined;
}

/**
 * The one timer of the thread, armed at the nearest deadline. It may be armed too early, which costs one look; arming it
 * anew with every advert that moves a deadline further away would cost more.
 */
export class Agenda {
  readonly #timer: DeadlineTimer;
  readonly #duties: readonly Duty[];
  /** No instance has an earlier deadline. */
  #instancesAt = Number.POSITIVE_INFINITY;
  #armedAt = Number.POSITIVE_INFINITY;

  constructor(timer: DeadlineTimer, duties: readonly Duty[]) {
    this.#timer = timer;
    this.#duties = duties;
  }

  /** The timer has fired: every instance is to `note` its deadline again. */
  begin(): void {
    this.#armedAt = Number.POSITIVE_INFINITY;
    this.#instancesAt = Number.POSITIVE_INFINITY;
  }

  note(deadline: Us | undefined): void {
    if (deadline !== undefined && deadline < this.#instancesAt) this.#instancesAt = deadline;
  }

  /** `atOnce`: work waits that is done between everything else. */
  arm(now: Us, atOnce: boolean): void {
    let soonest: number = atOnce ? now : this.#instancesAt;
    for (const { deadline } of this.#duties) if (deadline !== undefined && deadline < soonest) soonest = deadline;
    this.#armAt(soonest);
  }

  /** No duty has an earlier deadline than when it was armed last, or one that can wait for the next time. */
  armForInstances(): void {
    this.#armAt(this.#instancesAt);
  }

  #armAt(soonest: number): void {
    if (soonest >= this.#armedAt) return;
    this.#armedAt = soonest;
    this.#timer.arm(soonest as Us);
  }

  /** When the thread wakes next. */
  get armedAt(): Us {
    return this.#armedAt as Us;
  }

  close(): void {
    this.#timer.close();
  }
}

/** Comes again and again while it is on. */
export class Recurring implements Duty {
  readonly #interval: DurationUs;
  #at: Us | undefined;

  constructor(interval: DurationUs) {
    this.#interval = interval;
  }

  get deadline(): Us | undefined {
    return this.#at;
  }

  /** On: due at once. */
  set(on: boolean, now: Us): void {
    this.#at = on ? now : undefined;
  }

  /** It was answered. */
  restart(now: Us): void {
    if (this.#at !== undefined) this.#at = after(now, this.#interval);
  }
}

export function isDue(deadline: Us | undefined, now: Us): boolean {
  return deadline !== undefined && now >= deadline;
}
