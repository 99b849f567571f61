import type { VrrpConfig } from "../../../src/config/vrrp.types.ts";
import { type Family, type Ip, ip } from "../../../src/core/ip.ts";
import { instantUs, type Us } from "../../../src/core/units.ts";
import type { TrackResult } from "../../../src/workers/vrrp/protocol.ts";
import type { Dice } from "../dice.ts";
import type { Companion } from "./companion.ts";
import type { Packet } from "./lan.ts";
import { LeaseEnds } from "./leaseEnds.ts";
import { configOf, interfaceName, ownAddresses, ownerOf, routerName, segmentOf, type WorldPlan } from "./plan.ts";
import { Seat } from "./seat.ts";
import { SimHost } from "./simHost.ts";
import { type AddressEvent, SimKernel, type StoredAddress, type StoredLink } from "./simKernel.ts";
import type { KernelTrouble, Process } from "./simProcess.ts";
import type { World } from "./world.ts";

/** How late a timer or a readiness is handled by a thread that has its processor. */
const TURN_MIN_US = 20;
const TURN_MAX_US = 150;

/**
 * One router: a kernel that goes on whatever happens, and a process that starts, is stopped, stalls and dies. Everything
 * that reaches the process passes `enter`, which keeps it until the process can run.
 */
export class SimRouter {
  readonly name: string;
  readonly number: number;
  readonly world: World;
  readonly dice: Dice;
  readonly kernel: SimKernel;
  readonly seats = new Map<string, Seat>();
  /** Another number whenever a seat has another state, configuration or group. */
  revision = 0;
  process: Process | undefined;
  companion: Companion | undefined;
  /** Faults that are at work here, and when the last began or ended. */
  disturbances = 0;
  disturbedAtUs = 0;
  /** SIGSTOP: the process does not run. */
  stopped = false;
  /** Suspended, or paused by the hypervisor: nothing runs, nothing arrives. */
  frozenSinceUs: number | undefined;
  frozenEndedAtUs = Number.NEGATIVE_INFINITY;
  /** Time in which the machine stood still, and the part of it that its clock does not show. */
  frozenUs = 0;
  hiddenUs = 0;
  /** How far the running call is ahead of the world, by stalls in its midst. */
  aheadUs = 0;
  /** Its own clock when it called the kernel to send, before any stall in the call. */
  calledAtOwnUs = 0;
  /** A stolen processor: each call of the kernel takes so long with this probability. */
  stallChance = 0;
  stallMaxUs = 0;
  readonly trouble: KernelTrouble = { refuses: 0, losesAnswers: 0, refusesSends: 0, interruptsDumps: 0 };
  trackResults: readonly TrackResult[] = [];
  /** What the main thread has. */
  config: VrrpConfig;
  /** What the process was given last: messages may wait for it. */
  given: VrrpConfig;
  readonly #bySubject = new Map<number, Seat>();
  readonly #waiting: { readonly work: () => void; readonly isMessage: boolean }[] = [];
  #busyUntilUs = 0;
  readonly #clockOffsetUs: number;
  readonly #leaseEnds = new LeaseEnds(this);
  #noticeScheduled = false;

  constructor(number: number, world: World, plan: WorldPlan) {
    this.number = number;
    this.name = routerName(number);
    this.world = world;
    this.dice = world.dice;
    this.#clockOffsetUs = Math.floor(this.dice.next() * 1e12);
    this.kernel = new SimKernel({
      dice: this.dice,
      nowUs: () => this.kernelNowUs(),
      onAddress: (link, address, event) => this.#onAddress(link, address, event),
    });
    this.config = configOf(plan, number);
    this.given = this.config;
    for (let segment = 0; segment < world.options.segments; segment++) this.plug(segment, plan);
  }

  /** A new interface on a LAN, with what the host's own configuration gives it. */
  plug(segment: number, plan: WorldPlan): void {
    const owned = plan.instances
      .filter((instance) => instance.segment === segment && ownerOf(instance) === this.number)
      .flatMap(({ vips }) =>
        vips.map(({ cidr }) => ({ ip: ip(cidr.split("/")[0] as string), prefixLength: Number(cidr.split("/")[1]) })),
      );
    this.kernel.addLink(interfaceName(segment), segment, [...ownAddresses(this.number, segment), ...owned]);
  }

  /** CLOCK_MONOTONIC of this host, as the process reads it. */
  clockUs(): Us {
    return instantUs(this.#clockOffsetUs + this.world.nowUs + this.aheadUs - this.hiddenUs);
  }

  kernelNowUs(): number {
    return this.world.nowUs + this.aheadUs - this.frozenUs;
  }

  /** The world's time at which an instant of this host's clock comes, if nothing happens to it. */
  worldTimeOf(own: number): number {
    return own - this.#clockOffsetUs + this.hiddenUs;
  }

  /** When the running call of the process really happens. */
  get actsAtUs(): number {
    return this.world.nowUs + this.aheadUs;
  }

  get undisturbed(): boolean {
    return this.process !== undefined && this.disturbances === 0;
  }

  /** The seat that an advert on this LAN is for. */
  seatFor(segment: number, family: Family, virtualRouterId: number): Seat | undefined {
    return this.#bySubject.get(subject(segment, family, virtualRouterId));
  }

  seat(name: string): Seat {
    let seat = this.seats.get(name);
    if (seat === undefined) {
      seat = new Seat(this, name);
      this.seats.set(name, seat);
      this.world.newSeat(seat);
    }
    return seat;
  }

  /** Begins a new process. `resign`: of the worker before it. Elections begin after `releaseAfterUs`. */
  start(releaseAfterUs: number, resign: readonly string[] = []): void {
    if (this.process !== undefined) throw new Error(`${this.name} runs already`);
    this.world.trace.note(this.name, "starts");
    const host = new SimHost(this);
    const driver = this.world.makeDriver({
      host,
      wallMs: () => 0,
      report: (message) => this.world.reported(this, message),
    });
    const process: Process = { driver, host, released: false, stopping: false, atItsEnd: undefined };
    this.process = process;
    this.#tell(() => {
      this.given = this.config;
      this.#dropSeats();
      this.#takeConfig();
      driver.start(this.config, undefined, resign);
      driver.track(this.trackResults);
      this.#readPriorities(process);
    });
    if (this.companion !== undefined) this.companion.threadBegan();
    else this.world.at(this.world.nowUs + releaseAfterUs, () => this.release(process));
  }

  /** The election begins for this process, if it is still there. */
  release(process: Process): void {
    if (this.process !== process) return;
    this.#tell(() => {
      process.released = true;
      process.driver.releaseElection();
    });
  }

  /** SIGTERM: as the daemon ends. */
  stop(): void {
    const { process } = this;
    if (process === undefined) return;
    this.world.trace.note(this.name, "is told to stop");
    process.stopping = true;
    this.#tell(() => {
      this.companion?.stopping();
      process.driver.stop();
      this.#end(process);
      this.companion?.stopped();
    });
  }

  /** As `start`, where none runs; behind one that was told to stop it waits for the end, as a service manager does. */
  startAgain(releaseAfterUs: number, resign: readonly string[] = []): void {
    const { process } = this;
    if (process === undefined) this.start(releaseAfterUs, resign);
    else if (process.stopping) process.atItsEnd = () => this.startAgain(releaseAfterUs, resign);
  }

  /** SIGKILL: the kernel keeps what it has. */
  crash(): void {
    this.#die("is killed");
    this.companion?.killed();
  }

  /** The VRRP thread alone dies: the process begins another. */
  loseThread(): void {
    this.#die("loses its VRRP thread");
  }

  #die(how: string): void {
    const { process } = this;
    if (process === undefined) return;
    this.world.trace.note(this.name, how);
    this.#end(process);
    this.world.entryEnded(this);
  }

  configure(config: VrrpConfig): void {
    this.config = config;
    this.companion?.reloaded(config);
    const { process } = this;
    if (process === undefined) return;
    this.#tell(() => {
      this.given = config;
      this.#takeConfig();
      process.driver.configure(config);
      this.#dropSeats();
      this.#readPriorities(process);
    });
  }

  track(results: readonly TrackResult[]): void {
    this.trackResults = results;
    const { process } = this;
    if (process === undefined) return;
    this.#tell(() => {
      process.driver.track(results);
      this.#readPriorities(process);
    });
  }

  get canRun(): boolean {
    return !this.stopped && this.frozenSinceUs === undefined && this.world.nowUs >= this.#busyUntilUs;
  }

  /** Something for the process: now, or when it can run. A process that ended takes what waits for it along. */
  enter(work: () => void): void {
    this.#enter(work, false);
  }

  /** A thread that gets its processor back finds several things to do; which comes first is chance, but messages keep their order. */
  wake(): void {
    const waiting = this.#waiting;
    while (this.canRun && waiting.length > 0) {
      const drawn = this.dice.integer(0, waiting.length - 1);
      const at = waiting[drawn]?.isMessage === true ? waiting.findIndex(({ isMessage }) => isMessage) : drawn;
      const [next] = waiting.splice(at, 1);
      if (next !== undefined) this.#run(next.work);
    }
    if (this.canRun) this.companion?.woke();
  }

  /** The thread gets no processor for a while. */
  stall(us: number): void {
    if (us > 0) this.#busy(this.world.nowUs + Math.ceil(us));
  }

  /** The kernel tells its listeners, a moment later. */
  notice(): void {
    if (this.#noticeScheduled || this.process === undefined) return;
    this.#noticeScheduled = true;
    this.world.at(this.world.nowUs + this.turnUs(), () => {
      this.#noticeScheduled = false;
      const host = this.process?.host;
      if (host !== undefined) this.enter(() => host.tell({ kind: "changed" }));
    });
  }

  turnUs(): number {
    return TURN_MIN_US + this.dice.next() * (TURN_MAX_US - TURN_MIN_US);
  }

  /** Whether its interface on this LAN has the address, so that neighbours send there what is for it. */
  answersFor(address: Ip, segment: number): boolean {
    const link = this.kernel.onSegment(segment);
    return link?.addresses.some((own) => own.ip === address) === true;
  }

  /** A packet reaches the interface on this LAN. */
  arrive(packet: Packet, segment: number): void {
    if (this.frozenSinceUs !== undefined) return;
    const link = this.kernel.onSegment(segment);
    if (link?.up !== true) return;
    this.process?.host.receive(packet, link);
  }

  /** The machine stands still, or goes on. `hidden`: its clock does not show the gap. */
  freeze(): void {
    this.frozenSinceUs = this.world.nowUs;
  }

  thaw(hidden: boolean): void {
    if (this.frozenSinceUs === undefined) return;
    const stood = this.world.nowUs - this.frozenSinceUs;
    this.frozenSinceUs = undefined;
    this.frozenEndedAtUs = this.world.nowUs;
    this.frozenUs += stood;
    if (hidden) {
      this.hiddenUs += stood;
      for (const seat of this.seats.values()) seat.standStill(stood);
    }
    this.#busyUntilUs = Math.max(this.#busyUntilUs, this.world.nowUs);
    this.#leaseEnds.schedule();
    this.process?.host.clockMoved();
    this.wake();
  }

  disturb(by: 1 | -1 | 0): void {
    this.disturbances += by;
    // A stolen processor may come back only later.
    this.disturbedAtUs = Math.max(this.disturbedAtUs, this.world.nowUs);
  }

  /** What the main thread says: the worker gets it in order. */
  #tell(work: () => void): void {
    this.#enter(work, true);
  }

  #enter(work: () => void, isMessage: boolean): void {
    if (this.canRun) {
      this.#run(work);
      return;
    }
    const { process } = this;
    const unlessEnded = (): void => {
      if (this.process === process) work();
    };
    this.#waiting.push({ work: unlessEnded, isMessage });
  }

  #run(work: () => void): void {
    work();
    if (this.aheadUs > 0) {
      const until = this.world.nowUs + this.aheadUs;
      this.aheadUs = 0;
      this.#busy(until);
    }
    this.world.entryEnded(this);
  }

  #busy(untilUs: number): void {
    if (untilUs <= this.#busyUntilUs) return;
    this.#busyUntilUs = untilUs;
    this.disturbedAtUs = Math.max(this.disturbedAtUs, untilUs);
    this.world.at(untilUs, () => this.wake());
  }

  #end(process: Process): void {
    process.host.die();
    this.process = undefined;
    if (process.atItsEnd !== undefined) this.world.at(this.world.nowUs, process.atItsEnd);
    this.#waiting.length = 0;
    this.aheadUs = 0;
    this.revision++;
    for (const seat of this.seats.values()) seat.leave();
  }

  /** Seats as the configuration has them, before the process says anything about them. */
  #takeConfig(): void {
    this.revision++;
    const { instances, syncGroups } = this.given;
    for (const config of instances) {
      const seat = this.seat(config.name);
      this.#bySubject.set(subject(segmentOf(config.interface), config.family, config.virtualRouterId), seat);
      const group = syncGroups.find(({ members }) => members.includes(config.name))?.name;
      seat.disturbedAtUs = this.world.nowUs;
      if (seat.config === undefined) seat.join(config, group, this.world.nowUs);
      else {
        seat.config = config;
        seat.group = group;
        seat.setPriority(config.priority);
      }
    }
  }

  /** What trackers make of the configured priorities is the product's own business (test/unit shows it). */
  #readPriorities({ driver }: Process): void {
    for (const { name, priorityEffective } of driver.status().instances) this.seat(name).setPriority(priorityEffective);
  }

  /** Of instances that the process has given up. */
  #dropSeats(): void {
    this.revision++;
    for (const [key, seat] of this.#bySubject) {
      if (this.given.instances.some(({ name }) => name === seat.name)) continue;
      seat.leave();
      this.#bySubject.delete(key);
    }
  }

  #onAddress(link: StoredLink, address: StoredAddress, event: AddressEvent): void {
    // A refresh of our own is not told (src/workers/vrrp/ports.ts); what others do, and the end of a lease, is.
    if (event === "expired" || !this.process?.host.changing) this.notice();
    if (event !== "expired" && address.goneAtUs !== Number.POSITIVE_INFINITY) this.#leaseEnds.schedule();
    this.world.addressChanged(this, link, address, event);
  }
}

function subject(segment: number, family: Family, virtualRouterId: number): number {
  return (segment * 10 + family) * 256 + virtualRouterId;
}
