import type { Family, Ip } from "../../core/ip.ts";
import { hardwareText } from "./hardwareAddress.ts";
import { type HostInterface, type IndexedView, NO_INTERFACES } from "./hostView.ts";
import type { AdvertReceiver, AdvertSender, Announcer, Datagram, VrrpHost } from "./ports.ts";

/** Where an instance listens. */
export interface Listening {
  readonly device: string;
  readonly family: Family;
  /** Undefined: only what is sent to this host itself. */
  readonly group: Ip | undefined;
}

/** By what an instance sends. */
export interface Sending {
  readonly device: string;
  readonly family: Family;
  readonly timeToLive: number;
}

interface OpenReceiver {
  readonly receiver: AdvertReceiver;
  readonly groups: string;
}

/** The sockets of one interface; they die with its index. */
interface OpenSegment {
  readonly index: number;
  readonly hardwareAddress: string;
  readonly receivers: Map<Family, OpenReceiver>;
  readonly senders: Map<string, AdvertSender>;
  announcer: Announcer | undefined;
}

export interface SegmentModules {
  readonly host: VrrpHost;
  readonly onDatagrams: (device: string, family: Family, datagrams: readonly Datagram[]) => void;
  /** A socket that could not be opened while running (tried again with the next dump), or that failed (it goes on). */
  readonly onError: (device: string, error: unknown) => void;
}

/** Sockets by interface name, followed through deletion and re-creation: an interface is its name, sockets hold an index. */
export class Segments {
  readonly #open = new Map<string, OpenSegment>();
  readonly #modules: SegmentModules;
  #view: IndexedView = NO_INTERFACES;
  #wanted: Wanted = { receivers: new Map(), senders: [], announcers: new Set() };

  constructor(modules: SegmentModules) {
    this.#modules = modules;
  }

  /** What the configuration asks for from now on; takes effect with `follow`. */
  want(listening: readonly Listening[], sending: readonly Sending[], announcers: ReadonlySet<string>): void {
    const receivers = new Map<string, Map<Family, Set<Ip>>>();
    for (const { device, family, group } of listening) {
      const families = receivers.get(device) ?? new Map<Family, Set<Ip>>();
      receivers.set(device, families);
      const groups = families.get(family) ?? new Set<Ip>();
      families.set(family, groups);
      if (group !== undefined) groups.add(group);
    }
    this.#wanted = { receivers, senders: sending, announcers };
  }

  /** A new dump: closes the sockets of interfaces that are gone or were created again, opens what is wanted where it can. */
  follow(view: IndexedView): void {
    this.#view = view;
    for (const [name, segment] of this.#open) {
      const link = view.named(name);
      if (link?.index !== segment.index) this.#close(name);
      else if (hardwareText(link) !== segment.hardwareAddress) this.#close(name);
      else this.#closeUnwanted(name, segment);
    }
    for (const [name, families] of this.#wanted.receivers) {
      for (const [wanted, groups] of families) this.#try(name, () => this.#listen(name, wanted, [...groups].sort()));
    }
    // Everything that a takeover needs: not to be opened, or refused, only then.
    for (const sending of this.#wanted.senders) this.#try(sending.device, () => this.sender(sending));
    for (const name of this.#wanted.announcers) this.#try(name, () => this.announcer(name));
  }

  /** Throws when the interface is missing or its socket cannot be opened. */
  sender(sending: Sending): AdvertSender {
    const { link, segment } = this.#segment(sending.device);
    const key = senderKey(sending);
    const open = segment.senders.get(key);
    if (open !== undefined) return open;
    const sender = this.#modules.host.openSender(link, sending);
    segment.senders.set(key, sender);
    return sender;
  }

  /** Throws when the interface is missing or its socket cannot be opened. */
  announcer(name: string): Announcer {
    const { link, segment } = this.#segment(name);
    segment.announcer ??= this.#modules.host.openAnnouncer(link);
    return segment.announcer;
  }

  /** Reads now what waits on every interface. */
  drain(): void {
    for (const { receivers } of this.#open.values()) for (const { receiver } of receivers.values()) receiver.drain();
  }

  close(): void {
    for (const name of [...this.#open.keys()]) this.#close(name);
  }

  #try(name: string, open: () => void): void {
    if (this.#view.named(name) === undefined) return;
    try {
      open();
    } catch (error) {
      this.#modules.onError(name, error);
    }
  }

  #listen(name: string, wanted: Family, groups: readonly Ip[]): void {
    const { link, segment } = this.#segment(name);
    const key = groups.join(" ");
    const open = segment.receivers.get(wanted);
    if (open?.groups === key) return;
    // The new one first: nothing may be missed between the two.
    const receiver = this.#modules.host.openReceiver(
      link,
      { family: wanted, groups },
      {
        datagrams: (datagrams) => this.#modules.onDatagrams(name, wanted, datagrams),
        error: (error) => this.#modules.onError(name, error),
      },
    );
    segment.receivers.set(wanted, { receiver, groups: key });
    open?.receiver.close();
  }

  #closeUnwanted(name: string, segment: OpenSegment): void {
    const families = this.#wanted.receivers.get(name);
    for (const [open, { receiver }] of segment.receivers) {
      if (families?.has(open)) continue;
      receiver.close();
      segment.receivers.delete(open);
    }
    const senders = new Set(this.#wanted.senders.filter(({ device }) => device === name).map(senderKey));
    for (const [key, sender] of segment.senders) {
      if (senders.has(key)) continue;
      sender.close();
      segment.senders.delete(key);
    }
  }

  #segment(name: string): { link: HostInterface; segment: OpenSegment } {
    const link = this.#view.named(name);
    if (link === undefined) throw new Error(`interface ${name} is missing`);
    const existing = this.#open.get(name);
    if (existing !== undefined) return { link, segment: existing };
    const segment: OpenSegment = {
      index: link.index,
      hardwareAddress: hardwareText(link),
      receivers: new Map(),
      senders: new Map(),
      announcer: undefined,
    };
    this.#open.set(name, segment);
    return { link, segment };
  }

  #close(name: string): void {
    const segment = this.#open.get(name);
    if (segment === undefined) return;
    this.#open.delete(name);
    for (const { receiver } of segment.receivers.values()) receiver.close();
    for (const sender of segment.senders.values()) sender.close();
    segment.announcer?.close();
  }
}

interface Wanted {
  readonly receivers: ReadonlyMap<string, ReadonlyMap<Family, ReadonlySet<Ip>>>;
  readonly senders: readonly Sending[];
  readonly announcers: ReadonlySet<string>;
}

function senderKey({ family, timeToLive }: Sending): string {
  return `${family} ${timeToLive}`;
}
