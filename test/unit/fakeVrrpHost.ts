import { type Ip, ip } from "../../src/core/ip.ts";
import { instantUs, type Us } from "../../src/core/units.ts";
import { decodeAdvert } from "../../src/wire/vrrp.ts";
import type { AddressScope, HostAddress, HostInterface, HostView } from "../../src/workers/vrrp/hostView.ts";
import type {
  AddressChange,
  AdvertReceiver,
  AdvertSender,
  Announcer,
  ChangeOutcome,
  Datagram,
  DeadlineTimer,
  DeviceRequest,
  FrameWatch,
  FrameWatchListener,
  HostEvent,
  ReceiverOptions,
  RoutingChange,
  RoutingObject,
  SenderOptions,
  VrrpHost,
} from "../../src/workers/vrrp/ports.ts";

interface StoredAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly label: string | undefined;
  readonly scope: AddressScope;
  readonly tentative: boolean;
  /** undefined = for ever. */
  readonly expiresAt: Us | undefined;
}

interface StoredLink {
  readonly name: string;
  readonly index: number;
  readonly kind: string | undefined;
  readonly baseIndex: number | undefined;
  alias: string | undefined;
  hardwareAddress: Uint8Array;
  up: boolean;
  addresses: StoredAddress[];
}

interface OpenReceiver extends ReceiverOptions {
  readonly datagrams: (datagrams: readonly Datagram[]) => void;
}

/**
 * A host in virtual time: interfaces with addresses that expire, sockets whose sends are recorded, one timer. Every call
 * is a line of `calls`, in order.
 */
export class FakeVrrpHost implements VrrpHost {
  readonly calls: string[] = [];
  /** By device and family, `eth0 4`. */
  readonly receivers = new Map<string, OpenReceiver>();
  /** Packets that wait in a socket until it is read, by the same key. */
  readonly waiting = new Map<string, Datagram[]>();
  readonly frameWatches = new Map<string, FrameWatchListener>();
  /** Routes and rules in the kernel's tables, as JSON. */
  readonly routing = new Set<string>();
  readonly sysctls = new Map<string, string>();
  /** What drivers say of their links, by interface; the others cannot tell. */
  readonly driverLinks = new Map<string, boolean>();
  /** Every message of a sender, with whence, where to and by what. */
  readonly sent: { device: string; source: Ip; destination: Ip; message: Uint8Array; options: SenderOptions }[] = [];
  /** What each address change costs, by family. */
  addressTakesUs = { 4: 0, 6: 0 };
  routingAnswer: string | undefined;
  deviceAnswer: string | undefined;
  /** By name: how the removal of a device is refused. */
  readonly deleteErrors = new Map<string, string>();
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
    const index = this.#nextIndex++;
    const hardwareAddress = new Uint8Array([2, 0, 0, 0, 0, index]);
    const stored = addresses.map(permanent);
    this.#links.push({
      name,
      index,
      kind: undefined,
      baseIndex: undefined,
      alias: undefined,
      hardwareAddress,
      up: true,
      addresses: stored,
    });
    this.notify();
  }

  setHardwareAddress(name: string, hardwareAddress: Uint8Array): void {
    this.#link(name).hardwareAddress = hardwareAddress;
    this.notify();
  }

  linkNames(): string[] {
    return this.#links.map((link) => link.name);
  }

  /** `ip link del`: devices that stand on it go too. */
  removeLink(name: string): void {
    this.#removeLink(this.#link(name).index);
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

  /** A frame of somebody else that claims an address, by ARP or as a neighbour advertisement; heard if anybody looks. */
  claim(device: string, address: string, hardwareAddress: string): void {
    const claim = { address: ip(address), hardwareAddress };
    const watch = this.frameWatches.get(device);
    if (address.includes(":")) watch?.neighbor(claim);
    else watch?.arp(claim);
  }

  receive(device: string, ...datagrams: Datagram[]): void {
    this.receivers.get(`${device} 4`)?.datagrams(datagrams);
  }

  receiveIpv6(device: string, ...datagrams: Datagram[]): void {
    this.receivers.get(`${device} 6`)?.datagrams(datagrams);
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

  watchRouting(): void {
    this.calls.push("watch routing");
  }

  applyAddresses(changes: readonly AddressChange[]): ChangeOutcome[] {
    this.#expire();
    return changes.map((change) => {
      this.#nowUs += this.addressTakesUs[change.lease.address.includes(":") ? 6 : 4];
      return this.#apply(change);
    });
  }

  applyRoutes(changes: readonly RoutingChange[]): ChangeOutcome[] {
    return changes.map(({ action, object }): ChangeOutcome => {
      const key = routingKey(object);
      this.calls.push(`${action} ${describeRouting(object)}`);
      if (this.routingAnswer !== undefined) return { ok: false, code: this.routingAnswer };
      if (action === "add" && this.routing.has(key)) return { ok: false, code: "EEXIST" };
      if (action === "delete") return this.routing.delete(key) ? { ok: true } : { ok: false, code: "ESRCH" };
      this.routing.add(key);
      return { ok: true };
    });
  }

  findRoutes(wanted: readonly RoutingObject[]): boolean[] {
    return wanted.map((object) => this.routing.has(routingKey(object)));
  }

  createDevice(request: DeviceRequest): ChangeOutcome {
    const { name, kind, baseIndex, alias } = request;
    this.calls.push(`create ${kind} ${name}`);
    if (this.deviceAnswer !== undefined) return { ok: false, code: this.deviceAnswer };
    if (this.#links.some((link) => link.name === name)) return { ok: false, code: "EEXIST" };
    const index = this.#nextIndex++;
    const hardwareAddress = request.hardwareAddress ?? new Uint8Array([2, 0, 0, 0, 0, baseIndex]);
    this.#links.push({ name, index, kind, baseIndex, alias, hardwareAddress, up: false, addresses: [] });
    for (const setting of ["arp_ignore", "accept_local", "rp_filter", "promote_secondaries"]) {
      this.sysctls.set(`ipv4/conf/${name}/${setting}`, "0");
    }
    return { ok: true };
  }

  setDeviceAlias(linkIndex: number, alias: string): ChangeOutcome {
    const link = this.#links.find(({ index }) => index === linkIndex);
    if (link === undefined) return { ok: false, code: "ENODEV" };
    this.calls.push(`alias ${link.name} ${alias}`);
    link.alias = alias;
    return { ok: true };
  }

  setDeviceUp(linkIndex: number): ChangeOutcome {
    const link = this.#links.find(({ index }) => index === linkIndex);
    if (link === undefined) return { ok: false, code: "ENODEV" };
    this.calls.push(`up ${link.name}`);
    link.up = true;
    return { ok: true };
  }

  deleteDevice(linkIndex: number): ChangeOutcome {
    const link = this.#links.find(({ index }) => index === linkIndex);
    if (link === undefined) return { ok: false, code: "ENODEV" };
    this.calls.push(`delete device ${link.name}`);
    const code = this.deleteErrors.get(link.name);
    if (code !== undefined) return { ok: false, code };
    this.#removeLink(linkIndex);
    return { ok: true };
  }

  readSysctl(path: string): string | undefined {
    return this.sysctls.get(path);
  }

  writeSysctl(path: string, value: string): ChangeOutcome {
    this.calls.push(`sysctl ${path}=${value}`);
    this.sysctls.set(path, value);
    return { ok: true };
  }

  driverLink(linkIndex: number): boolean | undefined {
    const link = this.#links.find(({ index }) => index === linkIndex);
    return link === undefined ? undefined : this.driverLinks.get(link.name);
  }

  openReceiver(
    link: HostInterface,
    options: ReceiverOptions,
    { datagrams: onDatagrams }: { readonly datagrams: (datagrams: readonly Datagram[]) => void },
  ): AdvertReceiver {
    if (this.receiverError !== undefined) throw this.receiverError;
    const key = `${link.name} ${options.family}`;
    this.calls.push(`listen ${link.name} ${options.groups.join(" ")}`.trim());
    const open = { ...options, datagrams: onDatagrams };
    this.receivers.set(key, open);
    return {
      drain: () => {
        const datagrams = this.waiting.get(key) ?? [];
        this.waiting.delete(key);
        if (datagrams.length > 0) onDatagrams(datagrams);
      },
      close: () => {
        if (this.receivers.get(key) === open) this.receivers.delete(key);
        this.closed++;
      },
    };
  }

  openSender(link: HostInterface, options: SenderOptions): AdvertSender {
    return {
      send: (source, destination, message) => {
        if (this.sendError !== undefined) throw this.sendError;
        this.calls.push(describeAdvert(link.name, source, destination, message));
        this.sent.push({ device: link.name, source, destination, message, options });
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

  openFrameWatch(link: HostInterface, listener: FrameWatchListener): FrameWatch {
    let looking: readonly Ip[] = [];
    this.frameWatches.set(link.name, {
      ...listener,
      arp: (claim) => {
        if (looking.includes(claim.address)) listener.arp(claim);
      },
      neighbor: (claim) => {
        if (looking.includes(claim.address)) listener.neighbor(claim);
      },
    });
    return {
      look: ({ senders }) => {
        looking = senders;
      },
      close: () => {
        this.frameWatches.delete(link.name);
        this.closed++;
      },
    };
  }

  close(): void {
    this.closed++;
  }

  #removeLink(doomed: number): void {
    const remaining = this.#links.filter((link) => link.index !== doomed && link.baseIndex !== doomed);
    this.#links.splice(0, this.#links.length, ...remaining);
  }

  #apply(change: AddressChange): ChangeOutcome {
    const { lease } = change;
    const text = `${lease.address}/${lease.prefixLength} ${lease.device}`;
    if (lease.linkIndex > 0) {
      this.calls.push(describeChange(change, text));
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
        tentative: false,
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
      administrativelyUp: link.up,
      hardwareAddress: link.hardwareAddress,
      kind: link.kind,
      baseIndex: link.baseIndex,
      alias: link.alias,
      addresses: link.addresses.map(
        (own, at): HostAddress => ({
          ip: own.ip,
          prefixLength: own.prefixLength,
          permanent: own.expiresAt === undefined,
          tentative: own.tentative,
          broadcast: undefined,
          peer: undefined,
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
  return {
    ip: ip(address),
    prefixLength: Number(prefix),
    label: undefined,
    scope: "global",
    tentative: false,
    expiresAt: undefined,
  };
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

function describeChange(change: AddressChange, text: string): string {
  switch (change.kind) {
    case "set":
      return `set ${text} ${change.validSec}`;
    case "putBack":
      return `set ${text} ${change.validSec ?? "forever"}`;
    case "delete":
      return `delete ${text}`;
  }
}

/** As short as an advert of the usual kind can be told; what is unusual is said. */
function describeAdvert(device: string, source: Ip, destination: Ip, message: Uint8Array): string {
  const decoded = decodeAdvert(message, { source, destination });
  if (!decoded.ok) return `malformed advert ${device}: ${decoded.error}`;
  const { virtualRouterId, priority } = decoded.value;
  const to = destination === "224.0.0.18" || destination === "ff02::12" ? "" : ` to=${destination}`;
  return `advert ${device} ${source} vrid=${virtualRouterId} priority=${priority}${to}`;
}

function routingKey(object: RoutingObject): string {
  return JSON.stringify(object);
}

function describeRouting(object: RoutingObject): string {
  return object.kind === "route"
    ? `route ${object.route.destination.address}/${object.route.destination.prefixLength}`
    : `rule ${object.rule.preference}`;
}
