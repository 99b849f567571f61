import type { Us } from "../../core/units.ts";
import type { Announcements } from "./announcements.ts";
import type { Groups } from "./groups.ts";
import type { Histogram } from "./histogram.ts";
import type { IndexedView } from "./hostView.ts";
import type { VrrpInstance } from "./instance.ts";
import { instanceStatus } from "./instanceStatus.ts";
import type { LastWill } from "./lastWill.ts";
import type { VrrpStatus } from "./protocol.ts";
import type { Statics } from "./statics.ts";
import type { DiscardTally } from "./tally.ts";
import type { Trackers } from "./trackers.ts";

/** What the thread's parts have to say of themselves. */
export interface StatusParts {
  readonly nowUs: Us;
  readonly view: IndexedView;
  readonly instances: readonly VrrpInstance[];
  readonly groups: Groups;
  readonly statics: Statics;
  readonly trackers: Trackers;
  readonly announcements: Announcements;
  readonly will: LastWill;
  readonly tally: DiscardTally;
  readonly lateness: Histogram;
  readonly realtime: boolean;
}

/** One consistent snapshot of the VRRP thread. */
export function vrrpStatus(parts: StatusParts): VrrpStatus {
  const { nowUs, view, instances, groups, lateness } = parts;
  return {
    instances: instances.map((instance) => instanceStatus(instance, groups.groupOf(instance.name), view, nowUs)),
    groups: groups.status(),
    statics: parts.statics.status(),
    trackers: parts.trackers.results,
    announcementsWaiting: parts.announcements.waiting,
    will: parts.will.status(),
    discarded: parts.tally.counts,
    timerLateness: {
      boundsUs: lateness.boundsUs,
      counts: [...lateness.counts],
      maxUs: lateness.maxUs,
      sumUs: lateness.sumUs,
    },
    realtime: parts.realtime,
  };
}
