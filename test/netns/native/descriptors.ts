import { readdirSync, readlinkSync } from "node:fs";

/** Sockets, timers and event polls that this process has open. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd")
    .map((name) => {
      try {
        return readlinkSync(`/proc/self/fd/${name}`);
      } catch {
        return ""; // The descriptor by which the folder was read.
      }
    })
    .filter((target) => /^socket:|timerfd/.test(target))
    .sort();
}
