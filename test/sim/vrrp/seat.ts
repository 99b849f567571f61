import type { VrrpInstanceConfig } from "../../../src/config/vrrp.types.ts";
import type { StateName, TransitionReason } from "../../../src/vrrp/types.ts";
import type { SimRouter } from "./simRouter.ts";

/** What the checkers know of an advert that was sent. */
export class SentAdvert {
  readonly seat: Seat;
  /** By which it was sent. */
  readonly config: VrrpInstanceConfig;
  readonly priority: number;
  readonly advertIntervalUs: number;
  /** Counts the adverts of its seat. */
  readonly number: number;

  constructor(seat: Seat, config: VrrpInstanceConfig, priority: number, advertIntervalUs: number) {
    this.seat = seat;
    this.config = config;
    this.priority = priority;
    this.advertIntervalUs = advertIntervalUs;
    this.number = seat.sentCount;
  }

  toString(): string {
    return `${this.priority} of ${this.seat.router.name}`;
  }
}

/**
 * One router's place in one virtual router, as it can be seen from outside: what it reported, sent and heard. Times are
 * of the world, in microseconds; `NEVER` when it has not happened.
 */
export class Seat {
  readonly router: SimRouter;
  readonly name: string;
  readonly label: string;
  /** What the process was given last; undefined = not configured, or no process. */
  config: VrrpInstanceConfig | undefined;
  group: string | undefined;
  /** By the reported transitions; GONE without process. */
  state: StateName | "GONE" = "GONE";
  reason: TransitionReason | undefined;
  stateSinceUs = NEVER;
  /** Its sync group may be held for so long after a brief term (docs/decisions.md). */
  groupHeldUntilUs = NEVER;
  /** Effective, as the router reported it. */
  priority = 0;
  sentAtUs = NEVER;
  /** By the router's own clock. */
  sentAtOwnUs = NEVER;
  sentCount = 0;
  /** By which the last advert was sent: its receivers wait by that. */
  sentWith: VrrpInstanceConfig | undefined;
  /** Of this term as MASTER. */
  termAdverts = 0;
  /** The last advert that keeps this seat from being MASTER; its sender's interval. */
  countedAtUs = NEVER;
  countedIntervalUs = 0;
  countedPriority = 0;
  /** The last advert with priority 0, the first one since an advert that counts, and the last of a priority that does not count. */
  resignedAtUs = NEVER;
  resignedFirstAtUs = NEVER;
  lowerAtUs = NEVER;
  /** By router: the number of its seat's last advert that arrived here. */
  readonly #heard: number[] = [];
  /** When one of its addresses was last added or refreshed. */
  refreshedAtUs = NEVER;
  /** Addresses, each with its prefix, whose removal the kernel refused: each may stay until its lease ends. */
  readonly unremoved = new Set<string>();
  /** An administrator, the kernel or a reload interfered here last. */
  disturbedAtUs = NEVER;

  #members: { readonly revision: number; readonly members: readonly Seat[] } | undefined;

  constructor(router: SimRouter, name: string) {
    this.router = router;
    this.name = name;
    this.label = `${router.name}/${name}`;
  }

  /** Of its sync group on this router, itself among them; of none: none. */
  get groupMembers(): readonly Seat[] {
    if (this.group === undefined) return NO_SEATS;
    const { revision, seats } = this.router;
    if (this.#members?.revision !== revision) {
      const members = [...seats.values()].filter(({ group, config }) => group === this.group && config !== undefined);
      this.#members = { revision, members };
    }
    return this.#members.members;
  }

  hear({ seat, number }: SentAdvert): void {
    const from = seat.router.number;
    this.#heard[from] = Math.max(number, this.lastHeardOf(seat));
  }

  hearResignation(nowUs: number): void {
    if (this.resignedAtUs === NEVER || this.resignedAtUs < this.countedAtUs) this.resignedFirstAtUs = nowUs;
    this.resignedAtUs = nowUs;
  }

  /** The number of the last advert of this seat, of the same virtual router, that arrived here; 0 = none. */
  lastHeardOf({ router }: Seat): number {
    return this.#heard[router.number] ?? 0;
  }

  /** Its effective priority is another: what counted by the one before may be lower now. */
  setPriority(priority: number): void {
    this.priority = priority;
    if (this.config === undefined || this.countedPriority >= priority || !preempts(this.config)) return;
    this.lowerAtUs = Math.max(this.lowerAtUs, this.countedAtUs);
    this.countedAtUs = NEVER;
  }

  /**
   * A term as MASTER has ended: the sync group is held for two master-down intervals at most when it has lasted for less than one,
   * so that hosts with contradicting priorities do not take over at the same instant for ever.
   */
  endTerm(nowUs: number): void {
    const members = this.groupMembers;
    const longest = Math.max(0, ...members.map((member) => member.masterDownUs));
    if (nowUs - this.stateSinceUs > longest) return;
    for (const member of members) member.groupHeldUntilUs = nowUs + 2 * longest;
  }

  /** Its router's clock stood still so long: what is held by that clock is held so much longer. */
  standStill(stoodUs: number): void {
    this.groupHeldUntilUs += stoodUs;
  }

  /** How long it listens at most before it takes over. */
  get masterDownUs(): number {
    const { config } = this;
    if (config === undefined) return 0;
    return masterDownUs(config, this.priority, Math.max(config.advertInterval, this.countedIntervalUs));
  }

  /** The process ended, or does not have the instance any more. */
  leave(): void {
    this.config = undefined;
    this.state = "GONE";
    this.reason = undefined;
    this.termAdverts = 0;
  }

  join(config: VrrpInstanceConfig, group: string | undefined, nowUs: number): void {
    this.config = config;
    this.group = group;
    this.state = "INIT";
    this.reason = undefined;
    this.stateSinceUs = nowUs;
    this.priority = config.priority;
    this.termAdverts = 0;
    this.countedAtUs = NEVER;
    this.resignedAtUs = NEVER;
    this.resignedFirstAtUs = NEVER;
    this.lowerAtUs = NEVER;
    this.groupHeldUntilUs = NEVER;
    this.#heard.length = 0;
  }
}

const NO_SEATS: readonly Seat[] = [];

export const NEVER = Number.NEGATIVE_INFINITY;

/** RFC 3768 6.1 and RFC 9568 6.1, written down once more so that the product is not measured by itself. */
export function skewUs(version: 2 | 3, priority: number, intervalUs: number): number {
  return ((256 - priority) / 256) * (version === 2 ? 1e6 : intervalUs);
}

export function masterDownUs(config: VrrpInstanceConfig, priority: number, intervalUs: number): number {
  return config.downTimerAdverts * intervalUs + skewUs(config.version, priority, intervalUs);
}

/** The lifetime that the design gives an address of this instance, in seconds. */
export function lifetimeSec({ advertInterval, downTimerAdverts }: VrrpInstanceConfig): number {
  return Math.max(2, Math.floor((downTimerAdverts * advertInterval) / 1e6 - 0.9));
}

export function preempts(config: VrrpInstanceConfig): boolean {
  return !config.nopreempt || config.priority === 255;
}
