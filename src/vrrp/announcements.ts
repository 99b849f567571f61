import { after, between, type DurationUs, earlier, milliseconds, seconds, type Us } from "../core/units.ts";
import type { Announcements, AnnounceParameters, Effect } from "./types.ts";

/**
 * When a MASTER announces its addresses: at the beginning of a term, again some seconds later, at a refresh interval, and
 * whenever somebody else was MASTER too and may have drawn the neighbours to itself.
 */

/** A lower priority causes a round at once so often at most: a peer that does not hear us advertises for ever. */
const LOWER_PRIO_AT_ONCE: DurationUs = seconds(1);
/**
 * The other router may still have answered ARP until our advert made it yield, after our round. One more round soon
 * after, so that its clients are back within a second of the first advert that was heard.
 */
const LOWER_PRIO_SETTLED: DurationUs = milliseconds(500);

/** The rounds of a new term, or of a running one whose parameters have changed. */
export function termAnnouncements(garp: AnnounceParameters, nowUs: Us): Announcements {
  return {
    againAt: garp.masterDelay > 0 && garp.masterRepeat > 0 ? after(nowUs, garp.masterDelay) : undefined,
    refreshAt: garp.masterRefresh > 0 ? after(nowUs, garp.masterRefresh) : undefined,
    extraAt: garp.extraInterval > 0 ? after(nowUs, garp.extraInterval) : undefined,
    lowerPrioAt: undefined,
    lowerPrioDoneAt: undefined,
  };
}

/** The next round, or Infinity. */
export function nextAnnouncement({ againAt, refreshAt, extraAt, lowerPrioAt }: Announcements): number {
  let next = Number.POSITIVE_INFINITY;
  if (againAt !== undefined && againAt < next) next = againAt;
  if (refreshAt !== undefined && refreshAt < next) next = refreshAt;
  if (extraAt !== undefined && extraAt < next) next = extraAt;
  if (lowerPrioAt !== undefined && lowerPrioAt < next) next = lowerPrioAt;
  return next;
}

/** What is due now. Several rounds that are due together are one, with the most repeats. */
export function dueAnnouncements(
  announcements: Announcements,
  garp: AnnounceParameters,
  nowUs: Us,
): { readonly next: Announcements; readonly effects: readonly Effect[] } {
  const due = (at: Us | undefined): at is Us => at !== undefined && nowUs >= at;
  const { againAt, refreshAt, extraAt, lowerPrioAt, lowerPrioDoneAt } = announcements;
  const repeat = Math.max(
    due(againAt) ? garp.masterRepeat : 0,
    due(refreshAt) ? garp.masterRefreshRepeat : 0,
    due(lowerPrioAt) ? garp.lowerPrioRepeat : 0,
  );
  return {
    next: {
      againAt: due(againAt) ? undefined : againAt,
      refreshAt: due(refreshAt) ? after(nowUs, garp.masterRefresh) : refreshAt,
      extraAt: due(extraAt) ? after(nowUs, garp.extraInterval) : extraAt,
      lowerPrioAt: due(lowerPrioAt) ? secondRound(lowerPrioDoneAt ?? nowUs, garp, nowUs) : lowerPrioAt,
      lowerPrioDoneAt,
    },
    effects: [
      ...announce(repeat),
      ...(due(extraAt) ? [{ kind: "announce" as const, repeat: 1, which: "extraInterfaces" as const }] : []),
    ],
  };
}

/** A lower priority was heard: whether to announce (and tell) at once, and the rounds that follow. */
export function lowerPriorityRound(
  announcements: Announcements,
  garp: AnnounceParameters,
  nowUs: Us,
): { readonly next: Announcements; readonly atOnce: boolean } {
  const { lowerPrioAt, lowerPrioDoneAt } = announcements;
  const atOnce = lowerPrioDoneAt === undefined || between(lowerPrioDoneAt, nowUs) >= LOWER_PRIO_AT_ONCE;
  const settledAt = after(nowUs, LOWER_PRIO_SETTLED);
  const sooner = earlier(settledAt, lowerPrioAt ?? settledAt);
  return {
    next: {
      ...announcements,
      lowerPrioAt: garp.lowerPrioRepeat === 0 ? undefined : sooner,
      lowerPrioDoneAt: atOnce ? nowUs : lowerPrioDoneAt,
    },
    atOnce,
  };
}

/** One round for every address, or nothing where the file says 0. */
export function announce(repeat: number): Effect[] {
  return repeat > 0 ? [{ kind: "announce", repeat, which: "all" }] : [];
}

/** `garp_lower_prio_delay` after the round that was made at once, if that is still to come. */
function secondRound(doneAt: Us, garp: AnnounceParameters, nowUs: Us): Us | undefined {
  const at = after(doneAt, garp.lowerPrioDelay);
  return at > nowUs ? at : undefined;
}
