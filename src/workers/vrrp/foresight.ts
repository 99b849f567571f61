import type { Clock } from "../../core/interfaces.ts";
import { after, between, type DurationUs, durationUs, milliseconds, type Us } from "../../core/units.ts";
import type { RouterState } from "../../vrrp/types.ts";
import type { Rehearsal } from "./rehearsal.types.ts";

/** So long before a master is given up the thread wakes: a rehearsal on an idle host takes some ten milliseconds at first. */
const LEAD: DurationUs = milliseconds(40);
/** Whoever waits for less has been awake a moment ago. */
const IDLE: DurationUs = milliseconds(500);

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
  /** The deadlines that were waited for with a lead. */
  readonly #early = new WeakMap<Waiting, Us>();

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
    if (this.#early.get(instance) !== deadline) {
      if (between(now, deadline) < IDLE) return deadline;
      this.#early.set(instance, deadline);
    }
    const early = after(deadline, durationUs(-LEAD));
    return early > now ? early : deadline;
  }

  /** The deadline of an instance that is about to become MASTER. */
  near(instance: Waiting, now: Us): Us | undefined {
    const { deadline, state } = instance;
    if (deadline === undefined || state.role.name !== "BACKUP" || this.#early.get(instance) !== deadline)
      return undefined;
    const left = between(now, deadline);
    return left > 0 && left <= LEAD ? deadline : undefined;
  }

  /** Plays until one of these instants comes near. */
  rehearse(...until: readonly Us[]): void {
    this.#rehearsal?.playUntil(Math.min(...until) as Us);
  }
}
