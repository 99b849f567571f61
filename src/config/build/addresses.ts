import { family } from "../../core/ip.ts";
import type { VirtualAddressLine } from "../keywords/virtualIpaddress.ts";
import { bitsOf } from "../keywords/words.ts";
import type { VirtualAddressConfig, VirtualMacConfig } from "../vrrp.types.ts";
import type { VirtualMacPlan } from "./virtualMac.ts";

/** Lines of addresses with their devices resolved. */

export function buildVirtualAddress(
  line: VirtualAddressLine,
  instanceInterface: string,
  plan: VirtualMacPlan,
): VirtualAddressConfig {
  const ofAddress = plan.ofAddresses.get(line);
  const onInstance = line.device === undefined || line.device === instanceInterface;
  const device = ofAddress?.device.name ?? (onInstance ? (plan.own?.name ?? instanceInterface) : line.device);
  return {
    ...common(line),
    device: device ?? instanceInterface,
    ownVirtualMac: ofAddress?.device,
    baseInterface: ofAddress?.base,
    preferredLifetime: line.preferredLifetime === 0 ? "lease" : (line.preferredLifetime ?? "lease"),
    trackGroup: undefined,
  };
}

export function buildStaticAddress(line: VirtualAddressLine, defaultInterface: string): VirtualAddressConfig {
  return {
    ...common(line),
    device: line.device ?? defaultInterface,
    ownVirtualMac: undefined,
    baseInterface: undefined,
    preferredLifetime: line.preferredLifetime ?? (isWholeIpv6(line) ? 0 : "forever"),
    trackGroup: line.trackGroup,
  };
}

/**
 * The address of `use_ipvlan` is there like a static one, from whenever the device is. Without a route of its own: the
 * base has the one of its subnet, and what the host sends is not to leave by another device because of VRRP.
 */
export function buildIpvlanAddress(device: VirtualMacConfig | undefined): VirtualAddressConfig | undefined {
  if (device?.ipvlanAddress === undefined) return undefined;
  return {
    ...device.ipvlanAddress,
    device: device.name,
    ownVirtualMac: undefined,
    baseInterface: undefined,
    label: undefined,
    scope: "global",
    broadcast: undefined,
    peer: undefined,
    home: false,
    manageTemporaryAddresses: false,
    noPrefixRoute: true,
    autojoin: false,
    noTrack: false,
    preferredLifetime: "forever",
    trackGroup: undefined,
  };
}

/** keepalived.conf(5): "0 to deprecate IPv6 addresses (this is the default if the address mask is /128)". */
const isWholeIpv6 = ({ address, prefixLength }: VirtualAddressLine): boolean =>
  family(address) === 6 && prefixLength === bitsOf(6);

function common(line: VirtualAddressLine) {
  const { address, prefixLength, label, scope, broadcast, peer, home } = line;
  const { manageTemporaryAddresses, noPrefixRoute, autojoin, noTrack } = line;
  return {
    address,
    prefixLength,
    label,
    scope,
    broadcast,
    peer,
    home,
    manageTemporaryAddresses,
    noPrefixRoute,
    autojoin,
    noTrack,
  };
}
