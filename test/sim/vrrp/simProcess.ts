import type { VrrpDriver } from "../../../src/workers/vrrp/driver.ts";
import type { SimHost } from "./simHost.ts";

/** What the kernel does wrong at the moment, each with a probability. */
export interface KernelTrouble {
  /** Address changes are refused. */
  refuses: number;
  /** They are made, or not, and the answer is lost. */
  losesAnswers: number;
  refusesSends: number;
  interruptsDumps: number;
}

/** What the VRRP thread is: the driver with its host, until it dies. */
export interface Process {
  readonly driver: VrrpDriver;
  readonly host: SimHost;
  released: boolean;
  /** Told to stop, and not yet at its end: it waits for its processor. */
  stopping: boolean;
  /** What waits for that end. */
  atItsEnd: (() => void) | undefined;
}
