import type { Clock } from "../../core/interfaces.ts";
import { after, between, type DurationUs, durationUs, milliseconds, type Us } from "../../core/units.ts";
import type { RouterState } from "../../vrrp/types.ts";
import type { Rehearsal } from "./rehearsal.types.ts";

/** So long before a master is given up the thread wakes at most: on an idle host the first play takes some ten milliseconds. */
const LEAD_MAX: DurationUs = milliseconds(40);
/** Of what is waited for: with three adverts that may be missed, two of them have been by then. */
const LEAD_PART = 1 / 3;
/** What a first play takes, of the lead: a thread that waits for milliseconds only has been awake a moment ago. */
const COLD_PART = 3 / 8;

/** What is looked at of an instance. */
export interface Waiting {
  readonly state: RouterState;
  readonly deadline: Us | undefined;
}

/**
 * Wakes the thread shortly before a BACKUP becomes MASTER, so that the rehearsal goes on until then and the first advert
 * leaves on time. A master that is alive moves the deadline away with every advert, so this costs nothing until two are late.
 */
export class Foresight {
  readonly #clock: Clock;
  readonly #rehearsal: Rehearsal | undefined;
  /** The deadlines that are waited for with a lead, and how long it is. */
  readonly #early = new WeakMap<Waiting, Takeover>();

  constructor(clock: Clock, rehearsal: Rehearsal | undefined) {
    this.#clock = clock;
    this.#rehearsal = rehearsal;
  }

  /** When the thread is to wake for an instance: at its deadline, or with a lead before it. */
  wakeAt(instance: Waiting): Us | undefined {
    const { deadline, state } = instance;
    if (this.#rehearsal === undefined || deadline === undefined || state.role.name !== "BACKUP") return deadline;
    // With `down_timer_adverts 1` a live master's advert comes as late as the skew time before it is given up.
    if (state.parameters.downTimerAdverts < 2) return deadline;
    const now = this.#clock.nowUs();
    let early = this.#early.get(instance);
    if (early?.deadline !== deadline) {
      const lead = durationUs(Math.min(LEAD_MAX, Math.round(between(now, deadline) * LEAD_PART)));
      early = { deadline, lead };
      this.#early.set(instance, early);
    }
    const at = after(deadline, durationUs(-early.lead));
    return at > now ? at : deadline;
  }

  /** The takeover that an instance is about to make. */
  near(instance: Waiting, now: Us): Takeover | undefined {
    if (this.#rehearsal === undefined) return undefined;
    const early = this.#early.get(instance);
    if (early === undefined || early.deadline !== instance.deadline || instance.state.role.name !== "BACKUP")
      return undefined;
    const left = between(now, early.deadline);
    return left > 0 && left <= early.lead ? early : undefined;
  }

  /** Plays until it comes, or anything else is due. */
  rehearse({ deadline, lead }: Takeover, next: Us): void {
    this.#rehearsal?.playUntil(Math.min(deadline, next) as Us, durationUs(lead * COLD_PART));
  }
}

/** A deadline at which a BACKUP becomes MASTER, and how long before it the thread wakes. */
export interface Takeover {
  readonly deadline: Us;
  readonly lead: DurationUs;
}
