import { type Ip, ip } from "../../src/core/ip.ts";
import { instantUs, type Us } from "../../src/core/units.ts";
import type { AddressScope, HostAddress, HostInterface, HostView } from "../../src/workers/vrrp/hostView.ts";
import type {
  AddressChange,
  AddressOutcome,
  AdvertReceiver,
  AdvertSender,
  Announcer,
  DeadlineTimer,
  HostEvent,
  OutgoingAdvert,
  Received,
  VrrpHost,
} from "../../src/workers/vrrp/ports.ts";

interface StoredAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly label: string | undefined;
  readonly scope: AddressScope;
  /** undefined = for ever. */
  readonly expiresAt: Us | undefined;
}

interface StoredLink {
  readonly name: string;
  readonly index: number;
  up: boolean;
  addresses: StoredAddress[];
}

/**
 * A host in virtual time: interfaces with addresses that expire, sockets whose sends are recorded, one timer. Every call
 * is a line of `calls`, in order.
 */
export class FakeVrrpHost implements VrrpHost {
  readonly calls: string[] = [];
  readonly receivers = new Map<string, (adverts: readonly Received[]) => void>();
  /** Adverts that wait in a socket until it is read. */
  readonly waiting = new Map<string, Received[]>();
  /** The next address changes are answered so; the change is made all the same when `made`. */
  addressAnswer: { readonly code: string; readonly made: boolean } | undefined;
  sendError: Error | undefined;
  receiverError: Error | undefined;
  viewError: Error | undefined;
  /** Time that passes inside each send: a stall between the advert and the refresh. */
  sendTakesUs = 0;
  dumps = 0;
  closed = 0;
  #nowUs = 0;
  #nextIndex = 2;
  readonly #links: StoredLink[] = [];
  #armed: Us | undefined;
  #onExpired: () => void = () => undefined;
  #onEvent: (event: HostEvent) => void = () => undefined;

  readonly clock = { nowUs: (): Us => instantUs(this.#nowUs) };

  addLink(name: string, ...addresses: string[]): void {
    this.#links.push({ name, index: this.#nextIndex++, up: true, addresses: addresses.map(permanent) });
    this.notify();
  }

  removeLink(name: string): void {
    this.#links.splice(
      this.#links.findIndex((link) => link.name === name),
      1,
    );
    this.notify();
  }

  setUp(name: string, up: boolean): void {
    this.#link(name).up = up;
    this.notify();
  }

  /** `ip address replace`, by somebody else; with a lifetime, a leftover. */
  addAddress(name: string, cidr: string, validSec?: number): void {
    const expiresAt = validSec === undefined ? undefined : instantUs(this.#nowUs + validSec * 1e6);
    const link = this.#link(name);
    const added = permanent(cidr);
    const others = link.addresses.filter((own) => own.ip !== added.ip || own.prefixLength !== added.prefixLength);
    link.addresses = [...others, { ...added, expiresAt }];
    this.notify();
  }

  /** `ip address del`, by somebody else. */
  removeAddress(name: string, address: string): void {
    const link = this.#link(name);
    link.addresses = link.addresses.filter((own) => own.ip !== address);
    this.notify();
  }

  notify(event: HostEvent = { kind: "changed" }): void {
    this.#onEvent(event);
  }

  addressesOf(name: string): string[] {
    this.#expire();
    return this.#link(name).addresses.map((own) => `${own.ip}/${own.prefixLength}`);
  }

  /** Lets time pass; the timer fires whenever it is due. */
  advance(us: number): void {
    const until = this.#nowUs + us;
    for (let fired = 0; this.#armed !== undefined && this.#armed <= until; fired++) {
      if (fired > 1000) throw new Error("the timer never rests");
      this.#nowUs = Math.max(this.#nowUs, this.#armed);
      this.#fire();
    }
    this.#nowUs = Math.max(this.#nowUs, until);
  }

  /** Time passes and nobody notices yet. */
  jump(us: number): void {
    this.#nowUs += us;
  }

  /** SIGSTOP for this long, then SIGCONT: the timer is the first to speak. */
  pause(us: number): void {
    this.jump(us);
    if (this.#armed !== undefined && this.#armed <= this.#nowUs) this.#fire();
  }

  receive(device: string, ...adverts: Received[]): void {
    this.receivers.get(device)?.(adverts);
  }

  openTimer(onExpired: () => void): DeadlineTimer {
    this.#onExpired = onExpired;
    return {
      arm: (at) => {
        this.#armed = at;
      },
      disarm: () => {
        this.#armed = undefined;
      },
      close: () => {
        this.#armed = undefined;
        this.closed++;
      },
    };
  }

  setRealtime(priority: number): void {
    this.calls.push(`realtime ${priority}`);
    throw new Error("EPERM");
  }

  view(): HostView {
    this.dumps++;
    if (this.viewError !== undefined) throw this.viewError;
    this.#expire();
    return { interfaces: this.#links.map((link) => this.#shown(link)) };
  }

  watch(onEvent: (event: HostEvent) => void): void {
    this.#onEvent = onEvent;
  }

  applyAddresses(changes: readonly AddressChange[]): AddressOutcome[] {
    this.#expire();
    return changes.map((change) => this.#apply(change));
  }

  openReceiver(
    link: HostInterface,
    { adverts: onAdverts }: { readonly adverts: (adverts: readonly Received[]) => void },
  ): AdvertReceiver {
    if (this.receiverError !== undefined) throw this.receiverError;
    this.calls.push(`listen ${link.name}`);
    this.receivers.set(link.name, onAdverts);
    return {
      drain: () => {
        const adverts = this.waiting.get(link.name) ?? [];
        this.waiting.delete(link.name);
        if (adverts.length > 0) onAdverts(adverts);
      },
      close: () => {
        this.receivers.delete(link.name);
        this.closed++;
      },
    };
  }

  openSender(link: HostInterface): AdvertSender {
    return {
      send: (advert) => {
        if (this.sendError !== undefined) throw this.sendError;
        this.calls.push(describeAdvert(link.name, advert));
        this.#nowUs += this.sendTakesUs;
      },
      close: () => {
        this.closed++;
      },
    };
  }

  openAnnouncer(link: HostInterface): Announcer {
    return {
      announce: (addresses) => this.calls.push(`announce ${link.name} ${addresses.join(" ")}`),
      close: () => {
        this.closed++;
      },
    };
  }

  close(): void {
    this.closed++;
  }

  #apply(change: AddressChange): AddressOutcome {
    const { lease } = change;
    const text = `${lease.address}/${lease.prefixLength} ${lease.device}`;
    if (lease.linkIndex > 0) {
      this.calls.push(change.kind === "set" ? `set ${text} ${change.validSec ?? "forever"}` : `delete ${text}`);
    }
    if (this.addressAnswer !== undefined && !this.addressAnswer.made)
      return { ok: false, code: this.addressAnswer.code };
    const link = this.#links.find((candidate) => candidate.index === lease.linkIndex);
    if (link === undefined) return { ok: false, code: "ENODEV" };
    const same = (own: StoredAddress): boolean => own.ip === lease.address && own.prefixLength === lease.prefixLength;
    if (change.kind === "delete") {
      if (!link.addresses.some(same)) return { ok: false, code: "EADDRNOTAVAIL" };
      const doomed = new Set(secondariesOf(link, link.addresses.findIndex(same)));
      link.addresses = link.addresses.filter((own) => !same(own) && !doomed.has(own));
    } else {
      const expiresAt = change.validSec === undefined ? undefined : instantUs(this.#nowUs + change.validSec * 1e6);
      const at = link.addresses.findIndex(same);
      const stored = {
        ip: lease.address,
        prefixLength: lease.prefixLength,
        label: lease.label,
        scope: lease.scope,
        expiresAt,
      };
      if (at >= 0) link.addresses[at] = stored;
      else link.addresses.push(stored);
    }
    return this.addressAnswer === undefined ? { ok: true } : { ok: false, code: this.addressAnswer.code };
  }

  /** As with promote_secondaries 0: what comes later in a subnet goes with the first. */
  #expire(): void {
    for (const link of this.#links) {
      const ended = link.addresses.filter((own) => own.expiresAt !== undefined && own.expiresAt <= this.#nowUs);
      const gone = new Set(ended.flatMap((own) => [own, ...secondariesOf(link, link.addresses.indexOf(own))]));
      link.addresses = link.addresses.filter((own) => !gone.has(own));
    }
  }

  #shown(link: StoredLink): HostInterface {
    return {
      name: link.name,
      index: link.index,
      up: link.up,
      hardwareAddress: new Uint8Array([2, 0, 0, 0, 0, link.index]),
      addresses: link.addresses.map(
        (own, at): HostAddress => ({
          ip: own.ip,
          prefixLength: own.prefixLength,
          permanent: own.expiresAt === undefined,
          secondary: link.addresses.some((other, before) => before < at && sameSubnet(other, own)),
          label: own.label,
          scope: own.scope,
          validSec: own.expiresAt === undefined ? undefined : Math.ceil((own.expiresAt - this.#nowUs) / 1e6),
        }),
      ),
    };
  }

  #fire(): void {
    this.#armed = undefined;
    this.#onExpired();
  }

  #link(name: string): StoredLink {
    const link = this.#links.find((candidate) => candidate.name === name);
    if (link === undefined) throw new Error(`no link ${name}`);
    return link;
  }
}

function permanent(cidr: string): StoredAddress {
  const [address = "", prefix = "32"] = cidr.split("/");
  return { ip: ip(address), prefixLength: Number(prefix), label: undefined, scope: "global", expiresAt: undefined };
}

/** IPv4 with a prefix of 8, 16, 24 or 32 bits. */
function sameSubnet(a: StoredAddress, b: StoredAddress): boolean {
  const network = (own: StoredAddress): string =>
    own.ip
      .split(".")
      .slice(0, own.prefixLength / 8)
      .join(".");
  return a.prefixLength === b.prefixLength && network(a) === network(b);
}

function secondariesOf(link: StoredLink, at: number): StoredAddress[] {
  const primary = link.addresses[at];
  if (primary === undefined) return [];
  return link.addresses.filter((other, index) => index > at && sameSubnet(primary, other));
}

function describeAdvert(device: string, advert: OutgoingAdvert): string {
  return `advert ${device} ${advert.source} vrid=${advert.virtualRouterId} priority=${advert.priority}`;
}
