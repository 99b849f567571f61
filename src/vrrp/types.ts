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
  /** 2 is RFC 3768, 3 is RFC 9568: the skew time, and whose interval counts while BACKUP. */
  readonly version: 2 | 3;
  readonly virtualRouterId: number;
  /** As configured; what is advertised is `RouterState.tracking.priority`. */
  readonly priority: number;
  readonly advertInterval: DurationUs;
  /** Adverts that may be missed before the master counts as gone: 3 in the RFCs (`down_timer_adverts`). */
  readonly downTimerAdverts: number;
  readonly preempt: boolean;
  /** Waited beyond the master-down interval at a start, and before a lower priority is preempted (`preempt_delay`). */
  readonly preemptDelay: DurationUs;
  /** Advertised addresses in the order of the packet. */
  readonly addresses: readonly Ip[];
  readonly garp: AnnounceParameters;
  /** Leaving for a higher priority, one more advert is sent, so that the new master announces again (`higher_prio_send_advert`). */
  readonly higherPrioSendAdvert: boolean;
  /** A lower priority is not answered by an advert (`lower_prio_no_advert`). */
  readonly lowerPrioNoAdvert: boolean;
  /** The address list is not compared again while the same router advertises (`skip_check_adv_addr`). */
  readonly skipCheckAdvAddr: boolean;
  /** False: the interface being down is no fault (`dont_track_primary`). */
  readonly trackPrimary: boolean;
  /** A member of a sync group claims instead of becoming MASTER, and is told by the group. */
  readonly inSyncGroup: boolean;
}

/** When gratuitous ARP or unsolicited neighbour advertisements are sent; 0 s = never, 0 messages = none. */
export interface AnnounceParameters {
  /** Second round, this long after entering MASTER. */
  readonly masterDelay: DurationUs;
  readonly masterRepeat: number;
  /** Rounds while MASTER. */
  readonly masterRefresh: DurationUs;
  readonly masterRefreshRepeat: number;
  /** Second round, this long after a lower priority was heard while MASTER. */
  readonly lowerPrioDelay: DurationUs;
  readonly lowerPrioRepeat: number;
  /** Rounds on interfaces of the addresses that carry no adverts (`garp_extra_if`). */
  readonly extraInterval: DurationUs;
}

/** What the instance's interface looks like now, and what else of the host an instance needs to take part. */
export interface LinkFacts {
  readonly present: boolean;
  readonly up: boolean;
  /** Source of our adverts and tie-breaker (RFC 3768 6.4.3). Without one an instance is in FAULT. */
  readonly primaryAddress: Ip | undefined;
  /** A configured source address that must be on the host is not (`track_src_ip`). */
  readonly sourceAddressMissing: boolean;
  /** A unicast instance has nobody to talk to, and that is a fault (`unicast_fault_no_peer`). */
  readonly noUnicastPeer: boolean;
}

/** What is tracked says: the effective priority (1 to 254, or 255 for the owner), and what forces FAULT. */
export interface Tracking {
  readonly priority: number;
  readonly faults: readonly TrackFault[];
}

export interface TrackFault {
  readonly kind: "interface" | "script" | "file" | "process" | "staticAddress";
  readonly name: string;
}

/** Each role carries only what it owns; deadlines are absolute. */
export type Role = { readonly name: "INIT" } | FaultRole | BackupRole | MasterRole;

export interface FaultRole {
  readonly name: "FAULT";
  readonly cause: FaultCause;
  /** The thing's name where the cause is one of several of its kind, or the kernel's words. */
  readonly detail: string | undefined;
  /** Causes that no event will tell us the end of are tried again while nobody else is heard. */
  readonly retryAt: Us | undefined;
}

export interface BackupRole {
  readonly name: "BACKUP";
  /** Master_Down_Timer, or with a claim the instant at which the claim must be renewed. */
  readonly masterDownAt: Us;
  /** Before this instant a living master of lower priority is not preempted; undefined = no preempt_delay is running. */
  readonly preemptAt: Us | undefined;
  /** Version 3: the interval of the master we listen to (Active_Adver_Interval); else our own. */
  readonly masterAdvertInterval: DurationUs;
  /** The last router heard, whatever its priority. */
  readonly master: HeardMaster | undefined;
  /** A member of a sync group that would be MASTER by its own timer, and why. */
  readonly claim: Claim | undefined;
}

export interface MasterRole {
  readonly name: "MASTER";
  readonly nextAdvertAt: Us;
  /** The last advert handed to the kernel: what the peers' master-down timers and our leases run from. */
  readonly lastAdvert: SentAdvert;
  /** The one before, to fall back on when the last turns out not to have been sent; undefined = the first of this term. */
  readonly advertBefore: SentAdvert | undefined;
  readonly announcements: Announcements;
  /** When addresses were put back because others had removed them, oldest first, within the last minute. */
  readonly takenAt: readonly Us[];
}

export interface SentAdvert {
  readonly at: Us;
  /** No peer that heard it takes over before so much silence: by the configuration that it was sent with, whatever a reload says since. */
  readonly silenceLimit: DurationUs;
}

/** Announcements that are due; undefined = none of the kind. */
export interface Announcements {
  /** Second round of the term. */
  readonly againAt: Us | undefined;
  readonly refreshAt: Us | undefined;
  readonly extraAt: Us | undefined;
  /** Next round because a lower priority was heard. */
  readonly lowerPrioAt: Us | undefined;
  /** The last round that a lower priority caused at once: another within the next second waits for its end. */
  readonly lowerPrioDoneAt: Us | undefined;
}

export interface HeardMaster {
  readonly address: Ip;
  readonly priority: number;
  readonly advertInterval: DurationUs;
  readonly lastHeardAt: Us;
}

export interface Claim {
  readonly reason: OwnMasterReason;
  readonly evidence: Evidence;
}

export type FaultCause =
  | "interfaceMissing"
  | "interfaceDown"
  | "noPrimaryAddress"
  | "sourceAddressMissing"
  | "noUnicastPeer"
  | "trackedInterfaceDown"
  | "trackedScriptFailed"
  | "trackedFileFault"
  | "trackedProcessFault"
  | "staticAddressLost"
  | "addressesNotAdded"
  | "addressesTakenByOthers"
  | "advertsNotSent"
  /** Another member of the sync group is in FAULT; nothing is wrong here. */
  | "groupFault";

export interface RouterState {
  readonly parameters: RouterParameters;
  readonly link: LinkFacts;
  readonly tracking: Tracking;
  readonly role: Role;
  /** Why the role is what it is; undefined before the first transition. */
  readonly reason: TransitionReason | undefined;
  /** Alarms already raised, so that each is raised on change only; the oldest are dropped. */
  readonly reported: readonly VrrpAlarm[];
}

/** An advert that passed the receiver's checks (RFC 3768 7.1: TTL, checksum, VRID, ...); what concerns the machine is left. */
export interface HeardAdvert {
  readonly source: Ip;
  readonly version: 2 | 3;
  readonly priority: number;
  /** The sender's; in version 3 it is learned. */
  readonly advertInterval: DurationUs;
  readonly addresses: readonly Ip[];
}

export type Input =
  /** Election may begin: the first programming is done, leftovers are swept. */
  | { readonly kind: "start" }
  /** `heardAt`: when it came, a little before the step: a BACKUP's timer runs from there. Undefined: at the step. */
  | { readonly kind: "advert"; readonly advert: HeardAdvert; readonly heardAt?: Us | undefined }
  /** The armed deadline; ignored unless `nowUs` has reached one. */
  | { readonly kind: "deadline" }
  | { readonly kind: "link"; readonly link: LinkFacts }
  /** The whole verdict of the trackers, also when it did not change. */
  | { readonly kind: "tracking"; readonly tracking: Tracking }
  | GroupInput
  /** Answer to every `addresses add`, and to a `refresh` that failed. */
  | {
      readonly kind: "addressesDone";
      readonly outcome: { readonly ok: true } | { readonly ok: false; readonly detail: string };
    }
  /**
   * An address that a MASTER should have is not there. `removedByOthers`: put back at once, a bounded number of times.
   * `notRefreshed`: its refresh was skipped or its lease ran out in a stall: put back by the next one, and announced.
   */
  | { readonly kind: "addressesMissing"; readonly cause: "removedByOthers" | "notRefreshed" }
  /** Answer to a `sendAdvert` that was not handed to the kernel (unless it `mayFail`). */
  | { readonly kind: "advertNotSent"; readonly detail: string }
  /** Another configuration (given only when something did change) of the same virtual router; another VRID or interface is another instance: stop this one, start that. */
  | {
      readonly kind: "configure";
      readonly parameters: RouterParameters;
      readonly tracking: Tracking;
      /** As this configuration sees the host: what stands in the way with it is found before anything is advertised by it. */
      readonly link: LinkFacts;
    }
  | { readonly kind: "stop" };

/** What the machine of the sync group tells its members (src/vrrp/syncGroup.ts). */
export type GroupInput = { readonly kind: "group" } & (
  | { readonly say: "becomeMaster" }
  /** `because`: the member that yielded, and why. */
  | { readonly say: "becomeBackup"; readonly because: string }
  | { readonly say: "fault"; readonly because: string }
  | { readonly say: "recovered" }
);

/**
 * Effects are performed in the order given, one after the other. The orders that matter:
 * - entering MASTER: sendAdvert, addresses add, announce (RFC 3768 6.4.2);
 * - staying MASTER: sendAdvert, addresses refresh;
 * - a lower priority heard while MASTER: sendAdvert, addresses refresh, announce;
 * - leaving MASTER: addresses remove, then sendAdvert with priority 0 where we resign;
 * - the transition comes last, when what it tells of is done; a claim too.
 * When an advert was not handed to the kernel, the add or refresh and the announcement behind it are skipped, so that
 * the lease and the peers' master-down timer run from the same instant; then `advertNotSent` is the next input. An
 * advert that `mayFail` counts as sent whatever the kernel says. An announcement is skipped too when the add or refresh
 * before it failed. Answers are fed in after the whole list.
 */
export type Effect =
  /** `mayFail`: the interface is down and that does not count (`dont_track_primary`); what is behind goes on. */
  | { readonly kind: "sendAdvert"; readonly priority: number; readonly mayFail: boolean }
  | { readonly kind: "addresses"; readonly action: "add" | "refresh" | "remove" }
  /** Gratuitous ARP or unsolicited neighbour advertisements for every address, `repeat` times. */
  | { readonly kind: "announce"; readonly repeat: number; readonly which: "all" | "extraInterfaces" }
  | { readonly kind: "transition"; readonly transition: Transition }
  /** A member of a sync group would be MASTER by its own timer; its state says so too (`BackupRole.claim`). */
  | { readonly kind: "claim"; readonly claim: Claim }
  /** While MASTER; at most once a second. */
  | { readonly kind: "lowerPriorityHeard"; readonly peer: Ip; readonly priority: number }
  /** The effective priority is another. */
  | { readonly kind: "priorityChanged"; readonly priority: number }
  | { readonly kind: "ignored"; readonly input: Input["kind"]; readonly reason: IgnoreReason }
  | { readonly kind: "alarm"; readonly alarm: VrrpAlarm };

export interface Transition {
  readonly from: StateName;
  readonly to: StateName;
  readonly reason: TransitionReason;
  /** What the decision rests on. */
  readonly evidence: Evidence & { readonly ownPriority: number };
}

export interface Evidence {
  readonly peer?: Ip;
  readonly peerPriority?: number;
  /** How late the deadline was handled that caused the transition. */
  readonly latenessUs?: number;
  readonly detail?: string;
}

/** Why an instance becomes MASTER by itself, or claims to. */
export type OwnMasterReason = "startedAsOwner" | "masterDown" | "masterResigned" | "lowerPriorityHeard";

export type BackupReason =
  | "started"
  | "higherPriorityHeard"
  | "equalPriorityHigherAddress"
  | "pausedTooLong"
  | "interfaceRecovered"
  | "trackersRecovered"
  | "triedAgain"
  | "groupBackup"
  | "groupRecovered";

/** The closed list of reasons. Log, metric, status and scenario tests show these words. */
export type TransitionReason = OwnMasterReason | "groupMaster" | BackupReason | FaultCause | "stopped";

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
  | "versionMismatch"
  /** Told by the group what does not apply (any more). */
  | "notClaiming"
  | "notMaster"
  | "notWaiting";

export type VrrpAlarm =
  /** A peer's list differs from ours: reported, never a reason to discard (RFC 3768 7.1 MAY). */
  | { readonly kind: "addressListMismatch"; readonly peer: Ip; readonly addresses: readonly Ip[] }
  /** Version 2: its adverts are discarded (RFC 3768 7.1). Version 3: its interval is learned, the difference only reported. */
  | { readonly kind: "advertIntervalMismatch"; readonly peer: Ip; readonly advertInterval: DurationUs }
  | { readonly kind: "versionMismatch"; readonly peer: Ip; readonly version: 2 | 3 }
  | { readonly kind: "secondOwner"; readonly peer: Ip };

export interface StepResult {
  readonly state: RouterState;
  readonly effects: readonly Effect[];
}
