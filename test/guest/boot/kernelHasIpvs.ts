import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const TABLE = "/proc/net/ip_vs";
let known: boolean | undefined;

/**
 * Whether the running kernel can do IPVS. Loads the module where that is possible: afterwards its table is in /proc, in
 * every network namespace.
 */
export function kernelHasIpvs(): boolean {
  if (known === undefined) {
    if (!existsSync(TABLE)) spawnSync("modprobe", ["ip_vs"], { stdio: "ignore" });
    known = existsSync(TABLE);
  }
  return known;
}
