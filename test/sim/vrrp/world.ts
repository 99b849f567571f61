import { type Family, ip } from "../../../src/core/ip.ts";
import type { Transition } from "../../../src/vrrp/types.ts";
import { type DriverModules, VrrpDriver } from "../../../src/workers/vrrp/driver.ts";
import type { Report } from "../../../src/workers/vrrp/instance.ts";
import { Dice } from "../dice.ts";
import type { Checker } from "./checker.ts";
import { addressesOnlyWhereMaster } from "./checkers/addresses.ts";
import { advertsOnTime } from "./checkers/adverts.ts";
import { groupsTogether } from "./checkers/groups.ts";
import { oneHolder } from "./checkers/oneHolder.ts";
import { oneMaster, understand } from "./checkers/oneMaster.ts";
import { listensAfterPause } from "./checkers/pauses.ts";
import { noForbiddenPreemption } from "./checkers/preemption.ts";
import { oneReasonEach } from "./checkers/reasons.ts";
import { someMaster } from "./checkers/someMaster.ts";
import { type Event, EventQueue } from "./eventQueue.ts";
import { Lan, type Packet } from "./lan.ts";
import type { WorldOptions } from "./options.ts";
import { drawPlan, type WorldPlan, withOwners } from "./plan.ts";
import { preempts, type Seat, SentAdvert } from "./seat.ts";
import { type AddressEvent, cidrOf, type StoredAddress, type StoredLink } from "./simKernel.ts";
import { SimRouter } from "./simRouter.ts";
import { Trace } from "./trace.ts";

const SWEEP_EVERY_US = 1e6;
/** More events at one instant than any world has: something asks to be called again and again. */
const AT_ONE_INSTANT_MAX = 100_000;

export interface WorldModules {
  /** The driver of a new process: the product's, or one that a test has broken. */
  readonly makeDriver?: (modules: DriverModules) => VrrpDriver;
  /** The virtual routers; without it they are drawn. */
  readonly plan?: WorldPlan;
  /** Those of a world of which this one is a part. */
  readonly checkers?: readonly Checker[];
  /** Hears what the VRRP threads report, after the checkers. */
  readonly listen?: (router: SimRouter, message: Report) => void;
}

/** Routers on LANs in virtual time, and the checkers that look on. Time is in microseconds from the world's beginning. */
export class World {
  readonly options: WorldOptions;
  readonly dice: Dice;
  readonly trace: Trace;
  readonly routers: readonly SimRouter[];
  /** Every seat that there ever was; by instance too. */
  readonly seats: Seat[] = [];
  readonly seatsByInstance = new Map<string, Seat[]>();
  readonly makeDriver: (modules: DriverModules) => VrrpDriver;
  plan: WorldPlan;
  nowUs = 0;
  events = 0;
  transitions = 0;
  #atOneInstant = 0;
  readonly #queue = new EventQueue();
  readonly #lans: readonly Lan[];
  readonly #checkers: readonly Checker[];
  readonly #on: Hooks;
  readonly #listen: (router: SimRouter, message: Report) => void;
  /** The product catches what its host throws: so it is kept here. */
  #violation: unknown;
  /** Whose virtual address it is: never given to another instance. */
  readonly #instanceOf = new Map<string, string>();

  constructor(options: WorldOptions, parts: WorldModules = {}) {
    this.options = options;
    this.makeDriver = parts.makeDriver ?? ((modules) => new VrrpDriver(modules));
    this.#listen = parts.listen ?? (() => undefined);
    this.dice = new Dice(options.seed);
    this.trace = new Trace(() => this.nowUs);
    this.plan = parts.plan ?? withOwners(drawPlan(options, this.dice), options, this.dice);
    const modules = {
      dice: this.dice,
      intervalMin: options.intervalMin,
      push: this.#push.bind(this),
      nowUs: () => this.nowUs,
    };
    this.#lans = Array.from({ length: options.segments }, () => new Lan(options.routers, options.lan, modules));
    this.#checkers = [
      ...[oneMaster(this), someMaster(this), oneHolder(this), addressesOnlyWhereMaster(), groupsTogether()],
      ...[noForbiddenPreemption(this), advertsOnTime(this), oneReasonEach(this), listensAfterPause()],
      ...(parts.checkers ?? []),
    ];
    this.#on = hooksOf(this.#checkers, (violation) => {
      this.#violation ??= violation;
    });
    this.routers = Array.from({ length: options.routers }, (_, number) => new SimRouter(number, this, this.plan));
    for (const router of this.routers) {
      for (const [segment, lan] of this.#lans.entries()) {
        lan.attach({
          router: router.number,
          has: (address) => router.answersFor(address, segment),
          arrive: (packet) => router.arrive(packet, segment),
        });
      }
    }
    this.learn(this.plan);
    this.at(SWEEP_EVERY_US, () => this.#sweep());
  }

  get delivered(): number {
    return this.#lans.reduce((sum, lan) => sum + lan.delivered, 0);
  }

  /** Instances and addresses of a new plan. */
  learn(plan: WorldPlan): void {
    this.plan = plan;
    for (const instance of plan.instances) {
      for (const { cidr } of instance.vips) this.#instanceOf.set(ip(cidr.split("/")[0] as string), instance.name);
    }
  }

  lan(segment: number): Lan {
    const lan = this.#lans[segment];
    if (lan === undefined) throw new Error(`no LAN ${segment}`);
    return lan;
  }

  at(atUs: number, run: () => void): void {
    this.#push(atUs, { run });
  }

  /** Lets the world go on until this instant. */
  runUntil(until: number): void {
    const queue = this.#queue;
    const untilUs = Math.ceil(until);
    for (let next = queue.nextAt; next <= untilUs; next = queue.nextAt) {
      if (next > this.nowUs) this.#atOneInstant = 0;
      else if (++this.#atOneInstant > AT_ONE_INSTANT_MAX)
        throw new Error("time stands still: the same instant for ever");
      this.nowUs = next;
      this.events++;
      queue.pop().run();
      if (this.#violation !== undefined) throw this.#violation;
    }
    this.nowUs = untilUs;
  }

  // What routers and LANs tell, given on to the checkers.

  advertSent(
    router: SimRouter,
    link: StoredLink,
    about: {
      readonly family: Family;
      readonly virtualRouterId: number;
      readonly priority: number;
      readonly advertIntervalUs: number;
    },
  ): SentAdvert | undefined {
    const seat = router.seatFor(link.segment, about.family, about.virtualRouterId);
    if (seat?.config === undefined) return undefined;
    this.#on.advertSent(seat, about.priority);
    seat.sentAtUs = router.actsAtUs;
    seat.sentAtOwnUs = router.clockUs();
    seat.sentWith = seat.config;
    seat.sentCount++;
    seat.termAdverts++;
    this.trace.noteTraffic(seat.label, "sends priority", about.priority);
    return new SentAdvert(seat, seat.config, about.priority, about.advertIntervalUs);
  }

  advertArrived(router: SimRouter, link: StoredLink, packet: Packet): void {
    const { advert } = packet;
    const seat = advert === undefined ? undefined : this.#receiver(router, link.segment, advert);
    if (seat === undefined || advert === undefined) return;
    this.#on.advertArrived(seat, packet, advert);
    this.trace.noteTraffic(seat.label, "gets priority", advert);
    seat.hear(advert);
    if (seat.config === undefined || !understand(seat.config, advert.config, packet.source)) return;
    if (advert.priority === 0) seat.hearResignation(this.nowUs);
    else if (advert.priority >= seat.priority || !preempts(seat.config)) {
      seat.countedAtUs = this.nowUs;
      seat.countedIntervalUs = advert.advertIntervalUs;
      seat.countedPriority = advert.priority;
    } else seat.lowerAtUs = this.nowUs;
  }

  advertTaken(router: SimRouter, segment: number, packet: Packet): void {
    const { advert } = packet;
    const seat = advert === undefined ? undefined : this.#receiver(router, segment, advert);
    if (seat !== undefined && advert !== undefined) this.#on.advertTaken(seat, packet, advert);
  }

  reported(router: SimRouter, message: Report): void {
    if (message.kind === "priorityChanged") {
      const seat = router.seat(message.instance);
      seat.setPriority(message.priority);
      this.trace.note(seat.label, "has priority", message.priority);
    }
    if (message.kind === "log" && message.level === "error") this.trace.note(router.name, "logs", message);
    if (message.kind === "alarm") this.trace.note(`${router.name}/${message.instance}`, "alarms", message.alarm);
    if (message.kind === "transition") this.#transition(router.seat(message.instance), message.transition);
    this.#listen(router, message);
  }

  #transition(seat: Seat, transition: Transition): void {
    const { router } = seat;
    this.transitions++;
    this.trace.note(seat.label, `${transition.from} -> ${transition.to} ${transition.reason}`, transition.evidence);
    this.#on.transition(seat, transition);
    if (transition.from === "MASTER") seat.endTerm(router.actsAtUs);
    seat.state = transition.to;
    router.revision++;
    seat.reason = transition.reason;
    seat.stateSinceUs = router.actsAtUs;
    // The first advert of a term leaves before the transition is told.
    seat.termAdverts = transition.to === "MASTER" ? 1 : 0;
  }

  addressChanged(router: SimRouter, link: StoredLink, address: StoredAddress, event: AddressEvent): void {
    const name = this.#instanceOf.get(address.ip);
    if (name === undefined || (address.validUntilUs === undefined && event !== "removed")) return;
    const seat = router.seat(name);
    if (event !== "refreshed") this.trace.note(seat.label, event, cidrOf(address));
    this.#on.addressChanged({ router, link, address, event, seat });
    if (event === "added" || event === "refreshed") seat.refreshedAtUs = router.actsAtUs;
    // What a term has set it must remove again; what it could not set either may stay as it was.
    if (event === "removed" || event === "expired" || router.process?.host.changing === true)
      seat.unremoved.delete(cidrOf(address));
  }

  addressRefused(router: SimRouter, address: Pick<StoredAddress, "ip" | "prefixLength">, removal: boolean): void {
    const name = this.#instanceOf.get(address.ip);
    if (name === undefined) return;
    const seat = router.seat(name);
    this.trace.note(seat.label, removal ? "may not remove" : "may not add", cidrOf(address));
    if (removal) seat.unremoved.add(cidrOf(address));
  }

  entryEnded(router: SimRouter): void {
    this.#on.entryEnded(router);
  }

  newSeat(seat: Seat): void {
    this.seats.push(seat);
    const others = this.seatsByInstance.get(seat.name);
    if (others === undefined) this.seatsByInstance.set(seat.name, [seat]);
    else others.push(seat);
  }

  /** Whether something that is meant to keeps the seat from being MASTER: its link, its addresses, its sync group. */
  isHeldBack(seat: Seat): boolean {
    if (seat.group === undefined) return isHeldBackItself(seat);
    return seat.groupMembers.some(isHeldBackItself);
  }

  /** Whole microseconds: sums and differences of them are exact, so that what is due is due at its event. */
  #push(atUs: number, event: Event): void {
    this.#queue.push(Math.ceil(atUs), event);
  }

  #receiver(router: SimRouter, segment: number, advert: SentAdvert): Seat | undefined {
    const { config } = advert;
    return router.seatFor(segment, config.family, config.virtualRouterId);
  }

  #sweep(): void {
    this.#on.sweep();
    this.at(this.nowUs + SWEEP_EVERY_US, () => this.#sweep());
  }
}

function isHeldBackItself({ config, router, priority }: Seat): boolean {
  if (config === undefined || config.advertInterval === 0) return true;
  const link = router.kernel.named(config.interface);
  if (link?.up !== true || priority === 0) return true;
  return config.transport.kind === "unicast" && config.transport.peers.length === 0;
}

type HookName = Exclude<keyof Checker, "name">;
type Hooks = { readonly [Hook in HookName]: NonNullable<Checker[Hook]> };

/** Each hook as one function that asks every checker which has it. */
function hooksOf(checkers: readonly Checker[], onViolation: (violation: unknown) => void): Hooks {
  const all = <Hook extends HookName>(hook: Hook): Hooks[Hook] => {
    const checks = checkers.flatMap((checker) => checker[hook] ?? []) as ((...facts: unknown[]) => void)[];
    // No hook has more facts; an array for them would be made with every event.
    const ask = (first: unknown, second: unknown, third: unknown): void => {
      try {
        for (const check of checks) check(first, second, third);
      } catch (error) {
        onViolation(error);
        throw error;
      }
    };
    return ask as Hooks[Hook];
  };
  return {
    advertSent: all("advertSent"),
    advertArrived: all("advertArrived"),
    advertTaken: all("advertTaken"),
    transition: all("transition"),
    addressChanged: all("addressChanged"),
    entryEnded: all("entryEnded"),
    sweep: all("sweep"),
  };
}
