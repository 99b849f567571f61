import { compareIp, type Ip } from "../core/ip.ts";
import { after, between, durationUs, earlier, type Us } from "../core/units.ts";
import {
  announce,
  dueAnnouncements,
  lowerPriorityRound,
  nextAnnouncement,
  termAnnouncements,
} from "./announcements.ts";
import { heardMaster } from "./backup.ts";
import { advert as advertEffect, becomeBackup, becomeFault } from "./roles.ts";
import { ADDRESSES_TAKEN_MAX, ADDRESSES_TAKEN_WINDOW, RESIGN_PRIORITY, silenceLimit } from "./timers.ts";
import type { Effect, HeardAdvert, LinkFacts, MasterRole, RouterState, StepResult } from "./types.ts";

/** What a MASTER does (RFC 3768 6.4.3, RFC 9568 6.4.3). */

export type MasterState = RouterState & { readonly role: MasterRole };

const NO_EFFECTS: StepResult["effects"] = [];

/** Off the beat at most so many adverts go out for each on it, however the trackers flap. */
const OFF_BEAT_PER_INTERVAL = 10;

export function masterDeadline({ role }: MasterState): Us {
  const { at, silenceLimit: limit } = role.lastAdvert;
  // An unsent advert, after one sent off the beat or by a shorter interval, may let the silence end before the next is due.
  return Math.min(role.nextAdvertAt, after(at, limit), nextAnnouncement(role.announcements)) as Us;
}

/**
 * A MASTER whose last advert is so old that a peer may have taken over (SIGSTOP, suspend, a thread without CPU, sends
 * that the kernel refused) must not advertise or refresh once more: both would hold the addresses until one yields.
 * This comes before every input, because after a pause any input may be the first.
 */
export function yieldAfterSilence(state: MasterState, nowUs: Us): StepResult | undefined {
  const { role, parameters } = state;
  const { at, silenceLimit: limit } = role.lastAdvert;
  if (between(at, nowUs) < limit) return undefined;
  const latenessUs = Math.max(0, between(role.nextAdvertAt, nowUs));
  const sendsFailed = between(at, role.nextAdvertAt) > parameters.advertInterval;
  return sendsFailed && latenessUs < parameters.advertInterval
    ? becomeFault(state, nowUs, "advertsNotSent")
    : becomeBackup(state, nowUs, "pausedTooLong", { latenessUs });
}

/** "If an ADVERTISEMENT is received". */
export function onAdvertAsMaster(state: MasterState, advert: HeardAdvert, nowUs: Us): StepResult {
  const own = state.tracking.priority;
  const { source, priority } = advert;
  if (priority === RESIGN_PRIORITY) return advertise(state, nowUs, NO_EFFECTS);
  const higher = priority > own;
  if (higher || (priority === own && isHigherAddress(source, state.link))) {
    const reason = higher ? "higherPriorityHeard" : "equalPriorityHigherAddress";
    const evidence = { peer: source, peerPriority: priority };
    const yielded = becomeBackup(state, nowUs, reason, evidence, heardMaster(advert, nowUs));
    return state.parameters.higherPrioSendAdvert ? withLastAdvert(state, yielded) : yielded;
  }
  return assertMaster(state, advert, nowUs);
}

/** "If the Adver_Timer fires", and the rounds of announcements. */
export function onMasterDeadline(state: MasterState, nowUs: Us): StepResult {
  const { parameters, role } = state;
  let announced = state;
  let effects = NO_EFFECTS;
  if (nowUs >= nextAnnouncement(role.announcements)) {
    const due = dueAnnouncements(role.announcements, parameters.garp, nowUs);
    announced = { ...state, role: { ...role, announcements: due.next } };
    effects = due.effects;
  }
  return nowUs >= role.nextAdvertAt ? advertise(announced, nowUs, effects) : { state: announced, effects };
}

/**
 * Somebody took addresses away: they are put back at once, for clients fail meanwhile, but not for ever. What is only
 * not refreshed waits for the next beat, or a host that is too slow for its interval would beat faster and faster.
 */
export function onAddressesMissing(
  state: MasterState,
  cause: "removedByOthers" | "notRefreshed",
  nowUs: Us,
): StepResult {
  const { role, parameters } = state;
  if (cause === "notRefreshed") {
    const { againAt } = role.announcements;
    const sooner = earlier(role.nextAdvertAt, againAt ?? role.nextAdvertAt);
    const announcements = { ...role.announcements, againAt: sooner };
    return { state: { ...state, role: { ...role, announcements } }, effects: NO_EFFECTS };
  }
  const takenAt = [...role.takenAt.filter((at) => between(at, nowUs) < ADDRESSES_TAKEN_WINDOW), nowUs];
  if (takenAt.length > ADDRESSES_TAKEN_MAX) {
    return becomeFault(state, nowUs, "addressesTakenByOthers", `${takenAt.length} times`);
  }
  return advertise({ ...state, role: { ...role, takenAt } }, nowUs, announce(parameters.garp.masterRepeat));
}

/** The silence goes on since the advert before; yieldAfterSilence ends it. A first advert that fails ends the term at once: nothing was added. */
export function onAdvertNotSent(state: MasterState, detail: string, nowUs: Us): StepResult {
  const { role } = state;
  if (role.advertBefore === undefined) return becomeFault(state, nowUs, "advertsNotSent", detail);
  return { state: { ...state, role: { ...role, lastAdvert: role.advertBefore } }, effects: NO_EFFECTS };
}

/**
 * A raised priority is told before the next beat: a peer that was higher until now may be about to preempt. A lowered one
 * has time, since no peer acts on hearing it.
 */
export function tellPriority(state: MasterState, before: number, nowUs: Us): StepResult {
  const { role, parameters, tracking } = state;
  if (tracking.priority <= before) return { state, effects: NO_EFFECTS };
  const soonest = after(role.lastAdvert.at, durationUs(Math.ceil(parameters.advertInterval / OFF_BEAT_PER_INTERVAL)));
  if (nowUs >= soonest) return advertise(state, nowUs, NO_EFFECTS);
  const nextAdvertAt = earlier(soonest, role.nextAdvertAt);
  return { state: { ...state, role: { ...role, nextAdvertAt } }, effects: NO_EFFECTS };
}

/** Changed parameters are told at once, so that the peers know the new priority and list, and new addresses do not wait for the next beat. */
export function retell(state: MasterState, nowUs: Us): StepResult {
  const { garp } = state.parameters;
  const announcements = termAnnouncements(garp, nowUs);
  const told = advertise({ ...state, role: { ...state.role, announcements } }, nowUs, NO_EFFECTS);
  return {
    state: told.state,
    effects: [advertEffect(state), { kind: "addresses", action: "add" }, ...announce(garp.masterRepeat)],
  };
}

export function isMaster(state: RouterState): state is MasterState {
  return state.role.name === "MASTER";
}

/**
 * RFC 3768 discards a lower priority, RFC 9568 answers it by an advert. Its sender held the addresses a moment ago (a
 * healed split): told at once, it yields at once, and the neighbours that it drew to itself are drawn back.
 */
function assertMaster(state: MasterState, { source, priority }: HeardAdvert, nowUs: Us): StepResult {
  const { parameters, role } = state;
  const { next, atOnce } = lowerPriorityRound(role.announcements, parameters.garp, nowUs);
  const asserted = { ...state, role: { ...role, announcements: next } };
  const behind: readonly Effect[] = atOnce
    ? [...announce(parameters.garp.lowerPrioRepeat), { kind: "lowerPriorityHeard", peer: source, priority }]
    : NO_EFFECTS;
  return parameters.lowerPrioNoAdvert ? { state: asserted, effects: behind } : advertise(asserted, nowUs, behind);
}

/** Advert, then lease: the peers' clock and the kernel's start together. The beat is kept: lateness does not add up. */
function advertise(
  state: MasterState,
  nowUs: Us,
  behind: readonly Effect[],
): StepResult & { readonly state: MasterState } {
  const { parameters, role } = state;
  const onBeat = nowUs >= role.nextAdvertAt && between(role.nextAdvertAt, nowUs) < parameters.advertInterval;
  return {
    state: {
      ...state,
      role: {
        ...role,
        nextAdvertAt: after(onBeat ? role.nextAdvertAt : nowUs, parameters.advertInterval),
        lastAdvert: { at: nowUs, silenceLimit: silenceLimit(parameters) },
        advertBefore: role.lastAdvert,
      },
    },
    effects: [advertEffect(state), { kind: "addresses", action: "refresh" }, ...behind],
  };
}

/**
 * One more advert with our lower priority, behind the removal: the new master answers it by announcing again, and then
 * nobody here answers ARP any more.
 */
function withLastAdvert(state: MasterState, { state: next, effects }: StepResult): StepResult {
  const at = effects.findIndex((effect) => effect.kind === "transition");
  return { state: next, effects: [...effects.slice(0, at), advertEffect(state), ...effects.slice(at)] };
}

/** RFC 3768 6.4.3: compared as unsigned numbers in network byte order. */
function isHigherAddress(source: Ip, link: LinkFacts): boolean {
  return link.primaryAddress !== undefined && compareIp(source, link.primaryAddress) > 0;
}
