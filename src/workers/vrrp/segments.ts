import { type HostInterface, type HostView, NO_INTERFACES } from "./hostView.ts";
import type { AdvertReceiver, AdvertSender, Announcer, Received, VrrpHost } from "./ports.ts";

/** The sockets of one interface; they die with its index. */
interface OpenSegment {
  readonly index: number;
  receiver: AdvertReceiver | undefined;
  sender: AdvertSender | undefined;
  announcer: Announcer | undefined;
}

export interface SegmentModules {
  readonly host: VrrpHost;
  readonly onAdverts: (device: string, adverts: readonly Received[]) => void;
  /** A receiver that could not be opened while running (tried again with the next dump), or that failed (it goes on). */
  readonly onError: (device: string, error: unknown) => void;
}

/** Sockets by interface name, followed through deletion and re-creation: an interface is its name, sockets hold an index. */
export class Segments {
  readonly #open = new Map<string, OpenSegment>();
  readonly #modules: SegmentModules;
  #view: HostView = NO_INTERFACES;

  constructor(modules: SegmentModules) {
    this.#modules = modules;
  }

  /** A new dump: closes the sockets of interfaces that are gone or were created again, listens where it can. */
  follow(view: HostView, names: ReadonlySet<string>): void {
    this.#view = view;
    for (const [name, segment] of this.#open) {
      if (this.#link(name)?.index !== segment.index) this.#close(name);
      else if (!names.has(name)) closeReceiver(segment);
    }
    for (const name of names) {
      try {
        this.#openAll(name);
      } catch (error) {
        this.#modules.onError(name, error);
      }
    }
  }

  /** Throws when the interface is missing or its socket cannot be opened. */
  sender(name: string): AdvertSender {
    const { link, segment } = this.#segment(name);
    segment.sender ??= this.#modules.host.openSender(link);
    return segment.sender;
  }

  /** Throws when the interface is missing or its socket cannot be opened. */
  announcer(name: string): Announcer {
    const { link, segment } = this.#segment(name);
    segment.announcer ??= this.#modules.host.openAnnouncer(link);
    return segment.announcer;
  }

  /** Reads now what waits on every interface. */
  drain(): void {
    for (const segment of this.#open.values()) segment.receiver?.drain();
  }

  close(): void {
    for (const name of [...this.#open.keys()]) this.#close(name);
  }

  /** Everything that a takeover on this interface needs: not to be opened, or refused, only then. */
  #openAll(name: string): void {
    if (this.#link(name) === undefined) return;
    const { link, segment } = this.#segment(name);
    segment.receiver ??= this.#modules.host.openReceiver(link, {
      adverts: (adverts) => this.#modules.onAdverts(name, adverts),
      error: (error) => this.#modules.onError(name, error),
    });
    this.sender(name);
    this.announcer(name);
  }

  #segment(name: string): { link: HostInterface; segment: OpenSegment } {
    const link = this.#link(name);
    if (link === undefined) throw new Error(`interface ${name} is missing`);
    const existing = this.#open.get(name);
    const segment = existing ?? { index: link.index, receiver: undefined, sender: undefined, announcer: undefined };
    if (existing === undefined) this.#open.set(name, segment);
    return { link, segment };
  }

  #link(name: string): HostInterface | undefined {
    return this.#view.interfaces.find((link) => link.name === name);
  }

  #close(name: string): void {
    const segment = this.#open.get(name);
    if (segment === undefined) return;
    this.#open.delete(name);
    closeReceiver(segment);
    segment.sender?.close();
    segment.announcer?.close();
  }
}

function closeReceiver(segment: OpenSegment): void {
  segment.receiver?.close();
  segment.receiver = undefined;
}
