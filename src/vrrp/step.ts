import { assertNever } from "../core/errors.ts";
import { compareIp } from "../core/ip.ts";
import { after, between, type Us } from "../core/units.ts";
import { examine, intervalMatches } from "./misconfiguration.ts";
import { becomeBackup, becomeFault, becomeInit, becomeMaster, faultRetryAt, linkFault } from "./roles.ts";
import { masterDownInterval, OWNER_PRIORITY, RESIGN_PRIORITY, silenceLimit, skewTime } from "./timers.ts";
import type {
  Effect,
  HeardAdvert,
  IgnoreReason,
  Input,
  LinkFacts,
  Role,
  RouterParameters,
  RouterState,
  StepResult,
} from "./types.ts";

/**
 * The VRRP state machine (RFC 3768 6.4), pure: a state, an input and the instant give the next state and what to do.
 *
 *          start                 masterDown / masterResigned / lowerPriorityHeard
 *   INIT ---------> BACKUP ------------------------------------------------------> MASTER
 *     \  startedAsOwner ^ <------------------------------------------------------- /  |
 *      \----------------|------- higherPriorityHeard / equalPriorityHigherAddress    |
 *                       |                     / pausedTooLong                        |
 *                     FAULT <--------------------------------------------------------+
 *
 * Beyond the RFC: a failing interface (FAULT), and distrust of the own clock: a router that was stopped for so long that
 * it may have been replaced listens before it does anything else.
 */

type RoleOf<Name extends Role["name"]> = Extract<Role, { readonly name: Name }>;
type Of<Name extends Role["name"]> = RouterState & { readonly role: RoleOf<Name> };

/** A virtual router that takes no part in the election until `start`. */
export function initialState(parameters: RouterParameters, link: LinkFacts): RouterState {
  return { parameters, link, role: { name: "INIT" }, reported: [] };
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
      return Math.min(
        role.nextAdvertAt,
        // An unsent advert, after one sent off the beat, may let the silence end before the next advert is due.
        after(role.lastAdvertAt, silenceLimit(state.parameters)),
        role.announceAgainAt ?? Number.POSITIVE_INFINITY,
        role.refreshAnnounceAt ?? Number.POSITIVE_INFINITY,
      ) as Us;
    default:
      return assertNever(role);
  }
}

/**
 * One step. `nowUs` must be read after the input was received and never runs backwards.
 * An input that has no meaning in the role gives one `ignored` effect.
 */
export function step(state: RouterState, input: Input, nowUs: Us): StepResult {
  const yielded = yieldAfterSilence(state, nowUs);
  if (yielded === undefined) return dispatch(state, input, nowUs);
  // The deadline belonged to the MASTER that we are no longer. Everything else is judged by the BACKUP.
  if (input.kind === "deadline") return yielded;
  const rest = dispatch(yielded.state, input, nowUs);
  return { state: rest.state, effects: [...yielded.effects, ...rest.effects] };
}

/**
 * A MASTER whose last advert is so old that a peer may have taken over (SIGSTOP, suspend, a thread without CPU, sends
 * that the kernel refused) must not advertise or refresh once more: both would hold the addresses until one yields.
 * This comes before every input, because after a pause any input may be the first.
 */
function yieldAfterSilence(state: RouterState, nowUs: Us): StepResult | undefined {
  const { role, parameters } = state;
  if (role.name !== "MASTER") return undefined;
  const silence = between(role.lastAdvertAt, nowUs);
  if (silence < silenceLimit(parameters)) return undefined;
  const latenessUs = Math.max(0, between(role.nextAdvertAt, nowUs));
  const sendsFailed = between(role.lastAdvertAt, role.nextAdvertAt) > parameters.advertInterval;
  return sendsFailed && latenessUs < parameters.advertInterval
    ? becomeFault(state, nowUs, "advertsNotSent")
    : becomeBackup(state, nowUs, "pausedTooLong", { latenessUs });
}

function dispatch(state: RouterState, input: Input, nowUs: Us): StepResult {
  switch (input.kind) {
    case "start":
      return state.role.name === "INIT" ? start(state, nowUs) : ignore(state, input, "alreadyStarted");
    case "advert":
      return onAdvert(state, input, nowUs);
    case "deadline":
      return onDeadline(state, input, nowUs);
    case "link":
      return onLink({ ...state, link: input.link }, nowUs);
    case "addressesDone":
      if (state.role.name !== "MASTER") return ignore(state, input, "notWaiting");
      return input.outcome.ok
        ? { state, effects: [] }
        : becomeFault(state, nowUs, "addressesNotAdded", { detail: input.outcome.detail });
    case "addressesMissing":
      return isMaster(state) ? announceWithNextAdvert(state) : ignore(state, input, "notWaiting");
    case "advertNotSent":
      return isMaster(state)
        ? onAdvertNotSent(state, input.detail, nowUs)
        : // The priority-0 advert of a router that has left already: nothing can be done about it.
          ignore(state, input, "notWaiting");
    case "configure":
      return onConfigure(state, input.parameters, nowUs);
    case "stop":
      return state.role.name === "INIT" ? ignore(state, input, "notStarted") : becomeInit(state);
    default:
      return assertNever(input);
  }
}

/** RFC 3768 6.4.1: the owner is MASTER at once, everybody else listens first. */
function start(state: RouterState, nowUs: Us): StepResult {
  const fault = linkFault(state.link);
  if (fault !== undefined) return becomeFault(state, nowUs, fault);
  return state.parameters.priority === OWNER_PRIORITY
    ? becomeMaster(state, nowUs, "startedAsOwner")
    : becomeBackup(state, nowUs, "started");
}

function onAdvert(state: RouterState, input: Extract<Input, { kind: "advert" }>, nowUs: Us): StepResult {
  const { advert } = input;
  if (state.role.name === "INIT") return ignore(state, input, "notStarted");
  if (advert.source === state.link.primaryAddress) return ignore(state, input, "ownAdvert");

  const examination = examine(state, advert);
  const alarms = examination.alarms.map((alarm): Effect => ({ kind: "alarm", alarm }));
  // RFC 3768 7.1: a packet with another Adver Interval MUST be discarded.
  const result = intervalMatches(state, advert)
    ? onValidAdvert(examination.state, input, nowUs)
    : ignore(examination.state, input, "advertIntervalMismatch");
  return { state: result.state, effects: [...alarms, ...result.effects] };
}

function onValidAdvert(state: RouterState, input: Extract<Input, { kind: "advert" }>, nowUs: Us): StepResult {
  if (isBackup(state)) return onAdvertAsBackup(state, input, nowUs);
  if (isMaster(state)) return onAdvertAsMaster(state, input.advert, nowUs);
  if (state.role.name === "FAULT" && input.advert.priority !== RESIGN_PRIORITY) {
    // Somebody does the work: a fault that is only tried again, not known to be over, does not disturb it.
    const role = { ...state.role, retryAt: faultRetryAt(state, state.role.cause, nowUs) };
    return ignore({ ...state, role }, input, "inFault");
  }
  return ignore(state, input, "inFault");
}

/** RFC 3768 6.4.2, "If an ADVERTISEMENT is received". */
function onAdvertAsBackup(state: Of<"BACKUP">, input: Extract<Input, { kind: "advert" }>, nowUs: Us): StepResult {
  const { parameters } = state;
  const { source, priority } = input.advert;
  const master = { address: source, priority, lastHeardAt: nowUs };
  const listenUntil = (masterDownAt: Us): StepResult => ({
    state: { ...state, role: { name: "BACKUP", masterDownAt, master } },
    effects: [],
  });
  if (priority === RESIGN_PRIORITY) return listenUntil(after(nowUs, skewTime(parameters.priority)));
  if (!preempts(parameters) || priority >= parameters.priority) {
    return listenUntil(after(nowUs, masterDownInterval(parameters)));
  }
  return ignore({ ...state, role: { ...state.role, master } }, input, "lowerPriority");
}

/** RFC 3768 6.4.3, "If an ADVERTISEMENT is received". */
function onAdvertAsMaster(state: Of<"MASTER">, advert: HeardAdvert, nowUs: Us): StepResult {
  const own = state.parameters.priority;
  const { source, priority } = advert;
  const master = { address: source, priority, lastHeardAt: nowUs };
  const evidence = { peer: source, peerPriority: priority };
  if (priority === RESIGN_PRIORITY) return advertise(state, nowUs, []);
  if (priority > own) return becomeBackup(state, nowUs, "higherPriorityHeard", evidence, master);
  if (priority === own && isHigherAddress(source, state.link)) {
    return becomeBackup(state, nowUs, "equalPriorityHigherAddress", evidence, master);
  }
  // The RFC discards it. But its sender held the addresses a moment ago (a healed split): told at once, it yields at once,
  // and the neighbours that it drew to itself are drawn back.
  return advertise(state, nowUs, [{ kind: "announce", repeat: state.parameters.garpMasterRepeat }]);
}

function onDeadline(state: RouterState, input: Extract<Input, { kind: "deadline" }>, nowUs: Us): StepResult {
  const deadline = nextDeadline(state);
  if (deadline === undefined || nowUs < deadline) return ignore(state, input, "deadlineNotReached");
  if (isMaster(state)) return onMasterDeadline(state, nowUs);
  if (isBackup(state)) return onMasterDown(state, input, nowUs);
  return becomeBackup(state, nowUs, "triedAgain");
}

/** RFC 3768 6.4.2, "If the Master_Down_timer fires". */
function onMasterDown(state: Of<"BACKUP">, input: Extract<Input, { kind: "deadline" }>, nowUs: Us): StepResult {
  const { parameters, role } = state;
  const wait = masterDownInterval(parameters);
  const latenessUs = between(role.masterDownAt, nowUs);
  if (latenessUs >= wait) {
    // We slept through it, and perhaps through the adverts of a living master: after a suspend nobody kept them for us.
    return ignore({ ...state, role: { ...role, masterDownAt: after(nowUs, wait) } }, input, "deadlineTooLate");
  }
  const { master } = role;
  if (master === undefined) return becomeMaster(state, nowUs, "masterDown", { latenessUs });
  const evidence = { peer: master.address, peerPriority: master.priority, latenessUs };
  if (master.priority === RESIGN_PRIORITY) return becomeMaster(state, nowUs, "masterResigned", evidence);
  const stillThere = between(master.lastHeardAt, nowUs) < wait && master.priority < parameters.priority;
  return becomeMaster(state, nowUs, stillThere && preempts(parameters) ? "lowerPriorityHeard" : "masterDown", evidence);
}

/** RFC 3768 6.4.3, "If the Adver_Timer fires", and the rounds of announcements. */
function onMasterDeadline(state: Of<"MASTER">, nowUs: Us): StepResult {
  const { parameters, role } = state;
  const effects: Effect[] = [];
  let next = role;
  if (role.announceAgainAt !== undefined && nowUs >= role.announceAgainAt) {
    next = { ...next, announceAgainAt: undefined };
    effects.push({ kind: "announce", repeat: parameters.garpMasterRepeat });
  }
  if (role.refreshAnnounceAt !== undefined && nowUs >= role.refreshAnnounceAt) {
    next = { ...next, refreshAnnounceAt: after(nowUs, parameters.garpMasterRefresh) };
    effects.push({ kind: "announce", repeat: parameters.garpMasterRefreshRepeat });
  }
  const announced = { ...state, role: next };
  return nowUs >= role.nextAdvertAt ? advertise(announced, nowUs, effects) : { state: announced, effects };
}

/** Advert, then lease: the peers' clock and the kernel's start together. The beat is kept: lateness does not add up. */
function advertise(state: Of<"MASTER">, nowUs: Us, behind: readonly Effect[]): StepResult {
  const { parameters, role } = state;
  const onBeat = nowUs >= role.nextAdvertAt && between(role.nextAdvertAt, nowUs) < parameters.advertInterval;
  return {
    state: {
      ...state,
      role: {
        ...role,
        nextAdvertAt: after(onBeat ? role.nextAdvertAt : nowUs, parameters.advertInterval),
        lastAdvertAt: nowUs,
        advertBeforeAt: role.lastAdvertAt,
      },
    },
    effects: [
      { kind: "sendAdvert", priority: parameters.priority },
      { kind: "addresses", action: "refresh" },
      ...behind,
    ],
  };
}

/** Not at once: whoever takes them away again and again must not get us to beat faster. */
function announceWithNextAdvert(state: Of<"MASTER">): StepResult {
  const { nextAdvertAt, announceAgainAt } = state.role;
  const sooner = Math.min(nextAdvertAt, announceAgainAt ?? nextAdvertAt) as Us;
  return { state: { ...state, role: { ...state.role, announceAgainAt: sooner } }, effects: [] };
}

/** The silence goes on since the advert before; yieldAfterSilence ends it. A first advert that fails ends the term at once: nothing was added. */
function onAdvertNotSent(state: Of<"MASTER">, detail: string, nowUs: Us): StepResult {
  const { role } = state;
  if (role.advertBeforeAt === undefined) return becomeFault(state, nowUs, "advertsNotSent", { detail });
  return { state: { ...state, role: { ...role, lastAdvertAt: role.advertBeforeAt } }, effects: [] };
}

function onLink(state: RouterState, nowUs: Us): StepResult {
  const fault = linkFault(state.link);
  const { role } = state;
  if (role.name === "INIT") return { state, effects: [] };
  if (role.name !== "FAULT") {
    return fault === undefined ? { state, effects: [] } : becomeFault(state, nowUs, fault);
  }
  if (fault === undefined) {
    return becomeBackup(state, nowUs, role.retryAt === undefined ? "interfaceRecovered" : "triedAgain");
  }
  return fault === role.cause ? { state, effects: [] } : becomeFault(state, nowUs, fault);
}

function onConfigure(old: RouterState, parameters: RouterParameters, nowUs: Us): StepResult {
  const state = { ...old, parameters };
  const { role } = state;
  if (isMaster(state)) {
    // Told at once, so that the peers know the new priority and list, and new addresses do not wait for the next beat.
    const announceAgainAt = parameters.garpMasterDelay > 0 ? after(nowUs, parameters.garpMasterDelay) : undefined;
    const refreshAnnounceAt = parameters.garpMasterRefresh > 0 ? after(nowUs, parameters.garpMasterRefresh) : undefined;
    const next = { ...state, role: { ...state.role, announceAgainAt, refreshAnnounceAt } };
    const told = advertise(next, nowUs, []);
    return {
      state: told.state,
      effects: [
        { kind: "sendAdvert", priority: parameters.priority },
        { kind: "addresses", action: "add" },
        { kind: "announce", repeat: parameters.garpMasterRepeat },
      ],
    };
  }
  if (role.name === "BACKUP" && masterDownInterval(old.parameters) !== masterDownInterval(parameters)) {
    const masterDownAt = after(nowUs, masterDownInterval(parameters));
    return { state: { ...state, role: { ...role, masterDownAt } }, effects: [] };
  }
  return { state, effects: [] };
}

/** RFC 3768 6.1: the owner of the addresses always preempts, whatever Preempt_Mode says. */
function preempts(parameters: RouterParameters): boolean {
  return parameters.preempt || parameters.priority === OWNER_PRIORITY;
}

function isHigherAddress(source: HeardAdvert["source"], link: LinkFacts): boolean {
  return link.primaryAddress !== undefined && compareIp(source, link.primaryAddress) > 0;
}

function isMaster(state: RouterState): state is Of<"MASTER"> {
  return state.role.name === "MASTER";
}

function isBackup(state: RouterState): state is Of<"BACKUP"> {
  return state.role.name === "BACKUP";
}

function ignore(state: RouterState, input: Input, reason: IgnoreReason): StepResult {
  return { state, effects: [{ kind: "ignored", input: input.kind, reason }] };
}
