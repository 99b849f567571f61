import type { ChecksumForm, VrrpConfig, VrrpVersion } from "../../config/vrrp.types.ts";
import type { HeldSetting } from "../../core/borrowedSettings.ts";
import type { Family, Ip } from "../../core/ip.ts";
import type { DurationUs, Us } from "../../core/units.ts";
import type { Recording } from "../../vrrp/recorder.ts";
import type { StateName, TrackFault, Transition, TransitionReason, VrrpAlarm } from "../../vrrp/types.ts";
import type { Surrender } from "./surrender.ts";

export type { Surrender } from "./surrender.ts";

/**
 * Everything that crosses between the main thread and the VRRP worker: structured-clone safe, and nothing else crosses.
 * `postedUs` lets the receiver measure the latency of the crossing.
 */
export interface WorkerStart {
  readonly vrrp: VrrpConfig;
  /** SCHED_RR priority for the worker's thread, or undefined. Refusal is a warning. */
  readonly realtimePriority: number | undefined;
  /** Instances that were MASTER in a worker that died: resigned once their addresses are swept. */
  readonly resign: readonly string[];
  /** Descriptor of the guard's socket, to be duplicated; undefined = there is no guard. */
  readonly guard: number | undefined;
  /** Beside a predecessor that goes on until `adopt`: nothing is swept or sent. */
  readonly standby: boolean;
  /** What a worker that died, or an earlier life, had borrowed of the host's settings. */
  readonly borrowed: readonly HeldSetting[];
  /** Where the loop counts its turns: `Turns.shared`. */
  readonly turns: SharedArrayBuffer;
}

export type ToWorker = { readonly postedUs: Us } & (
  | { readonly kind: "configure"; readonly vrrp: VrrpConfig }
  /** The first programming of the kernel's table is done: elections may begin. */
  | { readonly kind: "releaseElection" }
  | { readonly kind: "status" }
  /** Answered by the same word, by the loop that sends the adverts: a sign of life. */
  | { readonly kind: "pulse" }
  /** What every script, file and process says now: the whole set, sent again whenever one of them changes. */
  | { readonly kind: "track"; readonly results: readonly TrackResult[] }
  /** Asks for the flight recorder's content. */
  | { readonly kind: "record"; readonly id: number }
  /** Another guard in place of one that died. */
  | { readonly kind: "guard"; readonly descriptor: number }
  /** Fall silent without releasing anything, answer `surrendered` and end. */
  | { readonly kind: "surrender" }
  /** In standby: go on in the predecessor's place, answer `adopted`. `guard`: descriptor of its guard's socket. */
  | { readonly kind: "adopt"; readonly surrender: Surrender; readonly guard: number | undefined }
  /** Release every address, resign, answer `stopped`. */
  | { readonly kind: "stop" }
);

/** What one tracker says now. */
export interface TrackResult {
  readonly kind: "script" | "file" | "process";
  readonly name: string;
  /** Script and process: 1 up, 0 down. File: the number in it. Undefined = not known yet. */
  readonly value: number | undefined;
}

export type FromWorker = { readonly postedUs: Us } /** Sockets are open and leftovers are swept. */ & (
  | { readonly kind: "ready" }
  /** What the host lacks, as a HoldfastError; the worker ends. */
  | {
      readonly kind: "startFailed";
      readonly code: string;
      readonly message: string;
      readonly remedy: string | undefined;
    }
  | { readonly kind: "configured" }
  /** All settings of the host that are to be given back, whenever they have changed: they outlive the thread. */
  | { readonly kind: "borrowed"; readonly settings: readonly HeldSetting[] }
  | { readonly kind: "pulse" }
  | { readonly kind: "transition"; readonly instance: string; readonly transition: Transition }
  /** After the members' own transitions that it consists of. */
  | {
      readonly kind: "groupTransition";
      readonly group: string;
      readonly from: StateName;
      readonly to: StateName;
      readonly reason: TransitionReason;
    }
  /** A MASTER heard an advert of lower priority. */
  | { readonly kind: "lowerPriorityHeard"; readonly instance: string; readonly peer: Ip; readonly priority: number }
  /** Trackers changed the effective priority. */
  | {
      readonly kind: "priorityChanged";
      readonly instance: string;
      readonly priority: number;
      readonly state: StateName;
    }
  /** A new configuration does not have it any more; its addresses are released. */
  | { readonly kind: "deleted"; readonly instance: string }
  | { readonly kind: "alarm"; readonly instance: string; readonly alarm: VrrpAlarm | WorkerAlarm }
  | { readonly kind: "status"; readonly status: VrrpStatus }
  /** A part of a recording, small enough that copying it keeps no advert waiting; the parts in order are the whole. */
  | { readonly kind: "recording"; readonly id: number; readonly part: Recording; readonly last: boolean }
  | {
      readonly kind: "log";
      readonly level: "error" | "warn" | "info" | "debug";
      readonly fields: object;
      readonly message: string;
    }
  | { readonly kind: "surrendered"; readonly surrender: Surrender }
  | { readonly kind: "adopted" }
  | { readonly kind: "stopped" }
);

/** Alarms that the driver raises, not the machine. */
export type WorkerAlarm =
  | { readonly kind: "addressRemovedByOthers"; readonly address: Ip; readonly device: string }
  | { readonly kind: "addressOperationFailed"; readonly address: Ip; readonly device: string; readonly detail: string }
  | { readonly kind: "sendFailed"; readonly detail: string }
  | { readonly kind: "netlinkOverrun" }
  /** Somebody else sends adverts of this virtual router with our own source address. */
  | { readonly kind: "ownSourceHeard"; readonly source: Ip; readonly hardwareAddress: string | undefined }
  /** While MASTER: somebody else answers ARP for one of our addresses. */
  | { readonly kind: "foreignArpAnswer"; readonly address: Ip; readonly hardwareAddress: string }
  /** While MASTER: somebody else advertises one of our IPv6 addresses as his (RFC 4861 7.2.6). */
  | { readonly kind: "foreignNeighborAdvertisement"; readonly address: Ip; readonly hardwareAddress: string }
  /** A virtual MAC device, route or rule that the kernel refused. */
  | { readonly kind: "hostOperationFailed"; readonly what: string; readonly detail: string };

export interface VrrpStatus {
  readonly instances: readonly InstanceStatus[];
  readonly groups: readonly GroupStatus[];
  /** `static_ipaddress`, `static_routes`, `static_rules`. */
  readonly statics: readonly HostObjectStatus[];
  /** What the worker was last told of scripts, files and processes. */
  readonly trackers: readonly TrackResult[];
  /** Received packets that were not acted on, by reason (see src/wire/vrrp.ts), over all instances and of none. */
  readonly discarded: Readonly<Record<string, number>>;
  /** Announcements (ARP, NA) that wait for their turn. */
  readonly announcementsWaiting: number;
  /** `attached`: there is a guard. `armed`: it has confirmed a will that is not empty. */
  readonly will: { readonly attached: boolean; readonly armed: boolean; readonly limitMs: number };
  /** How late timers were handled: counts for upper bounds in microseconds, and one more for what is above all of them. */
  readonly timerLateness: {
    readonly boundsUs: readonly number[];
    readonly counts: readonly number[];
    readonly maxUs: number;
    readonly sumUs: number;
  };
  readonly realtime: boolean;
}

export interface GroupStatus {
  readonly name: string;
  readonly state: StateName;
  readonly members: readonly string[];
}

export interface InstanceStatus {
  readonly name: string;
  readonly interface: string;
  readonly version: VrrpVersion;
  readonly family: Family;
  readonly virtualRouterId: number;
  readonly state: StateName;
  /** As configured, and as its trackers make it. */
  readonly priority: number;
  readonly priorityEffective: number;
  /** Trackers that force FAULT. */
  readonly faults: readonly TrackFault[];
  /** Its sync group. */
  readonly group: string | undefined;
  /** The last transition: why this state, since when (wall clock, ms since the epoch). */
  readonly last: (Transition & { readonly atMs: number }) | undefined;
  /** Whom a BACKUP listens to; its interval is what a version 3 router waits by. */
  readonly master:
    | { readonly address: Ip; readonly priority: number; readonly advertInterval: DurationUs | undefined }
    | undefined;
  readonly transport:
    | { readonly kind: "multicast"; readonly group: Ip }
    | { readonly kind: "unicast"; readonly peers: readonly Ip[] };
  /** What adverts are sent from now; undefined = there is none. */
  readonly sourceAddress: Ip | undefined;
  /** The configured unicast peers, and everybody else who was heard lately. */
  readonly peers: readonly PeerStatus[];
  readonly virtualMac:
    | { readonly device: string; readonly present: boolean; readonly hardwareAddress: string | undefined }
    | undefined;
  /** How long the kernel keeps an address after the last advert; undefined = for ever (`vip_lease off`). */
  readonly leaseLifetimeSec: number | undefined;
  readonly addresses: readonly VipStatus[];
  readonly routes: readonly HostObjectStatus[];
  readonly rules: readonly HostObjectStatus[];
  /** Raised, and not over yet. */
  readonly alarms: readonly (VrrpAlarm | WorkerAlarm)[];
  readonly advertsSent: number;
  readonly advertsReceived: number;
  /** Adverts for this virtual router that were not acted on, by reason. */
  readonly discarded: Readonly<Record<string, number>>;
}

export interface PeerStatus {
  readonly address: Ip;
  /** In `unicast_peer`. */
  readonly configured: boolean;
  /** Of its last advert; undefined = never heard. */
  readonly priority: number | undefined;
  /** Heard so lately, and not resigned, that it must be taken for MASTER. */
  readonly claimsMaster: boolean;
  readonly advertInterval: DurationUs | undefined;
  /** Version 3 over IPv4: how it sums its adverts. */
  readonly checksumForm: ChecksumForm | undefined;
  /** Since its last advert, or since we listen. */
  readonly silentSec: number;
}

export interface VipStatus {
  readonly address: Ip;
  readonly device: string;
  readonly label: string | undefined;
  readonly prefixConfigured: number;
  /** Narrower inside the host's own subnet; undefined where the device is missing. */
  readonly prefixProgrammed: number | undefined;
  /** False: of `virtual_ipaddress_excluded`. */
  readonly advertised: boolean;
  readonly held: boolean;
  /** The host has it permanently: never leased, refreshed or removed. */
  readonly permanent: boolean;
}

/** A route, rule or static address of the configuration: in `ip`'s words, and whether we have put it there. */
export interface HostObjectStatus {
  readonly text: string;
  readonly present: boolean;
}
