import type { VrrpListener } from "../workers/vrrp/handle.types.ts";
import type { EventLog } from "./events.ts";
import type { LvsSide } from "./lvs/lvsSide.ts";
import { describeGroupTransition, describeTransition, describeVrrpAlarm } from "./messages.ts";
import type { Notifier } from "./notify/notifier.ts";
import type { Tally } from "./tally.ts";

/**
 * Everything that VRRP tells is an event; what keepalived tells scripts, FIFOs and mail goes there too, and what holds for IPVS
 * as a whole follows the states.
 */
export function vrrpListener(parts: {
  readonly events: EventLog;
  readonly tallies: { readonly transitions: Tally; readonly groupTransitions: Tally };
  /** Asked when something is to be told: VRRP's half is made before the notifier is. */
  readonly notifier: () => Notifier;
  /** What follows the states. */
  readonly followers: readonly Pick<LvsSide, "transition" | "restarted">[];
}): VrrpListener {
  const { tallies, notifier, followers } = parts;
  const record = parts.events.record.bind(parts.events);
  return {
    onTransition: (instance, transition) => {
      tallies.transitions.add({ instance, to: transition.to, reason: transition.reason });
      const level = transition.to === "FAULT" ? "warn" : "info";
      record(level, "transition", describeTransition(instance, transition), { instance, ...transition });
      notifier().transition(instance, transition);
      for (const follower of followers) follower.transition(instance, transition.to);
    },
    onGroupTransition: (group, change) => {
      tallies.groupTransitions.add({ group, to: change.to, reason: change.reason });
      record("info", "groupTransition", describeGroupTransition(group, change), { group, ...change });
      notifier().groupTransition(group, change);
    },
    onLowerPriority: (instance, { peer, priority }) => {
      const words = `${instance}: ${peer} advertises priority ${priority}`;
      record("info", "lowerPriorityHeard", words, { instance, peer, priority });
      notifier().lowerPriority(instance, { peer, priority });
    },
    onPriorityChanged: (instance, { priority, state }) => {
      const words = `${instance}: effective priority ${priority} (${state})`;
      record("info", "priorityChanged", words, { instance, priority, state });
      notifier().priorityChanged(instance, { priority, state });
    },
    onDeleted: (instance) => {
      record("info", "instanceDeleted", `${instance}: not in the new configuration`, { instance });
      notifier().deleted(instance);
    },
    onAlarm: (instance, alarm) =>
      record("warn", alarm.kind, describeVrrpAlarm(instance, alarm), { instance, ...alarm }),
    onGuardRestart: (cause) =>
      record("error", "guardRestarted", `the guard died (${cause}); another one has taken its place`, { cause }),
    onRestart: (cause) => {
      const words = `the VRRP worker died (${cause}); its addresses were released and it was started again`;
      record("error", "vrrpWorkerRestarted", words, { cause });
      for (const follower of followers) follower.restarted();
    },
  };
}
