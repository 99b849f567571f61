import { type DurationUs, durationUs, milliseconds, US_PER_SECOND } from "../core/units.ts";
import type { RouterParameters } from "./types.ts";

/** The owner of the addresses always has this priority, and nobody else does (RFC 3768 5.3.4). */
export const OWNER_PRIORITY = 255;
/** "The current Master has stopped participating" (RFC 3768 5.3.4). */
export const RESIGN_PRIORITY = 0;

/** Shortest wait before a FAULT that ends by itself is tried again: bounds the log, and the disturbance of the peers. */
const FAULT_RETRY_MIN: DurationUs = milliseconds(10_000);

/** Skew_Time of VRRPv2: (256 - Priority) / 256 seconds, whatever the interval (RFC 3768 6.1). */
export function skewTime(priority: number): DurationUs {
  return durationUs(Math.round(((256 - priority) * US_PER_SECOND) / 256));
}

/** Master_Down_Interval: (3 * Advertisement_Interval) + Skew_Time (RFC 3768 6.1). */
export function masterDownInterval(parameters: RouterParameters): DurationUs {
  return durationUs(3 * parameters.advertInterval + skewTime(parameters.priority));
}

/**
 * The silence after which a MASTER must expect to have been replaced: the shortest master-down interval that any peer
 * can have is three advertisement intervals and a skew time of 1/256 s. Its own would be too long: a peer with a higher
 * priority that does not preempt takes over sooner.
 */
export function silenceLimit(parameters: RouterParameters): DurationUs {
  return durationUs(3 * parameters.advertInterval);
}

export function faultRetryInterval(parameters: RouterParameters): DurationUs {
  return durationUs(Math.max(FAULT_RETRY_MIN, masterDownInterval(parameters)));
}
