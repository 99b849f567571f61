import type { TrackProcessConfig } from "../../config/vrrp.types.ts";
import type { ProcessWatch } from "../../core/processes.ts";
import { after } from "../../core/units.ts";
import type { TrackResult } from "../../workers/vrrp/protocol.ts";
import { needsCommandLine, processMatches, quorumMet } from "./processMatch.ts";
import type { TrackerModules } from "./scriptTracker.ts";
import type { ProcessTrackerStatus, Tracker } from "./types.ts";

/**
 * Counts the processes of one `vrrp_track_process`. A change of the result waits `fork_delay` when processes came and
 * `terminate_delay` when some went, and is dropped when the old count comes back meanwhile; the first counts at once.
 */
export class ProcessTracker implements Tracker {
  readonly key: string;
  readonly needsCommandLine: boolean;
  readonly #config: TrackProcessConfig;
  readonly #modules: TrackerModules & { readonly processes: ProcessWatch };
  #count = 0;
  #up: boolean | undefined;
  #sinceMs: number | undefined;
  #waiting = false;
  #disarm: () => void = () => undefined;

  constructor(config: TrackProcessConfig, modules: TrackerModules & { readonly processes: ProcessWatch }) {
    this.key = processKey(config);
    this.needsCommandLine = needsCommandLine(config);
    this.#config = config;
    this.#modules = modules;
  }

  result(): TrackResult {
    return { kind: "process", name: this.#config.name, value: this.#up === undefined ? undefined : Number(this.#up) };
  }

  status(): ProcessTrackerStatus {
    const { quorum, quorumMax } = this.#config;
    const { processes } = this.#modules;
    return {
      ...this.result(),
      kind: "process",
      sinceMs: this.#sinceMs,
      count: this.#count,
      quorum,
      quorumMax,
      mode: processes.mode(),
      whyPolling: processes.whyPolling(),
    };
  }

  stop(): void {
    this.#disarm();
  }

  /** The processes may have changed. */
  look(): void {
    let count = 0;
    for (const found of this.#modules.processes.processes()) if (processMatches(this.#config, found)) count += 1;
    const came = count > this.#count;
    this.#count = count;
    const up = quorumMet(this.#config, count);
    if (up === this.#up) {
      this.#disarm();
      this.#waiting = false;
      return;
    }
    if (this.#waiting) return;
    const delay = came ? this.#config.forkDelay : this.#config.terminateDelay;
    if (this.#up === undefined || delay === 0) {
      this.#become(up);
      return;
    }
    this.#waiting = true;
    this.#disarm = this.#modules.timers.at(after(this.#modules.clock.nowUs(), delay), () => {
      this.#waiting = false;
      this.#become(!this.#up);
    });
  }

  #become(up: boolean): void {
    const { name, quorum, quorumMax } = this.#config;
    this.#up = up;
    this.#sinceMs = this.#modules.wallMs();
    const wanted = quorumMax === undefined ? `at least ${quorum}` : `${quorum} to ${quorumMax}`;
    this.#modules.events.record(
      up ? "info" : "warn",
      up ? "processUp" : "processDown",
      `vrrp_track_process ${name} ${up ? "is up" : "is down"}: ${this.#count} running, ${wanted} wanted`,
      { process: name, count: this.#count, quorum, quorumMax },
    );
    this.#modules.onResult();
  }
}

export const processKey = (config: TrackProcessConfig): string => `process ${JSON.stringify(config)}`;
