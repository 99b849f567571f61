import { type Family, family, type Ip } from "../../../src/core/ip.ts";
import type { Us } from "../../../src/core/units.ts";
import { NetlinkError } from "../../../src/io/netlinkSocket.ts";
import { encodeIpv4 } from "../../../src/wire/ipv4.ts";
import { decodeAdvert, isMulticast, VRRP_PROTOCOL, VRRP_TYPE_OF_SERVICE } from "../../../src/wire/vrrp.ts";
import type { HostInterface, HostView } from "../../../src/workers/vrrp/hostView.ts";
import type {
  AddressChange,
  AdvertReceiver,
  AdvertSender,
  Announcer,
  ChangeOutcome,
  Datagram,
  DeadlineTimer,
  FrameWatch,
  HostEvent,
  ReceiverOptions,
  SenderOptions,
  VrrpHost,
} from "../../../src/workers/vrrp/ports.ts";
import type { Packet } from "./lan.ts";
import type { StoredLink } from "./simKernel.ts";
import type { SimRouter } from "./simRouter.ts";
import { SocketQueue } from "./socketQueue.ts";

interface Socket extends ReceiverOptions {
  readonly linkIndex: number;
  readonly segment: number;
  readonly onDatagrams: (datagrams: readonly Datagram[]) => void;
  readonly queue: SocketQueue;
  /** Reads what waits. */
  readonly drain: () => void;
}

/** Messages known to be read: more than a process has, but for reloads. */
const SAID_MAX = 1024;

interface Ends {
  readonly source: Ip;
  readonly destination: Ip;
  readonly timeToLive: number;
}

/** What an encoded advert says, and the packet that the kernel makes of it. */
interface Said {
  readonly ends: Ends;
  readonly packet: Omit<Packet, "from" | "sentAtUs" | "advert">;
  readonly family: Family;
  readonly virtualRouterId: number;
  readonly priority: number;
  readonly advertIntervalUs: number;
}

/** The kernel and the LAN of one router, as its process sees them: real bytes, its own clock, one timer. */
export class SimHost implements VrrpHost {
  readonly clock: { nowUs: () => Us };
  /** The process itself is changing addresses. */
  changing = false;
  /** A dump was not interrupted: the process knows what an earlier life left. */
  hasSeen = false;
  readonly #router: SimRouter;
  #sockets: Socket[] = [];
  #dead = false;
  #onEvent: (event: HostEvent) => void = () => undefined;
  #onExpired: () => void = () => undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  /** The world's time of the event that looks at the timer next. */
  #lookAt = Number.POSITIVE_INFINITY;
  #expiryWaits = false;
  readonly #said = new Map<Uint8Array, Said>();

  constructor(router: SimRouter) {
    this.#router = router;
    this.clock = { nowUs: () => router.clockUs() };
  }

  die(): void {
    this.#dead = true;
    this.#sockets = [];
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  openTimer(onExpired: () => void): DeadlineTimer {
    this.#onExpired = onExpired;
    return {
      arm: (at) => {
        this.#armedFor = at;
        this.#look();
      },
      disarm: () => {
        this.#armedFor = Number.POSITIVE_INFINITY;
      },
      close: () => {
        this.#armedFor = Number.POSITIVE_INFINITY;
      },
    };
  }

  setRealtime(): void {
    // As the kernel grants it: nothing to see in virtual time.
  }

  view(): HostView {
    this.#stall();
    if (this.#router.dice.chance(this.#router.trouble.interruptsDumps)) {
      throw new NetlinkError("netlinkDumpInterrupted", "the table changed during every dump");
    }
    this.hasSeen = true;
    return this.#router.kernel.view();
  }

  watch(onEvent: (event: HostEvent) => void): void {
    this.#onEvent = onEvent;
  }

  tell(event: HostEvent): void {
    if (!this.#dead) this.#onEvent(event);
  }

  watchRouting(): void {
    // No world has routes of its own: nothing is ever told.
  }

  applyRoutes(): never {
    throw new Error("no world has virtual routes or rules");
  }

  findRoutes(): never {
    throw new Error("no world has virtual routes or rules");
  }

  createDevice(): never {
    throw new Error("no world has virtual MAC devices");
  }

  setDeviceAlias(): never {
    throw new Error("no world has virtual MAC devices");
  }

  setDeviceUp(): never {
    throw new Error("no world has virtual MAC devices");
  }

  deleteDevice(): never {
    throw new Error("no world has virtual MAC devices");
  }

  readSysctl(): undefined {
    return undefined;
  }

  writeSysctl(): ChangeOutcome {
    return { ok: false, code: "ENOENT" };
  }

  applyAddresses(changes: readonly AddressChange[]): ChangeOutcome[] {
    this.#stall();
    this.changing = true;
    const outcomes = changes.map((change) => this.#apply(change));
    this.changing = false;
    return outcomes;
  }

  driverLink(): undefined {
    return undefined;
  }

  openReceiver(
    link: HostInterface,
    options: ReceiverOptions,
    on: { readonly datagrams: (datagrams: readonly Datagram[]) => void },
  ): AdvertReceiver {
    const { index, segment } = this.#link(link);
    const socket: Socket = {
      ...options,
      linkIndex: index,
      segment,
      onDatagrams: on.datagrams,
      queue: new SocketQueue(),
      drain: () => this.#drain(socket, taken),
    };
    const taken = (packet: Packet): void => this.#router.world.advertTaken(this.#router, segment, packet);
    this.#sockets.push(socket);
    return {
      drain: socket.drain,
      close: () => {
        this.#sockets = this.#sockets.filter((other) => other !== socket);
      },
    };
  }

  openSender(link: HostInterface, options: SenderOptions): AdvertSender {
    const { index } = this.#link(link);
    return {
      send: (source, destination, message) => this.#send(index, options, { source, destination, message }),
      close: () => undefined,
    };
  }

  /** Frames that no IP socket shows lead to alarms only (test/netns has them). */
  openFrameWatch(): FrameWatch {
    return { look: () => undefined, close: () => undefined };
  }

  openAnnouncer(link: HostInterface): Announcer {
    const { index } = this.#link(link);
    return {
      announce: () => {
        if (this.#router.kernel.byIndex(index)?.up !== true) throw refused("ENETDOWN");
      },
      close: () => undefined,
    };
  }

  close(): void {
    this.die();
  }

  /** The kernel puts the packet into every socket that wants it; then the process is ready to read. */
  receive(packet: Packet, link: StoredLink): void {
    for (const socket of this.#sockets) {
      if (socket.linkIndex !== link.index || socket.family !== packet.family) continue;
      if (packet.multicast && !socket.groups.includes(packet.destination)) continue;
      this.#router.world.advertArrived(this.#router, link, packet);
      const isFirst = socket.queue.isEmpty;
      socket.queue.push(packet, this.clock.nowUs());
      if (isFirst) this.#router.enter(socket.drain);
    }
  }

  /** The machine stood still: the timer's end is elsewhere now. */
  clockMoved(): void {
    this.#lookAt = Number.POSITIVE_INFINITY;
    this.#look();
  }

  #drain({ queue, onDatagrams }: Socket, taken: (packet: Packet) => void): void {
    if (!queue.isEmpty) queue.drain(this.clock.nowUs(), onDatagrams, taken);
  }

  #send(
    index: number,
    { timeToLive }: SenderOptions,
    { source, destination, message }: { readonly source: Ip; readonly destination: Ip; readonly message: Uint8Array },
  ): void {
    const router = this.#router;
    router.calledAtOwnUs = router.clockUs();
    this.#stall();
    const link = router.kernel.byIndex(index);
    if (link === undefined) throw refused("ENXIO");
    if (!link.up) throw refused("ENETDOWN");
    if (router.dice.chance(router.trouble.refusesSends)) throw refused("ENOBUFS");
    if (!hasAddress(link, source)) throw refused("EADDRNOTAVAIL");
    const said = this.#read(message, { source, destination, timeToLive });
    const { bytes, datagram, family: ipFamily, multicast, timeToLive: hops } = said.packet;
    // Written out: a spread of it would be the most expensive thing of a send.
    router.world.lan(link.segment).transmit({
      bytes,
      datagram,
      family: ipFamily,
      source,
      destination,
      multicast,
      timeToLive: hops,
      from: router.number,
      sentAtUs: router.actsAtUs,
      advert: router.world.advertSent(router, link, said),
    });
  }

  /**
   * By the real encoder and decoder: what we send must be what can be read. Once for the same bytes between the same
   * ends, as the driver encodes it once.
   */
  #read(message: Uint8Array, ends: Ends): Said {
    const known = this.#said.get(message);
    if (known !== undefined && isSame(known.ends, ends)) return known;
    const decoded = decodeAdvert(message, ends);
    if (!decoded.ok) throw new Error(`${this.#router.name} sends what nobody can read: ${decoded.error}`);
    const { virtualRouterId, priority, advertIntervalCs } = decoded.value;
    const packet = packetOf(message, ends);
    const said = {
      ends,
      packet,
      family: packet.family,
      virtualRouterId,
      priority,
      advertIntervalUs: advertIntervalCs * 10_000,
    };
    if (this.#said.size >= SAID_MAX) this.#said.clear();
    this.#said.set(message, said);
    return said;
  }

  #apply(change: AddressChange): ChangeOutcome {
    const { kernel, dice, world } = this.#router;
    const { lease } = change;
    const wanted = { ip: lease.address, prefixLength: lease.prefixLength, label: lease.label, scope: lease.scope };
    const lost = dice.chance(this.#router.trouble.losesAnswers);
    if (dice.chance(this.#router.trouble.refuses) || (lost && dice.chance(0.5))) {
      world.addressRefused(this.#router, wanted, change.kind === "delete");
      return { ok: false, code: lost ? "unknown" : "ENOBUFS" };
    }
    const code =
      change.kind === "delete"
        ? kernel.delete(lease.linkIndex, lease.address, lease.prefixLength)
        : kernel.set(lease.linkIndex, wanted, change.validSec);
    if (lost) return { ok: false, code: "unknown" };
    return code === undefined ? { ok: true } : { ok: false, code };
  }

  /** One event of the world looks when the timer may be due; most of the times it was armed anew meanwhile. */
  #look(): void {
    const at = this.#router.worldTimeOf(this.#armedFor);
    if (at >= this.#lookAt || at === Number.POSITIVE_INFINITY) return;
    const lookAt = Math.max(at, this.#router.world.nowUs) + this.#router.turnUs();
    this.#lookAt = lookAt;
    this.#router.world.at(lookAt, () => {
      if (this.#lookAt !== lookAt || this.#dead) return;
      this.#lookAt = Number.POSITIVE_INFINITY;
      // Frozen: looked at again when the machine goes on.
      if (this.#router.frozenSinceUs !== undefined || this.#armedFor === Number.POSITIVE_INFINITY) return;
      if (this.#router.worldTimeOf(this.#armedFor) > this.#router.world.nowUs) this.#look();
      else this.#expire();
    });
  }

  #expire(): void {
    if (this.#expiryWaits) return;
    this.#expiryWaits = true;
    this.#router.enter(() => {
      this.#expiryWaits = false;
      // Armed anew by what ran before: as timerfd_settime clears an expiry that nobody has read.
      if (this.#dead || this.#armedFor > this.clock.nowUs()) return this.#look();
      this.#armedFor = Number.POSITIVE_INFINITY;
      this.#onExpired();
    });
  }

  #link({ index }: HostInterface): StoredLink {
    const link = this.#router.kernel.byIndex(index);
    if (link === undefined) throw refused("ENODEV");
    return link;
  }

  #stall(): void {
    const router = this.#router;
    if (router.stallChance > 0 && router.dice.chance(router.stallChance)) {
      router.aheadUs += Math.ceil(router.dice.next() * router.stallMaxUs);
    }
  }
}

const HEADER = {
  typeOfService: VRRP_TYPE_OF_SERVICE,
  identification: 0,
  fragment: 0x4000,
  protocol: VRRP_PROTOCOL,
};

function refused(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function hasAddress({ addresses }: StoredLink, wanted: Ip): boolean {
  for (const { ip } of addresses) if (ip === wanted) return true;
  return false;
}

function isSame(a: Ends, b: Ends): boolean {
  return a.source === b.source && a.destination === b.destination && a.timeToLive === b.timeToLive;
}

function packetOf(message: Uint8Array, { source, destination, timeToLive: wanted }: Ends): Said["packet"] {
  const multicast = isMulticast(destination);
  const timeToLive = multicast ? 255 : wanted;
  const ends = { source, destination, timeToLive };
  if (family(source) === 6) {
    return {
      ...ends,
      family: 6,
      multicast,
      bytes: message,
      datagram: { bytes: message, ...ends, receivedAt: undefined },
    };
  }
  const bytes = encodeIpv4({ ...HEADER, ...ends }, message);
  const datagram = { bytes, source: undefined, destination: undefined, timeToLive: undefined, receivedAt: undefined };
  return { ...ends, family: 4, multicast, bytes, datagram };
}
