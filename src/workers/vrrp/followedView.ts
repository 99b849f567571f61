import { after, instantUs, milliseconds, type Us } from "../../core/units.ts";
import { NetlinkError } from "../../io/netlinkSocket.ts";
import { type HostView, IndexedView, NO_INTERFACES } from "./hostView.ts";
import type { VrrpHost } from "./ports.ts";

/** A burst of notifications is one dump: the first at once, the others together this much later. */
const DUMP_INTERVAL = milliseconds(20);

/** The newest whole dump of the host, and when the next one is due. */
export class FollowedView {
  #view: IndexedView = NO_INTERFACES;
  /** The last dump held still. */
  #whole = false;
  /** Addresses were set since. */
  #stale = false;
  #dumpedAt: Us | undefined;
  /** When to dump for notifications that came too soon after the last dump. */
  #dumpAt: Us | undefined;
  /** Interfaces whose drivers are asked with every dump. */
  #polled: ReadonlySet<string> = new Set();
  readonly #host: VrrpHost;

  constructor(host: VrrpHost) {
    this.#host = host;
  }

  /** `linkbeat_interfaces`: of these a link counts as up only if the driver says so too. */
  poll(interfaces: readonly string[]): void {
    this.#polled = new Set(interfaces);
  }

  get current(): IndexedView {
    return this.#view;
  }

  /** Whether it shows what we have set ourselves: an older one is no evidence that something was taken away. */
  get showsOwn(): boolean {
    return !this.#stale;
  }

  /** Whether there is any: until a first dump held still, nothing is known of the host. */
  get isKnown(): boolean {
    return this.#view !== NO_INTERFACES;
  }

  /** Whether it is of the last dump that was asked for: that one was not interrupted. */
  get isWhole(): boolean {
    return this.#whole;
  }

  get deadline(): Us | undefined {
    return this.#dumpAt;
  }

  /** Addresses were set: before a removal that looks at what else is there, it takes another dump. */
  markStale(): void {
    this.#stale = true;
  }

  fresh(): IndexedView {
    if (this.#stale) this.refresh();
    return this.#view;
  }

  /** Something changed on the host. Returns whether to dump now; else `deadline` says when. */
  onChanged(): boolean {
    const soonest = after(this.#dumpedAt ?? instantUs(0), DUMP_INTERVAL);
    if (this.#host.clock.nowUs() >= soonest) return true;
    this.#dumpAt ??= soonest;
    return false;
  }

  /** As after a notification, but never at once: for what this host has changed itself. */
  lookAgain(): void {
    this.#dumpAt ??= after(this.#dumpedAt ?? instantUs(0), DUMP_INTERVAL);
  }

  refresh(): void {
    this.#dumpAt = undefined;
    this.#whole = false;
    try {
      this.#view = new IndexedView(this.#asked(this.#host.view()));
      this.#stale = false;
      this.#whole = true;
    } catch (error) {
      // A table that never holds still: what was true before is the best guess for the next milliseconds.
      if (!(error instanceof NetlinkError) || error.code !== "netlinkDumpInterrupted") throw error;
      this.#dumpAt = after(this.#host.clock.nowUs(), DUMP_INTERVAL);
    }
    this.#dumpedAt = this.#host.clock.nowUs();
  }

  #asked(view: HostView): HostView {
    if (this.#polled.size === 0) return view;
    return {
      interfaces: view.interfaces.map((link) =>
        link.up && this.#polled.has(link.name) && this.#host.driverLink(link.index) === false
          ? { ...link, up: false }
          : link,
      ),
    };
  }
}
