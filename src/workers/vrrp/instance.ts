import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Ip } from "../../core/ip.ts";
import { between, seconds, type Us } from "../../core/units.ts";
import { initialState, nextDeadline, step } from "../../vrrp/step.ts";
import type { Effect, HeardAdvert, Input, LinkFacts, RouterParameters, RouterState } from "../../vrrp/types.ts";
import { VRRP_MULTICAST_IPV4 } from "../../wire/vrrp.ts";
import { LeaseHolder } from "./holder.ts";
import { ABSENT_LINK, type HostView, linkFacts } from "./hostView.ts";
import { leaseLifetimeSec, planLeases } from "./leases.ts";
import type { AdvertSender, Announcer, VrrpHost } from "./ports.ts";
import type { FromWorker, InstanceStatus, VipStatus, WorkerAlarm } from "./protocol.ts";
import { type EffectActions, type ProgramOutcome, runEffects } from "./runEffects.ts";

/** A message to the main thread without its time stamp. */
export type Report = FromWorker extends infer Message
  ? Message extends FromWorker
    ? Omit<Message, "postedUs">
    : never
  : never;

export interface InstanceModules {
  readonly host: VrrpHost;
  readonly wallMs: () => number;
  /** The newest whole dump. */
  readonly view: () => HostView;
  /** All instances of the running configuration. */
  readonly all: () => readonly VrrpInstanceConfig[];
  /** Open sockets of an interface; throw when they cannot be opened. */
  readonly sender: (device: string) => AdvertSender;
  readonly announcer: (device: string) => Announcer;
  readonly report: (message: Report) => void;
  readonly discarded: (reason: string) => void;
}

/** One `vrrp_instance`: its machine, its leases and what it has counted. */
export class VrrpInstance {
  #config: VrrpInstanceConfig;
  #state: RouterState;
  #link: { readonly index: number | undefined; readonly signature: string };
  #advertSentAt: Us;
  #sendFailure: string | undefined;
  #last: InstanceStatus["last"];
  #advertsSent = 0;
  #advertsReceived = 0;
  readonly #holder: LeaseHolder;
  readonly #modules: InstanceModules;
  readonly #actions: EffectActions;

  constructor(config: VrrpInstanceConfig, modules: InstanceModules) {
    this.#config = config;
    this.#modules = modules;
    this.#advertSentAt = modules.host.clock.nowUs();
    this.#holder = new LeaseHolder({
      host: modules.host,
      view: modules.view,
      alarm: (alarm) => this.#alarm(alarm),
    });
    this.#actions = this.#effectActions();
    this.#state = initialState(routerParameters(config), this.#facts());
    this.#link = this.#observeLink();
  }

  get config(): VrrpInstanceConfig {
    return this.#config;
  }

  get deadline(): Us | undefined {
    return nextDeadline(this.#state);
  }

  /** Gives the machine an input at the clock's instant, performs the effects, and feeds their answers. */
  feed(input: Input): void {
    const queue: Input[] = [input];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { state, effects } = step(this.#state, next, this.#modules.host.clock.nowUs());
      this.#state = state;
      queue.push(...runEffects(effects, this.#actions));
    }
  }

  receive(advert: HeardAdvert): void {
    this.#advertsReceived++;
    this.feed({ kind: "advert", advert });
  }

  /** A new dump was made: tells the machine what concerns it, and looks whether our addresses are still there. */
  onView(): void {
    const link = this.#observeLink();
    const before = this.#link;
    this.#link = link;
    if (before.index !== undefined && link.index !== undefined && before.index !== link.index) {
      // Deleted and created again between two dumps: the addresses went with the old one.
      this.feed({ kind: "link", link: ABSENT_LINK });
    }
    if (before.signature !== link.signature) this.feed({ kind: "link", link: this.#facts() });
    this.#lookForMissing();
  }

  /** The same virtual router with another configuration. VIPs that left it are released first. */
  configure(config: VrrpInstanceConfig): void {
    this.#holder.releaseOnly(
      ({ address, device, label, scope }) =>
        !config.virtualAddresses.some(
          (vip) => vip.address === address && vip.device === device && vip.label === label && vip.scope === scope,
        ),
    );
    this.#config = config;
    this.feed({
      kind: "configure",
      parameters: routerParameters(config),
      tracking: { priority: config.priority, faults: [] },
    });
  }

  /** Sends one advert of priority 0 on behalf of a life before this one, whose addresses are swept. */
  resignForPredecessor(): void {
    this.#actions.sendAdvert(0, false);
  }

  holds(address: Ip, device: string): boolean {
    return this.#holder.holds(address, device);
  }

  status(): InstanceStatus {
    const { role } = this.#state;
    return {
      name: this.#config.name,
      interface: this.#config.interface,
      version: this.#config.version,
      family: this.#config.family,
      virtualRouterId: this.#config.virtualRouterId,
      state: role.name,
      priority: this.#config.priority,
      priorityEffective: this.#config.priority,
      faults: [],
      group: undefined,
      last: this.#last,
      master:
        role.name === "BACKUP" && role.master !== undefined
          ? { address: role.master.address, priority: role.master.priority, advertInterval: undefined }
          : undefined,
      transport: { kind: "multicast", group: VRRP_MULTICAST_IPV4 },
      sourceAddress: this.#state.link.primaryAddress,
      peers: [],
      virtualMac: undefined,
      leaseLifetimeSec: leaseLifetimeSec(this.#config.advertInterval),
      addresses: this.#vipStatuses(),
      routes: [],
      rules: [],
      alarms: this.#state.reported,
      advertsSent: this.#advertsSent,
      advertsReceived: this.#advertsReceived,
      discarded: {},
    };
  }

  #vipStatuses(): VipStatus[] {
    const plans = planLeases(this.#config, this.#modules.all(), this.#modules.view());
    return this.#config.virtualAddresses.map((vip, index) => {
      const plan = plans[index];
      const permanent = plan?.kind === "permanent";
      const planned = plan?.kind === "lease" ? plan.lease.prefixLength : undefined;
      return {
        address: vip.address,
        device: vip.device,
        label: vip.label,
        prefixConfigured: vip.prefixLength,
        prefixProgrammed: permanent ? plan.prefixLength : planned,
        advertised: true,
        held: permanent || this.#holder.holds(vip.address, vip.device),
        permanent,
      };
    });
  }

  #effectActions(): EffectActions {
    return {
      sendAdvert: (priority, mayFail) => this.#sendAdvert(priority, mayFail),
      programAddresses: () => this.#program(),
      removeAddresses: () => this.#holder.release(),
      announce: (repeat, which) => {
        if (which === "all") this.#announce(repeat);
      },
      claim: () => undefined,
      lowerPriorityHeard: (peer, priority) =>
        this.#modules.report({ kind: "lowerPriorityHeard", instance: this.#config.name, peer, priority }),
      priorityChanged: (priority) =>
        this.#modules.report({
          kind: "priorityChanged",
          instance: this.#config.name,
          priority,
          state: this.#state.role.name,
        }),
      transition: (transition) => {
        this.#last = { ...transition, atMs: this.#modules.wallMs() };
        this.#modules.report({ kind: "transition", instance: this.#config.name, transition });
      },
      alarm: (alarm) => this.#alarm(alarm),
      ignored: (effect) => this.#onIgnored(effect),
    };
  }

  #sendAdvert(priority: number, mayFail: boolean): ReturnType<EffectActions["sendAdvert"]> {
    const { parameters, link } = this.#state;
    // Before the call: it may have left just before a stall inside.
    const sendingAt = this.#modules.host.clock.nowUs();
    try {
      if (link.primaryAddress === undefined) throw new Error(`${this.#config.interface} has no IPv4 address`);
      this.#modules.sender(this.#config.interface).send({
        source: link.primaryAddress,
        virtualRouterId: parameters.virtualRouterId,
        priority,
        advertInterval: parameters.advertInterval,
        addresses: parameters.addresses,
      });
    } catch (error) {
      const detail = messageOf(error);
      // Once, not with every beat.
      if (detail !== this.#sendFailure) this.#alarm({ kind: "sendFailed", detail });
      this.#sendFailure = detail;
      if (mayFail) this.#advertSentAt = sendingAt;
      return { sent: false, detail };
    }
    this.#sendFailure = undefined;
    this.#advertSentAt = sendingAt;
    this.#advertsSent++;
    return { sent: true };
  }

  #program(): ProgramOutcome {
    return this.#holder.program(this.#config, this.#modules.all(), this.#advertSentAt);
  }

  #announce(repeat: number): void {
    const devices = new Set(this.#holder.held.map((lease) => lease.device));
    for (const device of devices) {
      const addresses = this.#holder.held.filter((lease) => lease.device === device).map((lease) => lease.address);
      try {
        const announcer = this.#modules.announcer(device);
        for (let round = 0; round < repeat; round++) announcer.announce(addresses);
      } catch (error) {
        this.#alarm({ kind: "sendFailed", detail: `gratuitous ARP on ${device}: ${messageOf(error)}` });
      }
    }
  }

  #onIgnored(effect: Extract<Effect, { kind: "ignored" }>): void {
    if (effect.input === "advert") this.#modules.discarded(effect.reason);
  }

  /** While MASTER: what a fresh dump does not show was taken by others, or its lease ended in a pause. */
  #lookForMissing(): void {
    const missing = this.#holder.forgetMissing(this.#modules.view());
    if (missing.length === 0) return;
    const now = this.#modules.host.clock.nowUs();
    const lapsed = between(this.#advertSentAt, now) >= seconds(leaseLifetimeSec(this.#config.advertInterval));
    if (!lapsed) {
      for (const { address, device } of missing) this.#alarm({ kind: "addressRemovedByOthers", address, device });
    }
    this.feed({ kind: "addressesMissing", cause: lapsed ? "notRefreshed" : "removedByOthers" });
  }

  #facts(): LinkFacts {
    const vips = new Set(this.#modules.all().flatMap((other) => other.virtualAddresses.map((vip) => vip.address)));
    return linkFacts(this.#modules.view(), this.#config.interface, vips);
  }

  /** Everything about interfaces that may change what the machine should do. */
  #observeLink(): { readonly index: number | undefined; readonly signature: string } {
    const { interfaces } = this.#modules.view();
    const index = interfaces.find((link) => link.name === this.#config.interface)?.index;
    const devices = this.#config.virtualAddresses.map(
      ({ device }) => interfaces.find((link) => link.name === device)?.index,
    );
    return { index, signature: JSON.stringify([index, this.#facts(), devices]) };
  }

  #alarm(alarm: Extract<Report, { kind: "alarm" }>["alarm"] | WorkerAlarm): void {
    this.#modules.report({ kind: "alarm", instance: this.#config.name, alarm });
  }
}

/** What the state machine needs of the configuration. */
export function routerParameters(config: VrrpInstanceConfig): RouterParameters {
  const { masterDelay, masterRepeat, masterRefresh, masterRefreshRepeat } = config.garp;
  const { lowerPrioDelay, lowerPrioRepeat, extraInterval } = config.garp;
  return {
    name: config.name,
    version: config.version,
    virtualRouterId: config.virtualRouterId,
    priority: config.priority,
    advertInterval: config.advertInterval,
    downTimerAdverts: config.downTimerAdverts,
    preempt: !config.nopreempt,
    preemptDelay: config.preemptDelay,
    addresses: config.virtualAddresses.map((vip) => vip.address),
    garp: {
      masterDelay,
      masterRepeat,
      masterRefresh,
      masterRefreshRepeat,
      lowerPrioDelay,
      lowerPrioRepeat,
      extraInterval,
    },
    higherPrioSendAdvert: config.higherPrioSendAdvert,
    lowerPrioNoAdvert: config.lowerPrioNoAdvert,
    skipCheckAdvAddr: config.skipCheckAdvAddr,
    trackPrimary: config.trackPrimary,
    // Groups are not driven yet: nobody would answer a claim.
    inSyncGroup: false,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
