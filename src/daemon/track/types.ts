import type { ProcessWatchMode } from "../../core/processes.ts";
import type { TrackResult } from "../../workers/vrrp/protocol.ts";

/** One script, file or process that instances track, as long as its definition stays the same. */
export interface Tracker {
  /** Equal definitions have equal keys: over a reload such a tracker goes on with what it knows. */
  readonly key: string;
  result(): TrackResult;
  status(): TrackerStatus;
  stop(): void;
}

export type TrackerStatus = ScriptTrackerStatus | FileTrackerStatus | ProcessTrackerStatus;

interface CommonStatus {
  readonly name: string;
  /** As `TrackResult`; undefined = not known yet. */
  readonly value: number | undefined;
  /** When the value became what it is (wall clock, ms since the epoch); undefined = not known yet. */
  readonly sinceMs: number | undefined;
}

export interface ScriptTrackerStatus extends CommonStatus {
  readonly kind: "script";
  readonly command: readonly string[];
  readonly runs: number;
  readonly failures: number;
  /** Results in a row that speak against the value; `rise` or `fall` of them change it. */
  readonly against: number;
  readonly last:
    | { readonly atMs: number; readonly tookMs: number; readonly outcome: string; readonly output: string }
    | undefined;
  readonly running: boolean;
  /** Undefined while it runs. */
  readonly nextRunInMs: number | undefined;
}

export interface FileTrackerStatus extends CommonStatus {
  readonly kind: "file";
  readonly path: string;
  /** Missing, unreadable or no number: the value is 0 then, or what stands before the rest. */
  readonly problem: string | undefined;
}

export interface ProcessTrackerStatus extends CommonStatus {
  readonly kind: "process";
  readonly count: number;
  readonly quorum: number;
  readonly quorumMax: number | undefined;
  readonly mode: ProcessWatchMode;
  readonly whyPolling: string | undefined;
}
