import { readFileSync } from "node:fs";

/** A tunable of this thread's network namespace, below /proc/sys/net: `ipv4/conf/eth0/arp_ignore`. Undefined where there is none. */
export function readSysctl(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${path}`, "utf8").trim();
  } catch {
    return undefined;
  }
}
