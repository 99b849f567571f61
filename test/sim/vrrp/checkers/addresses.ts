import { type Checker, Violation } from "../checker.ts";
import { lifetimeSec, type Seat } from "../seat.ts";
import type { SimRouter } from "../simRouter.ts";

const NAME = "addresses only where MASTER";

/**
 * Addresses only where MASTER: whenever the process has done what there was to do, a router that is not MASTER holds
 * none of the virtual router's addresses, unless the kernel refused their removal; a MASTER that resigns has none any
 * more. So a process holds nothing of an earlier life from its first dump on that was not interrupted. Every address has the lifetime that the design promises: it is what a dead router loses it by.
 */
export function addressesOnlyWhereMaster(): Checker {
  const touched = new Map<SimRouter, Set<Seat>>();
  const looked = new WeakSet<NonNullable<SimRouter["process"]>>();
  const touch = (seat: Seat): void => {
    let seats = touched.get(seat.router);
    if (seats === undefined) {
      seats = new Set();
      touched.set(seat.router, seats);
    }
    seats.add(seat);
  };
  const checkHeld = (seat: Seat, when: string): void => {
    if (seat.removalFailed || seat.config === undefined) return;
    const held = heldBy(seat);
    if (held === undefined) return;
    throw new Violation(NAME, `${seat.label} is ${seat.state} ${when} and has ${held}`, [seat.label]);
  };
  return {
    name: NAME,
    transition: touch,
    addressChanged: ({ seat, event, address, router }) => {
      if (event === "removed" || event === "expired" || address.validUntilUs === undefined) return;
      touch(seat);
      if (seat.config === undefined) return;
      const lifetime = (address.validUntilUs - router.kernelNowUs()) / 1e6;
      const promised = lifetimeSec(seat.config);
      if (Math.abs(lifetime - promised) > 1e-6) {
        throw new Violation(
          NAME,
          `${seat.label} gives ${address.ip} ${lifetime} s to live, promised are ${promised} s`,
          [seat.label],
        );
      }
    },
    advertSent: (seat, priority) => {
      if (priority === 0) checkHeld(seat, "and resigns");
    },
    entryEnded: (router) => {
      if (router.process?.host.hasSeen === true && !looked.has(router.process)) {
        looked.add(router.process);
        // On an interface that has another name meanwhile nobody finds anything.
        for (const seat of router.seats.values())
          if (seat.config !== undefined && router.kernel.named(seat.config.interface) !== undefined) touch(seat);
      }
      const seats = touched.get(router);
      if (seats === undefined || seats.size === 0) return;
      for (const seat of seats) {
        if (seat.state !== "MASTER") checkHeld(seat, `because of ${seat.reason}`);
      }
      seats.clear();
    },
  };
}

/** The first of the seat's addresses that its kernel has with an end. */
export function heldBy({ config, router }: Seat): string | undefined {
  if (config === undefined) return undefined;
  for (const vip of [...config.virtualAddresses, ...config.excludedAddresses]) {
    for (const link of router.kernel.links) {
      for (const own of link.addresses) {
        if (own.ip === vip.address && own.validUntilUs !== undefined) return own.ip;
      }
    }
  }
  return undefined;
}
