import type { Report } from "./instance.types.ts";
import type { GuardHost, VrrpHost } from "./ports.ts";

export interface DriverModules {
  readonly host: VrrpHost;
  readonly wallMs: () => number;
  readonly report: (message: Report) => void;
  /** Undefined where no guard is used. */
  readonly guardHost?: GuardHost;
}
