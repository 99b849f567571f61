import { isDeepStrictEqual } from "node:util";
import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import { between, seconds, type Us } from "../../core/units.ts";
import { initialState, nextDeadline, step } from "../../vrrp/step.ts";
import { type MemberStanding, standing } from "../../vrrp/syncGroup.ts";
import type { HeardAdvert, Input, RouterState, Tracking } from "../../vrrp/types.ts";
import type { ChecksumForm } from "../../wire/vrrp.ts";
import { AdvertOutput } from "./advertOutput.ts";
import { AlarmBook } from "./alarmBook.ts";
import { type Estate, EstateBook } from "./estate.ts";
import { LeaseHolder } from "./holder.ts";
import type { IndexedView } from "./hostView.ts";
import type { InstanceCounters, InstanceModules } from "./instance.types.ts";
import {
  addressLifetimeSec,
  type Lease,
  type LeasePlan,
  onExtraInterfaces,
  planLeases,
  type VipTable,
} from "./leases.ts";
import { changedHardware, isChanged, isRecreated, type Observation, observe } from "./observation.ts";
import { routerParameters } from "./parameters.ts";
import { Peers } from "./peers.ts";
import type { RoutingObject } from "./ports.ts";
import type { InstanceStatus } from "./protocol.ts";
import type { AdvertListener } from "./receive.ts";
import { RoutingHolder, routingObjects } from "./routing.ts";
import { answerTo, type EffectActions, NO_ANSWERS, type ProgramOutcome, runEffects } from "./runEffects.ts";
import type { SurrenderedInstance } from "./surrender.ts";

export type { InstanceCounters, InstanceModules, Report } from "./instance.types.ts";
/** One `vrrp_instance`: its machine, what it holds, and what it has counted. */
export class VrrpInstance implements AdvertListener {
  #config: VrrpInstanceConfig;
  #state: RouterState;
  #deadline: Us | undefined;
  #seen: Observation;
  #willIsDue = false;
  #advertSentAt: Us;
  #last: InstanceStatus["last"];
  #output: AdvertOutput;
  #routingObjects: readonly RoutingObject[];
  #plans: { readonly view: IndexedView; readonly table: VipTable; readonly plans: readonly LeasePlan[] } | undefined;
  readonly #estates = new EstateBook();
  readonly counters: InstanceCounters = { advertsSent: 0, advertsReceived: 0, discarded: new Map() };
  readonly peers: Peers;
  readonly alarms: AlarmBook;
  readonly holder: LeaseHolder;
  readonly routing: RoutingHolder;
  readonly #modules: InstanceModules;
  readonly #actions: EffectActions;

  constructor(config: VrrpInstanceConfig, inSyncGroup: boolean, tracking: Tracking, modules: InstanceModules) {
    const { host, sender } = modules;
    this.#config = config;
    this.#modules = modules;
    this.#advertSentAt = host.clock.nowUs();
    this.peers = new Peers(this.#advertSentAt);
    this.#output = new AdvertOutput(config, sender);
    this.#routingObjects = routingObjects(config.virtualRoutes, config.virtualRules);
    this.alarms = new AlarmBook((alarm) => modules.report({ kind: "alarm", instance: this.name, alarm }));
    this.holder = new LeaseHolder({
      host,
      view: modules.freshView,
      alarm: (alarm) => this.alarms.tell(alarm),
      changed: modules.addressesSet,
      added: (leases) => this.#requestAnnouncement(leases, this.#config.garp.masterRepeat),
    });
    this.routing = new RoutingHolder({
      host,
      failed: (what, detail) => this.alarms.tell({ kind: "hostOperationFailed", what, detail }),
    });
    this.#actions = this.#effectActions();
    this.#seen = this.#observe();
    this.#state = initialState(routerParameters(config, inSyncGroup), this.#seen.facts, tracking);
  }

  get name(): string {
    return this.#config.name;
  }

  get config(): VrrpInstanceConfig {
    return this.#config;
  }

  get state(): RouterState {
    return this.#state;
  }

  get last(): InstanceStatus["last"] {
    return this.#last;
  }

  get deadline(): Us | undefined {
    return this.#deadline;
  }

  get standing(): MemberStanding {
    return standing(this.#state);
  }

  get routingWanted(): readonly RoutingObject[] {
    return this.#routingObjects;
  }

  /** Gives the machine an input at the clock's instant, performs the effects, and feeds their answers. */
  feed(input: Input): void {
    const answers = this.#step(input);
    if (answers !== undefined && answers.length > 0) this.#feedAll([...answers]);
    this.#deadline = nextDeadline(this.#state);
    this.#modules.stepped(this, answers !== undefined);
  }

  #feedAll(waiting: Input[]): void {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      waiting.push(...(this.#step(next) ?? NO_ANSWERS));
    }
  }

  /** What answers the effects; undefined when the step had none. */
  #step(input: Input): readonly Input[] | undefined {
    const { host, record } = this.#modules;
    const now = host.clock.nowUs();
    this.#debug("input", input, 2);
    record(this.name, input, now);
    const before = this.#state.role.name;
    const { state, effects } = step(this.#state, input, now);
    this.#state = state;
    if (effects.length === 0) return undefined;
    const after = state.role.name;
    this.#willIsDue = after === "MASTER" && before !== after;
    const answers = runEffects(effects, this.#actions);
    this.#settleWill();
    if (before === "MASTER" && before !== after) this.#modules.willChanged();
    return answers;
  }

  receive(advert: HeardAdvert, checksumForm: ChecksumForm | undefined, heardAt: Us | undefined): void {
    this.counters.advertsReceived++;
    const input = this.peers.heard(advert, checksumForm, heardAt ?? this.#modules.host.clock.nowUs());
    this.feed(heardAt === undefined ? input : { ...input, heardAt });
  }

  discard(reason: string): void {
    this.counters.discarded.set(reason, (this.counters.discarded.get(reason) ?? 0) + 1);
    this.#modules.discarded(reason);
    this.#debug("discarded", { reason }, 1);
  }

  track(tracking: Tracking): void {
    this.feed({ kind: "tracking", tracking });
  }

  /** A new dump was made: tells the machine what concerns it and, when it shows what we have set, looks whether our addresses are still there. */
  onView(showsOwn: boolean): void {
    const before = this.#seen;
    const seen = this.#observe();
    this.#seen = seen;
    if (isRecreated(before, seen)) {
      // The addresses went with the old one.
      this.feed({ kind: "link", link: { ...seen.facts, present: false, up: false, primaryAddress: undefined } });
    }
    if (isChanged(before, seen)) this.feed({ kind: "link", link: seen.facts });
    if (showsOwn) this.#lookForMissing();
    const changed = changedHardware(before, seen);
    if (changed.size === 0) return;
    const concerned = this.holder.held.filter(({ device }) => changed.has(device));
    this.#requestAnnouncement(concerned, this.#config.garp.masterRepeat);
  }

  /** A new dump was made, or routes or rules changed: the kernel does not tell of IPv4 routes that go with their device. */
  onRouting(): void {
    if (this.#state.role.name !== "MASTER") return;
    if (this.routing.lookForMissing()) {
      this.alarms.tell({
        kind: "hostOperationFailed",
        what: "virtual routes and rules",
        detail: "removed by others; put back",
      });
    }
    // Also those that were refused before: the device was down, the gateway out of reach.
    this.routing.repair(this.#routingObjects);
  }

  /** The same virtual router with another configuration. What left it is released first. */
  configure(config: VrrpInstanceConfig, inSyncGroup: boolean, tracking: Tracking): void {
    this.#config = config;
    this.#output = new AdvertOutput(config, this.#modules.sender);
    this.#routingObjects = routingObjects(config.virtualRoutes, config.virtualRules);
    const planned = new Set(
      this.plans().flatMap((plan) => (plan.kind === "lease" ? [`${plan.lease.linkIndex} ${plan.lease.address}`] : [])),
    );
    const leaves = (lease: Lease): boolean => !planned.has(`${lease.linkIndex} ${lease.address}`);
    this.#cancelAnnouncements(this.holder.held.filter(leaves));
    this.holder.releaseOnly(leaves);
    this.#modules.willChanged();
    this.#seen = this.#observe();
    const parameters = routerParameters(config, inSyncGroup);
    this.feed({ kind: "configure", parameters, tracking, link: this.#seen.facts });
  }

  /** The next slice of addresses, when there is one. */
  work(): void {
    if (!this.holder.busy) return;
    const answer = answerTo(this.#withRouting(this.holder.continue()));
    if (answer !== undefined) this.feed(answer);
  }

  /** What it would leave behind if this process died now; undefined when nothing. */
  estate(): Estate | undefined {
    const { role, link } = this.#state;
    return this.#estates.of({
      isMaster: role.name === "MASTER",
      source: link.primaryAddress,
      config: this.#config,
      output: this.#output,
      plans: this.plans(),
      view: this.#modules.view(),
      holder: this.holder,
    });
  }

  surrender(): SurrenderedInstance {
    const held = this.holder.surrendered;
    return { state: this.#state, advertSentAt: this.#advertSentAt, last: this.#last, held };
  }

  /** Takes a predecessor's place: its state and what it holds, without a step; `resume` looks at what differs. */
  adopt({ state, advertSentAt, last, held }: SurrenderedInstance): void {
    this.#state = state;
    this.#advertSentAt = advertSentAt;
    this.#last = last;
    this.holder.adopt(held, this.plans());
    this.#deadline = nextDeadline(state);
  }

  /** After `adopt`, when the guard knows us: what is otherwise here than it was there is told to the machine. */
  resume(): void {
    const parameters = routerParameters(this.#config, this.#state.parameters.inSyncGroup);
    if (this.#state.role.name === "MASTER") this.routing.add(this.#routingObjects);
    this.#seen = this.#observe();
    const link = this.#seen.facts;
    if (!isDeepStrictEqual(parameters, this.#state.parameters)) {
      this.feed({ kind: "configure", parameters, tracking: this.#state.tracking, link });
    }
    if (!isDeepStrictEqual(link, this.#state.link)) this.feed({ kind: "link", link });
    this.#lookForMissing();
    this.#modules.stepped(this, true);
  }

  /** Sends one advert of priority 0 on behalf of a life before this one, whose addresses are swept. */
  resignForPredecessor(): void {
    this.#sendAdvert(0, true);
  }

  /** How everything it would hold is to be programmed; computed once for each dump and configuration. */
  plans(): readonly LeasePlan[] {
    const view = this.#modules.view();
    const table = this.#modules.vips();
    if (this.#plans?.view !== view || this.#plans.table !== table) {
      this.#plans = { view, table, plans: planLeases(this.#config, table, view) };
    }
    return this.#plans.plans;
  }

  #effectActions(): EffectActions {
    const { report } = this.#modules;
    return {
      sendAdvert: ({ priority, mayFail }) => this.#sendAdvert(priority, mayFail),
      programAddresses: (action) => this.#program(action),
      removeAddresses: () => this.#release(),
      announce: ({ repeat, which }) => {
        const { held } = this.holder;
        this.#requestAnnouncement(which === "all" ? held : onExtraInterfaces(held, this.#config), repeat);
      },
      transition: (transition) => {
        this.#last = { ...transition, atMs: this.#modules.wallMs() };
        report({ kind: "transition", instance: this.name, transition });
      },
      // The group reads it from the state.
      claim: ({ claim }) => this.#debug("claim", claim, 1),
      lowerPriorityHeard: ({ peer, priority }) =>
        report({ kind: "lowerPriorityHeard", instance: this.name, peer, priority }),
      priorityChanged: ({ priority }) =>
        report({ kind: "priorityChanged", instance: this.name, priority, state: this.#state.role.name }),
      alarm: (alarm) => this.alarms.tell(alarm),
      ignored: (effect) => {
        if (effect.input === "advert") this.discard(effect.reason);
        else this.#debug("ignored", effect, 1);
        if (effect.reason !== "ownAdvert") return;
        // Ours are not looped back: somebody else has our address.
        const source = this.#state.link.primaryAddress;
        if (source !== undefined) this.ownSourceHeard(source, undefined);
      },
    };
  }

  ownSourceHeard(source: InstanceStatus["sourceAddress"] & string, hardwareAddress: string | undefined): void {
    this.alarms.raise(`ownSource ${hardwareAddress ?? ""}`, { kind: "ownSourceHeard", source, hardwareAddress });
  }

  #sendAdvert(priority: number, mayFail: boolean): ReturnType<EffectActions["sendAdvert"]> {
    const { primaryAddress } = this.#state.link;
    // Before the call: it may have left just before a stall inside.
    const sendingAt = this.#modules.host.clock.nowUs();
    try {
      if (primaryAddress === undefined) throw new Error(`${this.#config.interface} has no address to send from`);
      const unreached = this.#output.send(primaryAddress, priority);
      if (unreached === undefined) this.alarms.clear("send ");
      else this.alarms.raise(`send ${unreached}`, { kind: "sendFailed", detail: unreached });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      // Once, not with every beat.
      this.alarms.raise(`send ${detail}`, { kind: "sendFailed", detail });
      if (mayFail) this.#advertSentAt = sendingAt;
      return { sent: false, detail };
    }
    this.#advertSentAt = sendingAt;
    this.counters.advertsSent++;
    return { sent: true };
  }

  /**
   * Of a term that begins: behind its first advert, since the guard's answer would be a delay of the takeover, and before its
   * first address, since a death from there on must find a will that names it.
   */
  #settleWill(): void {
    if (!this.#willIsDue) return;
    this.#willIsDue = false;
    this.#modules.willChanged();
  }

  #program(action: "add" | "refresh"): ProgramOutcome {
    this.#settleWill();
    const timing = { validSec: this.leaseLifetimeSec, advertInterval: this.#config.advertInterval };
    return this.#withRouting(this.holder[action](this.plans(), timing, this.#advertSentAt));
  }

  /** Routes and rules may need the addresses: they come when the last of them is there. */
  #withRouting(outcome: ProgramOutcome): ProgramOutcome {
    if (outcome.kind === "done" && outcome.added) this.routing.add(this.#routingObjects);
    return outcome;
  }

  get leaseLifetimeSec(): number {
    return addressLifetimeSec(this.#config);
  }

  #release(): void {
    this.#modules.announcements.cancel(this.name);
    this.routing.remove();
    this.holder.release();
  }

  #requestAnnouncement(leases: readonly Lease[], repeat: number): void {
    const byDevice = new Map<string, Lease[]>();
    for (const lease of leases) {
      const known = byDevice.get(lease.device);
      if (known === undefined) byDevice.set(lease.device, [lease]);
      else known.push(lease);
    }
    const now = this.#modules.host.clock.nowUs();
    for (const [device, those] of byDevice) {
      const addresses = those.map((lease) => lease.address);
      this.#modules.announcements.request({ owner: this.name, device, addresses, repeat }, now);
    }
  }

  #cancelAnnouncements(leases: readonly Lease[]): void {
    this.#modules.announcements.cancel(this.name, new Set(leases.map((lease) => lease.address)));
  }

  /** While MASTER: what a fresh dump does not show was taken by others, or its lease ended in a pause. */
  #lookForMissing(): void {
    const missing = this.holder.forgetMissing(this.#modules.view());
    if (missing.length === 0) return;
    const now = this.#modules.host.clock.nowUs();
    const lapsed = between(this.#advertSentAt, now) >= seconds(this.leaseLifetimeSec);
    if (!lapsed) {
      for (const { address, device } of missing) this.alarms.tell({ kind: "addressRemovedByOthers", address, device });
    }
    this.feed({ kind: "addressesMissing", cause: lapsed ? "notRefreshed" : "removedByOthers" });
  }

  #observe(): Observation {
    const { view, vips, isUp } = this.#modules;
    return observe(this.#config, view(), isUp(this.#config.interface), vips().addresses);
  }

  #debug(what: string, fields: object, level: 1 | 2): void {
    if (this.#config.debugLevel < level) return;
    this.#modules.report({
      kind: "log",
      level: "info",
      fields: { instance: this.name, state: this.#state.role.name, ...fields },
      message: `${this.name}: ${what}`,
    });
  }
}
