import type { HeldSetting } from "../../core/borrowedSettings.ts";
import type { Report } from "./instance.types.ts";
import type { GuardHost, VrrpHost } from "./ports.ts";
import type { Rehearsal } from "./rehearsal.types.ts";

export interface DriverModules {
  readonly host: VrrpHost;
  readonly wallMs: () => number;
  readonly report: (message: Report) => void;
  /** Undefined where no guard is used. */
  readonly guardHost?: GuardHost;
  /** What is played before a takeover; undefined: nothing is. */
  readonly rehearsal?: Rehearsal;
  /** Settings of the host that a worker that died had changed, and what they were. */
  readonly borrowed?: readonly HeldSetting[];
  /** The timer that everything here depends on has been answered. */
  readonly turned?: () => void;
}
