import type { Config } from "../../config/types.ts";
import type { TrackFileConfig, TrackProcessConfig, VrrpConfig, VrrpScriptConfig } from "../../config/vrrp.types.ts";
import type { FileWatch } from "../../core/files.ts";
import type { Clock, Timers } from "../../core/interfaces.ts";
import type { ProcessWatch } from "../../core/processes.ts";
import type { ScriptRunner } from "../../core/scripts.ts";
import type { TrackResult } from "../../workers/vrrp/protocol.ts";
import type { EventLog } from "../events.ts";
import { FileTracker, fileKey } from "./fileTracker.ts";
import { ProcessTracker, processKey } from "./processTracker.ts";
import { ScriptTracker, scriptKey } from "./scriptTracker.ts";
import type { Tracker, TrackerStatus } from "./types.ts";

/** What of the configuration says what is tracked. */
export interface TrackingConfig {
  readonly virtualServers: Config["virtualServers"];
  readonly vrrp: Pick<VrrpConfig, "instances">;
  readonly scripts: readonly VrrpScriptConfig[];
  readonly trackFiles: readonly TrackFileConfig[];
  readonly trackProcesses: readonly TrackProcessConfig[];
}

export interface TrackersModules {
  readonly runner: ScriptRunner;
  readonly files: FileWatch;
  readonly processes: ProcessWatch;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly wallMs: () => number;
  readonly events: EventLog;
  /** The whole set, whenever one of them changed. */
  readonly onResults: (results: readonly TrackResult[]) => void;
}

interface Wanted {
  readonly key: string;
  readonly kind: TrackResult["kind"];
  readonly name: string;
  readonly create: (before: Tracker | undefined) => Tracker;
}

/**
 * Everything that instances track besides interfaces, and the files of FILE_CHECKs: exactly what one of them names is run,
 * watched or counted. At a
 * reload what is defined as before goes on, with what it knows.
 */
export class Trackers {
  readonly #modules: TrackersModules;
  #trackers = new Map<string, Tracker>();
  #counting = "";
  #configuring = false;

  constructor(modules: TrackersModules) {
    this.#modules = modules;
  }

  /**
   * @param keepOthers what the new configuration does not have goes on: for as long as instances still follow the old one
   */
  configure(config: TrackingConfig, keepOthers = false): void {
    const wanted = this.#wanted(config);
    const old = this.#trackers;
    // A tracker tells of itself while it is made; one message for all of them is enough.
    this.#configuring = true;
    this.#trackers = new Map(
      wanted.map(({ key, kind, name, create }) => [key, old.get(key) ?? create(named(old, kind, name))]),
    );
    for (const [key, tracker] of old) {
      const { kind, name } = tracker.result();
      if (this.#trackers.has(key)) continue;
      if (keepOthers && named(this.#trackers, kind, name) === undefined) this.#trackers.set(key, tracker);
      else tracker.stop();
    }
    this.#count();
    this.#configuring = false;
    this.#publish();
  }

  results(): readonly TrackResult[] {
    return [...this.#trackers.values()].map((tracker) => tracker.result());
  }

  /** True when everything has said something. */
  known(): boolean {
    return this.results().every(({ value }) => value !== undefined);
  }

  status(): readonly TrackerStatus[] {
    return [...this.#trackers.values()].map((tracker) => tracker.status());
  }

  stop(): void {
    for (const tracker of this.#trackers.values()) tracker.stop();
    this.#trackers.clear();
    this.#modules.processes.stop();
    this.#counting = "";
  }

  #wanted(config: TrackingConfig): Wanted[] {
    const tracked = (kind: "scripts" | "files" | "processes"): Set<string> =>
      new Set(config.vrrp.instances.flatMap(({ track }) => track[kind].map(({ name }) => name)));
    const [scripts, files, processes] = [tracked("scripts"), tracked("files"), tracked("processes")];
    for (const { realServers } of config.virtualServers) {
      for (const check of realServers.flatMap(({ checks }) => checks)) {
        if (check.kind === "FILE_CHECK") files.add(check.file);
      }
    }
    const modules = { ...this.#modules, onResult: () => this.#publish() };
    return [
      ...config.scripts
        .filter(({ name }) => scripts.has(name))
        .map((each) => ({
          key: scriptKey(each),
          kind: "script" as const,
          name: each.name,
          create: (before: Tracker | undefined) =>
            new ScriptTracker(each, modules, before instanceof ScriptTracker ? before : undefined),
        })),
      ...config.trackFiles
        .filter(({ name }) => files.has(name))
        .map((each) => ({
          key: fileKey(each),
          kind: "file" as const,
          name: each.name,
          create: () => new FileTracker(each, modules),
        })),
      ...config.trackProcesses
        .filter(({ name }) => processes.has(name))
        .map((each) => ({
          key: processKey(each),
          kind: "process" as const,
          name: each.name,
          create: () => new ProcessTracker(each, modules),
        })),
    ];
  }

  /** Processes are watched once for all that count them, and only while something does. */
  #count(): void {
    const counted = [...this.#trackers.values()].filter((tracker) => tracker instanceof ProcessTracker);
    const commandLines = counted.some((tracker) => tracker.needsCommandLine);
    const counting = counted.length === 0 ? "" : `command lines ${commandLines}`;
    if (counting !== this.#counting) {
      this.#counting = counting;
      this.#modules.processes.stop();
      if (counted.length > 0) this.#modules.processes.start({ commandLines, onChange: () => this.#look() });
    } else {
      this.#look();
    }
  }

  #look(): void {
    for (const tracker of this.#trackers.values()) if (tracker instanceof ProcessTracker) tracker.look();
  }

  #publish(): void {
    if (!this.#configuring) this.#modules.onResults(this.results());
  }
}

function named(trackers: ReadonlyMap<string, Tracker>, kind: TrackResult["kind"], name: string): Tracker | undefined {
  return [...trackers.values()].find((tracker) => {
    const result = tracker.result();
    return result.kind === kind && result.name === name;
  });
}
