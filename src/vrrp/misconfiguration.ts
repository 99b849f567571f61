import type { Ip } from "../core/ip.ts";
import { OWNER_PRIORITY, RESIGN_PRIORITY } from "./timers.ts";
import type { HeardAdvert, RouterParameters, RouterState, VrrpAlarm } from "./types.ts";

/**
 * What an advert tells about its sender's configuration (RFC 3768 7.1). Each fact is an alarm once, when it is new;
 * when the peer is right again it may alarm again.
 */

/** Alarms remembered: anybody on the segment can invent senders, so the oldest are dropped. */
const REPORTED_MAX = 32;

export interface Examination {
  readonly state: RouterState;
  /** Those that were not raised before. */
  readonly alarms: readonly VrrpAlarm[];
}

const NO_ALARMS: readonly VrrpAlarm[] = [];

/** Compares a peer's advert with our parameters and remembers what was found; undefined when that is nothing new. */
export function examine(state: RouterState, advert: HeardAdvert): Examination | undefined {
  const found = mismatches(state, advert);
  if (found.length === 0 && state.reported.length === 0) return undefined;
  const fresh = found.filter((alarm) => !state.reported.some((old) => sameAlarm(old, alarm)));
  const kept = state.reported.filter(
    (old) =>
      old.peer !== advert.source || found.some((alarm) => sameAlarm(old, alarm)) || notCompared(state, advert, old),
  );
  if (fresh.length === 0 && kept.length === state.reported.length) return undefined;
  return { state: { ...state, reported: [...kept, ...fresh].slice(-REPORTED_MAX) }, alarms: fresh };
}

/**
 * Why this advert MUST be discarded. RFC 3768 7.1: in version 2 the Adver Interval must be the locally configured one; in
 * version 3 it is learned (RFC 9568 6.4.2).
 */
export function discardReason(
  { parameters }: RouterState,
  advert: HeardAdvert,
): "versionMismatch" | "advertIntervalMismatch" | undefined {
  if (advert.version !== parameters.version) return "versionMismatch";
  if (parameters.version === 2 && !intervalMatches(parameters, advert)) return "advertIntervalMismatch";
  return undefined;
}

function mismatches(state: RouterState, advert: HeardAdvert): readonly VrrpAlarm[] {
  const { parameters } = state;
  const peer = advert.source;
  const { version, priority, addresses } = advert;
  if (version !== parameters.version) return [{ kind: "versionMismatch", peer, version }];
  const alarms: VrrpAlarm[] = [];
  if (!intervalMatches(parameters, advert)) {
    alarms.push({ kind: "advertIntervalMismatch", peer, advertInterval: advert.advertInterval });
  }
  if (comparesAddresses(state, advert) && !sameAddresses(parameters.addresses, addresses)) {
    alarms.push({ kind: "addressListMismatch", peer, addresses });
  }
  if (parameters.priority === OWNER_PRIORITY && priority === OWNER_PRIORITY) {
    alarms.push({ kind: "secondOwner", peer });
  }
  return alarms.length === 0 ? NO_ALARMS : alarms;
}

function intervalMatches(parameters: RouterParameters, advert: HeardAdvert): boolean {
  return advert.advertInterval === parameters.advertInterval;
}

/** A resigning router may send its last advert without addresses; and `skip_check_adv_addr` trusts whom it has just heard. */
function comparesAddresses({ parameters, role }: RouterState, advert: HeardAdvert): boolean {
  if (advert.priority === RESIGN_PRIORITY) return false;
  if (!parameters.skipCheckAdvAddr) return true;
  return role.name !== "BACKUP" || role.master?.address !== advert.source;
}

/** An alarm about a list that was not looked at this time stands. */
function notCompared(state: RouterState, advert: HeardAdvert, alarm: VrrpAlarm): boolean {
  return alarm.kind === "addressListMismatch" && !comparesAddresses(state, advert);
}

/** With every advert: a loop, since `every` would be given a new function each time. */
function sameOrder(ours: readonly Ip[], theirs: readonly Ip[]): boolean {
  if (ours.length !== theirs.length) return false;
  for (let index = 0; index < ours.length; index++) if (ours[index] !== theirs[index]) return false;
  return true;
}

/** The order is the sender's own business: it comes from its configuration file. */
function sameAddresses(ours: readonly Ip[], theirs: readonly Ip[]): boolean {
  if (sameOrder(ours, theirs)) return true;
  const a = new Set(ours);
  const b = new Set(theirs);
  return a.size === b.size && [...a].every((address) => b.has(address));
}

function sameAlarm(a: VrrpAlarm, b: VrrpAlarm): boolean {
  if (a.peer !== b.peer) return false;
  switch (a.kind) {
    case "addressListMismatch":
      return b.kind === a.kind && sameAddresses(a.addresses, b.addresses);
    case "advertIntervalMismatch":
      return b.kind === a.kind && a.advertInterval === b.advertInterval;
    case "versionMismatch":
      return b.kind === a.kind && a.version === b.version;
    case "secondOwner":
      return b.kind === a.kind;
  }
}
