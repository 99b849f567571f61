import type { VrrpConfig } from "../../config/vrrp.types.ts";
import { after, between, milliseconds, type Us } from "../../core/units.ts";
import { Recorder, type Recording } from "../../vrrp/recorder.ts";
import { Agenda, isDue, Recurring } from "./agenda.ts";
import { Announcements } from "./announcements.ts";
import { beatsOf, Departure, quietMoment } from "./departure.ts";
import type { DriverModules } from "./driver.types.ts";
import { Foresight, type Takeover } from "./foresight.ts";
import { FrameWatches } from "./frameWatches.ts";
import { Groups } from "./groups.ts";
import { Histogram, LATENESS_BOUNDS_US } from "./histogram.ts";
import type { Report } from "./instance.ts";
import { InstanceSet } from "./instanceSet.ts";
import { LastWill } from "./lastWill.ts";
import type { HostEvent } from "./ports.ts";
import { PreparedHost } from "./preparedHost.ts";
import type { TrackResult, VrrpStatus } from "./protocol.ts";
import { Dispatcher } from "./receive.ts";
import { withPreferences } from "./routing.ts";
import { SliceQueue } from "./sliceQueue.ts";
import { Startup } from "./startup.ts";
import { Statics } from "./statics.ts";
import { adoptAll, snapshotOf, surrenderOf } from "./succession.ts";
import type { Surrender } from "./surrender.ts";
import { Leftovers, requireNetAdmin, requireNetRaw, tryRealtime } from "./sweep.ts";
import { DiscardTally } from "./tally.ts";
import { Trackers } from "./trackers.ts";
import { listeningDevice } from "./virtualDevices.ts";
import { vrrpStatus } from "./vrrpStatus.ts";

/** Inputs kept for the flight recorder, twice: some megabytes at most. */
const RECORDED_ENTRIES_MAX = 8_000;

export type { DriverModules } from "./driver.types.ts";

/**
 * Owner of every VRRP instance of this host: one timer with the nearest deadline, sockets by interface, one view of the
 * host. Everything that happens comes in here, is given to the machines it concerns, and the timer is armed again.
 */
export class VrrpDriver {
  readonly #modules: DriverModules;
  readonly #agenda: Agenda;
  readonly #lateness = new Histogram(LATENESS_BOUNDS_US);
  /** Links whose drivers tell nothing are looked at so often (`linkbeat_interfaces`). */
  readonly #linkbeat = new Recurring(milliseconds(500));
  readonly #tally: DiscardTally;
  readonly #prepared: PreparedHost;
  readonly #dispatcher: Dispatcher;
  readonly #announcements: Announcements;
  readonly #statics: Statics;
  readonly #trackers: Trackers;
  readonly #groups: Groups;
  readonly #frames: FrameWatches;
  readonly #startup: Startup;
  readonly #leftovers: Leftovers;
  readonly #will: LastWill;
  readonly #recorder: Recorder;
  readonly #instances: InstanceSet;
  readonly #departure = new Departure();
  readonly #foresight: Foresight;
  readonly #slices = new SliceQueue();
  #started = false;
  #realtime = false;
  /** A transition changed what the frame watches are to look for. */
  #framesChanged = false;
  /** A machine has done something since the last rest. */
  #acted = false;

  constructor(modules: DriverModules) {
    const { host } = modules;
    this.#modules = modules;
    this.#foresight = new Foresight(host.clock, modules.rehearsal);
    this.#tally = new DiscardTally(modules.report);
    this.#dispatcher = new Dispatcher({
      discarded: (reason) => this.#tally.count(reason),
      unknownVrid: (device, { virtualRouterId }, source) => this.#tally.unknownVrid(device, virtualRouterId, source),
    });
    this.#prepared = new PreparedHost({
      ...modules,
      onDatagrams: (device, family, datagrams) => {
        for (const datagram of datagrams) this.#dispatcher.dispatch(device, family, datagram);
        this.#restAfterAdverts();
      },
      onSocketError: (device, error) => this.#onSocketError(device, error),
    });
    this.#announcements = new Announcements(
      { announcePacing: [], garpInterval: milliseconds(0), gnaInterval: milliseconds(0) },
      {
        announcer: (device) => this.#prepared.segments.announcer(device),
        onError: (owner, device, error) => this.#instances.get(owner)?.alarms.announceFailed(device, error),
      },
    );
    this.#statics = new Statics({
      host,
      failed: (what, detail) => this.#log("warn", { what, detail }, `${what}: ${detail}`),
    });
    this.#trackers = new Trackers({
      isUp: (device) => this.#prepared.isUp(device),
      staticsLost: (instance) => this.#statics.missingOf(instance),
    });
    this.#groups = new Groups({
      nowUs: () => host.clock.nowUs(),
      instance: (name) => this.#instances.get(name),
      record: (group, atUs) => this.#recorder.add({ kind: "group", atUs, group }),
      transition: (group, { from, to, reason }) => modules.report({ kind: "groupTransition", group, from, to, reason }),
    });
    this.#frames = new FrameWatches({ host, onError: (device, error) => this.#onSocketError(device, error) });
    this.#startup = new Startup(this.#prepared.view, this.#trackers);
    this.#leftovers = new Leftovers({
      ...modules,
      view: this.#prepared.view,
      instances: () => this.#instances.all(),
    });
    this.#will = new LastWill({
      clock: host.clock,
      host: modules.guardHost,
      estates: () => this.#instances.all().flatMap((instance) => instance.estate() ?? []),
      log: (level, fields, message) => this.#log(level, fields, message),
    });
    this.#instances = new InstanceSet({
      ...modules,
      prepared: this.#prepared,
      announcements: this.#announcements,
      trackers: this.#trackers,
      groups: this.#groups,
      startup: this.#startup,
      will: this.#will,
      recorder: () => this.#recorder,
      tally: this.#tally,
      slices: this.#slices,
      transition: () => {
        this.#framesChanged = true;
      },
      stepped: (instance, acted) => {
        this.#acted ||= acted;
        this.#agenda.note(this.#foresight.wakeAt(instance));
        this.#slices.note(instance);
      },
    });
    this.#recorder = new Recorder(() => snapshotOf(this.#instances.all(), this.#groups), RECORDED_ENTRIES_MAX);
    this.#agenda = new Agenda(
      host.openTimer(() => this.#onTimer()),
      [
        this.#prepared.view,
        this.#prepared.links,
        this.#statics,
        this.#frames,
        this.#startup,
        this.#groups,
        this.#announcements,
        this.#linkbeat,
        this.#will,
        this.#departure,
      ],
    );
  }

  /** Watches, sweeps what an earlier life left, listens. Throws what the host refuses; nothing is advertised yet. */
  start(config: VrrpConfig, realtimePriority: number | undefined, resign: readonly string[]): void {
    this.#startup.delayUntil(after(this.#modules.host.clock.nowUs(), config.startupDelay));
    this.#open(config, realtimePriority, true);
    for (const name of resign) this.#instances.get(name)?.resignForPredecessor();
    this.#rest();
  }

  /** As `start`, beside a predecessor that goes on: what it holds is no leftover. Elections begin after `adopt` only. */
  standBy(config: VrrpConfig, realtimePriority: number | undefined): void {
    this.#open(config, realtimePriority, false);
    this.#rest();
  }

  /** Calls `leave` at a moment when no advert is due for as long as a switch takes; `surrender` is for then. */
  whenQuiet(leave: () => void): void {
    this.#departure.plan(quietMoment(beatsOf(this.#instances.all()), this.#modules.host.clock.nowUs()), leave);
    this.#rest();
  }

  /** Falls silent for good without releasing anything: a successor goes on from here. */
  surrender(): Surrender {
    // What was heard before counts before.
    this.#prepared.segments.drain();
    const surrender = surrenderOf(this.#instances.all(), this.#groups, this.#prepared.settings);
    this.#prepared.leave();
    this.#end();
    return surrender;
  }

  /** After `standBy`: goes on where a predecessor has surrendered; its guard is told first. Throws NativeError. */
  adopt(surrender: Surrender, guardDescriptor: number | undefined): void {
    this.#prepared.view.refresh();
    this.#prepared.adopt(surrender.settings);
    const adopted = adoptAll(surrender, {
      atUs: this.#modules.host.clock.nowUs(),
      instances: this.#instances,
      groups: this.#groups,
      startup: this.#startup,
      recorder: this.#recorder,
    });
    if (guardDescriptor !== undefined) this.#will.inherit(guardDescriptor);
    for (const instance of adopted) instance.resume();
    this.#trackers.tell(this.#instances.all());
    this.#framesChanged = true;
    this.#rest();
  }

  #open(config: VrrpConfig, realtimePriority: number | undefined, sweeps: boolean): void {
    const { host } = this.#modules;
    requireNetAdmin(host);
    this.#realtime = tryRealtime(host, realtimePriority, this.#modules.report);
    // Watched before the dump, so that no change falls between the two.
    host.watch((event) => this.#onHostEvent(event));
    this.#apply(config, sweeps);
    this.#started = true;
  }

  /** A guard, by the descriptor of its socket. Throws NativeError. */
  attachGuard(descriptor: number): void {
    this.#will.attach(descriptor);
    this.#rest();
  }

  /** Elections begin. */
  releaseElection(): void {
    this.#startup.release(this.#modules.host.clock.nowUs());
    this.#startDue();
    this.#rest();
  }

  /** A new configuration: what is the same goes on untouched, what left is released, what is new is swept and started. */
  configure(config: VrrpConfig): void {
    this.#apply(config);
    this.#follow();
    this.#startDue();
    this.#rest();
  }

  /** The newest results of scripts, files and processes. */
  track(results: readonly TrackResult[]): void {
    this.#trackers.set(results);
    this.#trackers.tell(this.#instances.all());
    this.#startDue();
    this.#rest();
  }

  /** The last inputs of every machine. */
  record(): Recording {
    return this.#recorder.recording();
  }

  status(): VrrpStatus {
    return vrrpStatus({
      nowUs: this.#modules.host.clock.nowUs(),
      view: this.#prepared.view.current,
      instances: this.#instances.all(),
      groups: this.#groups,
      statics: this.#statics,
      trackers: this.#trackers,
      announcements: this.#announcements,
      will: this.#will,
      tally: this.#tally,
      lateness: this.#lateness,
      realtime: this.#realtime,
    });
  }

  /** Every instance releases its addresses, then resigns; devices of our own are removed, sockets are closed. */
  stop(): void {
    for (const instance of this.#instances.all()) instance.feed({ kind: "stop" });
    this.#prepared.close();
    this.#end();
  }

  #end(): void {
    this.#instances.forget();
    this.#will.close();
    this.#frames.close();
    this.#agenda.close();
    this.#modules.host.close();
  }

  /** Start and reload are this one path. */
  #apply(written: VrrpConfig, sweeps = true): void {
    const config = withPreferences(written);
    this.#instances.prune(config.instances);
    this.#announcements.configure(config);
    this.#groups.configure(config.syncGroups);
    this.#tally.logsUnknownVrids = config.logUnknownVrids;
    this.#prepared.configure(config);
    const added = sweeps ? config.instances.filter(({ name }) => this.#instances.get(name) === undefined) : [];
    if (sweeps) this.#leftovers.sweep(config.instances, added);
    if (this.#statics.configure(config, this.#prepared.view.current)) this.#prepared.view.lookAgain();
    const instances = this.#instances.follow(config.instances);
    this.#dispatcher.follow(instances, listeningDevice);
    this.#recorder.add({ kind: "groupsChanged", atUs: this.#modules.host.clock.nowUs(), groups: this.#groups.states });
    for (const instance of instances) this.#groups.stepped(instance);
    this.#trackers.tell(this.#instances.all());
    this.#will.settle();
    this.#linkbeat.set(config.linkbeatInterfaces.length > 0, this.#modules.host.clock.nowUs());
  }

  #onTimer(): void {
    this.#agenda.begin();
    // What came before a deadline counts before it.
    this.#prepared.segments.drain();
    const now = this.#modules.host.clock.nowUs();
    this.#will.beat(now);
    if (isDue(this.#prepared.view.deadline, now) || isDue(this.#linkbeat.deadline, now)) this.#follow();
    let takeover: Takeover | undefined;
    for (const instance of this.#instances.all()) {
      const { deadline } = instance;
      if (deadline !== undefined && now >= deadline) {
        this.#lateness.add(between(deadline, now));
        instance.feed({ kind: "deadline" });
      }
      takeover ??= this.#foresight.near(instance, now);
      this.#agenda.note(this.#foresight.wakeAt(instance));
    }
    this.#will.beatAlong(now);
    if (isDue(this.#prepared.links.deadline, now)) this.#linksChanged(now);
    if (isDue(this.#statics.deadline, now)) this.#followStatics();
    if (isDue(this.#frames.deadline, now)) this.#frames.forget(now);
    this.#groups.onDeadline(now);
    this.#startDue();
    if (this.#slices.work()) this.#framesChanged = true;
    if (this.#departure.leaveIfDue(now)) return;
    this.#rest();
    this.#modules.turned?.();
    if (takeover !== undefined) this.#foresight.rehearse(takeover, this.#agenda.armedAt);
  }

  #onHostEvent(event: HostEvent): void {
    if (event.kind === "error") this.#log("warn", { error: String(event.error) }, "receiving notifications failed");
    if (event.kind === "overrun") {
      for (const instance of this.#instances.all()) instance.alarms.tell({ kind: "netlinkOverrun" });
    }
    if (this.#prepared.view.onChanged()) this.#follow();
    this.#rest();
  }

  /** Dumps, and tells everybody what the host looks like now. */
  #follow(): void {
    this.#linkbeat.restart(this.#modules.host.clock.nowUs());
    this.#prepared.follow();
    this.#leftovers.settle();
    this.#linksChanged(this.#modules.host.clock.nowUs());
    this.#followStatics();
    for (const instance of this.#instances.all()) instance.onRouting();
    this.#framesChanged = true;
  }

  #linksChanged(now: Us): void {
    this.#prepared.links.observe(this.#prepared.view.current, now);
    // Asked before the first of them sets anything for what it sees.
    const { showsOwn } = this.#prepared.view;
    for (const instance of this.#instances.all()) instance.onView(showsOwn);
    this.#will.settle();
    this.#trackers.tell(this.#instances.all());
  }

  #followStatics(): void {
    if (this.#statics.follow(this.#prepared.view.current)) this.#prepared.view.lookAgain();
    this.#trackers.tell(this.#instances.all());
  }

  #startDue(): void {
    for (const instance of this.#startup.due(this.#modules.host.clock.nowUs())) instance.feed({ kind: "start" });
  }

  /** Nearly every advert moves the timer of a BACKUP and nothing else: then no duty has another deadline than before. */
  #restAfterAdverts(): void {
    if (this.#acted || this.#groups.isWaiting) this.#rest();
    else this.#agenda.armForInstances();
  }

  /** After everything that happens: what the machines left to be done together, and the timer. */
  #rest(): void {
    this.#acted = false;
    this.#groups.settle();
    if (this.#framesChanged) {
      this.#framesChanged = false;
      this.#frames.forget(this.#modules.host.clock.nowUs());
      this.#frames.follow(this.#prepared.view.current, this.#instances.all());
    }
    if (this.#announcements.isWaiting) this.#announcements.send(this.#modules.host.clock.nowUs());
    this.#agenda.arm(this.#modules.host.clock.nowUs(), !this.#slices.isEmpty);
  }

  /** At the start a refusal is the end: the operator must know. Later, and for everything else, it is tried again. */
  #onSocketError(device: string, error: unknown): void {
    if (!this.#started) requireNetRaw(error);
    this.#log("warn", { device, error: String(error) }, "a socket for adverts failed; it is tried again");
  }

  #log(level: Extract<Report, { kind: "log" }>["level"], fields: object, message: string): void {
    this.#modules.report({ kind: "log", level, fields, message });
  }
}
