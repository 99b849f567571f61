import type { Clock, Timers } from "../core/interfaces.ts";
import { instantUs, US_PER_MILLISECOND, type Us } from "../core/units.ts";

/** CLOCK_MONOTONIC as Node reads it: the same clock as the addon's timerfd. */
export const monotonicClock: Clock = {
  nowUs: (): Us => instantUs(Math.floor(Number(process.hrtime.bigint()) / 1_000)),
};

/** setTimeout takes at most 2^31 - 1 ms; a later instant is reached in several steps. */
const STEP_MS_MAX = 2_147_483_647;

/**
 * Timers of the main thread. `setTimeout` may fire up to 0.8 ms early (docs/decisions.md), so a call is made only once
 * the instant is reached. VRRP does not use these: its worker has a timerfd.
 */
export const loopTimers: Timers = {
  at(instant: Us, call: () => void): () => void {
    let handle: NodeJS.Timeout | undefined;
    const arm = (): void => {
      const leftMs = (instant - monotonicClock.nowUs()) / US_PER_MILLISECOND;
      if (leftMs <= 0 && handle !== undefined) {
        call();
        return;
      }
      handle = setTimeout(arm, Math.min(Math.max(0, Math.ceil(leftMs)), STEP_MS_MAX));
    };
    arm();
    return () => clearTimeout(handle);
  },
};
