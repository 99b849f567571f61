import { after, between, durationUs, earlier, type Us } from "../core/units.ts";
import { becomeBackup, becomeMaster, preemptDelay, preempts } from "./roles.ts";
import {
  learnedInterval,
  masterDownInterval,
  OWNER_PRIORITY,
  ownMasterDownInterval,
  RESIGN_PRIORITY,
  skewTime,
} from "./timers.ts";
import type {
  BackupRole,
  Claim,
  Evidence,
  HeardAdvert,
  HeardMaster,
  OwnMasterReason,
  RouterParameters,
  RouterState,
  StepResult,
} from "./types.ts";

/** What a BACKUP does (RFC 3768 6.4.2, RFC 9568 6.4.2), and a member of a sync group that waits for the others. */

export type BackupState = RouterState & { readonly role: BackupRole };

const NO_EFFECTS: StepResult["effects"] = [];

/** "If an ADVERTISEMENT is received": at `heardAt`, perhaps a little before the step. */
export function onAdvertAsBackup(state: BackupState, advert: HeardAdvert, heardAt: Us): StepResult {
  const { parameters, role, tracking } = state;
  const { priority } = advert;
  const master = heardMaster(advert, heardAt);
  if (priority === RESIGN_PRIORITY) {
    const skew = skewTime(parameters.version, tracking.priority, role.masterAdvertInterval);
    // Who claims already waits for its group alone.
    const masterDownAt = role.claim === undefined ? after(heardAt, skew) : role.masterDownAt;
    return { state: { ...state, role: { ...role, masterDownAt, preemptAt: undefined, master } }, effects: NO_EFFECTS };
  }
  if (priority >= tracking.priority || !preempts(state)) return follow(state, master, heardAt);
  const next = role.claim === undefined ? beforePreempting(state, master, heardAt) : role;
  return {
    state: { ...state, role: { ...next, master } },
    effects: [{ kind: "ignored", input: "advert", reason: "lowerPriority" }],
  };
}

/** "If the Master_Down_timer fires". */
export function onMasterDown(state: BackupState, nowUs: Us): StepResult {
  const { role, parameters } = state;
  const wait = ownMasterDownInterval(state);
  const latenessUs = between(role.masterDownAt, nowUs);
  if (latenessUs >= wait) return listenAgain(state, nowUs);
  if (role.claim !== undefined) {
    return { state: { ...state, role: { ...role, masterDownAt: after(nowUs, wait) } }, effects: NO_EFFECTS };
  }
  const claim = whyMaster(state, latenessUs, nowUs);
  return parameters.inSyncGroup
    ? claimMaster(state, claim, nowUs)
    : becomeMaster(state, nowUs, claim.reason, claim.evidence);
}

/** The owner of a group's addresses does not listen first either, but it waits for the other members. */
export function startAsOwnerInGroup(state: RouterState, nowUs: Us): StepResult {
  const { state: backup, effects } = becomeBackup(state, nowUs, "started");
  if (!isBackup(backup)) throw new Error("becomeBackup makes a BACKUP");
  const claimed = claimMaster(backup, { reason: "startedAsOwner", evidence: {} }, nowUs);
  return { state: claimed.state, effects: [...effects, ...claimed.effects] };
}

/** The group has found that every member claims or is MASTER. */
export function onGroupMaster(state: BackupState, nowUs: Us): StepResult {
  const { claim, masterDownAt } = state.role;
  if (claim === undefined) return { state, effects: [{ kind: "ignored", input: "group", reason: "notClaiming" }] };
  // Nobody looked after the claim for so long that what it rests on may have ended.
  if (between(masterDownAt, nowUs) >= ownMasterDownInterval(state)) return listenAgain(state, nowUs, "group");
  return becomeMaster(state, nowUs, "groupMaster", { ...claim.evidence, detail: claim.reason });
}

/** The effective priority has changed while we listen: the timer runs from where it began, with the new skew time. */
export function withNewPriority(state: BackupState, before: RouterState, nowUs: Us): BackupState {
  const { role, tracking, parameters } = state;
  const { master } = role;
  const change = ownMasterDownInterval(state) - ownMasterDownInterval(before);
  const shifted: BackupRole = {
    ...role,
    masterDownAt: after(role.masterDownAt, durationUs(change)),
    preemptAt: role.preemptAt === undefined ? undefined : after(role.preemptAt, durationUs(change)),
  };
  if (master === undefined || master.priority < tracking.priority || master.priority === RESIGN_PRIORITY) {
    return { ...state, role: shifted };
  }
  // Whom we were about to preempt is not lower any more: it counts as long as it is heard.
  const masterAdvertInterval = learnedInterval(parameters, master.advertInterval);
  const until = after(master.lastHeardAt, masterDownInterval(parameters, tracking.priority, masterAdvertInterval));
  if (until <= nowUs) return { ...state, role: shifted };
  return {
    ...state,
    role: { ...role, masterDownAt: until, preemptAt: undefined, masterAdvertInterval, claim: undefined },
  };
}

/** Changed parameters: what is learned stays; a timer that would now be another runs anew. */
export function reconfigured(state: BackupState, before: RouterParameters, nowUs: Us): BackupState {
  const { role, parameters, tracking } = state;
  const masterAdvertInterval =
    role.master === undefined ? parameters.advertInterval : learnedInterval(parameters, role.master.advertInterval);
  const wait = masterDownInterval(parameters, tracking.priority, masterAdvertInterval);
  const sameWait =
    wait === masterDownInterval(before, tracking.priority, role.masterAdvertInterval) &&
    before.preempt === parameters.preempt &&
    before.preemptDelay === parameters.preemptDelay &&
    before.inSyncGroup === parameters.inSyncGroup;
  if (sameWait) return { ...state, role: { ...role, masterAdvertInterval } };
  const masterDownAt = after(nowUs, wait);
  return {
    ...state,
    role: { ...role, masterDownAt, preemptAt: undefined, masterAdvertInterval, claim: undefined },
  };
}

export function isBackup(state: RouterState): state is BackupState {
  return state.role.name === "BACKUP";
}

export function heardMaster(advert: HeardAdvert, nowUs: Us): HeardMaster {
  const { source, priority, advertInterval } = advert;
  return { address: source, priority, advertInterval, lastHeardAt: nowUs };
}

/** RFC 9568 6.4.2: learn the interval, set the timer anew. */
function follow(state: BackupState, master: HeardMaster, nowUs: Us): StepResult {
  const { parameters, tracking } = state;
  const masterAdvertInterval = learnedInterval(parameters, master.advertInterval);
  const masterDownAt = after(nowUs, masterDownInterval(parameters, tracking.priority, masterAdvertInterval));
  return {
    state: {
      ...state,
      role: { name: "BACKUP", masterDownAt, preemptAt: undefined, masterAdvertInterval, master, claim: undefined },
    },
    effects: NO_EFFECTS,
  };
}

/**
 * A lower priority is discarded (RFC 3768 6.4.2), so the timer runs out and we preempt. With `preempt_delay` that happens
 * later by as much, unless the other one falls silent meanwhile, by its own interval (which the RFC does not learn here).
 */
function beforePreempting(state: BackupState, master: HeardMaster, nowUs: Us): BackupRole {
  const { role, parameters, tracking } = state;
  const delay = preemptDelay(state);
  if (delay === 0) return role;
  const preemptAt = role.preemptAt ?? after(role.masterDownAt, delay);
  const interval = learnedInterval(parameters, master.advertInterval);
  const silentAt = after(nowUs, masterDownInterval(parameters, tracking.priority, interval));
  return { ...role, preemptAt, masterDownAt: earlier(silentAt, preemptAt) };
}

/** The reason and what it rests on, when the timer has run out. */
function whyMaster(state: BackupState, latenessUs: number, nowUs: Us): Claim {
  const { parameters, tracking, role } = state;
  const { master } = role;
  if (master === undefined) return { reason: "masterDown", evidence: { latenessUs } };
  const evidence: Evidence = { peer: master.address, peerPriority: master.priority, latenessUs };
  if (master.priority === RESIGN_PRIORITY) return { reason: "masterResigned", evidence };
  const interval = learnedInterval(parameters, master.advertInterval);
  const silence = between(master.lastHeardAt, nowUs);
  const stillThere =
    master.priority < tracking.priority && silence < masterDownInterval(parameters, tracking.priority, interval);
  const reason: OwnMasterReason = stillThere && preempts(state) ? "lowerPriorityHeard" : "masterDown";
  return { reason, evidence };
}

function claimMaster(state: BackupState, claim: Claim, nowUs: Us): StepResult {
  const masterDownAt = after(nowUs, ownMasterDownInterval(state));
  const role: BackupRole = { ...state.role, claim, masterDownAt, preemptAt: undefined };
  return { state: { ...state, role }, effects: [{ kind: "claim", claim }] };
}

/** We slept through it, and perhaps through the adverts of a living master: after a suspend nobody kept them for us. */
function listenAgain(state: BackupState, nowUs: Us, input: "deadline" | "group" = "deadline"): StepResult {
  const masterDownAt = after(nowUs, ownMasterDownInterval(state));
  const role: BackupRole = { ...state.role, masterDownAt, preemptAt: undefined, claim: undefined };
  return { state: { ...state, role }, effects: [{ kind: "ignored", input, reason: "deadlineTooLate" }] };
}

/** True for an owner that must tell its group instead of being MASTER at once. */
export function isOwnerInGroup({ parameters }: RouterState): boolean {
  return parameters.priority === OWNER_PRIORITY && parameters.inSyncGroup;
}
