import { type Checker, ms, Violation } from "../checker.ts";
import { NEVER, type Seat } from "../seat.ts";
import type { World } from "../world.ts";

const NAME = "never without a master for longer than the bound";

/** FAULT by something that tells no end is tried again after so long (src/vrrp/timers.ts). */
const RETRY_US = 10e6;
/** Timers of a second that run one after the other, and what the LAN holds back. */
const SLACK_US = 2e6;

/**
 * Never no master for longer than the bound: whoever can be MASTER, and has heard nobody who keeps it from being it for
 * its master-down interval, is it. Said of each router by itself it holds whatever the LAN does to the others.
 */
export function someMaster(world: World): Checker {
  return {
    name: NAME,
    sweep: () => {
      for (const seat of world.seats) {
        if (seat.state === "MASTER" || overdueUs(world, seat) <= 0) continue;
        if (!seat.groupMembers.every((member) => member.state === "MASTER" || overdueUs(world, member) > 0)) continue;
        throw new Violation(
          NAME,
          `${seat.label} is ${seat.state} because of ${seat.reason}, and should be MASTER for ${ms(overdueUs(world, seat))}`,
          [seat.label],
        );
      }
    },
  };
}

/** For how long this seat should have been MASTER; 0 or less = not. */
function overdueUs(world: World, seat: Seat): number {
  const { router, config } = seat;
  if (config === undefined || seat.state === "GONE" || !router.undisturbed || router.process?.released !== true)
    return 0;
  const since = Math.max(
    // Whoever does the work puts off what is only tried again.
    seat.state === "FAULT" ? seat.lowerAtUs : NEVER,
    router.disturbedAtUs,
    seat.disturbedAtUs,
    seat.countedAtUs,
    seat.resignedAtUs,
    seat.stateSinceUs,
  );
  const wait = seat.masterDownUs;
  const retry = seat.state === "FAULT" ? Math.max(RETRY_US, wait) : 0;
  const dueAtUs = Math.max(since + wait + retry + config.preemptDelay, seat.groupHeldUntilUs);
  const overdue = world.nowUs - dueAtUs - SLACK_US;
  return overdue > 0 && world.isHeldBack(seat) ? 0 : overdue;
}
