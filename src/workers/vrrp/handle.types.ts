import type { VrrpConfig } from "../../config/vrrp.types.ts";
import type { Transition, VrrpAlarm } from "../../vrrp/types.ts";
import type { VrrpStatus, WorkerAlarm } from "./protocol.ts";

/** What the daemon sees of the VRRP half, whether a worker thread is behind it or a simulation. */
export interface VrrpHandle {
  /** Resolves when sockets are open and leftovers swept; rejects with a HoldfastError that names what is missing. */
  start(vrrp: VrrpConfig): Promise<void>;
  releaseElection(): void;
  configure(vrrp: VrrpConfig): Promise<void>;
  status(): Promise<VrrpStatus>;
  /** Addresses first, then priority 0; resolves when all is released. */
  stop(): Promise<void>;
}

export interface VrrpListener {
  onTransition(instance: string, transition: Transition): void;
  onAlarm(instance: string, alarm: VrrpAlarm | WorkerAlarm): void;
  /** The worker died and was started again; its addresses were swept by the new one. */
  onRestart(cause: string): void;
}
