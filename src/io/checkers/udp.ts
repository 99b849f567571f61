import { randomBytes } from "node:crypto";
import type { UdpCheckConfig } from "../../config/check.types.ts";
import { LINUX } from "../linux.ts";
import type { Attempt } from "./attempt.ts";
import { ask } from "./datagram.ts";
import type { SocketOpener } from "./path.ts";

/** As long as keepalived's. */
const RANDOM_BYTES = 32;

/**
 * UDP_CHECK: one datagram; the first that comes back is the reply. An ICMP error fails it; where no reply is needed, the
 * deadline without one passes.
 */
export function runUdpCheck(check: UdpCheckConfig, attempt: Attempt, addon: () => SocketOpener): void {
  const question = {
    type: LINUX.SOCK_DGRAM,
    protocol: 0,
    datagram: check.payload === undefined ? randomBytes(RANDOM_BYTES) : Buffer.from(check.payload, "hex"),
    read: (data: Buffer) => ({ kind: "datagram", data }) as const,
  };
  ask(check, question, attempt, addon);
}
