import { after, type Us } from "../core/units.ts";
import { becomeBackup, becomeFault } from "./roles.ts";
import { faultRetryInterval } from "./timers.ts";
import type {
  BackupReason,
  FaultCause,
  FaultRole,
  LinkFacts,
  RouterParameters,
  RouterState,
  StepResult,
  TrackFault,
} from "./types.ts";

/**
 * What keeps a router from taking part. Not in the RFCs, which know no failing interfaces: FAULT is like Initialize, but
 * it ends by itself, always through BACKUP.
 */

interface Obstacle {
  readonly cause: FaultCause;
  readonly detail: string | undefined;
}

const NO_EFFECTS: StepResult["effects"] = [];

const TRACKED: Readonly<Record<TrackFault["kind"], FaultCause>> = {
  interface: "trackedInterfaceDown",
  script: "trackedScriptFailed",
  file: "trackedFileFault",
  process: "trackedProcessFault",
  staticAddress: "staticAddressLost",
};

const TRACKED_CAUSES: ReadonlySet<FaultCause> = new Set(Object.values(TRACKED));

/** What is in the way now, the most basic first; undefined = nothing. */
export function obstacle({ link, parameters, tracking }: RouterState): Obstacle | undefined {
  const cause = linkFault(link, parameters);
  if (cause !== undefined) return { cause, detail: undefined };
  const [fault] = tracking.faults;
  return fault === undefined ? undefined : { cause: TRACKED[fault.kind], detail: fault.name };
}

function linkFault(link: LinkFacts, parameters: RouterParameters): FaultCause | undefined {
  if (!link.present) return "interfaceMissing";
  if (!link.up && parameters.trackPrimary) return "interfaceDown";
  if (link.sourceAddressMissing) return "sourceAddressMissing";
  if (link.primaryAddress === undefined) return "noPrimaryAddress";
  if (link.noUnicastPeer) return "noUnicastPeer";
  return undefined;
}

/** The host or the trackers say something new: FAULT begins, changes its cause, or ends for `recovered`. */
export function reconsider(state: RouterState, nowUs: Us, recovered: BackupReason): StepResult {
  const { role } = state;
  const found = obstacle(state);
  if (role.name === "INIT") return { state, effects: NO_EFFECTS };
  if (role.name !== "FAULT") {
    return found === undefined ? { state, effects: NO_EFFECTS } : becomeFault(state, nowUs, found.cause, found.detail);
  }
  if (found === undefined) {
    // The group says when its fault is over, and the time when one that we found ourselves is worth another try.
    if (role.cause === "groupFault") return { state, effects: NO_EFFECTS };
    if (role.retryAt === undefined) return endFault(state, nowUs, recovered);
    return recovered === "interfaceRecovered" ? endFault(state, nowUs, "triedAgain") : { state, effects: NO_EFFECTS };
  }
  if (role.cause === "groupFault" && state.reason === found.cause) {
    // It has come back before the group's fault was over, so its end was never told.
    return { state: { ...state, role: { ...role, ...found } }, effects: NO_EFFECTS };
  }
  if (found.cause !== role.cause) return becomeFault(state, nowUs, found.cause, found.detail);
  if (found.detail === role.detail) return { state, effects: NO_EFFECTS };
  return { state: { ...state, role: { ...role, detail: found.detail } }, effects: NO_EFFECTS };
}

/** What a FAULT ends for when another configuration does away with it; one that only time ends is tried again at once. */
export function recoveryByReload(role: RouterState["role"]): BackupReason {
  return role.name === "FAULT" && TRACKED_CAUSES.has(role.cause) ? "trackersRecovered" : "interfaceRecovered";
}

/** A member of a sync group stays in FAULT until the group is told that nobody has one any more. */
export function endFault(state: RouterState, nowUs: Us, reason: BackupReason): StepResult {
  if (!state.parameters.inSyncGroup) return becomeBackup(state, nowUs, reason);
  const role: FaultRole = { name: "FAULT", cause: "groupFault", detail: undefined, retryAt: undefined };
  return { state: { ...state, role }, effects: NO_EFFECTS };
}

/** Somebody does the work: a fault that is only tried again, not known to be over, does not disturb it. */
export function postponeRetry(state: RouterState, role: FaultRole, nowUs: Us): RouterState {
  if (role.retryAt === undefined) return state;
  return { ...state, role: { ...role, retryAt: after(nowUs, faultRetryInterval(state.parameters)) } };
}
