import { isDeepStrictEqual } from "node:util";
import type { VrrpConfig, VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import { HoldfastError } from "../../core/errors.ts";
import { ip } from "../../core/ip.ts";
import { after, between, instantUs, milliseconds, type Us } from "../../core/units.ts";
import { NetlinkError } from "../../io/netlinkSocket.ts";
import { Histogram, LATENESS_BOUNDS_US } from "./histogram.ts";
import { deleteLeases } from "./holder.ts";
import { type HostView, NO_INTERFACES } from "./hostView.ts";
import { type Report, VrrpInstance } from "./instance.ts";
import { leftovers } from "./leases.ts";
import type { DeadlineTimer, HostEvent, Received, VrrpHost } from "./ports.ts";
import type { TrackResult, VrrpStatus } from "./protocol.ts";
import { Segments } from "./segments.ts";

/** A burst of notifications is one dump: the first at once, the others together this much later. */
const DUMP_INTERVAL = milliseconds(20);

export interface DriverModules {
  readonly host: VrrpHost;
  readonly wallMs: () => number;
  readonly report: (message: Report) => void;
}

/**
 * Owner of every VRRP instance of this host: one timer with the nearest deadline, sockets by interface, one view of the
 * host. Everything that happens comes in here, is given to the machines it concerns, and the timer is armed again.
 */
export class VrrpDriver {
  readonly #modules: DriverModules;
  readonly #timer: DeadlineTimer;
  readonly #lateness = new Histogram(LATENESS_BOUNDS_US);
  readonly #discarded = new Map<string, number>();
  readonly #segments: Segments;
  #view: HostView = NO_INTERFACES;
  #instances: VrrpInstance[] = [];
  #configs: readonly VrrpInstanceConfig[] = [];
  #started = false;
  #released = false;
  #tracked: readonly TrackResult[] = [];
  #realtime = false;
  #dumpedAt: Us | undefined;
  /** When to dump for notifications that came too soon after the last dump. */
  #dumpAt: Us | undefined;

  constructor(modules: DriverModules) {
    const { host } = modules;
    this.#modules = modules;
    this.#timer = host.openTimer(() => this.#onTimer());
    this.#segments = new Segments({
      host,
      onAdverts: (device, adverts) => this.#onAdverts(device, adverts),
      onError: (device, error) => this.#onSocketError(device, error),
    });
  }

  /** Watches, sweeps what an earlier life left, listens. Throws what the host refuses; nothing is advertised yet. */
  start({ instances: configs }: VrrpConfig, realtimePriority: number | undefined, resign: readonly string[]): void {
    requireNetAdmin(this.#modules.host);
    this.#setRealtime(realtimePriority);
    // Watched before the dump, so that no change falls between the two.
    this.#modules.host.watch((event) => this.#onHostEvent(event));
    this.#configs = configs;
    this.#refreshView();
    this.#segments.follow(this.#view, this.#interfaceNames());
    this.#started = true;
    this.#sweep(configs);
    this.#instances = configs.map((config) => this.#createInstance(config));
    for (const instance of this.#instances) {
      if (resign.includes(instance.config.name)) instance.resignForPredecessor();
    }
  }

  /** Elections begin. */
  releaseElection(): void {
    this.#released = true;
    for (const instance of this.#instances) instance.feed({ kind: "start" });
    this.#arm();
  }

  /** A new configuration: what is the same goes on untouched, what left is released, what is new is swept and started. */
  configure({ instances: configs }: VrrpConfig): void {
    const old = this.#instances;
    const next = (instance: VrrpInstance): VrrpInstanceConfig | undefined =>
      configs.find((config) => sameRouter(config, instance.config));
    for (const instance of old) {
      if (next(instance) !== undefined) continue;
      instance.feed({ kind: "stop" });
      const { name } = instance.config;
      if (!configs.some((config) => config.name === name)) this.#modules.report({ kind: "deleted", instance: name });
    }
    this.#configs = configs;
    this.#refreshView();
    this.#segments.follow(this.#view, this.#interfaceNames());
    for (const instance of old) {
      const config = next(instance);
      if (config !== undefined && !isDeepStrictEqual(config, instance.config)) instance.configure(config);
    }
    const added = configs.filter((config) => !old.some((instance) => sameRouter(config, instance.config)));
    this.#instances = configs.map(
      (config) => old.find((instance) => sameRouter(config, instance.config)) ?? this.#createInstance(config),
    );
    this.#sweep(added);
    for (const instance of this.#instances) {
      if (this.#released && added.includes(instance.config)) instance.feed({ kind: "start" });
    }
    this.#refreshView();
    for (const instance of this.#instances) instance.onView();
    this.#arm();
  }

  /** The newest results of scripts, files and processes. */
  track(results: readonly TrackResult[]): void {
    this.#tracked = results;
  }

  status(): VrrpStatus {
    return {
      instances: this.#instances.map((instance) => instance.status()),
      groups: [],
      statics: [],
      trackers: this.#tracked,
      announcementsWaiting: 0,
      discarded: Object.fromEntries(this.#discarded),
      timerLateness: {
        boundsUs: this.#lateness.boundsUs,
        counts: [...this.#lateness.counts],
        maxUs: this.#lateness.maxUs,
      },
      realtime: this.#realtime,
    };
  }

  /** Every instance releases its addresses, then resigns; sockets are closed. */
  stop(): void {
    for (const instance of this.#instances) instance.feed({ kind: "stop" });
    this.#instances = [];
    this.#timer.close();
    this.#segments.close();
    this.#modules.host.close();
  }

  /** At the start a refusal is the end: the operator must know. Later, and for everything else, it is tried again. */
  #onSocketError(device: string, error: unknown): void {
    if (!this.#started && isRefusal(error)) {
      throw new HoldfastError(
        "missingCapability",
        "the VRRP thread may not open raw sockets: it lacks CAP_NET_RAW",
        "start it by systemd/holdfast.service (AmbientCapabilities=), or as root",
        { cause: error },
      );
    }
    this.#log("warn", { device, error: String(error) }, "a socket for adverts failed; it is tried again");
  }

  #createInstance(config: VrrpInstanceConfig): VrrpInstance {
    const { host, wallMs, report } = this.#modules;
    return new VrrpInstance(config, {
      host,
      wallMs,
      report,
      view: () => this.#view,
      all: () => this.#configs,
      sender: (device) => this.#segments.sender(device),
      announcer: (device) => this.#segments.announcer(device),
      discarded: (reason) => this.#countDiscarded(reason),
    });
  }

  /** Addresses of an earlier life, on this or another instance's behalf, that nobody here holds. */
  #sweep(configs: readonly VrrpInstanceConfig[]): void {
    const left = leftovers(configs, this.#view).filter(
      ({ address, device }) => !this.#instances.some((instance) => instance.holds(address, device)),
    );
    if (left.length === 0) return;
    const addresses = left.map((lease) => `${lease.address}/${lease.prefixLength} dev ${lease.device}`);
    this.#log("warn", { addresses }, "removing virtual addresses that an earlier life left behind");
    for (const { lease, code } of deleteLeases(this.#modules.host, this.#view, left)) {
      this.#log("error", { address: lease.address, device: lease.device, error: code }, "cannot remove a leftover");
    }
    this.#refreshView();
  }

  #onTimer(): void {
    // What came before the deadline counts before it: an advert that waits in the socket is a living master.
    this.#segments.drain();
    const now = this.#modules.host.clock.nowUs();
    if (this.#dumpAt !== undefined && now >= this.#dumpAt) this.#follow();
    for (const instance of this.#instances) {
      const deadline = instance.deadline;
      if (deadline === undefined || now < deadline) continue;
      this.#lateness.add(between(deadline, now));
      instance.feed({ kind: "deadline" });
    }
    this.#arm();
  }

  #onAdverts(device: string, adverts: readonly Received[]): void {
    for (const received of adverts) {
      if (!received.ok) {
        this.#countDiscarded(received.reason);
        continue;
      }
      const instance = this.#instances.find(
        ({ config }) => config.interface === device && config.virtualRouterId === received.virtualRouterId,
      );
      if (instance === undefined) this.#countDiscarded("unknownVrid");
      else instance.receive(received.advert);
    }
    this.#arm();
  }

  #onHostEvent(event: HostEvent): void {
    if (event.kind === "error") this.#log("warn", { error: String(event.error) }, "receiving notifications failed");
    if (event.kind === "overrun") {
      for (const { config } of this.#instances) {
        this.#modules.report({ kind: "alarm", instance: config.name, alarm: { kind: "netlinkOverrun" } });
      }
    }
    const soonest = after(this.#dumpedAt ?? instantUs(0), DUMP_INTERVAL);
    if (this.#modules.host.clock.nowUs() >= soonest) this.#follow();
    else this.#dumpAt ??= soonest;
    this.#arm();
  }

  /** Dumps, and tells everybody what the host looks like now. */
  #follow(): void {
    this.#refreshView();
    this.#segments.follow(this.#view, this.#interfaceNames());
    for (const instance of this.#instances) instance.onView();
  }

  #refreshView(): void {
    const { host } = this.#modules;
    this.#dumpAt = undefined;
    try {
      this.#view = host.view();
    } catch (error) {
      // A table that never holds still: what was true before is the best guess for the next milliseconds.
      if (!(error instanceof NetlinkError) || error.code !== "netlinkDumpInterrupted") throw error;
      this.#dumpAt = after(host.clock.nowUs(), DUMP_INTERVAL);
    }
    this.#dumpedAt = host.clock.nowUs();
  }

  #arm(): void {
    const deadlines = this.#instances.flatMap((instance) => instance.deadline ?? []);
    if (this.#dumpAt !== undefined) deadlines.push(this.#dumpAt);
    if (deadlines.length === 0) this.#timer.disarm();
    else this.#timer.arm(Math.min(...deadlines) as Us);
  }

  #setRealtime(priority: number | undefined): void {
    if (priority === undefined) return;
    try {
      this.#modules.host.setRealtime(priority);
      this.#realtime = true;
    } catch (error) {
      this.#log(
        "warn",
        { error: String(error), remedy: "grant CAP_SYS_NICE" },
        "no real-time scheduling for the VRRP thread: its timers can be milliseconds late under load",
      );
    }
  }

  #interfaceNames(): ReadonlySet<string> {
    return new Set(this.#configs.map((config) => config.interface));
  }

  #countDiscarded(reason: string): void {
    this.#discarded.set(reason, (this.#discarded.get(reason) ?? 0) + 1);
  }

  #log(level: Extract<Report, { kind: "log" }>["level"], fields: object, message: string): void {
    this.#modules.report({ kind: "log", level, fields, message });
  }
}

/**
 * Finds out at the start, not at the first takeover, that addresses may not be changed: deletes one of a link that cannot
 * exist. The kernel asks for the capability before it looks for the link.
 */
function requireNetAdmin(host: VrrpHost): void {
  const nowhere = { address: ip("127.255.255.254"), device: "", linkIndex: 0, prefixLength: 32 } as const;
  const [outcome] = host.applyAddresses([{ kind: "delete", lease: { ...nowhere, label: undefined, scope: "host" } }]);
  if (outcome === undefined || outcome.ok || !REFUSED.has(outcome.code)) return;
  throw new HoldfastError(
    "missingCapability",
    "the VRRP thread may not change addresses: it lacks CAP_NET_ADMIN",
    "start it by systemd/holdfast.service (AmbientCapabilities=), or as root",
  );
}

const REFUSED: ReadonlySet<unknown> = new Set(["EPERM", "EACCES"]);

function isRefusal(error: unknown): boolean {
  return error instanceof Error && "code" in error && REFUSED.has(error.code);
}

/** Whether two configurations describe one virtual router: anything else can be changed while it runs. */
function sameRouter(a: VrrpInstanceConfig, b: VrrpInstanceConfig): boolean {
  return a.name === b.name && a.interface === b.interface && a.virtualRouterId === b.virtualRouterId;
}
