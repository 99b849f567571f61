import type { Address, AddressOperation, HostNetwork } from "../../io/hostNetwork.ts";
import { readSysctl, writeSysctl } from "../../io/sysctl.ts";
import {
  IFA_F,
  IFAPROT_HOLDFAST,
  IPVLAN_F,
  IPVLAN_MODE,
  LIFETIME_FOREVER_SEC,
  MACVLAN_MODE,
  type NewLinkRequest,
  SCOPE,
} from "../../wire/netlink/rtnl.ts";
import type { HostView } from "./hostView.ts";
import type { Lease } from "./leases.ts";
import type { AddressChange, DeviceRequest, VrrpHost } from "./ports.ts";

/** What the driver asks of rtnetlink about links and addresses, and of sysctls. */
export type NetworkHost = Pick<
  VrrpHost,
  | "view"
  | "watch"
  | "applyAddresses"
  | "createDevice"
  | "setDeviceAlias"
  | "setDeviceUp"
  | "deleteDevice"
  | "readSysctl"
  | "writeSysctl"
>;

export function openNetwork(network: HostNetwork): NetworkHost {
  return {
    view: () => viewOf(network),
    watch: (onEvent) =>
      network.watch({
        changed: () => onEvent({ kind: "changed" }),
        overrun: () => onEvent({ kind: "overrun" }),
        error: (error) => onEvent({ kind: "error", error }),
      }),
    applyAddresses: (changes) => network.applyAddresses(changes.map(addressOperation)),
    createDevice: (request) => network.createLink(linkRequest(request), request.alias),
    setDeviceAlias: (linkIndex, alias) => network.setLinkAlias(linkIndex, alias),
    setDeviceUp: (linkIndex) => network.setLinkUp(linkIndex),
    deleteDevice: (linkIndex) => network.deleteLink(linkIndex),
    readSysctl,
    writeSysctl,
  };
}

function viewOf(network: HostNetwork): HostView {
  const addresses = new Map<number, Address[]>();
  for (const address of network.listAddresses()) {
    const others = addresses.get(address.linkIndex);
    if (others === undefined) addresses.set(address.linkIndex, [address]);
    else others.push(address);
  }
  return {
    interfaces: network.listLinks().map((link) => ({ ...link, addresses: addresses.get(link.index) ?? [] })),
  };
}

function linkRequest({ kind, name, baseIndex, hardwareAddress, ipvlanMode = "bridge" }: DeviceRequest): NewLinkRequest {
  const common = { name, parentIndex: baseIndex, hardwareAddress };
  if (kind === "macvlan") return { ...common, info: { kind, macvlan: { mode: MACVLAN_MODE.private } } };
  const flags = ipvlanMode === "bridge" ? 0 : IPVLAN_F[ipvlanMode];
  return { ...common, info: { kind, ipvlan: { mode: IPVLAN_MODE.l2, flags } } };
}

/** What a change of the driver is as a request to rtnetlink. */
export function addressOperation(change: AddressChange): AddressOperation {
  const { address: ip, prefixLength, linkIndex, peer } = change.lease;
  switch (change.kind) {
    case "delete":
      return { kind: "delete", request: { ip, prefixLength, linkIndex, peer } };
    case "set": {
      const lifetime = { validSec: change.validSec, preferredSec: change.preferredSec };
      return setOperation(change.lease, lifetime, IFAPROT_HOLDFAST);
    }
    case "putBack":
      return setOperation(change.lease, lifetimeOfOwn(change.lease, change.validSec));
  }
}

/** Of an address of the host's own, or a static one; undefined = for ever, and preferred as long. */
function lifetimeOfOwn({ options: { preferredLifetime } }: Lease, validSec: number | undefined) {
  if (validSec !== undefined) return { validSec, preferredSec: validSec };
  return typeof preferredLifetime === "number"
    ? { validSec: LIFETIME_FOREVER_SEC, preferredSec: preferredLifetime }
    : undefined;
}

/** Without a protocol it is the host's own again. */
function setOperation(
  lease: Lease,
  lifetime: { readonly validSec: number; readonly preferredSec: number } | undefined,
  protocol?: number,
): AddressOperation {
  const { address: ip, prefixLength, linkIndex, label, scope, broadcast, peer } = lease;
  return {
    kind: "set",
    request: {
      ip,
      prefixLength,
      linkIndex,
      label,
      scope: scope === "global" ? SCOPE.universe : SCOPE[scope],
      lifetime,
      flags: flagsOf(lease),
      broadcast,
      peer,
      protocol,
    },
  };
}

function flagsOf({ address, options }: Lease): number {
  return (
    // A VIP is to be usable at once; whose it is, VRRP has settled.
    (address.includes(":") ? IFA_F.noDad : 0) |
    (options.home ? IFA_F.homeAddress : 0) |
    (options.manageTemporaryAddresses ? IFA_F.manageTemporaryAddresses : 0) |
    (options.noPrefixRoute ? IFA_F.noPrefixRoute : 0) |
    (options.autojoin ? IFA_F.multicastAutojoin : 0)
  );
}
