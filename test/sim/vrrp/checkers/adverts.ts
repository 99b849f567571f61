import { type Checker, ms, Violation } from "../checker.ts";
import type { Seat } from "../seat.ts";
import type { World } from "../world.ts";

const NAME = "adverts on time";

/** Of the interval: what a thread that has its processor may be late by. */
const LATENESS_MAX = 0.1;

/** A MASTER that is left in peace advertises at every interval, whatever else it has to do. */
export function advertsOnTime(world: World): Checker {
  const check = (seat: Seat): void => {
    const { router, config } = seat;
    if (seat.state !== "MASTER" || config === undefined || seat.termAdverts === 0 || !router.undisturbed) return;
    const since = Math.max(seat.sentAtUs, router.disturbedAtUs, seat.disturbedAtUs);
    const silence = world.nowUs - since;
    const allowed = config.advertInterval * (1 + LATENESS_MAX);
    if (silence <= allowed) return;
    throw new Violation(
      NAME,
      `${seat.label} is MASTER and has sent no advert for ${ms(silence)}, at most ${ms(allowed)} are allowed`,
      [seat.label],
    );
  };
  return {
    name: NAME,
    advertSent: check,
    sweep: () => {
      for (const seat of world.seats) check(seat);
    },
  };
}
