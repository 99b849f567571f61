import { type Checker, Violation } from "../checker.ts";
import { lifetimeSec, type Seat } from "../seat.ts";
import { cidrOf, type StoredAddress } from "../simKernel.ts";
import type { SimRouter } from "../simRouter.ts";

type Process = NonNullable<SimRouter["process"]>;

const NAME = "addresses only where MASTER";

/**
 * Addresses only where MASTER: whenever the process has done what there was to do, a router that is not MASTER holds
 * none of the virtual router's addresses, unless the kernel refused their removal; a MASTER that resigns has none any
 * more. So a process holds nothing of an earlier life from its first dump on that was not interrupted. Every address has the lifetime that the design promises: it is what a dead router loses it by.
 */
export function addressesOnlyWhereMaster(): Checker {
  /** By router: asked with every event. */
  const touched: Set<Seat>[] = [];
  const lastLooked: Process[] = [];
  /** Processes that have seen what an earlier life left, where the interface has the name that they know. */
  const looked = new WeakSet<Process>();
  const setBy = new WeakMap<StoredAddress, Process>();
  const touch = (seat: Seat): void => {
    const { number } = seat.router;
    touched[number] ??= new Set();
    touched[number].add(seat);
  };
  const checkHeld = (seat: Seat, when: string): void => {
    if (seat.config === undefined) return;
    const { process } = seat.router;
    const held = heldBy(
      seat,
      (own, onItsDevice) =>
        !seat.unremoved.has(cidrOf(own)) &&
        (setBy.get(own) === process || (onItsDevice && process !== undefined && looked.has(process))),
    );
    if (held === undefined) return;
    throw new Violation(NAME, `${seat.label} is ${seat.state} ${when} and has ${held}`, [seat.label]);
  };
  return {
    name: NAME,
    transition: touch,
    addressChanged: ({ seat, event, address, router }) => {
      if (event === "removed" || event === "expired" || address.validUntilUs === undefined) return;
      touch(seat);
      if (router.process?.host.changing === true) setBy.set(address, router.process);
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
      const { process } = router;
      if (process !== undefined && process !== lastLooked[router.number] && process.host.hasSeen) {
        lastLooked[router.number] = process;
        looked.add(process);
        for (const seat of router.seats.values()) touch(seat);
      }
      const seats = touched[router.number];
      if (seats === undefined || seats.size === 0) return;
      for (const seat of seats) {
        if (seat.state !== "MASTER") checkHeld(seat, `because of ${seat.reason}`);
      }
      seats.clear();
    },
  };
}

/** The first of the seat's addresses that its kernel has with an end, of those that count. */
export function heldBy(
  { config, router }: Seat,
  counts: (own: StoredAddress, onItsDevice: boolean) => boolean = () => true,
): string | undefined {
  if (config === undefined) return undefined;
  for (const vip of [...config.virtualAddresses, ...config.excludedAddresses]) {
    for (const link of router.kernel.links) {
      for (const own of link.addresses) {
        if (own.ip !== vip.address || own.validUntilUs === undefined) continue;
        if (counts(own, link.name === vip.device)) return own.ip;
      }
    }
  }
  return undefined;
}
