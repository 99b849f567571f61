import { after, type DurationUs, durationUs, type Us } from "../core/units.ts";
import { announce, termAnnouncements } from "./announcements.ts";
import {
  faultRetryInterval,
  learnedInterval,
  masterDownInterval,
  OWNER_PRIORITY,
  RESIGN_PRIORITY,
  silenceLimit,
} from "./timers.ts";
import type {
  BackupReason,
  Effect,
  Evidence,
  FaultCause,
  HeardMaster,
  OwnMasterReason,
  Role,
  RouterState,
  StepResult,
  Transition,
  TransitionReason,
} from "./types.ts";

/**
 * One function for each role: it builds the whole new role from nothing and returns every effect of entering it and of
 * leaving the old one. Nothing else changes `role.name`.
 */

/** Causes with which no advert can leave the host, or none should. */
const CANNOT_RESIGN: ReadonlySet<FaultCause> = new Set([
  "interfaceMissing",
  "interfaceDown",
  "noPrimaryAddress",
  "sourceAddressMissing",
  "noUnicastPeer",
  "advertsNotSent",
]);

/** Causes that we found ourselves and that no event will tell us the end of. */
const ENDS_BY_ITSELF: ReadonlySet<FaultCause> = new Set([
  "addressesNotAdded",
  "addressesTakenByOthers",
  "advertsNotSent",
]);

/** RFC 3768 6.4.1 and 6.4.2, RFC 9568 6.4.1 and 6.4.2: send an ADVERTISEMENT, announce, set the Adver_Timer. */
export function becomeMaster(
  state: RouterState,
  nowUs: Us,
  reason: OwnMasterReason | "groupMaster",
  evidence: Evidence = {},
): StepResult {
  const { parameters } = state;
  return enter(
    state,
    {
      name: "MASTER",
      nextAdvertAt: after(nowUs, parameters.advertInterval),
      lastAdvert: { at: nowUs, silenceLimit: silenceLimit(parameters) },
      advertBefore: undefined,
      announcements: termAnnouncements(parameters.garp, nowUs),
      takenAt: [],
    },
    [advert(state), { kind: "addresses", action: "add" }, ...announce(parameters.garp.masterRepeat)],
    reason,
    evidence,
  );
}

/**
 * Listens for a full Master_Down_Interval, from whatever state. `master` is whom we yield to.
 * A MASTER that becomes BACKUP does not resign: somebody else is MASTER already, or may be. Except where its group makes
 * it yield: then perhaps nobody is, and the peers need not wait for longer than the skew time.
 */
export function becomeBackup(
  state: RouterState,
  nowUs: Us,
  reason: BackupReason,
  evidence: Evidence = {},
  master: HeardMaster | undefined = undefined,
): StepResult {
  const { parameters, tracking } = state;
  const masterAdvertInterval =
    master === undefined ? parameters.advertInterval : learnedInterval(parameters, master.advertInterval);
  const listenUntil = after(nowUs, masterDownInterval(parameters, tracking.priority, masterAdvertInterval));
  const delay = reason === "started" ? preemptDelay(state) : 0;
  const preemptAt = delay > 0 ? after(listenUntil, durationUs(delay)) : undefined;
  return enter(
    state,
    {
      name: "BACKUP",
      masterDownAt: preemptAt ?? listenUntil,
      preemptAt,
      masterAdvertInterval,
      master,
      claim: undefined,
    },
    reason === "groupBackup" ? [...removal(state), ...resignation(state)] : removal(state),
    reason,
    evidence,
  );
}

/** Not in the RFCs, which know no failing interfaces: takes no part in the election, like Initialize. */
export function becomeFault(
  state: RouterState,
  nowUs: Us,
  cause: FaultCause,
  detail: string | undefined = undefined,
): StepResult {
  const resign = CANNOT_RESIGN.has(cause) ? [] : resignation(state);
  const retryAt = ENDS_BY_ITSELF.has(cause) ? after(nowUs, faultRetryInterval(state.parameters)) : undefined;
  return enter(
    state,
    { name: "FAULT", cause, detail, retryAt },
    [...removal(state), ...resign],
    cause,
    detail === undefined ? {} : { detail },
  );
}

/** RFC 3768 6.4.2 and 6.4.3, Shutdown event: a MASTER sends an ADVERTISEMENT with priority 0, here after its addresses are gone. */
export function becomeInit(state: RouterState): StepResult {
  return enter(state, { name: "INIT" }, [...removal(state), ...resignation(state)], "stopped");
}

/** RFC 3768 6.1: the owner of the addresses always preempts, whatever Preempt_Mode says. */
export function preempts({ parameters }: RouterState): boolean {
  return parameters.preempt || parameters.priority === OWNER_PRIORITY;
}

/** `preempt_delay` applies to who preempts, and not to the owner: keepalived.conf(5) wants another initial state than MASTER for it. */
export function preemptDelay(state: RouterState): DurationUs {
  const { parameters } = state;
  return parameters.preempt && parameters.priority !== OWNER_PRIORITY ? parameters.preemptDelay : durationUs(0);
}

/** An ADVERTISEMENT with the effective priority. */
export function advert(state: RouterState, priority: number = state.tracking.priority): Effect {
  return { kind: "sendAdvert", priority, mayFail: !state.link.up && !state.parameters.trackPrimary };
}

function removal(state: RouterState): Effect[] {
  return state.role.name === "MASTER" ? [{ kind: "addresses", action: "remove" }] : [];
}

function resignation(state: RouterState): Effect[] {
  return state.role.name === "MASTER" ? [advert(state, RESIGN_PRIORITY)] : [];
}

function enter(
  state: RouterState,
  role: Role,
  effects: readonly Effect[],
  reason: TransitionReason,
  evidence: Evidence = {},
): StepResult {
  const transition: Transition = {
    from: state.role.name,
    to: role.name,
    reason,
    evidence: { ownPriority: state.tracking.priority, ...evidence },
  };
  return { state: { ...state, role, reason }, effects: [...effects, { kind: "transition", transition }] };
}
