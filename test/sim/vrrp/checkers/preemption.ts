import type { Transition } from "../../../../src/vrrp/types.ts";
import { type Checker, ms, Violation } from "../checker.ts";
import { masterDownUs, preempts, type Seat, skewUs } from "../seat.ts";
import type { World } from "../world.ts";

const NAME = "no forbidden preemption";

/** Two clocks of one router, read one after the other. */
const EPSILON_US = 1_000;

/**
 * Nobody takes over from a living master except where it may: not before the master-down interval has passed since the
 * last advert that counts (also one that waits unread in the socket), not without preemption, not before preempt_delay.
 */
export function noForbiddenPreemption(world: World): Checker {
  return {
    name: NAME,
    transition: (seat, { to, reason: said, evidence }) => {
      const { config, router } = seat;
      // What a member of a sync group claimed by.
      const reason = said === "groupMaster" ? evidence.detail : said;
      if (to !== "MASTER" || config === undefined || reason === "startedAsOwner") return;
      const now = router.actsAtUs;
      if (reason === "lowerPriorityHeard") checkPreemption(seat, now);
      const silence = now - seat.countedAtUs;
      // A resignation shortens the wait also where somebody of lower priority was heard after it.
      const allowed = reason === "masterDown" ? downWait(seat) : resignWait(seat, now);
      if (silence + EPSILON_US >= allowed) return;
      world.trace.note(seat.label, "takes over");
      throw new Violation(
        NAME,
        `${seat.label} (${seat.priority}) becomes MASTER because of ${said satisfies Transition["reason"]} ${ms(silence)} after an advert that keeps it from it for ${ms(allowed)}`,
        [seat.label],
      );
    },
  };
}

function checkPreemption(seat: Seat, nowUs: number): void {
  const { config } = seat;
  if (config === undefined) return;
  if (!preempts(config)) throw new Violation(NAME, `${seat.label} preempts, and has nopreempt`, [seat.label]);
  // keepalived.conf(5) has none for an owner.
  if (config.priority === 255) return;
  const waited = nowUs - Math.max(seat.stateSinceUs, seat.countedAtUs);
  if (waited + EPSILON_US >= config.preemptDelay) return;
  throw new Violation(NAME, `${seat.label} preempts after ${ms(waited)}, preempt_delay is ${ms(config.preemptDelay)}`, [
    seat.label,
  ]);
}

/**
 * After a priority of 0 the skew time is enough, when nobody else was heard since. A member of a sync group that has waited for it
 * claims, and waits for the others: who resigns behind that holds it up no more.
 */
function resignWait(seat: Seat, nowUs: number): number {
  const { config } = seat;
  if (config === undefined) return 0;
  const skew = skewUs(config.version, seat.priority, seat.countedIntervalUs || config.advertInterval);
  const since = seat.group === undefined ? seat.resignedAtUs : seat.resignedFirstAtUs;
  if (seat.resignedAtUs >= seat.countedAtUs && nowUs - since + EPSILON_US >= skew) return 0;
  return downWait(seat);
}

function downWait({ config, priority, countedIntervalUs }: Seat): number {
  if (config === undefined) return 0;
  // Version 2 waits by its own interval, which a reload may have changed since; version 3 by the sender's.
  const interval = config.version === 2 ? config.advertInterval : countedIntervalUs;
  return masterDownUs(config, priority, interval);
}
