import type { VirtualAddressConfig, VrrpConfig } from "../../config/vrrp.types.ts";
import { after, milliseconds, type Us } from "../../core/units.ts";
import { ADDRESS_BATCH_MAX } from "../../io/hostNetwork.ts";
import type { IndexedView } from "./hostView.ts";
import { type Lease, leaseOf } from "./leases.ts";
import type { RoutingObject, VrrpHost } from "./ports.ts";
import type { HostObjectStatus } from "./protocol.ts";
import { describe, RoutingHolder, routingObjects } from "./routing.ts";

/** What the kernel refused is tried again so often, besides after every change of interfaces. */
const RETRY_INTERVAL = milliseconds(1_000);

export interface StaticsModules {
  readonly host: VrrpHost;
  readonly failed: (what: string, detail: string) => void;
}

/**
 * `static_ipaddress`, `static_routes`, `static_rules`: there from the start on, whatever the state of any instance, put back
 * when somebody removes them, and left there at the end. Those with a `track_group` are a fault of its instances while
 * they are missing.
 */
export class Statics {
  readonly #modules: StaticsModules;
  readonly #routing: RoutingHolder;
  #config: VrrpConfig | undefined;
  #objects: readonly RoutingObject[] = [];
  readonly #missing = new Set<VirtualAddressConfig>();
  /** With `no_track`: the interface on which it was seen, and those that were taken from there by others. */
  readonly #seenOn = new Map<VirtualAddressConfig, number>();
  readonly #abandoned = new Set<VirtualAddressConfig>();
  readonly #failures = new Map<VirtualAddressConfig, string>();
  #retryAt: Us | undefined;

  constructor(modules: StaticsModules) {
    this.#modules = modules;
    this.#routing = new RoutingHolder(modules);
  }

  /** What a new configuration does not have any more is removed. Returns as `follow`. */
  configure(config: VrrpConfig, view: IndexedView): boolean {
    const gone = (this.#config?.staticAddresses ?? []).filter(
      (old) => !config.staticAddresses.some((now) => now.address === old.address && now.device === old.device),
    );
    this.#config = config;
    this.#objects = routingObjects(config.staticRoutes, config.staticRules);
    this.#missing.clear();
    this.#seenOn.clear();
    this.#abandoned.clear();
    this.#remove(gone, view);
    return this.follow(view);
  }

  /**
   * A new dump, or a deadline: puts back what is missing. Routes go with their links. True where addresses were set: the
   * kernel does not tell us of our own, and instances may send from them.
   */
  follow(view: IndexedView): boolean {
    const { host } = this.#modules;
    this.#retryAt = undefined;
    const changed = this.#putBackAddresses(view);
    if (this.#objects.length > 0) {
      this.#routing.lookForMissing();
      this.#routing.repair(this.#objects);
    }
    const refused = this.#missing.size > 0 || this.#objects.some((object) => this.#isMissing(object));
    if (refused) this.#retryAt = after(host.clock.nowUs(), RETRY_INTERVAL);
    return changed;
  }

  get deadline(): Us | undefined {
    return this.#retryAt;
  }

  /** What is missing of a `track_group` that this instance belongs to. */
  missingOf(instance: string): readonly string[] {
    const config = this.#config;
    if (config === undefined) return [];
    const concerns = (group: string | undefined): boolean =>
      group !== undefined && (config.trackGroups[group]?.includes(instance) ?? false);
    const addresses = [...this.#missing].filter(({ trackGroup }) => concerns(trackGroup)).map(addressText);
    const objects = this.#objects
      .filter((object) => concerns(object.kind === "route" ? object.route.trackGroup : object.rule.trackGroup))
      .filter((object) => this.#isMissing(object))
      .map(describe);
    return [...addresses, ...objects];
  }

  status(): HostObjectStatus[] {
    const addresses = (this.#config?.staticAddresses ?? []).map((address) => ({
      text: addressText(address),
      present: !this.#missing.has(address) && !this.#abandoned.has(address),
    }));
    return [...addresses, ...this.#routing.status(this.#objects)];
  }

  #isMissing(object: RoutingObject): boolean {
    return !this.#routing.has(object) && !this.#routing.isAbandoned(object);
  }

  #putBackAddresses(view: IndexedView): boolean {
    this.#noteAbandoned(view);
    const wanted = this.#config?.staticAddresses ?? [];
    const missing = wanted.filter((address) => !isThere(address, view) && !this.#abandoned.has(address));
    const possible = missing.flatMap((address) => {
      const link = view.named(address.device);
      return link === undefined ? [] : [{ address, lease: leaseOf(address, link, address.prefixLength) }];
    });
    this.#missing.clear();
    for (const address of missing) this.#missing.add(address);
    for (let at = 0; at < possible.length; at += ADDRESS_BATCH_MAX) {
      const batch = possible.slice(at, at + ADDRESS_BATCH_MAX);
      const outcomes = this.#modules.host.applyAddresses(
        batch.map(({ lease }) => ({ kind: "putBack", lease, validSec: undefined })),
      );
      for (const [index, { address }] of batch.entries()) this.#judge(address, outcomes[index]);
    }
    return possible.some(({ address }) => !this.#missing.has(address));
  }

  /** `no_track`: what somebody took from an interface that is still there is left alone. */
  #noteAbandoned(view: IndexedView): void {
    for (const address of this.#config?.staticAddresses ?? []) {
      if (!address.noTrack) continue;
      const link = view.named(address.device);
      const seenOn = this.#seenOn.get(address);
      if (link !== undefined && link.index === seenOn && link.up && !isThere(address, view)) {
        this.#abandoned.add(address);
        continue;
      }
      if (link?.index !== seenOn) this.#abandoned.delete(address);
      if (link !== undefined && isThere(address, view)) {
        this.#abandoned.delete(address);
        this.#seenOn.set(address, link.index);
      }
    }
  }

  #judge(address: VirtualAddressConfig, outcome: { ok: boolean; code?: string } | undefined): void {
    if (outcome?.ok === true) {
      this.#missing.delete(address);
      this.#failures.delete(address);
      return;
    }
    const code = outcome?.code ?? "unknown";
    if (this.#failures.get(address) !== code) this.#modules.failed(`static address ${addressText(address)}`, code);
    this.#failures.set(address, code);
  }

  #remove(gone: readonly VirtualAddressConfig[], view: IndexedView): void {
    const leases = gone.flatMap((address): Lease[] => {
      const link = view.named(address.device);
      return link === undefined ? [] : [leaseOf(address, link, address.prefixLength)];
    });
    if (leases.length > 0) this.#modules.host.applyAddresses(leases.map((lease) => ({ kind: "delete", lease })));
  }
}

function isThere(address: VirtualAddressConfig, view: IndexedView): boolean {
  return (
    view
      .named(address.device)
      ?.addresses.some(
        (own) => own.ip === address.address && own.prefixLength === address.prefixLength && own.permanent,
      ) ?? false
  );
}

function addressText({ address, prefixLength, device }: VirtualAddressConfig): string {
  return `${address}/${prefixLength} dev ${device}`;
}
