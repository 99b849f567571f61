import { type DurationUs, durationUs, milliseconds, seconds, US_PER_SECOND } from "../core/units.ts";
import type { RouterParameters, RouterState } from "./types.ts";

/** The owner of the addresses always has this priority, and nobody else does (RFC 3768 5.3.4). */
export const OWNER_PRIORITY = 255;
/** "The current Master has stopped participating" (RFC 3768 5.3.4). */
export const RESIGN_PRIORITY = 0;
/** The highest that a router may have that does not own the addresses. */
const BACKUP_PRIORITY_MAX = 254;

/** Shortest wait before a FAULT that ends by itself is tried again: bounds the log, and the disturbance of the peers. */
const FAULT_RETRY_MIN: DurationUs = milliseconds(10_000);

/** Shortest interval that version 3 can carry: a packet that says 0 must not make a BACKUP's timer run without a pause. */
const LEARNED_INTERVAL_MIN: DurationUs = milliseconds(10);

/**
 * Addresses that others remove are put back at once, so often within a window; the next time the term ends. A hand that
 * flushes an interface, or a network manager that applies its file again, does it once or twice; a second program that
 * believes the addresses to be foreign does it after every time, and then two hosts would answer for them in turns.
 */
export const ADDRESSES_TAKEN_MAX = 5;
export const ADDRESSES_TAKEN_WINDOW: DurationUs = seconds(60);

/**
 * Skew_Time. Version 2: (256 - Priority) / 256 seconds, whatever the interval (RFC 3768 6.1). Version 3: that part of the
 * master's interval (RFC 9568 6.1).
 */
export function skewTime(version: 2 | 3, priority: number, masterAdvertInterval: DurationUs): DurationUs {
  const unit = version === 2 ? US_PER_SECOND : masterAdvertInterval;
  return durationUs(Math.round(((256 - priority) * unit) / 256));
}

/**
 * Master_Down_Interval of a router with this effective priority: three (`down_timer_adverts`) intervals and the skew time
 * (RFC 3768 6.1; Active_Down_Interval, RFC 9568 6.1).
 */
export function masterDownInterval(
  parameters: RouterParameters,
  priority: number,
  masterAdvertInterval: DurationUs,
): DurationUs {
  return durationUs(
    parameters.downTimerAdverts * masterAdvertInterval + skewTime(parameters.version, priority, masterAdvertInterval),
  );
}

/** How long this BACKUP would wait for the router it listens to, or one that enters BACKUP for its own interval. */
export function ownMasterDownInterval(state: RouterState): DurationUs {
  const { role, parameters } = state;
  const interval = role.name === "BACKUP" ? role.masterAdvertInterval : parameters.advertInterval;
  return masterDownInterval(parameters, state.tracking.priority, interval);
}

/** Version 3 learns the master's interval (RFC 9568 6.4.2); version 2 has accepted only adverts with our own. */
export function learnedInterval(parameters: RouterParameters, heard: DurationUs): DurationUs {
  if (parameters.version === 2) return parameters.advertInterval;
  return durationUs(Math.max(heard, LEARNED_INTERVAL_MIN));
}

/**
 * The silence after which a MASTER must expect to have been replaced. No peer waits less than `down_timer_adverts` of our
 * intervals (which a version 3 peer has learned) and the skew time of the highest priority. Our own master-down interval
 * would be too long: a peer with a higher priority that does not preempt takes over sooner. The skew time is left as the
 * margin for removing the addresses, except where a single missed advert counts: without it we would yield at every beat.
 */
export function silenceLimit(parameters: RouterParameters): DurationUs {
  const { version, advertInterval, downTimerAdverts } = parameters;
  if (downTimerAdverts > 1) return durationUs(downTimerAdverts * advertInterval);
  return durationUs(advertInterval + skewTime(version, BACKUP_PRIORITY_MAX, advertInterval));
}

export function faultRetryInterval(parameters: RouterParameters): DurationUs {
  const { priority, advertInterval } = parameters;
  return durationUs(Math.max(FAULT_RETRY_MIN, masterDownInterval(parameters, priority, advertInterval)));
}
