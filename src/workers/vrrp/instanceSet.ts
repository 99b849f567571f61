import { isDeepStrictEqual } from "node:util";
import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Recorder } from "../../vrrp/recorder.ts";
import type { Announcements } from "./announcements.ts";
import type { DriverModules } from "./driver.types.ts";
import type { Groups } from "./groups.ts";
import { VrrpInstance } from "./instance.ts";
import type { InstanceModules } from "./instance.types.ts";
import type { LastWill } from "./lastWill.ts";
import { VipTable } from "./leases.ts";
import { sameRouter } from "./parameters.ts";
import type { PreparedHost } from "./preparedHost.ts";
import type { SliceQueue } from "./sliceQueue.ts";
import type { Startup } from "./startup.ts";
import type { DiscardTally } from "./tally.ts";
import type { Trackers } from "./trackers.ts";

export interface InstanceSetModules extends DriverModules {
  readonly prepared: PreparedHost;
  readonly announcements: Announcements;
  readonly trackers: Trackers;
  readonly groups: Groups;
  readonly startup: Startup;
  readonly will: LastWill;
  /** It begins with a snapshot of the set. */
  readonly recorder: () => Recorder;
  readonly tally: DiscardTally;
  readonly slices: SliceQueue;
  /** An instance is in another state. */
  readonly transition: () => void;
  readonly stepped: InstanceModules["stepped"];
}

/** The instances that there are, as the configuration has them: makes them, and gives them what they need of the driver. */
export class InstanceSet {
  readonly #modules: InstanceSetModules;
  readonly #ofInstances: InstanceModules;
  #all: readonly VrrpInstance[] = [];
  #byName: ReadonlyMap<string, VrrpInstance> = new Map();
  #vips = new VipTable([]);

  constructor(modules: InstanceSetModules) {
    this.#modules = modules;
    this.#ofInstances = modulesOfInstances(modules, () => this.#vips);
  }

  get(name: string): VrrpInstance | undefined {
    return this.#byName.get(name);
  }

  /** In the order of the configuration. */
  all(): readonly VrrpInstance[] {
    return this.#all;
  }

  /** Releases and forgets those that are not in the configuration any more, or are other routers there. */
  prune(configs: readonly VrrpInstanceConfig[]): void {
    const next = new Map(configs.map((config) => [config.name, config]));
    for (const instance of this.#all) {
      const now = next.get(instance.name);
      if (now !== undefined && sameRouter(now, instance.config)) continue;
      instance.feed({ kind: "stop" });
      this.#know(this.#all.filter((other) => other !== instance));
      this.#remove(instance, now === undefined);
    }
    this.#vips = new VipTable(configs);
  }

  #remove(instance: VrrpInstance, deleted: boolean): void {
    const { startup, slices, recorder, host, report } = this.#modules;
    startup.remove(instance);
    slices.remove(instance);
    recorder().add({ kind: "instanceRemoved", atUs: host.clock.nowUs(), instance: instance.name });
    if (deleted) report({ kind: "deleted", instance: instance.name });
  }

  /** After `prune`: those that stay follow their new configuration, and new ones wait for their start. */
  follow(configs: readonly VrrpInstanceConfig[]): VrrpInstance[] {
    const instances = configs.map((config) => this.#follow(config));
    this.#know(instances);
    return instances;
  }

  #follow(config: VrrpInstanceConfig): VrrpInstance {
    const { groups, trackers, host, recorder, startup } = this.#modules;
    const existing = this.#byName.get(config.name);
    const inSyncGroup = groups.groupOf(config.name) !== undefined;
    const tracking = trackers.evaluate(config);
    if (existing !== undefined) {
      const changed = !isDeepStrictEqual(config, existing.config);
      if (changed || inSyncGroup !== existing.state.parameters.inSyncGroup) {
        existing.configure(config, inSyncGroup, tracking);
      }
      return existing;
    }
    const instance = new VrrpInstance(config, inSyncGroup, tracking, this.#ofInstances);
    const atUs = host.clock.nowUs();
    recorder().add({ kind: "instanceAdded", atUs, state: instance.state });
    startup.add(instance, atUs);
    return instance;
  }

  /** Nothing is released: whoever calls this has done it, or leaves it to a successor. */
  forget(): void {
    this.#know([]);
  }

  #know(instances: readonly VrrpInstance[]): void {
    this.#all = instances;
    this.#byName = new Map(instances.map((instance) => [instance.name, instance]));
  }
}

function modulesOfInstances(modules: InstanceSetModules, vips: () => VipTable): InstanceModules {
  const { host, wallMs, report, prepared, announcements, tally, recorder, groups, will } = modules;
  return {
    host,
    wallMs,
    view: () => prepared.view.current,
    freshView: () => prepared.view.fresh(),
    addressesSet: () => prepared.view.markStale(),
    vips,
    isUp: (device) => prepared.isUp(device),
    sender: (sending) => prepared.segments.sender(sending),
    announcements,
    report: (message) => {
      if (message.kind === "transition") modules.transition();
      report(message);
    },
    discarded: (reason) => tally.count(reason),
    record: (instance, input, atUs) => recorder().addInput(instance, input, atUs),
    stepped: (instance, acted) => {
      groups.stepped(instance);
      modules.stepped(instance, acted);
    },
    willChanged: () => will.settle(),
  };
}
