import { after, between, type DurationUs, durationUs, milliseconds, seconds, type Us } from "../../core/units.ts";
import type { Duty } from "./agenda.ts";
import type { VrrpInstance } from "./instance.ts";

/** A switch takes milliseconds, on a busy host tens of them: so long no advert should be due. */
const QUIET: DurationUs = milliseconds(250);
/** With short intervals, which are shorter than that: so much of the shortest one. */
const QUIET_PART = 0.9;

/** When a MASTER sends. */
export interface Beat {
  readonly nextAdvertAt: Us;
  readonly advertInterval: DurationUs;
}

/**
 * The moment to fall silent: now when no advert is due for a while, else just behind the next advert after which that is
 * so, at most a second away. Where many routers leave no such pause, the longest one is taken.
 */
export function quietMoment(beats: readonly Beat[], now: Us): Us {
  const shortest = Math.min(seconds(1), ...beats.map(({ advertInterval }) => advertInterval));
  const needed = Math.min(QUIET, QUIET_PART * shortest);
  const until = after(now, durationUs(shortest));
  const pauseFrom = (at: Us): number =>
    Math.min(
      ...beats.map(({ nextAdvertAt, advertInterval }) =>
        between(at, nextAdvertAt > at ? nextAdvertAt : after(nextAdvertAt, advertInterval)),
      ),
    );
  const sent = beats.map(({ nextAdvertAt }) => nextAdvertAt).filter((at) => at > now && at <= until);
  const moments = [now, ...sent.sort((a, b) => a - b)].map((at) => ({ at, pause: pauseFrom(at) }));
  const first = moments.find(({ pause }) => pause >= needed);
  return (first ?? moments.reduce((best, moment) => (moment.pause > best.pause ? moment : best))).at;
}

/** Waits for the moment to leave. */
export class Departure implements Duty {
  #at: Us | undefined;
  #leave: () => void = () => undefined;

  get deadline(): Us | undefined {
    return this.#at;
  }

  plan(at: Us, leave: () => void): void {
    this.#at = at;
    this.#leave = leave;
  }

  /** True when it was time: nothing of this thread's work goes on. */
  leaveIfDue(now: Us): boolean {
    if (this.#at === undefined || now < this.#at) return false;
    this.#at = undefined;
    this.#leave();
    return true;
  }
}

/** When each MASTER among them sends. */
export function beatsOf(instances: Iterable<VrrpInstance>): Beat[] {
  return [...instances].flatMap(({ state: { role, parameters } }) =>
    role.name === "MASTER" ? [{ nextAdvertAt: role.nextAdvertAt, advertInterval: parameters.advertInterval }] : [],
  );
}
