import type { VrrpConfig } from "../../config/vrrp.types.ts";
import type { Ip } from "../../core/ip.ts";
import type { Recording } from "../../vrrp/recorder.ts";
import type { StateName, Transition, TransitionReason, VrrpAlarm } from "../../vrrp/types.ts";
import type { TrackResult, VrrpStatus, WorkerAlarm } from "./protocol.ts";
import type { Surrender } from "./surrender.ts";

/** What the daemon sees of the VRRP half, whether a worker thread is behind it or a simulation. */
export interface VrrpHandle {
  /** Resolves when sockets are open and leftovers swept; rejects with a HoldfastError that names what is missing. */
  start(vrrp: VrrpConfig): Promise<void>;
  releaseElection(): void;
  configure(vrrp: VrrpConfig): Promise<void>;
  /** The newest results of every script, file and process; kept over a restart of the worker. */
  track(results: readonly TrackResult[]): void;
  status(): Promise<VrrpStatus>;
  /** The last inputs of every machine (the flight recorder); rejects when the worker dies meanwhile. */
  record(): Promise<Recording>;
  /** The guard of this daemon; undefined where none runs now, or none was asked for. */
  guard(): GuardStatus | undefined;
  /** Falls silent without releasing anything, for the successor with this process id, whom the guard protects from now on. */
  surrender(successorProcessId: number): Promise<Surrender>;
  /** After a start in standby: goes on in the predecessor's place. */
  adopt(surrender: Surrender): Promise<void>;
  /** Addresses first, then priority 0; resolves when all is released. */
  stop(): Promise<void>;
}

export interface VrrpListener {
  onTransition(instance: string, transition: Transition): void;
  /** After the transitions of its members that it consists of. */
  onGroupTransition(group: string, change: GroupTransition): void;
  /** A MASTER heard a lower priority (`notify_master_rx_lower_pri`). */
  onLowerPriority(instance: string, heard: { readonly peer: Ip; readonly priority: number }): void;
  onPriorityChanged(instance: string, changed: { readonly priority: number; readonly state: StateName }): void;
  /** A new configuration removed it (`notify_deleted`). */
  onDeleted(instance: string): void;
  onAlarm(instance: string, alarm: VrrpAlarm | WorkerAlarm): void;
  /** The worker died and was started again; its addresses were swept by the new one. */
  onRestart(cause: string): void;
  /** The guard died, and another one has its place. */
  onGuardRestart(cause: string): void;
}

export interface GuardStatus {
  readonly processId: number;
  readonly lockedInMemory: boolean;
}

/** A predecessor's guard: its socket, inherited from it. */
export interface InheritedGuard extends GuardStatus {
  readonly descriptor: number;
}

export interface GroupTransition {
  readonly from: StateName;
  readonly to: StateName;
  readonly reason: TransitionReason;
}
