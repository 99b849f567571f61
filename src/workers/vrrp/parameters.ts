import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { RouterParameters } from "../../vrrp/types.ts";

/** What the state machine needs of the configuration. */
export function routerParameters(config: VrrpInstanceConfig, inSyncGroup: boolean): RouterParameters {
  const { masterDelay, masterRepeat, masterRefresh, masterRefreshRepeat } = config.garp;
  const { lowerPrioDelay, lowerPrioRepeat, extraInterval } = config.garp;
  return {
    name: config.name,
    version: config.version,
    virtualRouterId: config.virtualRouterId,
    priority: config.priority,
    advertInterval: config.advertInterval,
    downTimerAdverts: config.downTimerAdverts,
    preempt: !config.nopreempt,
    preemptDelay: config.preemptDelay,
    addresses: config.virtualAddresses.map((vip) => vip.address),
    garp: {
      masterDelay,
      masterRepeat,
      masterRefresh,
      masterRefreshRepeat,
      lowerPrioDelay,
      lowerPrioRepeat,
      extraInterval,
    },
    higherPrioSendAdvert: config.higherPrioSendAdvert,
    lowerPrioNoAdvert: config.lowerPrioNoAdvert,
    skipCheckAdvAddr: config.skipCheckAdvAddr,
    trackPrimary: config.trackPrimary,
    inSyncGroup,
  };
}

/** Whether two configurations describe one virtual router: anything else can be changed while it runs. */
export function sameRouter(a: VrrpInstanceConfig, b: VrrpInstanceConfig): boolean {
  return a.interface === b.interface && a.virtualRouterId === b.virtualRouterId && a.family === b.family;
}
