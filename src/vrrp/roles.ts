import { after, type Us } from "../core/units.ts";
import { faultRetryInterval, masterDownInterval, RESIGN_PRIORITY } from "./timers.ts";
import type {
  Effect,
  FaultCause,
  HeardMaster,
  LinkFacts,
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

type Evidence = Omit<Transition["evidence"], "ownPriority">;

/** RFC 3768 6.4.1 and 6.4.2: send an ADVERTISEMENT, announce, set the Adver_Timer. */
export function becomeMaster(
  state: RouterState,
  nowUs: Us,
  reason: Extract<TransitionReason, "startedAsOwner" | "masterDown" | "masterResigned" | "lowerPriorityHeard">,
  evidence: Evidence = {},
): StepResult {
  const { parameters } = state;
  return enter(
    state,
    {
      name: "MASTER",
      nextAdvertAt: after(nowUs, parameters.advertInterval),
      lastAdvertAt: nowUs,
      advertBeforeAt: undefined,
      announceAgainAt: parameters.garpMasterDelay > 0 ? after(nowUs, parameters.garpMasterDelay) : undefined,
      refreshAnnounceAt: parameters.garpMasterRefresh > 0 ? after(nowUs, parameters.garpMasterRefresh) : undefined,
    },
    [
      { kind: "sendAdvert", priority: parameters.priority },
      { kind: "addresses", action: "add" },
      { kind: "announce", repeat: parameters.garpMasterRepeat },
    ],
    reason,
    evidence,
  );
}

/**
 * Listens for a full Master_Down_Interval, from whatever state. `master` is whom we yield to.
 * A MASTER that becomes BACKUP does not resign: somebody else is MASTER already, or may be.
 */
export function becomeBackup(
  state: RouterState,
  nowUs: Us,
  reason: Extract<
    TransitionReason,
    | "started"
    | "higherPriorityHeard"
    | "equalPriorityHigherAddress"
    | "pausedTooLong"
    | "interfaceRecovered"
    | "triedAgain"
  >,
  evidence: Evidence = {},
  master: HeardMaster | undefined = undefined,
): StepResult {
  return enter(
    state,
    { name: "BACKUP", masterDownAt: after(nowUs, masterDownInterval(state.parameters)), master },
    removal(state),
    reason,
    evidence,
  );
}

/** Not in RFC 3768, which knows no failing interfaces: takes no part in the election, like Initialize. */
export function becomeFault(state: RouterState, nowUs: Us, cause: FaultCause, evidence: Evidence = {}): StepResult {
  // Only here can the advert still leave the host: with a lost interface or address, or refused sends, it cannot.
  const resign = cause === "addressesNotAdded";
  return enter(
    state,
    { name: "FAULT", cause, retryAt: faultRetryAt(state, cause, nowUs) },
    resign ? [...removal(state), ...resignation(state)] : removal(state),
    cause,
    evidence,
  );
}

/** RFC 3768 6.4.2 and 6.4.3, Shutdown event: a MASTER sends an ADVERTISEMENT with priority 0, here after its addresses are gone. */
export function becomeInit(state: RouterState): StepResult {
  return enter(state, { name: "INIT" }, [...removal(state), ...resignation(state)], "stopped");
}

/** When a FAULT of this cause is tried again without being told; undefined where a link event will tell. */
export function faultRetryAt(state: RouterState, cause: FaultCause, nowUs: Us): Us | undefined {
  const endsByItself = cause === "addressesNotAdded" || cause === "advertsNotSent";
  return endsByItself ? after(nowUs, faultRetryInterval(state.parameters)) : undefined;
}

/** What keeps this link from carrying a virtual router, the most basic cause first. */
export function linkFault(
  link: LinkFacts,
): Extract<FaultCause, "interfaceMissing" | "interfaceDown" | "noPrimaryAddress"> | undefined {
  if (!link.present) return "interfaceMissing";
  if (!link.up) return "interfaceDown";
  if (link.primaryAddress === undefined) return "noPrimaryAddress";
  return undefined;
}

function removal(state: RouterState): Effect[] {
  return state.role.name === "MASTER" ? [{ kind: "addresses", action: "remove" }] : [];
}

function resignation(state: RouterState): Effect[] {
  return state.role.name === "MASTER" ? [{ kind: "sendAdvert", priority: RESIGN_PRIORITY }] : [];
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
    evidence: { ownPriority: state.parameters.priority, ...evidence },
  };
  return { state: { ...state, role }, effects: [...effects, { kind: "transition", transition }] };
}
