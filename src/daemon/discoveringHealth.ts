import type { Clock, Timers } from "../core/interfaces.ts";
import type { RememberedMembers } from "../health/types.ts";
import type { HealthDriver } from "./healthDriver.ts";
import { type AskCluster, MemberFollower } from "./memberFollower.ts";

export interface DiscoveringModules {
  readonly ask: AskCluster;
  /** What an earlier life knew of clusters. */
  readonly remembered: () => RememberedMembers;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** A health half whose services may follow clusters: what was known is told before its first configuration, what is found as it comes. */
export function discovering(health: HealthDriver, modules: DiscoveringModules): HealthDriver {
  const follower = new MemberFollower({
    ...modules,
    counts: (service, outcome) => health.countsCluster(service, outcome),
    tell: (service, told, passedOver) => health.cluster(service, told, passedOver),
  });
  let begun = false;
  return {
    configure: (services, existing) => {
      if (!begun) health.rememberMembers(modules.remembered());
      begun = true;
      health.configure(services, existing);
      follower.configure(services);
    },
    rememberMembers: (known) => health.rememberMembers(known),
    cluster: (service, told, passedOver) => health.cluster(service, told, passedOver),
    countsCluster: (service, outcome) => health.countsCluster(service, outcome),
    forgetCluster: (services) => {
      health.forgetCluster(services);
      follower.askAgain(services);
    },
    override: (overrides) => health.override(overrides),
    kick: (services, source) => health.kick(services, source),
    addresses: (held) => health.addresses(held),
    files: (values) => health.files(values),
    services: () => health.services(),
    desired: () => health.desired(),
    view: () => health.view(),
    stop: () => {
      follower.stop();
      health.stop();
    },
  };
}
