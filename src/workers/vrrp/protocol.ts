import type { VrrpConfig } from "../../config/vrrp.types.ts";
import type { Ip } from "../../core/ip.ts";
import type { Us } from "../../core/units.ts";
import type { StateName, Transition, VrrpAlarm } from "../../vrrp/types.ts";

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
}

export type ToWorker = { readonly postedUs: Us } & (
  | { readonly kind: "configure"; readonly vrrp: VrrpConfig }
  /** The first programming of the kernel's table is done: elections may begin. */
  | { readonly kind: "releaseElection" }
  | { readonly kind: "status"; readonly id: number }
  /** Release every address, resign, answer `stopped`. */
  | { readonly kind: "stop" }
);

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
  | { readonly kind: "transition"; readonly instance: string; readonly transition: Transition }
  | { readonly kind: "alarm"; readonly instance: string; readonly alarm: VrrpAlarm | WorkerAlarm }
  | { readonly kind: "status"; readonly id: number; readonly status: VrrpStatus }
  | {
      readonly kind: "log";
      readonly level: "error" | "warn" | "info" | "debug";
      readonly fields: object;
      readonly message: string;
    }
  | { readonly kind: "stopped" }
);

/** Alarms that the driver raises, not the machine. */
export type WorkerAlarm =
  | { readonly kind: "addressRemovedByOthers"; readonly address: Ip; readonly device: string }
  | { readonly kind: "addressOperationFailed"; readonly address: Ip; readonly device: string; readonly detail: string }
  | { readonly kind: "sendFailed"; readonly detail: string }
  | { readonly kind: "netlinkOverrun" };

export interface VrrpStatus {
  readonly instances: readonly InstanceStatus[];
  /** Received packets that were not acted on, by reason (see src/wire/vrrp.ts), over all instances. */
  readonly discarded: Readonly<Record<string, number>>;
  /** How late timers were handled: counts for upper bounds in microseconds, the last bound being Infinity. */
  readonly timerLateness: {
    readonly boundsUs: readonly number[];
    readonly counts: readonly number[];
    readonly maxUs: number;
  };
  readonly realtime: boolean;
}

export interface InstanceStatus {
  readonly name: string;
  readonly interface: string;
  readonly virtualRouterId: number;
  readonly state: StateName;
  readonly priority: number;
  /** The last transition: why this state, since when (wall clock, ms since the epoch). */
  readonly last: (Transition & { readonly atMs: number }) | undefined;
  readonly master: { readonly address: Ip; readonly priority: number } | undefined;
  readonly addresses: readonly VipStatus[];
  readonly advertsSent: number;
  readonly advertsReceived: number;
}

export interface VipStatus {
  readonly address: Ip;
  readonly device: string;
  readonly label: string | undefined;
  readonly prefixConfigured: number;
  /** Narrower inside the host's own subnet; undefined where the device is missing. */
  readonly prefixProgrammed: number | undefined;
  readonly held: boolean;
  /** The host has it permanently: never leased, refreshed or removed. */
  readonly permanent: boolean;
}
