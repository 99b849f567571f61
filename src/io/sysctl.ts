import { readFileSync, writeFileSync } from "node:fs";
import type { OperationOutcome } from "./hostNetwork.ts";

const ROOT = "/proc/sys/net/";

/**
 * Settings below /proc/sys/net (kernel documentation, networking/ip-sysctl) of the calling thread's network namespace.
 * `path` is below that folder: `ipv4/conf/eth0/arp_ignore`. A dot in an interface's name stays a dot.
 */
export function readSysctl(path: string): string | undefined {
  try {
    return readFileSync(ROOT + path, "utf8").trim();
  } catch (error) {
    // None of this name, or one that tells nothing (EIO of a stable_secret that was never set).
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** `code` is the errno's name: ENOENT, EINVAL for a value it refuses, EROFS where tunables are protected. */
export function writeSysctl(path: string, value: string): OperationOutcome {
  try {
    writeFileSync(ROOT + path, value);
    return { ok: true };
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    return { ok: false, code };
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
