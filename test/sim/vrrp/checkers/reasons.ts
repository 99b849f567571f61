import type { StateName, TransitionReason } from "../../../../src/vrrp/types.ts";
import { type Checker, Violation } from "../checker.ts";
import type { World } from "../world.ts";

const NAME = "every transition has one reason";

/** Every reason with the states that it leads to: a reason that is not here, or leads elsewhere, is a defect. */
const LEADS_TO: Readonly<Record<string, readonly StateName[]>> = {
  started: ["BACKUP"],
  startedAsOwner: ["MASTER"],
  masterDown: ["MASTER"],
  masterResigned: ["MASTER"],
  lowerPriorityHeard: ["MASTER"],
  groupMaster: ["MASTER"],
  higherPriorityHeard: ["BACKUP"],
  equalPriorityHigherAddress: ["BACKUP"],
  pausedTooLong: ["BACKUP"],
  interfaceRecovered: ["BACKUP"],
  trackersRecovered: ["BACKUP"],
  triedAgain: ["BACKUP"],
  groupBackup: ["BACKUP"],
  groupRecovered: ["BACKUP"],
  interfaceMissing: ["FAULT"],
  interfaceDown: ["FAULT"],
  noPrimaryAddress: ["FAULT"],
  sourceAddressMissing: ["FAULT"],
  noUnicastPeer: ["FAULT"],
  trackedInterfaceDown: ["FAULT"],
  trackedScriptFailed: ["FAULT"],
  trackedFileFault: ["FAULT"],
  trackedProcessFault: ["FAULT"],
  staticAddressLost: ["FAULT"],
  addressesNotAdded: ["FAULT"],
  addressesTakenByOthers: ["FAULT"],
  advertsNotSent: ["FAULT"],
  groupFault: ["FAULT"],
  stopped: ["INIT"],
} satisfies Partial<Record<TransitionReason, readonly StateName[]>> | Record<string, readonly StateName[]>;

/** Status is asked once in so many sweeps. */
const SWEEPS_PER_STATUS = 60;

/** Every change of state is reported once, in order, with one reason of the closed list; what status says is what was reported. */
export function oneReasonEach(world: World): Checker {
  let sweeps = 0;
  return {
    name: NAME,
    transition: (seat, { from, to, reason }) => {
      if (seat.state !== from)
        throw new Violation(NAME, `${seat.label} leaves ${from}, but was ${seat.state}`, [seat.label]);
      if (LEADS_TO[reason]?.includes(to) !== true)
        throw new Violation(NAME, `${seat.label} is ${to} because of ${reason}`, [seat.label]);
      if (from === to && (to !== "FAULT" || reason === seat.reason)) {
        throw new Violation(NAME, `${seat.label} goes from ${from} to ${to} because of ${reason}, as before`, [
          seat.label,
        ]);
      }
    },
    sweep: () => {
      if (sweeps++ % SWEEPS_PER_STATUS !== 0) return;
      for (const router of world.routers) {
        if (router.process === undefined || !router.canRun) continue;
        for (const { name, state, last } of router.process.driver.status().instances) {
          const seat = router.seat(name);
          if (seat.state === state && seat.reason === last?.reason) continue;
          throw new Violation(
            NAME,
            `status of ${seat.label} is ${state} because of ${last?.reason}, reported was ${seat.state} because of ${seat.reason}`,
            [seat.label],
          );
        }
      }
    },
  };
}
