import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import { family, type Ip, inSubnet, ip } from "../../core/ip.ts";
import type { LinkFacts } from "../../vrrp/types.ts";
import type { HostInterface, IndexedView } from "./hostView.ts";

const LINK_LOCAL = { network: ip("fe80::"), prefixLength: 10 };

/** What the machine of an instance is told of the host. `up` is the interface's state after its configured delays. */
export function linkFacts(
  config: Pick<VrrpInstanceConfig, "interface" | "family" | "transport" | "sourceAddress" | "trackSourceAddress">,
  view: IndexedView,
  up: boolean,
  vips: ReadonlySet<Ip>,
): LinkFacts {
  const link = view.named(config.interface);
  const { sourceAddress, transport } = config;
  const noUnicastPeer = transport.kind === "unicast" && transport.peers.length === 0;
  const sourceThere = sourceAddress !== undefined && view.has(sourceAddress);
  const sourceAddressMissing = config.trackSourceAddress && sourceAddress !== undefined && !sourceThere;
  if (link === undefined) {
    return { present: false, up: false, primaryAddress: undefined, sourceAddressMissing, noUnicastPeer };
  }
  const primaryAddress = sourceThere ? sourceAddress : ownAddress(config, link, vips);
  return { present: true, up, primaryAddress, sourceAddressMissing, noUnicastPeer };
}

/**
 * The interface's first address that is no VIP: a VIP comes and goes. The owner's only address is its VIP, and then
 * permanent. IPv6 adverts come from the link-local address (RFC 9568 5.1.2.1), unless the peers are no link-local ones.
 */
function ownAddress(
  { family: wanted, transport }: Pick<VrrpInstanceConfig, "family" | "transport">,
  link: HostInterface,
  vips: ReadonlySet<Ip>,
): Ip | undefined {
  const candidates = link.addresses.filter((own) => family(own.ip) === wanted && !own.tentative);
  const suitable =
    wanted === 4 ? candidates : candidates.filter((own) => isLinkLocal(own.ip) === wantsLinkLocal(transport));
  return (suitable.find((own) => !vips.has(own.ip)) ?? suitable.find((own) => own.permanent))?.ip;
}

function wantsLinkLocal(transport: VrrpInstanceConfig["transport"]): boolean {
  return transport.kind === "multicast" || transport.peers.every((peer) => isLinkLocal(peer.address));
}

export function isLinkLocal(address: Ip): boolean {
  return inSubnet(address, LINK_LOCAL.network, LINK_LOCAL.prefixLength);
}
