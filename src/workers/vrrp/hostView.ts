import type { Ip } from "../../core/ip.ts";
import type { LinkFacts } from "../../vrrp/types.ts";

/** The host's interfaces and addresses at one moment: a whole dump, never patched together from notifications. */
export interface HostView {
  readonly interfaces: readonly HostInterface[];
}

export interface HostInterface {
  readonly name: string;
  readonly index: number;
  /** Administratively up, and its carrier is there (IFF_UP and IFF_RUNNING). */
  readonly up: boolean;
  /** 6 bytes on Ethernet. */
  readonly hardwareAddress: Uint8Array | undefined;
  readonly addresses: readonly HostAddress[];
}

export interface HostAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  /** Without an end (IFA_F_PERMANENT). */
  readonly permanent: boolean;
  /** IPv4: goes when the primary address of its subnet goes. */
  readonly secondary: boolean;
  readonly label: string | undefined;
  readonly scope: AddressScope;
  /** Seconds left; undefined = for ever. */
  readonly validSec: number | undefined;
}

export type AddressScope = "global" | "site" | "link" | "host" | "nowhere";

export const NO_INTERFACES: HostView = { interfaces: [] };

/** What the state machine is told of an interface that is not there. */
export const ABSENT_LINK: LinkFacts = {
  present: false,
  up: false,
  primaryAddress: undefined,
  sourceAddressMissing: false,
  noUnicastPeer: false,
};

/**
 * What the state machine is told of an interface. The primary address is the interface's first IPv4 address that is no
 * VIP: a VIP comes and goes. The owner's only address is its VIP, and then permanent.
 */
export function linkFacts(host: HostView, name: string, vips: ReadonlySet<Ip>): LinkFacts {
  const link = host.interfaces.find((candidate) => candidate.name === name);
  if (link === undefined) return ABSENT_LINK;
  const ipv4 = link.addresses.filter((address) => !address.ip.includes(":"));
  const primary = ipv4.find((address) => !vips.has(address.ip)) ?? ipv4.find((address) => address.permanent);
  return { ...ABSENT_LINK, present: true, up: link.up, primaryAddress: primary?.ip };
}
