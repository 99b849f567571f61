import { type AddressChanged, type Checker, ms, Violation } from "../checker.ts";
import { sourceAddress } from "../plan.ts";
import { lifetimeSec, masterDownUs, type Seat } from "../seat.ts";
import { LATENESS_MAX_US } from "../simKernel.ts";
import type { World } from "../world.ts";
import { understand } from "./oneMaster.ts";

const NAME = "one holder of each address";

/** Two routers have an address, the one that had it first being dead or stopped. */
interface Overlap {
  readonly old: Seat;
  readonly next: Seat;
  readonly ip: string;
  readonly sinceUs: number;
  readonly allowedUs: number;
}

/**
 * One holder: whoever takes over from a router that was killed, stopped or hangs, finds its addresses gone by the end of
 * their lease. The design promises it for advertisement intervals of at least a second, to a successor that heard every
 * advert. (Between living masters there is an overlap of the time that an advert takes; oneMaster sees to its end.)
 */
export function oneHolder(world: World): Checker {
  const overlaps = new Set<Overlap>();
  const judge = (overlap: Overlap): void => {
    const lasts = world.nowUs - overlap.sinceUs;
    if (lasts <= overlap.allowedUs) return;
    throw new Violation(
      NAME,
      `${overlap.ip} is on ${overlap.next.label} and, for ${ms(lasts)}, on ${overlap.old.label}, which does not run; allowed are ${ms(overlap.allowedUs)}`,
      [overlap.old.label, overlap.next.label],
    );
  };
  const begin = ({ seat, address, router }: AddressChanged): void => {
    for (const other of world.seatsByInstance.get(seat.name) ?? []) {
      const leaseEndUs = other === seat ? undefined : heldWithout(other, address.ip);
      if (leaseEndUs === undefined || !promised(other, seat)) continue;
      overlaps.add({
        old: other,
        next: seat,
        ip: address.ip,
        sinceUs: router.actsAtUs,
        allowedUs: tolerance(other, seat),
      });
    }
  };
  return {
    name: NAME,
    addressChanged: (change) => {
      if (change.event === "added" && change.address.validUntilUs !== undefined && change.seat.config !== undefined)
        begin(change);
      if (change.event !== "removed" && change.event !== "expired") return;
      for (const overlap of overlaps) {
        const { ip } = change.address;
        if (overlap.ip !== ip || (overlap.old.router !== change.router && overlap.next.router !== change.router))
          continue;
        judge(overlap);
        overlaps.delete(overlap);
      }
    },
    sweep: () => {
      for (const overlap of overlaps) {
        // It runs again: what it does now, it does as a router that listens.
        if (heldWithout(overlap.old, overlap.ip) === undefined) overlaps.delete(overlap);
        else judge(overlap);
      }
    },
  };
}

/** The end of a lease on a router whose process is dead or stopped; undefined when there is none. */
function heldWithout({ router }: Seat, ip: string): number | undefined {
  if (router.frozenSinceUs !== undefined || (router.process !== undefined && !router.stopped)) return undefined;
  for (const link of router.kernel.links) {
    for (const own of link.addresses) if (own.ip === ip) return own.validUntilUs;
  }
  return undefined;
}

function promised(old: Seat, next: Seat): boolean {
  const { config } = next;
  const { sentWith } = old;
  if (config === undefined || sentWith === undefined) return false;
  if (sentWith.advertInterval < 1e6 || config.downTimerAdverts < 3) return false;
  // In the midst of a reload of all routers: with another interval, in version 2, it does not listen to the old one at all.
  const source = sourceAddress(old.router.number, sentWith);
  if (!understand(config, sentWith, source)) return false;
  // The machine stood still, its leases too.
  if (old.router.frozenEndedAtUs > old.sentAtUs) return false;
  return old.unremoved.size === 0 && next.lastHeardOf(old) === old.sentCount;
}

/**
 * What the kernel's own lateness leaves over at the highest priorities, what passed between advert and refresh, and what a
 * successor that preempts did not wait: the one that it preempts has died after it was last heard.
 */
function tolerance(old: Seat, next: Seat): number {
  const { config, priority } = next;
  const { sentWith } = old;
  if (config === undefined || sentWith === undefined) return 0;
  const waits = masterDownUs(config, priority, sentWith.advertInterval);
  const silence = next.router.actsAtUs - old.sentAtUs;
  const behindAdvert = Math.max(0, old.refreshedAtUs - old.sentAtUs);
  return Math.max(0, behindAdvert + lifetimeSec(sentWith) * 1e6 + LATENESS_MAX_US - Math.min(silence, waits));
}
