import type { Ip } from "../core/ip.ts";
import type { DurationUs, Us } from "../core/units.ts";

/**
 * The vocabulary of the VRRP state machine: `step(state, input, nowUs)` gives `{ state, effects }` and does nothing else.
 * State names are the operators' (MASTER, BACKUP, FAULT; RFC 9568 says Active and Backup), INIT is RFC 3768's Initialize.
 */
export type StateName = "INIT" | "BACKUP" | "MASTER" | "FAULT";

/** What an instance is told by its configuration: resolved, immutable, without anything of the host. */
export interface RouterParameters {
  readonly name: string;
  readonly virtualRouterId: number;
  readonly priority: number;
  readonly advertInterval: DurationUs;
  readonly preempt: boolean;
  /** Advertised addresses in the order of the packet. */
  readonly addresses: readonly Ip[];
  readonly garpMasterDelay: DurationUs;
  readonly garpMasterRepeat: number;
  readonly garpMasterRefresh: DurationUs;
  readonly garpMasterRefreshRepeat: number;
}

/** What the instance's interface looks like now. */
export interface LinkFacts {
  readonly present: boolean;
  readonly up: boolean;
  /** Primary address: source of our adverts and tie-breaker (RFC 3768 6.4.3). Without one an instance is in FAULT. */
  readonly primaryAddress: Ip | undefined;
}

/** Each role carries only what it owns; deadlines are absolute. */
export type Role =
  | { readonly name: "INIT" }
  /** `retryAt`: causes that no link event will tell us the end of are tried again while nobody else is heard. */
  | { readonly name: "FAULT"; readonly cause: FaultCause; readonly retryAt: Us | undefined }
  | { readonly name: "BACKUP"; readonly masterDownAt: Us; readonly master: HeardMaster | undefined }
  | {
      readonly name: "MASTER";
      readonly nextAdvertAt: Us;
      /** The last advert handed to the kernel: what the peers' master-down timers and our leases run from. */
      readonly lastAdvertAt: Us;
      /** The one before, to fall back on when the last turns out not to have been sent; undefined = the first of this term. */
      readonly advertBeforeAt: Us | undefined;
      /** Second round of announcements, and the refresh ones. */
      readonly announceAgainAt: Us | undefined;
      readonly refreshAnnounceAt: Us | undefined;
    };

export type FaultCause =
  | "interfaceMissing"
  | "interfaceDown"
  | "noPrimaryAddress"
  | "addressesNotAdded"
  | "advertsNotSent";

export interface HeardMaster {
  readonly address: Ip;
  readonly priority: number;
  readonly lastHeardAt: Us;
}

export interface RouterState {
  readonly parameters: RouterParameters;
  readonly link: LinkFacts;
  readonly role: Role;
  /** Alarms already raised, so that each is raised on change only; the oldest are dropped. */
  readonly reported: readonly VrrpAlarm[];
}

/** An advert that passed the receiver's checks (RFC 3768 7.1: TTL, version, checksum, VRID); what concerns the machine is left. */
export interface HeardAdvert {
  readonly source: Ip;
  readonly priority: number;
  readonly advertInterval: DurationUs;
  readonly addresses: readonly Ip[];
}

export type Input =
  /** Election may begin: the first programming is done, leftovers are swept. */
  | { readonly kind: "start" }
  | { readonly kind: "advert"; readonly advert: HeardAdvert }
  /** The armed deadline; ignored unless `nowUs` has reached one. */
  | { readonly kind: "deadline" }
  | { readonly kind: "link"; readonly link: LinkFacts }
  /** Answer to every `addresses add`, and to a `refresh` that failed. */
  | {
      readonly kind: "addressesDone";
      readonly outcome: { readonly ok: true } | { readonly ok: false; readonly detail: string };
    }
  /** An address that a MASTER should have is not there: put back by the next refresh, it is announced with it. */
  | { readonly kind: "addressesMissing" }
  /** Answer to a `sendAdvert` that was not handed to the kernel. */
  | { readonly kind: "advertNotSent"; readonly detail: string }
  /** Changed parameters (given only when something did change) of the same virtual router; another VRID or interface is another instance: stop this one, start that. */
  | { readonly kind: "configure"; readonly parameters: RouterParameters }
  | { readonly kind: "stop" };

/**
 * Effects are performed in the order given, one after the other. The orders that matter:
 * - entering MASTER: sendAdvert, addresses add, announce (RFC 3768 6.4.2);
 * - staying MASTER: sendAdvert, addresses refresh;
 * - a lower priority heard while MASTER: sendAdvert, addresses refresh, announce;
 * - leaving MASTER: addresses remove, then sendAdvert with priority 0 where we resign;
 * - the transition comes last, when what it tells of is done.
 * When an advert was not handed to the kernel, the add or refresh and the announcement behind it are skipped, so that
 * the lease and the peers' master-down timer run from the same instant; then `advertNotSent` is the next input.
 * An announcement is skipped too when the add before it failed. Answers are fed in after the whole list.
 */
export type Effect =
  | { readonly kind: "sendAdvert"; readonly priority: number }
  | { readonly kind: "addresses"; readonly action: "add" | "refresh" | "remove" }
  /** Gratuitous ARP for every address, `repeat` times. */
  | { readonly kind: "announce"; readonly repeat: number }
  | { readonly kind: "transition"; readonly transition: Transition }
  | { readonly kind: "ignored"; readonly input: Input["kind"]; readonly reason: IgnoreReason }
  | { readonly kind: "alarm"; readonly alarm: VrrpAlarm };

export interface Transition {
  readonly from: StateName;
  readonly to: StateName;
  readonly reason: TransitionReason;
  /** What the decision rests on. */
  readonly evidence: {
    readonly peer?: Ip;
    readonly peerPriority?: number;
    readonly ownPriority: number;
    /** How late the deadline was handled that caused the transition. */
    readonly latenessUs?: number;
    readonly detail?: string;
  };
}

/** The closed list of reasons. Log, metric, status and scenario tests show these words. */
export type TransitionReason =
  | "started"
  | "startedAsOwner"
  | "masterDown"
  | "masterResigned"
  | "lowerPriorityHeard"
  | "higherPriorityHeard"
  | "equalPriorityHigherAddress"
  | "pausedTooLong"
  | "interfaceMissing"
  | "interfaceDown"
  | "noPrimaryAddress"
  | "addressesNotAdded"
  | "advertsNotSent"
  | "interfaceRecovered"
  | "triedAgain"
  | "stopped";

export type IgnoreReason =
  | "notStarted"
  | "alreadyStarted"
  | "inFault"
  | "deadlineNotReached"
  /** A BACKUP that slept through its deadline listens again before it takes over. */
  | "deadlineTooLate"
  | "ownAdvert"
  | "lowerPriority"
  | "advertIntervalMismatch"
  | "notWaiting";

export type VrrpAlarm =
  /** A peer's list differs from ours: reported, never a reason to discard (RFC 3768 7.1 MAY). */
  | { readonly kind: "addressListMismatch"; readonly peer: Ip; readonly addresses: readonly Ip[] }
  | { readonly kind: "advertIntervalMismatch"; readonly peer: Ip; readonly advertInterval: DurationUs }
  | { readonly kind: "secondOwner"; readonly peer: Ip };

export interface StepResult {
  readonly state: RouterState;
  readonly effects: readonly Effect[];
}
