import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import { HoldfastError } from "../../core/errors.ts";
import { ip } from "../../core/ip.ts";
import { deleteLeases } from "./holder.ts";
import type { IndexedView } from "./hostView.ts";
import type { Report } from "./instance.ts";
import { heldAddresses, type Lease, leftovers } from "./leases.ts";
import type { RoutingChange, VrrpHost } from "./ports.ts";
import { describe, routingObjects } from "./routing.ts";

const REFUSED: ReadonlySet<unknown> = new Set(["EPERM", "EACCES"]);

/**
 * Removes addresses, routes and rules of these instances that an earlier life left behind, and tells of it. `isHeld`: ours
 * of this life. Returns whether there were any.
 */
export function sweep(
  host: VrrpHost,
  view: IndexedView,
  instances: readonly VrrpInstanceConfig[],
  isHeld: (lease: Lease) => boolean,
  report: (message: Report) => void,
): boolean {
  const found = leftovers(instances, view).filter((lease) => !isHeld(lease));
  const objects = instances.flatMap((instance) => routingObjects(instance.virtualRoutes, instance.virtualRules));
  const there = objects.length === 0 ? [] : host.findRoutes(objects);
  const stale = objects.filter((_, index) => there[index] === true);
  if (stale.length > 0) {
    host.applyRoutes(stale.map((object): RoutingChange => ({ action: "delete", object })).reverse());
  }
  const addresses = found.map(({ address, prefixLength, device }) => `${address}/${prefixLength} dev ${device}`);
  if (addresses.length + stale.length > 0) {
    const fields = { addresses, ...(stale.length === 0 ? {} : { routing: stale.map(describe) }) };
    report({ kind: "log", level: "warn", fields, message: "removed what an earlier life left behind" });
  }
  for (const { lease, code } of deleteLeases(host, view, found)) {
    const { address, device } = lease;
    const owner = instances.find((one) => heldAddresses(one).some((vip) => vip.address === address));
    const alarm = { kind: "addressOperationFailed", address, device, detail: `remove: ${code}` } as const;
    if (owner !== undefined) report({ kind: "alarm", instance: owner.name, alarm });
  }
  return addresses.length + stale.length > 0;
}

/** SCHED_RR for this thread where it is asked for; a refusal is a warning. */
export function tryRealtime(host: VrrpHost, priority: number | undefined, report: (message: Report) => void): boolean {
  if (priority === undefined) return false;
  try {
    host.setRealtime(priority);
    return true;
  } catch (error) {
    const message = "no real-time scheduling for the VRRP thread: its timers can be milliseconds late under load";
    report({ kind: "log", level: "warn", fields: { error: String(error), remedy: "grant CAP_SYS_NICE" }, message });
    return false;
  }
}

/**
 * Finds out at the start, not at the first takeover, that addresses may not be changed: deletes one of a link that cannot
 * exist. The kernel asks for the capability before it looks for the link.
 */
export function requireNetAdmin(host: VrrpHost): void {
  const lease: Lease = {
    address: ip("127.255.255.254"),
    device: "",
    linkIndex: 0,
    prefixLength: 32,
    label: undefined,
    scope: "host",
    broadcast: undefined,
    peer: undefined,
    options: {
      home: false,
      manageTemporaryAddresses: false,
      noPrefixRoute: false,
      autojoin: false,
      preferredLifetime: "lease",
    },
  };
  const [outcome] = host.applyAddresses([{ kind: "delete", lease }]);
  if (outcome === undefined || outcome.ok || !REFUSED.has(outcome.code)) return;
  throw new HoldfastError(
    "missingCapability",
    "the VRRP thread may not change addresses: it lacks CAP_NET_ADMIN",
    "start it by systemd/holdfast.service (AmbientCapabilities=), or as root",
  );
}

/** Raw sockets cannot be had: told at the start, where the operator sees it. */
export function requireNetRaw(error: unknown): void {
  if (!(error instanceof Error && "code" in error && REFUSED.has(error.code))) return;
  throw new HoldfastError(
    "missingCapability",
    "the VRRP thread may not open raw sockets: it lacks CAP_NET_RAW",
    "start it by systemd/holdfast.service (AmbientCapabilities=), or as root",
    { cause: error },
  );
}
