import type { Us } from "../../core/units.ts";
import { hardwareText } from "./hardwareAddress.ts";
import type { IndexedView } from "./hostView.ts";
import type { VrrpInstance } from "./instance.ts";
import { heldAddresses } from "./leases.ts";
import type { InstanceStatus, VipStatus } from "./protocol.ts";

/** One instance as it is now. */
export function instanceStatus(
  instance: VrrpInstance,
  group: string | undefined,
  view: IndexedView,
  now: Us,
): InstanceStatus {
  const { config, state, counters } = instance;
  const { role } = state;
  const master = role.name === "BACKUP" ? role.master : undefined;
  return {
    name: config.name,
    interface: config.interface,
    version: config.version,
    family: config.family,
    virtualRouterId: config.virtualRouterId,
    state: role.name,
    priority: config.priority,
    priorityEffective: state.tracking.priority,
    faults: state.tracking.faults,
    group,
    last: instance.last,
    master:
      master === undefined
        ? undefined
        : { address: master.address, priority: master.priority, advertInterval: master.advertInterval },
    transport:
      config.transport.kind === "multicast"
        ? { kind: "multicast", group: config.transport.group }
        : { kind: "unicast", peers: config.transport.peers.map((peer) => peer.address) },
    sourceAddress: state.link.primaryAddress,
    peers: instance.peers.status(config, now),
    virtualMac: virtualMacStatus(instance, view),
    leaseLifetimeSec: config.vipLease ? instance.leaseLifetimeSec : undefined,
    addresses: vipStatuses(instance),
    routes: instance.routing.status(instance.routingWanted.filter(({ kind }) => kind === "route")),
    rules: instance.routing.status(instance.routingWanted.filter(({ kind }) => kind === "rule")),
    alarms: [...state.reported, ...instance.alarms.standing],
    advertsSent: counters.advertsSent,
    advertsReceived: counters.advertsReceived,
    discarded: Object.fromEntries(counters.discarded),
  };
}

function virtualMacStatus({ config: { virtualMac } }: VrrpInstance, view: IndexedView): InstanceStatus["virtualMac"] {
  if (virtualMac === undefined) return undefined;
  const link = view.named(virtualMac.name);
  const hardwareAddress = link === undefined ? undefined : hardwareText(link);
  return { device: virtualMac.name, present: link !== undefined, hardwareAddress };
}

function vipStatuses(instance: VrrpInstance): VipStatus[] {
  const plans = instance.plans();
  const { config, holder } = instance;
  return heldAddresses(config).map((vip, index) => {
    const plan = plans[index];
    const permanent = plan?.kind === "permanent";
    const planned = plan?.kind === "lease" ? plan.lease.prefixLength : undefined;
    return {
      address: vip.address,
      device: vip.device,
      label: vip.label,
      prefixConfigured: vip.prefixLength,
      prefixProgrammed: permanent ? plan.prefixLength : planned,
      advertised: index < config.virtualAddresses.length,
      held: permanent || holder.holds(vip.address, vip.device),
      permanent,
    };
  });
}
