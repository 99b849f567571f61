import type { ServiceHealth } from "../health/types.ts";
import type { VrrpStatus } from "../workers/vrrp/protocol.ts";
import type { NotifyStatus } from "./notify/notifier.ts";
import type { TrackerStatus } from "./track/types.ts";

/** One JSON object a line on the unix socket `control.sock` in the run directory; one answer for each request, in order. */
export type ControlRequest = { readonly command: "status" } | { readonly command: "reload" };

export type ControlAnswer =
  | { readonly ok: true; readonly status: DaemonStatus }
  | { readonly ok: true; readonly reloaded: true }
  | { readonly ok: false; readonly error: string };

/** One consistent snapshot. */
export interface DaemonStatus {
  readonly version: string;
  readonly processId: number;
  readonly startedAtMs: number;
  readonly configuration: {
    readonly file: string;
    readonly loadedAtMs: number;
    /** The last reload, when it was refused. */
    readonly lastError: string | undefined;
  };
  readonly vrrp: VrrpStatus;
  readonly services: readonly ServiceStatus[];
  /** Scripts, files and processes that instances track. */
  readonly trackers: readonly TrackerStatus[];
  readonly notifications: NotifyStatus;
  readonly events: readonly RecordedEvent[];
}

export interface ServiceStatus extends ServiceHealth {
  readonly scheduler: string;
  /** Seconds as configured and as programmed; they differ on an exclusive service. */
  readonly persistenceConfiguredSec: number;
  readonly persistenceProgrammedSec: number;
  /** Repairs of drift since start. */
  readonly drifts: number;
  readonly inSync: boolean;
}

export interface RecordedEvent {
  readonly sequence: number;
  readonly atMs: number;
  readonly kind: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
