import type { Ip } from "../core/ip.ts";
import { OWNER_PRIORITY, RESIGN_PRIORITY } from "./timers.ts";
import type { HeardAdvert, RouterState, VrrpAlarm } from "./types.ts";

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

/** Compares a peer's advert with our parameters and remembers what was found. */
export function examine(state: RouterState, advert: HeardAdvert): Examination {
  const found = mismatches(state, advert);
  const fresh = found.filter((alarm) => !state.reported.some((old) => sameAlarm(old, alarm)));
  const kept = state.reported.filter(
    (old) => old.peer !== advert.source || found.some((alarm) => sameAlarm(old, alarm)),
  );
  if (fresh.length === 0 && kept.length === state.reported.length) return { state, alarms: [] };
  return { state: { ...state, reported: [...kept, ...fresh].slice(-REPORTED_MAX) }, alarms: fresh };
}

/** RFC 3768 7.1: the Adver Interval in the packet must be the locally configured one. */
export function intervalMatches(state: RouterState, advert: HeardAdvert): boolean {
  return advert.advertInterval === state.parameters.advertInterval;
}

function mismatches(state: RouterState, advert: HeardAdvert): VrrpAlarm[] {
  const { parameters } = state;
  const peer = advert.source;
  const alarms: VrrpAlarm[] = [];
  if (!intervalMatches(state, advert)) {
    alarms.push({ kind: "advertIntervalMismatch", peer, advertInterval: advert.advertInterval });
  }
  // A resigning router may send its last advert without addresses.
  if (advert.priority !== RESIGN_PRIORITY && !sameAddresses(parameters.addresses, advert.addresses)) {
    alarms.push({ kind: "addressListMismatch", peer, addresses: advert.addresses });
  }
  if (parameters.priority === OWNER_PRIORITY && advert.priority === OWNER_PRIORITY) {
    alarms.push({ kind: "secondOwner", peer });
  }
  return alarms;
}

/** The order is the sender's own business: it comes from its configuration file. */
function sameAddresses(ours: readonly Ip[], theirs: readonly Ip[]): boolean {
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
    case "secondOwner":
      return b.kind === a.kind;
  }
}
