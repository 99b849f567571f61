import { type Checker, Violation } from "../checker.ts";

const NAME = "sync groups together";

/** The members of a sync group are MASTER together or not at all, whenever the process has done what there was to do. */
export function groupsTogether(): Checker {
  /** By router: the revision that was looked at. */
  const looked: number[] = [];
  return {
    name: NAME,
    entryEnded: (router) => {
      if (looked[router.number] === router.revision) return;
      looked[router.number] = router.revision;
      for (const { name, members } of router.given.syncGroups) {
        const seats = members.map((member) => router.seat(member)).filter((seat) => seat.config !== undefined);
        const masters = seats.filter((seat) => seat.state === "MASTER").length;
        if (masters === 0 || masters === seats.length) continue;
        const states = seats.map((seat) => `${seat.name} ${seat.state}`).join(", ");
        throw new Violation(NAME, `the sync group ${name} of ${router.name} is apart: ${states}`, [router.name]);
      }
    },
  };
}
