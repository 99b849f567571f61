import type { Ip } from "../../core/ip.ts";

/** The host's interfaces and addresses at one moment: a whole dump, never patched together from notifications. */
export interface HostView {
  readonly interfaces: readonly HostInterface[];
}

export interface HostInterface {
  readonly name: string;
  readonly index: number;
  /** Administratively up, and its carrier is there (IFF_UP and IFF_RUNNING). */
  readonly up: boolean;
  /** IFF_UP alone: what `ip link set up` asks for. */
  readonly administrativelyUp: boolean;
  /** 6 bytes on Ethernet. */
  readonly hardwareAddress: Uint8Array | undefined;
  /** IFLA_INFO_KIND: `macvlan`, `ipvlan`, `veth`, ...; undefined for hardware. */
  readonly kind: string | undefined;
  /** IFLA_LINK: the interface that this one stands on. */
  readonly baseIndex: number | undefined;
  /** IFLA_IFALIAS: what somebody says of it; of ours, that it is ours. */
  readonly alias: string | undefined;
  readonly addresses: readonly HostAddress[];
}

export interface HostAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  /** Without an end (IFA_F_PERMANENT). */
  readonly permanent: boolean;
  /** IPv4: goes when the primary address of its subnet goes. */
  readonly secondary: boolean;
  /** IPv6: duplicate address detection runs or has failed; nothing can be sent from it. */
  readonly tentative: boolean;
  readonly label: string | undefined;
  readonly scope: AddressScope;
  readonly broadcast: Ip | undefined;
  /** Other end of a point-to-point link, where it differs from `ip`. */
  readonly peer: Ip | undefined;
  /** Seconds left; undefined = for ever. */
  readonly validSec: number | undefined;
}

export type AddressScope = "global" | "site" | "link" | "host" | "nowhere";

/** A view with what is looked up in it again and again. */
export class IndexedView {
  readonly interfaces: readonly HostInterface[];
  readonly #byName = new Map<string, HostInterface>();
  readonly #byIndex = new Map<number, HostInterface>();
  readonly #addresses = new Map<number, Map<string, HostAddress>>();
  #all: Set<Ip> | undefined;

  constructor(view: HostView) {
    this.interfaces = view.interfaces;
    for (const link of view.interfaces) {
      this.#byName.set(link.name, link);
      this.#byIndex.set(link.index, link);
    }
  }

  named(name: string): HostInterface | undefined {
    return this.#byName.get(name);
  }

  byIndex(index: number): HostInterface | undefined {
    return this.#byIndex.get(index);
  }

  address(linkIndex: number, address: Ip, prefixLength: number): HostAddress | undefined {
    let known = this.#addresses.get(linkIndex);
    if (known === undefined) {
      const addresses = this.#byIndex.get(linkIndex)?.addresses ?? [];
      known = new Map(addresses.map((own) => [`${own.ip}/${own.prefixLength}`, own]));
      this.#addresses.set(linkIndex, known);
    }
    return known.get(`${address}/${prefixLength}`);
  }

  /** Whether any interface has it, and can send from it. */
  has(address: Ip): boolean {
    this.#all ??= new Set(
      this.interfaces.flatMap(({ addresses }) => addresses.filter((own) => !own.tentative).map((own) => own.ip)),
    );
    return this.#all.has(address);
  }
}

export const NO_INTERFACES = new IndexedView({ interfaces: [] });
