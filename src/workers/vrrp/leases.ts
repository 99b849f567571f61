import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import { family, type Ip, inSubnet } from "../../core/ip.ts";
import { type DurationUs, toSeconds } from "../../core/units.ts";
import type { AddressScope, HostAddress, HostInterface, HostView } from "./hostView.ts";

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
}

export type LeasePlan =
  | { readonly kind: "lease"; readonly lease: Lease }
  /** The host has it for ever: never leased, refreshed or removed. */
  | { readonly kind: "permanent"; readonly address: Ip; readonly device: string; readonly prefixLength: number }
  | { readonly kind: "deviceMissing"; readonly address: Ip; readonly device: string };

/** The kernel counts in whole seconds, and adds up to 1.1 s of its own until it takes the address away (docs/decisions.md). */
const LIFETIME_MIN_SEC = 2;
const KERNEL_LATENESS_SEC = 0.9;

/**
 * Valid lifetime of a lease: at 1 s adverts the VIP is gone 2.0 to 3.1 s after the last advert, and the first peer takes
 * over after 3.0 s and its skew time. Intervals below 1 s need the guard, since the kernel knows no shorter lifetime.
 */
export function leaseLifetimeSec(advertInterval: DurationUs): number {
  return Math.max(LIFETIME_MIN_SEC, Math.floor(3 * toSeconds(advertInterval) - KERNEL_LATENESS_SEC));
}

/**
 * How every VIP of an instance is to be programmed on this host. `all` are the instances of the whole configuration,
 * this one among them.
 */
export function planLeases(
  instance: VrrpInstanceConfig,
  all: readonly VrrpInstanceConfig[],
  host: HostView,
): readonly LeasePlan[] {
  const everyVip = all.flatMap((other) => other.virtualAddresses);
  return instance.virtualAddresses.map((vip): LeasePlan => {
    const { address, device, label, scope } = vip;
    const link = host.interfaces.find((candidate) => candidate.name === device);
    if (link === undefined) return { kind: "deviceMissing", address, device };
    const permanent = link.addresses.find((own) => own.ip === address && own.permanent);
    if (permanent !== undefined) {
      return { kind: "permanent", address, device, prefixLength: permanent.prefixLength };
    }
    const own = link.addresses.filter((a) => a.permanent || !everyVip.some((other) => other.address === a.ip));
    const before = everyVip.slice(0, everyVip.indexOf(vip)).filter((other) => other.device === device);
    const shared =
      own.some((candidate) => inSubnet(address, candidate.ip, candidate.prefixLength)) ||
      // Of two VIPs in one subnet the second would be a secondary address and go together with the first.
      before.some(
        (other) => other.prefixLength === vip.prefixLength && inSubnet(address, other.address, other.prefixLength),
      );
    const prefixLength = shared ? hostPrefix(address) : vip.prefixLength;
    return { kind: "lease", lease: { address, device, linkIndex: link.index, prefixLength, label, scope } };
  });
}

/**
 * Configured VIPs that an earlier life left on their devices: those with an end. One without an end is the host's own
 * (or another program's), and not ours to take.
 */
export function leftovers(all: readonly VrrpInstanceConfig[], host: HostView): readonly Lease[] {
  const found = new Map<string, Lease>();
  for (const vip of all.flatMap((instance) => instance.virtualAddresses)) {
    for (const link of host.interfaces.filter((candidate) => candidate.name === vip.device)) {
      for (const own of link.addresses) {
        if (own.ip !== vip.address || own.permanent) continue;
        found.set(`${link.index} ${own.ip}/${own.prefixLength}`, {
          address: own.ip,
          device: link.name,
          linkIndex: link.index,
          prefixLength: own.prefixLength,
          label: own.label,
          scope: vip.scope,
        });
      }
    }
  }
  return [...found.values()];
}

/**
 * The addresses that the kernel would remove together with this one: IPv4 addresses of the same subnet and prefix that
 * came later, unless `promote_secondaries` is set. It happens when somebody gives the device an address of the VIP's subnet.
 */
export function takenAlong(lease: Lease, link: HostInterface | undefined): readonly HostAddress[] {
  if (link === undefined || family(lease.address) === 6) return [];
  const own = link.addresses.find((a) => a.ip === lease.address && a.prefixLength === lease.prefixLength);
  if (own === undefined || own.secondary) return [];
  return link.addresses.filter(
    (other) =>
      other.secondary &&
      other.prefixLength === lease.prefixLength &&
      inSubnet(other.ip, lease.address, lease.prefixLength),
  );
}

export function sameLease(a: Lease, b: Lease): boolean {
  return a.address === b.address && a.linkIndex === b.linkIndex && a.prefixLength === b.prefixLength;
}

function hostPrefix(address: Ip): number {
  return family(address) === 4 ? 32 : 128;
}
