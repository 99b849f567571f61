import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import { HoldfastError } from "../../core/errors.ts";
import { ip } from "../../core/ip.ts";
import type { FollowedView } from "./followedView.ts";
import { deleteLeases } from "./holder.ts";
import type { Report, VrrpInstance } from "./instance.ts";
import { heldAddresses, type Lease, leftovers } from "./leases.ts";
import type { RoutingChange, VrrpHost } from "./ports.ts";
import { describe, routingObjects } from "./routing.ts";
import { leftDevices, wantedDevices } from "./virtualDevices.ts";

const REFUSED: ReadonlySet<unknown> = new Set(["EPERM", "EACCES"]);

export interface LeftoversModules {
  readonly host: VrrpHost;
  readonly view: FollowedView;
  /** What they hold is ours of this life. */
  readonly instances: () => Iterable<VrrpInstance>;
  readonly report: (message: Report) => void;
}

/**
 * What an earlier life left behind: removed when its instances come, and told of. Addresses of which no dump can tell yet,
 * because the table changed during it or their interface is missing, are removed behind the next dump that shows it. Devices
 * that it made are known by their mark, and removed where no instance asks for them any more.
 */
export class Leftovers {
  readonly #modules: LeftoversModules;
  /** Instances whose addresses have not been looked for yet. */
  #owed: readonly VrrpInstanceConfig[] = [];
  /** All instances, while devices that none of them asks for have not been looked for yet. */
  #owedDevices: readonly VrrpInstanceConfig[] | undefined;
  /** Devices whose removal was refused, and how that was told. */
  readonly #refused = new Map<string, string>();

  constructor(modules: LeftoversModules) {
    this.#modules = modules;
  }

  /** A new configuration, of which these instances are new here; a dump was just made, or tried. */
  sweep(all: readonly VrrpInstanceConfig[], added: readonly VrrpInstanceConfig[]): void {
    const owed = new Set(this.#owed.map(({ name }) => name));
    this.#owed = all.filter((instance) => owed.has(instance.name) || added.includes(instance));
    this.#owedDevices = all;
    this.#sweepRouting(added);
    this.settle();
    if (this.#modules.view.isWhole) return;
    const message =
      "the addresses of this host changed during every dump: what an earlier life left is looked for later";
    this.#modules.report({ kind: "log", level: "warn", fields: {}, message });
  }

  /** Behind every dump. */
  settle(): void {
    const { host, view, report } = this.#modules;
    if (!view.isWhole) return;
    this.#sweepDevices();
    if (this.#owed.length === 0) return;
    const instances = this.#owed;
    // What stands on an interface that is missing now is found when that is back.
    this.#owed = instances.filter((one) =>
      heldAddresses(one).some((vip) => view.current.named(vip.device) === undefined),
    );
    const found = leftovers(instances, view.current).filter((lease) => !this.#isHeld(lease));
    if (found.length === 0) return;
    this.#tell({
      addresses: found.map(({ address, prefixLength, device }) => `${address}/${prefixLength} dev ${device}`),
    });
    for (const { lease, detail } of deleteLeases(host, view.current, found, [])) {
      const { address, device } = lease;
      const owner = instances.find((one) => heldAddresses(one).some((vip) => vip.address === address));
      const alarm = { kind: "addressOperationFailed", address, device, detail } as const;
      if (owner !== undefined) report({ kind: "alarm", instance: owner.name, alarm });
    }
    view.refresh();
  }

  #sweepDevices(): void {
    const { host, view, report } = this.#modules;
    const instances = this.#owedDevices;
    this.#owedDevices = undefined;
    const found = instances === undefined ? [] : leftDevices(wantedDevices(instances), view.current);
    if (found.length === 0) return;
    const removed = found.filter(({ name, index }) => {
      const outcome = host.deleteDevice(index);
      // Gone meanwhile is what was wanted.
      if (outcome.ok || outcome.code === "ENODEV") return true;
      // Tried again behind the next dump, and told once.
      this.#owedDevices = instances;
      if (this.#refused.get(name) === outcome.code) return false;
      this.#refused.set(name, outcome.code);
      const message = `${name}, which an earlier life left behind, cannot be removed: ${outcome.code}`;
      report({ kind: "log", level: "warn", fields: { device: name, error: outcome.code }, message });
      return false;
    });
    if (removed.length === 0) return;
    this.#tell({ devices: removed.map(({ name }) => name) });
    view.refresh();
  }

  #isHeld({ address, device }: Lease): boolean {
    for (const { holder } of this.#modules.instances()) if (holder.holds(address, device)) return true;
    return false;
  }

  #sweepRouting(instances: readonly VrrpInstanceConfig[]): void {
    const { host } = this.#modules;
    const objects = instances.flatMap((instance) => routingObjects(instance.virtualRoutes, instance.virtualRules));
    if (objects.length === 0) return;
    const there = host.findRoutes(objects);
    const stale = objects.filter((_, index) => there[index] === true);
    if (stale.length === 0) return;
    host.applyRoutes(stale.map((object): RoutingChange => ({ action: "delete", object })).reverse());
    this.#tell({ routing: stale.map(describe) });
  }

  #tell(fields: object): void {
    this.#modules.report({ kind: "log", level: "warn", fields, message: "removed what an earlier life left behind" });
  }
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
