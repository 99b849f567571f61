import type { VrrpConfig } from "../../../src/config/vrrp.types.ts";

/** What else lives in a router's process beside its VRRP thread, or on its host; all is told when it happens. */
export interface Companion {
  /** A VRRP thread has begun: the process is new, or its thread was replaced. It is the companion that releases the election. */
  threadBegan(): void;
  /** The process was killed. */
  killed(): void;
  /** SIGTERM, before the VRRP thread is told, and after it has ended. */
  stopping(): void;
  stopped(): void;
  reloaded(config: VrrpConfig): void;
  /** The process has its processor again. */
  woke(): void;
}
