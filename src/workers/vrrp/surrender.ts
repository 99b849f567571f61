import type { HeldSetting } from "../../core/borrowedSettings.ts";
import type { Us } from "../../core/units.ts";
import type { GroupState } from "../../vrrp/syncGroup.ts";
import type { RouterState } from "../../vrrp/types.ts";
import type { Lease } from "./leases.ts";
import type { InstanceStatus } from "./protocol.ts";

/**
 * What one VRRP thread leaves to the thread of another process that goes on in its place: plain data. Instants are
 * CLOCK_MONOTONIC, the same in both, so the next advert leaves when it would have left anyway.
 */
export interface Surrender {
  readonly instances: readonly SurrenderedInstance[];
  readonly groups: readonly GroupState[];
  /** What the host is to be given back at the end. */
  readonly settings: readonly HeldSetting[];
}

export interface SurrenderedInstance {
  readonly state: RouterState;
  /** When the last advert was handed to the kernel. */
  readonly advertSentAt: Us;
  readonly last: InstanceStatus["last"];
  readonly held: readonly HeldLease[];
}

/** An address that is in the kernel now, and since when its lifetime runs. */
export interface HeldLease {
  readonly lease: Lease;
  readonly validSec: number;
  readonly refreshedAt: Us;
}
