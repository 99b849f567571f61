import { type Ip, inSubnet } from "../../../src/core/ip.ts";
import type { AddressScope, HostAddress, HostInterface, HostView } from "../../../src/workers/vrrp/hostView.ts";
import type { Dice } from "../dice.ts";

/**
 * How much later than its lifetime says the kernel takes an address away, in microseconds: it looks at most once a second
 * when anything else changed an address shortly before. Seen: up to 0.46 s at rest, up to 1.08 s beside other changes.
 */
const LATENESS_USUAL_US = 460_000;
export const LATENESS_MAX_US = 1_100_000;

export interface StoredAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly label: string | undefined;
  readonly scope: AddressScope;
  /** End of the lifetime, and when the kernel takes it away; of the kernel's own clock. Undefined = for ever. */
  validUntilUs: number | undefined;
  goneAtUs: number;
}

export interface StoredLink {
  name: string;
  readonly index: number;
  /** Number of the LAN that it is plugged into. */
  readonly segment: number;
  up: boolean;
  readonly hardwareAddress: Uint8Array;
  addresses: StoredAddress[];
}

export type AddressEvent = "added" | "refreshed" | "removed" | "expired";

export interface KernelModules {
  readonly dice: Dice;
  /** The kernel's own clock, in microseconds: it stands still while the machine does. */
  readonly nowUs: () => number;
  readonly onAddress: (link: StoredLink, address: StoredAddress, event: AddressEvent) => void;
}

/** The interfaces and addresses of one host, which outlive every process on it. */
export class SimKernel {
  readonly links: StoredLink[] = [];
  readonly #modules: KernelModules;
  #nextIndex = 2;
  #view: HostView | undefined;
  #nextEndUs = Number.POSITIVE_INFINITY;

  constructor(modules: KernelModules) {
    this.#modules = modules;
  }

  /** When the next address is taken away, of the kernel's clock; Infinity = never. */
  get nextEndUs(): number {
    return this.#nextEndUs;
  }

  addLink(
    name: string,
    segment: number,
    addresses: readonly { readonly ip: Ip; readonly prefixLength: number }[],
  ): StoredLink {
    const index = this.#nextIndex++;
    const link: StoredLink = {
      name,
      index,
      segment,
      up: true,
      hardwareAddress: new Uint8Array([2, 0, 0, segment, 0, index]),
      addresses: addresses.map((own) => ({ ...own, label: undefined, scope: "global", ...FOR_EVER })),
    };
    this.links.push(link);
    this.#changed();
    return link;
  }

  removeLink(link: StoredLink): void {
    for (const address of [...link.addresses]) this.#take(link, address, "removed");
    this.links.splice(this.links.indexOf(link), 1);
    this.#changed();
  }

  /** Down, an interface keeps its IPv4 addresses (and here its IPv6 ones too). */
  setUp(link: StoredLink, up: boolean): void {
    link.up = up;
    this.#changed();
  }

  rename(link: StoredLink, name: string): void {
    link.name = name;
    this.#changed();
  }

  named(name: string): StoredLink | undefined {
    return this.links.find((link) => link.name === name);
  }

  // With every frame: loops, since a function for each would be made anew.

  byIndex(index: number): StoredLink | undefined {
    for (const link of this.links) if (link.index === index) return link;
    return undefined;
  }

  onSegment(segment: number): StoredLink | undefined {
    for (const link of this.links) if (link.segment === segment) return link;
    return undefined;
  }

  /** `ip address replace`; answers an errno's name. */
  set(
    index: number,
    wanted: Pick<StoredAddress, "ip" | "prefixLength" | "label" | "scope">,
    validSec: number | undefined,
  ): string | undefined {
    this.expire();
    const link = this.byIndex(index);
    if (link === undefined) return "ENODEV";
    const ends = validSec === undefined ? FOR_EVER : this.#ends(validSec);
    // Before anybody is told: who hears of the address asks when it ends.
    this.#nextEndUs = Math.min(this.#nextEndUs, ends.goneAtUs);
    const existing = find(link, wanted.ip, wanted.prefixLength);
    if (existing !== undefined) {
      existing.validUntilUs = ends.validUntilUs;
      existing.goneAtUs = ends.goneAtUs;
      this.#modules.onAddress(link, existing, "refreshed");
    } else {
      const added = { ...wanted, ...ends };
      link.addresses.push(added);
      this.#changed();
      this.#modules.onAddress(link, added, "added");
    }
    return undefined;
  }

  /** `ip address del`; answers an errno's name. */
  delete(index: number, ip: Ip, prefixLength: number): string | undefined {
    this.expire();
    const link = this.byIndex(index);
    if (link === undefined) return "ENODEV";
    const existing = find(link, ip, prefixLength);
    if (existing === undefined) return "EADDRNOTAVAIL";
    this.#takeWithSecondaries(link, existing, "removed");
    return undefined;
  }

  /** Takes away what has come to its end. True when something was. */
  expire(): boolean {
    const now = this.#modules.nowUs();
    if (now < this.#nextEndUs) return false;
    let taken = false;
    let next = Number.POSITIVE_INFINITY;
    for (const link of this.links) {
      for (const address of [...link.addresses]) {
        if (address.goneAtUs > now) next = Math.min(next, address.goneAtUs);
        else if (link.addresses.includes(address)) {
          this.#takeWithSecondaries(link, address, "expired");
          taken = true;
        }
      }
    }
    this.#nextEndUs = next;
    return taken;
  }

  /** A whole dump. The same object while nothing but lifetimes has changed. */
  view(): HostView {
    this.expire();
    this.#view ??= { interfaces: this.links.map((link) => this.#shown(link)) };
    return this.#view;
  }

  #ends(validSec: number): Pick<StoredAddress, "validUntilUs" | "goneAtUs"> {
    const { dice, nowUs } = this.#modules;
    const validUntilUs = nowUs() + validSec * 1e6;
    const lateness = dice.next() * (dice.chance(0.1) ? LATENESS_MAX_US : LATENESS_USUAL_US);
    return { validUntilUs, goneAtUs: validUntilUs + Math.ceil(lateness) };
  }

  #takeWithSecondaries(link: StoredLink, address: StoredAddress, event: AddressEvent): void {
    const along = secondariesOf(link, address);
    this.#take(link, address, event);
    for (const other of along) this.#take(link, other, "removed");
  }

  #take(link: StoredLink, address: StoredAddress, event: AddressEvent): void {
    link.addresses.splice(link.addresses.indexOf(address), 1);
    this.#changed();
    this.#modules.onAddress(link, address, event);
  }

  #changed(): void {
    this.#view = undefined;
  }

  #shown(link: StoredLink): HostInterface {
    const { name, index, up, hardwareAddress } = link;
    return {
      name,
      index,
      up,
      administrativelyUp: up,
      hardwareAddress,
      kind: undefined,
      baseIndex: undefined,
      alias: undefined,
      addresses: link.addresses.map((own) => this.#shownAddress(link, own)),
    };
  }

  #shownAddress(link: StoredLink, own: StoredAddress): HostAddress {
    const { nowUs } = this.#modules;
    return {
      ip: own.ip,
      prefixLength: own.prefixLength,
      permanent: own.validUntilUs === undefined,
      secondary: link.addresses.some((other) => secondariesOf(link, other).includes(own)),
      tentative: false,
      label: own.label,
      scope: own.scope,
      broadcast: undefined,
      peer: undefined,
      // Read when it is asked for: a refresh needs no new view.
      get validSec() {
        return own.validUntilUs === undefined ? undefined : Math.max(0, Math.ceil((own.validUntilUs - nowUs()) / 1e6));
      },
    };
  }
}

const FOR_EVER = { validUntilUs: undefined, goneAtUs: Number.POSITIVE_INFINITY };

/** As `ip address` names it. */
export const cidrOf = ({ ip, prefixLength }: Pick<StoredAddress, "ip" | "prefixLength">): string =>
  `${ip}/${prefixLength}`;

function find(link: StoredLink, ip: Ip, prefixLength: number): StoredAddress | undefined {
  for (const own of link.addresses) if (own.ip === ip && own.prefixLength === prefixLength) return own;
  return undefined;
}

/** IPv4 with promote_secondaries 0: the later addresses of its subnet and prefix go together with the first. */
function secondariesOf(link: StoredLink, primary: StoredAddress): StoredAddress[] {
  if (primary.ip.includes(":") || primary.prefixLength === 32) return [];
  const same = link.addresses.filter(
    (other) => other.prefixLength === primary.prefixLength && inSubnet(other.ip, primary.ip, primary.prefixLength),
  );
  return same[0] === primary ? same.slice(1) : [];
}
