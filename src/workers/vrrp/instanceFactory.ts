import { isDeepStrictEqual } from "node:util";
import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Recorder } from "../../vrrp/recorder.ts";
import type { Announcements } from "./announcements.ts";
import type { DriverModules } from "./driver.types.ts";
import type { Groups } from "./groups.ts";
import { VrrpInstance } from "./instance.ts";
import type { InstanceModules } from "./instance.types.ts";
import type { LastWill } from "./lastWill.ts";
import type { VipTable } from "./leases.ts";
import type { PreparedHost } from "./preparedHost.ts";
import type { Startup } from "./startup.ts";
import type { DiscardTally } from "./tally.ts";
import type { Trackers } from "./trackers.ts";

export interface InstanceFactoryModules extends DriverModules {
  readonly prepared: PreparedHost;
  readonly announcements: Announcements;
  readonly trackers: Trackers;
  readonly groups: Groups;
  readonly startup: Startup;
  readonly will: LastWill;
  readonly recorder: Recorder;
  readonly tally: DiscardTally;
  readonly vips: () => VipTable;
  /** An instance is in another state. */
  readonly transition: () => void;
  readonly stepped: (instance: VrrpInstance) => void;
}

/** Makes the instances of a configuration, and gives them what they need of the driver. */
export class InstanceFactory {
  readonly #modules: InstanceFactoryModules;
  readonly #ofInstances: InstanceModules;

  constructor(modules: InstanceFactoryModules) {
    this.#modules = modules;
    this.#ofInstances = modulesOfInstances(modules);
  }

  /** An existing one follows its new configuration, and a new one waits for its start. */
  follow(config: VrrpInstanceConfig, existing: VrrpInstance | undefined): VrrpInstance {
    const { groups, trackers, host, recorder, startup } = this.#modules;
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
    recorder.add({ kind: "instanceAdded", atUs, state: instance.state });
    startup.add(instance, atUs);
    return instance;
  }
}

function modulesOfInstances(modules: InstanceFactoryModules): InstanceModules {
  const { host, wallMs, report, prepared, announcements, tally, recorder, groups, will } = modules;
  return {
    host,
    wallMs,
    view: () => prepared.view.current,
    freshView: () => prepared.view.fresh(),
    addressesSet: () => prepared.view.markStale(),
    vips: modules.vips,
    isUp: (device) => prepared.isUp(device),
    sender: (sending) => prepared.segments.sender(sending),
    announcements,
    report: (message) => {
      if (message.kind === "transition") modules.transition();
      report(message);
    },
    discarded: (reason) => tally.count(reason),
    record: (instance, input, atUs) => recorder.addInput(instance, input, atUs),
    stepped: (instance) => {
      groups.stepped(instance);
      modules.stepped(instance);
    },
    willChanged: () => will.settle(),
  };
}
