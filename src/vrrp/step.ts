import { assertNever } from "../core/errors.ts";
import type { Us } from "../core/units.ts";
import {
  isBackup,
  isOwnerInGroup,
  onAdvertAsBackup,
  onGroupMaster,
  onMasterDown,
  reconfigured,
  startAsOwnerInGroup,
  withNewPriority,
} from "./backup.ts";
import { endFault, obstacle, postponeRetry, reconsider, recoveryByReload } from "./faults.ts";
import {
  isMaster,
  masterDeadline,
  onAddressesMissing,
  onAdvertAsMaster,
  onAdvertNotSent,
  onMasterDeadline,
  retell,
  tellPriority,
  yieldAfterSilence,
} from "./master.ts";
import { discardReason, examine } from "./misconfiguration.ts";
import { becomeBackup, becomeFault, becomeInit, becomeMaster } from "./roles.ts";
import { OWNER_PRIORITY, RESIGN_PRIORITY } from "./timers.ts";
import type {
  Effect,
  GroupInput,
  HeardAdvert,
  IgnoreReason,
  Input,
  LinkFacts,
  RouterParameters,
  RouterState,
  StepResult,
  Tracking,
} from "./types.ts";

/**
 * The VRRP state machine (RFC 3768 6.4, RFC 9568 6.4), pure: a state, an input and the instant give the next state and
 * what to do.
 *
 *          start                 masterDown / masterResigned / lowerPriorityHeard / groupMaster
 *   INIT ---------> BACKUP ------------------------------------------------------> MASTER
 *     \  startedAsOwner ^ <------------------------------------------------------- /  |
 *      \----------------|------- higherPriorityHeard / equalPriorityHigherAddress    |
 *                       |              / pausedTooLong / groupBackup                  |
 *                     FAULT <--------------------------------------------------------+
 *
 * Beyond the RFCs: a failing interface or tracker (FAULT, faults.ts); distrust of the own clock: a router that was stopped
 * for so long that it may have been replaced listens before it does anything else (master.ts, yieldAfterSilence); and
 * members of a sync group, which claim where others become MASTER (backup.ts) and are told by syncGroup.ts.
 */

const NO_EFFECTS: StepResult["effects"] = [];

/** A virtual router that takes no part in the election until `start`. */
export function initialState(
  parameters: RouterParameters,
  link: LinkFacts,
  tracking: Tracking = { priority: parameters.priority, faults: [] },
): RouterState {
  return { parameters, link, tracking, role: { name: "INIT" }, reason: undefined, reported: [] };
}

/** The instant at which a `deadline` input is due, or undefined while there is none. */
export function nextDeadline(state: RouterState): Us | undefined {
  const { role } = state;
  switch (role.name) {
    case "INIT":
      return undefined;
    case "FAULT":
      return role.retryAt;
    case "BACKUP":
      return role.masterDownAt;
    case "MASTER":
      return isMaster(state) ? masterDeadline(state) : undefined;
    default:
      return assertNever(role);
  }
}

/**
 * One step. `nowUs` must be read after the input was received and never runs backwards.
 * An input that has no meaning in the role gives one `ignored` effect.
 */
export function step(state: RouterState, input: Input, nowUs: Us): StepResult {
  const yielded = isMaster(state) ? yieldAfterSilence(state, nowUs) : undefined;
  if (yielded === undefined) return dispatch(state, input, nowUs);
  // The deadline belonged to the MASTER that we are no longer. Everything else is judged by the BACKUP.
  if (input.kind === "deadline") return yielded;
  const rest = dispatch(yielded.state, input, nowUs);
  return { state: rest.state, effects: [...yielded.effects, ...rest.effects] };
}

function dispatch(state: RouterState, input: Input, nowUs: Us): StepResult {
  switch (input.kind) {
    case "advert":
      return onAdvert(state, input, nowUs);
    case "deadline":
      return onDeadline(state, nowUs);
    case "start":
      return state.role.name === "INIT" ? start(state, nowUs) : ignore(state, "start", "alreadyStarted");
    case "link":
      return reconsider({ ...state, link: input.link }, nowUs, "interfaceRecovered");
    case "tracking":
      return onTracking(state, input.tracking, nowUs);
    case "group":
      return onGroup(state, input, nowUs);
    case "addressesDone":
      if (!isMaster(state)) return ignore(state, input.kind, "notWaiting");
      return input.outcome.ok
        ? { state, effects: NO_EFFECTS }
        : becomeFault(state, nowUs, "addressesNotAdded", input.outcome.detail);
    case "addressesMissing":
      return isMaster(state) ? onAddressesMissing(state, input.cause, nowUs) : ignore(state, input.kind, "notWaiting");
    case "advertNotSent":
      return isMaster(state)
        ? onAdvertNotSent(state, input.detail, nowUs)
        : // The last advert of a router that has left already: nothing can be done about it.
          ignore(state, input.kind, "notWaiting");
    case "configure":
      return onConfigure(state, input, nowUs);
    case "stop":
      return state.role.name === "INIT" ? ignore(state, input.kind, "notStarted") : becomeInit(state);
    default:
      return assertNever(input);
  }
}

type AdvertInput = Extract<Input, { readonly kind: "advert" }>;

/** RFC 3768 6.4.1, RFC 9568 6.4.1: the owner is MASTER at once, everybody else listens first. */
function start(state: RouterState, nowUs: Us): StepResult {
  const found = obstacle(state);
  if (found !== undefined) return becomeFault(state, nowUs, found.cause, found.detail);
  if (isOwnerInGroup(state)) return startAsOwnerInGroup(state, nowUs);
  return state.parameters.priority === OWNER_PRIORITY
    ? becomeMaster(state, nowUs, "startedAsOwner")
    : becomeBackup(state, nowUs, "started");
}

function onAdvert(state: RouterState, { advert, heardAt }: AdvertInput, nowUs: Us): StepResult {
  if (state.role.name === "INIT") return ignore(state, "advert", "notStarted");
  if (advert.source === state.link.primaryAddress) return ignore(state, "advert", "ownAdvert");
  const examination = examine(state, advert);
  const examined = examination === undefined ? state : examination.state;
  const discard = discardReason(examined, advert);
  const result =
    discard === undefined
      ? onValidAdvert(examined, advert, nowUs, heardAt ?? nowUs)
      : ignore(examined, "advert", discard);
  if (examination === undefined || examination.alarms.length === 0) return result;
  const raised = examination.alarms.map((alarm): Effect => ({ kind: "alarm", alarm }));
  return { state: result.state, effects: [...raised, ...result.effects] };
}

function onValidAdvert(state: RouterState, advert: HeardAdvert, nowUs: Us, heardAt: Us): StepResult {
  // Its timer runs from when the advert came, not from when we got around to it.
  if (isBackup(state)) return onAdvertAsBackup(state, advert, heardAt);
  if (isMaster(state)) return onAdvertAsMaster(state, advert, nowUs);
  const { role } = state;
  if (role.name !== "FAULT" || advert.priority === RESIGN_PRIORITY) return ignore(state, "advert", "inFault");
  return ignore(postponeRetry(state, role, nowUs), "advert", "inFault");
}

function onDeadline(state: RouterState, nowUs: Us): StepResult {
  const deadline = nextDeadline(state);
  if (deadline === undefined || nowUs < deadline) return ignore(state, "deadline", "deadlineNotReached");
  if (isMaster(state)) return onMasterDeadline(state, nowUs);
  if (isBackup(state)) return onMasterDown(state, nowUs);
  return endFault(state, nowUs, "triedAgain");
}

/** Trackers: FAULT, and the effective priority, live. */
function onTracking(before: RouterState, tracking: Tracking, nowUs: Us): StepResult {
  const state: RouterState = { ...before, tracking };
  const judged = reconsider(state, nowUs, "trackersRecovered");
  if (before.tracking.priority === tracking.priority) return judged;
  if (before.role.name === "INIT") return judged;
  const told =
    judged.state.role.name === before.role.name
      ? onNewPriority(judged.state, before, nowUs)
      : { state: judged.state, effects: NO_EFFECTS };
  const changed: Effect = { kind: "priorityChanged", priority: tracking.priority };
  return { state: told.state, effects: [...judged.effects, ...told.effects, changed] };
}

function onNewPriority(state: RouterState, before: RouterState, nowUs: Us): StepResult {
  if (isMaster(state)) return tellPriority(state, before.tracking.priority, nowUs);
  if (isBackup(state)) return { state: withNewPriority(state, before, nowUs), effects: NO_EFFECTS };
  return { state, effects: NO_EFFECTS };
}

function onGroup(state: RouterState, input: GroupInput, nowUs: Us): StepResult {
  const { role } = state;
  if (role.name === "INIT") return ignore(state, "group", "notStarted");
  switch (input.say) {
    case "becomeMaster":
      return isBackup(state) ? onGroupMaster(state, nowUs) : ignore(state, "group", "notClaiming");
    case "becomeBackup":
      if (role.name !== "MASTER") return ignore(state, "group", "notMaster");
      return becomeBackup(state, nowUs, "groupBackup", { detail: input.because });
    case "fault":
      if (role.name === "FAULT" && (role.cause !== "groupFault" || state.reason === "groupFault"))
        return ignore(state, "group", "inFault");
      return becomeFault(state, nowUs, "groupFault", input.because);
    case "recovered":
      if (role.name !== "FAULT" || role.cause !== "groupFault") return ignore(state, "group", "notWaiting");
      return becomeBackup(state, nowUs, "groupRecovered");
    default:
      return assertNever(input);
  }
}

function onConfigure(
  old: RouterState,
  { parameters, tracking, link }: Extract<Input, { kind: "configure" }>,
  nowUs: Us,
): StepResult {
  const state: RouterState = { ...old, parameters, tracking, link };
  const { role } = state;
  const changed: readonly Effect[] =
    old.tracking.priority === tracking.priority || role.name === "INIT"
      ? NO_EFFECTS
      : [{ kind: "priorityChanged", priority: tracking.priority }];
  const also = ({ state: next, effects }: StepResult): StepResult => ({
    state: next,
    effects: [...effects, ...changed],
  });
  const found = obstacle(state);
  if (role.name === "FAULT" && role.cause === "groupFault" && !parameters.inSyncGroup && found === undefined) {
    return also(becomeBackup(state, nowUs, "groupRecovered", { detail: "in no sync group any more" }));
  }
  const judged = reconsider(state, nowUs, recoveryByReload(role));
  if (judged.state.role.name !== role.name || role.name === "FAULT") return also(judged);
  if (isMaster(state)) return also(retell(state, nowUs));
  if (!isBackup(state)) return also({ state, effects: NO_EFFECTS });
  const moved = old.tracking.priority === tracking.priority ? state : withNewPriority(state, old, nowUs);
  return also({ state: reconfigured(moved, old.parameters, nowUs), effects: NO_EFFECTS });
}

function ignore(state: RouterState, input: Input["kind"], reason: IgnoreReason): StepResult {
  return { state, effects: [{ kind: "ignored", input, reason }] };
}
