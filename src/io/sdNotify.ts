import { Buffer } from "node:buffer";
import { type DurationUs, durationUs } from "../core/units.ts";
import { loadAddon } from "./addon.ts";
import { LINUX } from "./linux.ts";
import { unixAddress } from "./sockaddr.ts";

/**
 * sd_notify(3): tells the service manager a state such as "READY=1" or "STOPPING=1\nSTATUS=...".
 * Returns false, having done nothing, when NOTIFY_SOCKET is absent: nobody asked. A notification that cannot be
 * delivered is a process warning and false: the service goes on without its manager, as sd_notify(3) advises.
 */
export function sdNotify(state: string, environment: NodeJS.ProcessEnv = process.env): boolean {
  const name = environment.NOTIFY_SOCKET;
  if (name === undefined || name === "") return false;
  try {
    deliver(name, Buffer.from(state));
    return true;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    process.emitWarning(`the service manager was not told ${JSON.stringify(state)} at ${name}: ${detail}`);
    return false;
  }
}

/**
 * sd_watchdog_enabled(3): within which time the service manager wants to hear WATCHDOG=1 from this process, in microseconds;
 * undefined when it does not watch, or watches another process.
 */
export function watchdogLimit(environment: NodeJS.ProcessEnv = process.env): DurationUs | undefined {
  const { WATCHDOG_USEC: limit, WATCHDOG_PID: watched } = environment;
  if (limit === undefined || !/^[1-9]\d{0,14}$/.test(limit)) return undefined;
  if (watched !== undefined && watched !== String(process.pid)) return undefined;
  return durationUs(Number(limit));
}

function deliver(name: string, data: Buffer): void {
  if (!name.startsWith("/") && !name.startsWith("@")) throw new Error("NOTIFY_SOCKET is neither a path nor abstract");
  const socket = loadAddon().openSocket(LINUX.AF_UNIX, LINUX.SOCK_DGRAM, 0);
  try {
    socket.send(data, 0, data.length, unixAddress(name));
  } finally {
    socket.close();
  }
}
