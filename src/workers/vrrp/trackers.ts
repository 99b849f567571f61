import type { TrackConfig, VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import { evaluateTracking } from "../../vrrp/tracking.ts";
import type { Tracking } from "../../vrrp/types.ts";
import type { VrrpInstance } from "./instance.ts";
import type { TrackResult } from "./protocol.ts";

export interface TrackerModules {
  /** After the configured delays. */
  readonly isUp: (device: string) => boolean;
  /** Static addresses, routes and rules that this instance needs and that are not there. */
  readonly staticsLost: (instance: string) => readonly string[];
}

/** What everything that is tracked says now: of scripts, files and processes the newest results from the main thread. */
export class Trackers {
  readonly #modules: TrackerModules;
  #results: readonly TrackResult[] = [];
  readonly #values = new Map<string, number | undefined>();

  constructor(modules: TrackerModules) {
    this.#modules = modules;
  }

  get results(): readonly TrackResult[] {
    return this.#results;
  }

  /** The whole set. */
  set(results: readonly TrackResult[]): void {
    this.#results = results;
    this.#values.clear();
    for (const { kind, name, value } of results) this.#values.set(`${kind} ${name}`, value);
  }

  /** Whether every script, file and process that this instance tracks has a result. */
  knowsAll({ scripts, files, processes }: TrackConfig): boolean {
    return (
      scripts.every(({ name }) => this.#values.get(`script ${name}`) !== undefined) &&
      files.every(({ name }) => this.#values.get(`file ${name}`) !== undefined) &&
      processes.every(({ name }) => this.#values.get(`process ${name}`) !== undefined)
    );
  }

  evaluate({ name, track, priority }: VrrpInstanceConfig): Tracking {
    return evaluateTracking(track, priority, {
      interfaceUp: this.#modules.isUp,
      scriptUp: (script) => this.#up("script", script),
      processUp: (process) => this.#up("process", process),
      fileValue: (file) => this.#values.get(`file ${file}`),
      staticsLost: this.#modules.staticsLost(name),
    });
  }

  /** Tells the instances whose trackers say another thing than they know. */
  tell(instances: Iterable<VrrpInstance>): void {
    for (const instance of instances) {
      const tracking = this.evaluate(instance.config);
      if (!sameTracking(tracking, instance.state.tracking)) instance.track(tracking);
    }
  }

  #up(kind: "script" | "process", name: string): boolean | undefined {
    const value = this.#values.get(`${kind} ${name}`);
    return value === undefined ? undefined : value > 0;
  }
}

function sameTracking(a: Tracking, b: Tracking): boolean {
  return (
    a.priority === b.priority &&
    a.faults.length === b.faults.length &&
    a.faults.every((fault, index) => fault.kind === b.faults[index]?.kind && fault.name === b.faults[index]?.name)
  );
}
