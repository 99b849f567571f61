import type { DestinationAttributes, ServiceAttributes } from "../../src/plan/types.ts";

/** What a row of the kernel's table has that is no tunnel of a special kind. */
export const NO_TUNNEL = {
  tunnelType: "ipip",
  tunnelPort: 0,
  tunnelChecksum: "nocsum",
} as const satisfies Partial<DestinationAttributes>;

/** A row of direct routing without anything special, but for its weight. */
export const PLAIN_ROW = {
  forwarding: "route",
  upperThreshold: 0,
  lowerThreshold: 0,
  ...NO_TUNNEL,
} as const satisfies Partial<DestinationAttributes>;

/** A service without anything special. */
export const PLAIN_SERVICE: ServiceAttributes = {
  scheduler: "lc",
  persistenceTimeoutSec: 0,
  persistencePrefix: 32,
  persistenceEngine: "",
  onePacket: false,
  schedulerFlags: 0,
};
