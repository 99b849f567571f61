import type { Ip } from "../core/ip.ts";
import type { Us } from "../core/units.ts";
import type { ServiceHealth } from "../health/types.ts";
import type { Recording } from "../vrrp/recorder.ts";
import type { GuardStatus } from "../workers/vrrp/handle.types.ts";
import type { VrrpStatus } from "../workers/vrrp/protocol.ts";
import type { LvsStatus } from "./lvs/lvsSide.ts";
import type { NotifyStatus } from "./notify/notifier.ts";
import type { Counted } from "./tally.ts";
import type { TrackerStatus } from "./track/types.ts";

/** One JSON object a line on the unix socket `control.sock` in the run directory; one answer for each request, in order. */
export type ControlRequest =
  | { readonly command: "status" | "reload" | "record" | "metrics" }
  | OverrideRequest
  | KickRequest
  /** The clusters that these services follow (`patroni_cluster`) may be others now. */
  | { readonly command: "forget"; readonly services: readonly string[] }
  /** 0 ends a pause. */
  | { readonly command: "pauseRepair"; readonly seconds: number }
  /** `program`: an executable instead of the one that runs. */
  | { readonly command: "handover"; readonly program?: string };

/** `override` says a weight (0 = drain), `enable` takes it back. */
export interface OverrideRequest {
  readonly command: "override" | "enable";
  /** ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT */
  readonly server: string;
  /** A service's name, with or without its protocol; undefined = everywhere. */
  readonly service?: string;
  readonly weight?: number;
  /** It ends by itself after so long. */
  readonly seconds?: number;
  /** Over a restart of the daemon as well. */
  readonly keep?: boolean;
}

/** Every check of these services asks at once; without them, of all. */
export interface KickRequest {
  readonly command: "kick";
  readonly services?: readonly string[];
}

export type ControlAnswer =
  | { readonly ok: true; readonly status: DaemonStatus }
  | { readonly ok: true; readonly reloaded: true }
  /** What was done, for the operator. */
  | { readonly ok: true; readonly lines: readonly string[] }
  /** The process that goes on. */
  | { readonly ok: true; readonly successor: number }
  | { readonly ok: true; readonly recording: TakenRecording }
  /** Prometheus' text format. */
  | { readonly ok: true; readonly metrics: string }
  | { readonly ok: false; readonly error: string };

/** The flight recorder's content, with what its clock is told from: `holdfast record` writes it, `holdfast replay` reads it. */
export interface TakenRecording extends Recording {
  readonly version: string;
  /** The same moment by both clocks: the wall's (ms since the epoch) and the monotonic one that entries have. */
  readonly taken: { readonly atMs: number; readonly atUs: Us };
}

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
  /** Undefined while none runs. Whether its will is armed is `vrrp.will`. */
  readonly guard: GuardStatus | undefined;
  readonly services: readonly ServiceStatus[];
  readonly operator: OperatorStatus;
  /** What holds for IPVS as a whole; undefined where nothing uses it. */
  readonly lvs: LvsStatus | undefined;
  /** Scripts, files and processes that instances track. */
  readonly trackers: readonly TrackerStatus[];
  readonly notifications: NotifyStatus;
  /** Where kicks come in by HTTP; undefined without `kick_listen`. */
  readonly kickDoor: KickDoorStatus | undefined;
  readonly events: readonly RecordedEvent[];
  /** Since the start: events by kind, transitions by instance or group, state entered and reason. */
  readonly counts: {
    readonly events: readonly Counted[];
    readonly transitions: readonly Counted[];
    readonly groupTransitions: readonly Counted[];
  };
  /** Of the whole daemon, all threads. */
  readonly usage: { readonly cpuUs: number; readonly residentBytes: number };
}

/** What operators have said at run time. */
export interface OperatorStatus {
  readonly overrides: readonly {
    /** `10.0.2.3 everywhere`, `10.0.2.3:5432 of TCP 10.0.2.10:5432` */
    readonly target: string;
    /** 0 = drained. */
    readonly weight: number;
    /** Undefined = until it is taken back. */
    readonly endsAtMs: number | undefined;
    readonly keep: boolean;
    /** Those it means: `TCP 10.0.2.10:5432 10.0.2.3:5432`. */
    readonly servers: readonly string[];
  }[];
  /** Until then the table is left to an administrator; undefined = it is ours. */
  readonly repairPausedUntilMs: number | undefined;
}

export interface KickDoorStatus {
  readonly address: Ip;
  readonly port: number;
  readonly listening: boolean;
  /** Why it does not listen. */
  readonly problem: string | undefined;
  /** Since the start, by how they ended. */
  readonly requests: readonly Counted[];
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
