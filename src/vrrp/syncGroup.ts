import { assertNever } from "../core/errors.ts";
import type { Ip } from "../core/ip.ts";
import { after, between, type DurationUs, durationUs, type Us } from "../core/units.ts";
import { preempts } from "./roles.ts";
import { ownMasterDownInterval, RESIGN_PRIORITY } from "./timers.ts";
import type { GroupInput, RouterState, StateName, TransitionReason } from "./types.ts";

/**
 * Sync groups (`vrrp_sync_group`): the second pure machine, over the members' roles. No RFC knows them.
 *
 * - MASTER only when every member is MASTER already or claims to be (its own master-down timer has expired);
 * - a member that yields takes all to BACKUP; one with a fault of its own takes all to FAULT;
 * - FAULT ends, through BACKUP, when no member has a fault of its own.
 *
 * It is level-triggered: what the members are now decides, not what happened. It says one thing at a time, to one member,
 * and is asked again when that member has done it: what a member could not do (its first advert was refused) is seen
 * before the next one is told.
 */

/** What a member is to its group, and nothing more: only a change of this calls for a `groupStep`. */
export type MemberStanding =
  /** Takes no part: not started, or stopped. */
  | "init"
  /** BACKUP that hears nobody whom it would follow: it began to listen, or the master has resigned, or is about to be preempted. */
  | "listens"
  /** BACKUP of a master that is better, or that it does not preempt. */
  | "follows"
  /** BACKUP that would be MASTER. */
  | "claims"
  | "master"
  /** FAULT of its own. */
  | "fault"
  /** FAULT because of the group alone. */
  | "held";

export interface MemberSummary {
  readonly name: string;
  readonly standing: MemberStanding;
  /** Why it is in its role, or why it claims. */
  readonly reason: TransitionReason | undefined;
  readonly masterDownInterval: DurationUs;
  readonly source: Ip | undefined;
}

export interface GroupState {
  readonly name: string;
  readonly members: readonly string[];
  readonly role: StateName;
  /** Members that were seen as MASTER in this term. One that is not any more has yielded; afterwards, one that still is must. */
  readonly promoted: readonly string[];
  /** All members claimed, and not all are MASTER yet: one that cannot be after all ends the attempt. */
  readonly electing: boolean;
  readonly masterSince: Us | undefined;
  /** Terms in a row that ended before they had lasted for a master-down interval. */
  readonly briefTerms: number;
  /** After a brief term: not MASTER again before this instant, whoever claims. */
  readonly holdUntil: Us | undefined;
  /** Decided, and told when every member has done its part. */
  readonly pending: GroupTransition | undefined;
}

export interface GroupTransition {
  readonly from: StateName;
  readonly to: StateName;
  readonly reason: GroupReason;
  /** The member that decided, and its own reason. */
  readonly evidence: { readonly member?: string; readonly memberReason?: TransitionReason };
}

export type GroupReason = Extract<
  TransitionReason,
  "started" | "stopped" | "groupMaster" | "groupBackup" | "groupFault" | "groupRecovered"
>;

export interface GroupCommand {
  readonly instance: string;
  readonly input: GroupInput;
}

export interface GroupStepResult {
  readonly state: GroupState;
  /** Comes last, when the members have done what it consists of. */
  readonly transition: GroupTransition | undefined;
  /** Feed it to the member, then call again; undefined = nothing is left to do. */
  readonly command: GroupCommand | undefined;
}

/** A hold is so many parts of a master-down interval, see `holdAfterBriefTerms`. */
const HOLD_PARTS_MIN = 17;
const HOLD_PARTS_CHOICE = 16;
const PARTS_PER_INTERVAL = 16;
/** A member takes part in a few commands at most until nothing is left: more is our own bug. */
const COMMANDS_PER_MEMBER_MAX = 8;

export function initialGroupState(name: string, members: readonly string[]): GroupState {
  return {
    name,
    members,
    role: "INIT",
    promoted: [],
    electing: false,
    masterSince: undefined,
    briefTerms: 0,
    holdUntil: undefined,
    pending: undefined,
  };
}

/** A reload: other members. What is right with them is found by the next step. */
export function withMembers(state: GroupState, members: readonly string[]): GroupState {
  return { ...state, members, promoted: state.promoted.filter((name) => members.includes(name)) };
}

/** The instant at which the group must be settled although no member has changed; undefined = none. */
export function groupDeadline({ role, holdUntil }: GroupState): Us | undefined {
  return role === "BACKUP" ? holdUntil : undefined;
}

/** What this router is to its group. Cheap: to be compared after each of its steps. */
export function standing(state: RouterState): MemberStanding {
  const { role, tracking } = state;
  switch (role.name) {
    case "INIT":
      return "init";
    case "FAULT":
      return role.cause === "groupFault" ? "held" : "fault";
    case "MASTER":
      return "master";
    case "BACKUP": {
      if (role.claim !== undefined) return "claims";
      const { master } = role;
      if (master === undefined || master.priority === RESIGN_PRIORITY) return "listens";
      return master.priority >= tracking.priority || !preempts(state) ? "follows" : "listens";
    }
    default:
      return assertNever(role);
  }
}

export function summarize(state: RouterState): MemberSummary {
  const { role, parameters, link } = state;
  return {
    name: parameters.name,
    standing: standing(state),
    reason: role.name === "BACKUP" && role.claim !== undefined ? role.claim.reason : state.reason,
    masterDownInterval: ownMasterDownInterval(state),
    source: link.primaryAddress,
  };
}

/** One step: `members` are all of the group's, in its order. */
export function groupStep(state: GroupState, members: readonly MemberSummary[], nowUs: Us): GroupStepResult {
  if (members.every((member) => member.standing === "init")) {
    return told(state.role === "INIT" ? state : decide(state, "INIT", "stopped", undefined));
  }
  const faulty = members.find((member) => member.standing === "fault");
  if (faulty !== undefined) return fault(state, members, faulty);
  if (state.role === "FAULT" || members.some((member) => member.standing === "held"))
    return recover(state, members, nowUs);
  return state.role === "MASTER" ? whileMaster(state, members, nowUs) : whileBackup(state, members, nowUs);
}

/** What `settleGroup` needs of who owns the group and its members. */
export interface GroupPorts {
  readonly group: () => GroupState;
  readonly keep: (state: GroupState) => void;
  /** Of all members, in the group's order, as they are now. */
  readonly members: () => readonly MemberSummary[];
  /** Feeds a member; must not settle the same group in between. */
  readonly command: (command: GroupCommand) => void;
  readonly nowUs: () => Us;
}

/**
 * Steps until nothing is left to command. To be called whenever a member's standing has changed, at the group's deadline,
 * and after a reload.
 */
export function settleGroup(ports: GroupPorts): GroupTransition | undefined {
  const { name, members } = ports.group();
  for (let count = 0; count <= members.length * COMMANDS_PER_MEMBER_MAX; count++) {
    const { state, command, transition } = groupStep(ports.group(), ports.members(), ports.nowUs());
    ports.keep(state);
    if (command === undefined) return transition;
    ports.command(command);
  }
  throw new Error(`the sync group ${name} never settles`);
}

function fault(state: GroupState, members: readonly MemberSummary[], faulty: MemberSummary): GroupStepResult {
  const next = state.role === "FAULT" ? state : decide(state, "FAULT", "groupFault", faulty);
  // Who holds addresses first: the peers wait for them.
  const remaining =
    members.find((member) => member.standing === "master") ??
    members.find(({ standing }) => standing === "listens" || standing === "follows" || standing === "claims") ??
    // Its own fault is over, and it is told what it waits for now.
    members.find(({ standing, reason }) => standing === "held" && reason !== "groupFault");
  if (remaining === undefined) return told({ ...next, promoted: [] });
  return ask(next, remaining, { kind: "group", say: "fault", because: words(faulty) });
}

function recover(state: GroupState, members: readonly MemberSummary[], nowUs: Us): GroupStepResult {
  const next = state.role === "FAULT" ? decide(state, "BACKUP", "groupRecovered", undefined) : state;
  const held = members.find((member) => member.standing === "held");
  return held === undefined ? whileBackup(next, members, nowUs) : ask(next, held, { kind: "group", say: "recovered" });
}

function whileMaster(state: GroupState, members: readonly MemberSummary[], nowUs: Us): GroupStepResult {
  const promoted = members.filter(
    ({ name, standing }) => standing === "master" || (standing !== "init" && state.promoted.includes(name)),
  );
  const isOut = (member: MemberSummary): boolean =>
    member.standing === "follows" ||
    (promoted.includes(member) && member.standing !== "master") ||
    (state.electing && member.standing === "listens");
  const yielded = members.find(isOut);
  const names = promoted.map((member) => member.name);
  if (yielded === undefined) {
    const next = sameNames(names, state.promoted) ? state : { ...state, promoted: names };
    const claimant = members.find((member) => member.standing === "claims");
    return claimant === undefined ? told(next) : ask(next, claimant, { kind: "group", say: "becomeMaster" });
  }
  const longest = longestInterval(members);
  const lasted = state.masterSince === undefined ? longest : between(state.masterSince, nowUs);
  const brief = promoted.length > 0 && lasted < longest;
  const briefTerms = brief ? state.briefTerms + 1 : 0;
  const holdUntil = brief ? after(nowUs, holdAfterBriefTerms(members, briefTerms, longest)) : undefined;
  const next = decide(state, "BACKUP", "groupBackup", yielded);
  return whileBackup(
    { ...next, promoted: names, electing: false, briefTerms, holdUntil, masterSince: undefined },
    members,
    nowUs,
  );
}

function whileBackup(state: GroupState, members: readonly MemberSummary[], nowUs: Us): GroupStepResult {
  const master = members.find((member) => member.standing === "master");
  if (master !== undefined && state.promoted.includes(master.name)) {
    const because = state.pending?.evidence.member ?? state.name;
    return ask(state, master, { kind: "group", say: "becomeBackup", because: wordsOf(members, because) });
  }
  const held = state.holdUntil !== undefined && nowUs < state.holdUntil;
  const holdUntil = held ? state.holdUntil : undefined;
  const idle =
    state.promoted.length === 0 && holdUntil === state.holdUntil ? state : { ...state, promoted: [], holdUntil };
  // A MASTER that no term of ours has made: a reload brought it here. The rest follows from what the others are.
  if (master !== undefined || (!held && members.every((member) => member.standing === "claims"))) {
    const decided = decide(idle, "MASTER", "groupMaster", master ?? members[0]);
    return whileMaster({ ...decided, electing: master === undefined, masterSince: nowUs }, members, nowUs);
  }
  return told(idle.role === "INIT" ? decide(idle, "BACKUP", "started", undefined) : idle);
}

/**
 * Two hosts whose members have priorities that contradict each other (each is the better one for half of the group) may
 * become MASTER at the same moment, make each other yield, and do so again for ever: keepalived.conf(5) warns of it. The
 * first to come is left in peace by the other, so it is enough that they are not simultaneous again: each is held for
 * one to two master-down intervals, as its own address decides, another time at each attempt. Held as a
 * group: the members' own timers are cut to the skew time by the resignations that every yielding sends out.
 */
function holdAfterBriefTerms(members: readonly MemberSummary[], terms: number, interval: DurationUs): DurationUs {
  const source = members.find((member) => member.source !== undefined)?.source ?? "";
  const parts = HOLD_PARTS_MIN + (hash(`${source}/${terms}`) % HOLD_PARTS_CHOICE);
  return durationUs(Math.floor((interval * parts) / PARTS_PER_INTERVAL));
}

/** FNV-1a, 32 bits: spreads addresses that differ in one digit. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  // The low bits alone depend on the last characters only.
  return (value ^ (value >>> 15)) >>> 0;
}

/** Another role from now on; the record waits until the members have followed. Several decisions in between are one. */
function decide(state: GroupState, to: StateName, reason: GroupReason, member: MemberSummary | undefined): GroupState {
  const from = state.pending?.from ?? state.role;
  const evidence =
    member === undefined
      ? {}
      : { member: member.name, ...(member.reason === undefined ? {} : { memberReason: member.reason }) };
  return { ...state, role: to, pending: from === to ? undefined : { from, to, reason, evidence } };
}

function told(state: GroupState): GroupStepResult {
  if (state.pending === undefined && !state.electing) return { state, transition: undefined, command: undefined };
  return {
    state: { ...state, pending: undefined, electing: false },
    transition: state.pending,
    command: undefined,
  };
}

function ask(state: GroupState, member: MemberSummary, input: GroupInput): GroupStepResult {
  return { state, transition: undefined, command: { instance: member.name, input } };
}

function words(member: MemberSummary): string {
  return member.reason === undefined ? member.name : `${member.name}: ${member.reason}`;
}

function wordsOf(members: readonly MemberSummary[], name: string): string {
  const member = members.find((candidate) => candidate.name === name);
  return member === undefined ? name : words(member);
}

function longestInterval(members: readonly MemberSummary[]): DurationUs {
  return durationUs(Math.max(...members.map((member) => member.masterDownInterval)));
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}
