import type { VirtualAddressConfig, VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import { family, type Ip, inSubnet, ipBytes } from "../../core/ip.ts";
import { type DurationUs, toSeconds } from "../../core/units.ts";
import type { AddressScope, HostAddress, HostInterface, IndexedView } from "./hostView.ts";

/**
 * The arithmetic of VIP leases, pure: which address is programmed how, and for how long. A VIP lives in the kernel for
 * a few seconds after its last refresh, so that a dead or hanging holder loses it by itself.
 */

/** One VIP as it is, or would be, programmed. */
export interface Lease {
  readonly address: Ip;
  readonly device: string;
  readonly linkIndex: number;
  readonly prefixLength: number;
  readonly label: string | undefined;
  readonly scope: AddressScope;
  readonly broadcast: Ip | undefined;
  readonly peer: Ip | undefined;
  readonly options: LeaseOptions;
}

/** IFA_F_* flags that can be asked for, and the preferred lifetime. */
export interface LeaseOptions {
  readonly home: boolean;
  readonly manageTemporaryAddresses: boolean;
  readonly noPrefixRoute: boolean;
  readonly autojoin: boolean;
  readonly preferredLifetime: VirtualAddressConfig["preferredLifetime"];
}

export type LeasePlan =
  | { readonly kind: "lease"; readonly lease: Lease; readonly noTrack: boolean }
  /** The host has it for ever: never leased, refreshed or removed. */
  | { readonly kind: "permanent"; readonly address: Ip; readonly device: string; readonly prefixLength: number }
  | { readonly kind: "deviceMissing"; readonly address: Ip; readonly device: string };

/** The kernel counts in whole seconds, and adds up to 1.1 s of its own until it takes the address away (docs/decisions.md). */
const LIFETIME_MIN_SEC = 2;
const KERNEL_LATENESS_SEC = 0.9;
/**
 * The longest lifetime that is one, 136 years: with `vip_lease off`. One more would be "for ever" (rtnetlink(7)
 * IFA_F_PERMANENT), and then nothing would tell our addresses from the host's own, which are never taken.
 */
export const UNLIMITED_LIFETIME_SEC = 0xffff_fffe;

/**
 * Valid lifetime of a lease: at 1 s adverts the VIP is gone 2.0 to 3.1 s after the last advert, and the first peer takes
 * over after 3.0 s and its skew time. Intervals below 1 s need the guard, since the kernel knows no shorter lifetime.
 */
export function leaseLifetimeSec(advertInterval: DurationUs, downTimerAdverts = 3): number {
  return Math.max(LIFETIME_MIN_SEC, Math.floor(downTimerAdverts * toSeconds(advertInterval) - KERNEL_LATENESS_SEC));
}

/** Valid lifetime of an instance's addresses, leased or not. */
export function addressLifetimeSec({ vipLease, advertInterval, downTimerAdverts }: VrrpInstanceConfig): number {
  return vipLease ? leaseLifetimeSec(advertInterval, downTimerAdverts) : UNLIMITED_LIFETIME_SEC;
}

/** Preferred lifetime as it is programmed: 0 keeps IPv6 from taking the VIP as a source of the host's own. */
export function preferredSec(preferred: LeaseOptions["preferredLifetime"], validSec: number): number {
  if (preferred === "lease") return 0;
  return preferred === "forever" ? validSec : Math.min(preferred, validSec);
}

/** Everything that an instance holds while MASTER, advertised or not. */
export function heldAddresses(instance: VrrpInstanceConfig): readonly VirtualAddressConfig[] {
  return instance.excludedAddresses.length === 0
    ? instance.virtualAddresses
    : [...instance.virtualAddresses, ...instance.excludedAddresses];
}

/** What all VIPs of a configuration are to one another: computed once for each configuration. */
export class VipTable {
  /** Every VIP of every instance. */
  readonly addresses: ReadonlySet<Ip>;
  /** VIPs in the subnet of an earlier one on their device: as secondary addresses they would go together with that one. */
  readonly #behindOthers: ReadonlySet<string>;

  constructor(all: readonly VrrpInstanceConfig[]) {
    const vips = all.flatMap(heldAddresses);
    this.addresses = new Set(vips.map((vip) => vip.address));
    const subnets = new Set<string>();
    const behind = new Set<string>();
    for (const vip of vips) {
      const subnet = `${vip.device} ${subnetKey(vip.address, vip.prefixLength)}`;
      if (subnets.has(subnet)) behind.add(vipKey(vip));
      else subnets.add(subnet);
    }
    this.#behindOthers = behind;
  }

  isBehindOther(vip: VirtualAddressConfig): boolean {
    return this.#behindOthers.has(vipKey(vip));
  }
}

/** By value: an instance that a reload did not change keeps its configuration, the table is of the new one. */
function vipKey({ device, address }: VirtualAddressConfig): string {
  return `${device} ${address}`;
}

/** How every VIP of an instance is to be programmed on this host. */
export function planLeases(instance: VrrpInstanceConfig, table: VipTable, view: IndexedView): readonly LeasePlan[] {
  const own = new Map<string, readonly HostAddress[]>();
  const ownOf = (link: HostInterface): readonly HostAddress[] => {
    const known = own.get(link.name);
    if (known !== undefined) return known;
    const found = link.addresses.filter((a) => a.permanent || !table.addresses.has(a.ip));
    own.set(link.name, found);
    return found;
  };
  return heldAddresses(instance).map((vip): LeasePlan => {
    const { address, device } = vip;
    const link = view.named(device);
    if (link === undefined) return { kind: "deviceMissing", address, device };
    const hosts = ownOf(link);
    const permanent = hosts.find((candidate) => candidate.ip === address && candidate.permanent);
    if (permanent !== undefined) {
      return { kind: "permanent", address, device, prefixLength: permanent.prefixLength };
    }
    const narrow =
      // With a peer, the prefix is that of the other end.
      vip.peer === undefined &&
      (table.isBehindOther(vip) || hosts.some((candidate) => inSubnet(address, candidate.ip, candidate.prefixLength)));
    const prefixLength = narrow ? hostPrefix(address) : vip.prefixLength;
    return { kind: "lease", lease: leaseOf(vip, link, prefixLength), noTrack: vip.noTrack };
  });
}

export function leaseOf(vip: VirtualAddressConfig, link: HostInterface, prefixLength: number): Lease {
  const { home, manageTemporaryAddresses, noPrefixRoute, autojoin, preferredLifetime } = vip;
  return {
    address: vip.address,
    device: vip.device,
    linkIndex: link.index,
    prefixLength,
    label: vip.label,
    scope: vip.scope,
    broadcast: vip.broadcast,
    peer: vip.peer,
    options: { home, manageTemporaryAddresses, noPrefixRoute, autojoin, preferredLifetime },
  };
}

/**
 * Configured VIPs that an earlier life left on their devices: those with an end. One without an end is the host's own
 * (or another program's), and not ours to take.
 */
export function leftovers(all: readonly VrrpInstanceConfig[], view: IndexedView): readonly Lease[] {
  const found = new Map<string, Lease>();
  for (const vip of all.flatMap(heldAddresses)) {
    const link = view.named(vip.device);
    for (const own of link?.addresses ?? []) {
      if (link === undefined || own.ip !== vip.address || own.permanent) continue;
      found.set(`${link.index} ${own.ip}/${own.prefixLength}`, { ...asLease(own, link), scope: vip.scope });
    }
  }
  return [...found.values()];
}

/** An address of the host's, to be removed or put back as it is. */
export function asLease(own: HostAddress, link: HostInterface): Lease {
  return {
    address: own.ip,
    device: link.name,
    linkIndex: link.index,
    prefixLength: own.prefixLength,
    label: own.label,
    scope: own.scope,
    broadcast: own.broadcast,
    peer: own.peer,
    options: {
      home: false,
      manageTemporaryAddresses: false,
      noPrefixRoute: false,
      autojoin: false,
      preferredLifetime: "forever",
    },
  };
}

/**
 * The addresses that the kernel would remove together with this one: IPv4 addresses of the same subnet and prefix that
 * came later, unless `promote_secondaries` is set. It happens when somebody gives the device an address of the VIP's subnet.
 */
export function takenAlong(lease: Lease, link: HostInterface | undefined): readonly HostAddress[] {
  if (link === undefined || family(lease.address) === 6 || lease.prefixLength === hostPrefix(lease.address)) return [];
  const own = link.addresses.find((a) => a.ip === lease.address && a.prefixLength === lease.prefixLength);
  if (own === undefined || own.secondary) return [];
  return link.addresses.filter(
    (other) =>
      other.secondary &&
      other.prefixLength === lease.prefixLength &&
      inSubnet(other.ip, lease.address, lease.prefixLength),
  );
}

/** Names a lease in the kernel: what `ip address del` needs. */
export function leaseKey(lease: Pick<Lease, "address" | "linkIndex" | "prefixLength">): string {
  return `${lease.linkIndex} ${lease.address}/${lease.prefixLength}`;
}

export function hostPrefix(address: Ip): number {
  return family(address) === 4 ? 32 : 128;
}

function subnetKey(address: Ip, prefixLength: number): string {
  const masked = ipBytes(address).map((byte, index) => {
    const bits = Math.max(0, Math.min(8, prefixLength - index * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
  return `${masked.join(".")}/${prefixLength}`;
}

/** Of the held leases, those of `garp_extra_if`: on devices that send nothing of their own accord, virtual MAC devices or all of them. */
export function onExtraInterfaces(held: readonly Lease[], config: VrrpInstanceConfig): readonly Lease[] {
  const base = config.virtualMac?.name ?? config.interface;
  const virtual = new Set(
    heldAddresses(config)
      .filter((vip) => vip.ownVirtualMac !== undefined)
      .map((vip) => vip.device),
  );
  return held.filter(({ device }) => device !== base && (config.garp.extraAll || virtual.has(device)));
}
