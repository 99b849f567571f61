import type { BorrowedSettings } from "../../core/borrowedSettings.ts";
import type { Us } from "../../core/units.ts";
import type { Recorder, Snapshot } from "../../vrrp/recorder.ts";
import type { Groups } from "./groups.ts";
import type { VrrpInstance } from "./instance.ts";
import type { Startup } from "./startup.ts";
import type { Surrender } from "./surrender.ts";

/** The machines as they are: what a recording begins with. */
export function snapshotOf(instances: Iterable<VrrpInstance>, groups: Groups): Snapshot {
  return { instances: [...instances].map((instance) => instance.state), groups: groups.states };
}

/** Everything that a successor must know, as it is at this moment. */
export function surrenderOf(instances: Iterable<VrrpInstance>, groups: Groups, settings: BorrowedSettings): Surrender {
  return {
    instances: [...instances].map((instance) => instance.surrender()),
    groups: groups.states,
    settings: settings.held(),
  };
}

/**
 * Puts what was surrendered in the place of instances that have not begun, without a step of any machine. One that had not
 * begun there either begins here as at any start. Returns the instances that go on.
 */
export function adoptAll(
  surrender: Surrender,
  parts: {
    readonly atUs: Us;
    readonly instances: { get(name: string): VrrpInstance | undefined };
    readonly groups: Groups;
    readonly startup: Startup;
    readonly recorder: Recorder;
  },
): VrrpInstance[] {
  const { atUs, instances, groups, startup, recorder } = parts;
  const adopted = surrender.instances.flatMap((surrendered) => {
    const instance = instances.get(surrendered.state.parameters.name);
    if (instance === undefined || surrendered.state.role.name === "INIT") return [];
    startup.remove(instance);
    recorder.add({ kind: "instanceRemoved", atUs, instance: instance.name });
    instance.adopt(surrendered);
    recorder.add({ kind: "instanceAdded", atUs, state: instance.state });
    return [instance];
  });
  groups.adopt(surrender.groups);
  recorder.add({ kind: "groupsChanged", atUs, groups: groups.states });
  return adopted;
}
