import { OWNER_PRIORITY } from "./timers.ts";
import type { TrackFault, Tracking } from "./types.ts";

/**
 * What trackers do to a router (keepalived.conf(5), track_interface, track_script, track_file, track_process): force
 * FAULT, or change the effective priority. A function of the latest results alone: no counters, nothing that can drift.
 */

/** What an instance tracks, as its configuration says it. */
export interface Trackers {
  readonly interfaces: readonly TrackReference[];
  readonly scripts: readonly TrackReference[];
  readonly files: readonly TrackReference[];
  readonly processes: readonly TrackReference[];
}

/** `NAME weight N [reverse]`; weight 0 = FAULT. */
export interface TrackReference {
  readonly name: string;
  readonly weight: number;
  readonly reverse: boolean;
}

/** The latest results; undefined = not known yet. */
export interface TrackerResults {
  /** Up and running, by interface name. */
  readonly interfaceUp: (name: string) => boolean | undefined;
  readonly scriptUp: (name: string) => boolean | undefined;
  readonly processUp: (name: string) => boolean | undefined;
  /** The number in the file. */
  readonly fileValue: (name: string) => number | undefined;
  /** Static addresses, routes and rules of track groups that this instance is in and that cannot be kept. */
  readonly staticsLost: readonly string[];
}

/** A file's result below this is a fault; above its negative the effect is cut (keepalived.conf(5), vrrp_track_file). */
const FILE_RESULT_MIN = -253;
const EFFECTIVE_MIN = 1;
const EFFECTIVE_MAX = 254;

/**
 * The effective priority and the faults, in the order of the configuration. What is not known yet neither helps nor
 * harms: the driver begins no election before the first results, or their time is over.
 */
export function evaluateTracking(trackers: Trackers, priority: number, results: TrackerResults): Tracking {
  const faults: TrackFault[] = [];
  let change = 0;
  const judge = (kind: "interface" | "script" | "process", references: readonly TrackReference[]): void => {
    for (const reference of references) {
      const up = upOf(kind, reference.name, results);
      if (up === undefined) continue;
      if (reference.weight === 0) {
        // Reverse: in FAULT while it is up.
        if (up === reference.reverse) faults.push({ kind, name: reference.name });
      } else {
        change += weightOf(reference, up);
      }
    }
  };
  judge("interface", trackers.interfaces);
  judge("script", trackers.scripts);
  for (const reference of trackers.files) {
    const value = results.fileValue(reference.name);
    if (value === undefined) continue;
    const result = fileResult(reference, value);
    if (result === "fault") faults.push({ kind: "file", name: reference.name });
    else change += result;
  }
  judge("process", trackers.processes);
  for (const name of results.staticsLost) faults.push({ kind: "staticAddress", name });
  return { priority: effective(priority, change), faults };
}

function upOf(kind: "interface" | "script" | "process", name: string, results: TrackerResults): boolean | undefined {
  switch (kind) {
    case "interface":
      return results.interfaceUp(name);
    case "script":
      return results.scriptUp(name);
    case "process":
      return results.processUp(name);
  }
}

/**
 * A positive weight is added while up, a negative one while down. `reverse` turns the direction around: the positive
 * weight is taken away while up, the negative one's value given while down.
 */
function weightOf({ weight, reverse }: TrackReference, up: boolean): number {
  const applies = weight > 0 ? up : !up;
  if (!applies) return 0;
  return reverse ? -weight : weight;
}

/**
 * Weight 0: a number other than 0 is a fault (`reverse`: 0 is one). Else the number times the weight is added, or with
 * `reverse` subtracted; below -253 it is a fault.
 */
function fileResult({ weight, reverse }: TrackReference, value: number): number | "fault" {
  if (weight === 0) return (value !== 0) !== reverse ? "fault" : 0;
  const result = value * weight * (reverse ? -1 : 1);
  if (result < FILE_RESULT_MIN) return "fault";
  return Math.min(result, -FILE_RESULT_MIN);
}

/** The owner's priority is never changed, nobody else becomes one, and nobody resigns by a weight (1 to 254). */
function effective(priority: number, change: number): number {
  if (priority === OWNER_PRIORITY) return OWNER_PRIORITY;
  return Math.min(EFFECTIVE_MAX, Math.max(EFFECTIVE_MIN, priority + change));
}
