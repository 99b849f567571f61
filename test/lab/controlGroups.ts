import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Debian's path of the program. */
export const SYSTEMD = "/lib/systemd/systemd";

/** Where control groups of version 2 are mounted, alone or beside version 1; undefined where they are not. */
export function controlGroupRoot(): string | undefined {
  const roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
  return roots.find((path) => existsSync(join(path, "cgroup.controllers")));
}

/**
 * Lets groups below the root limit memory: hands the controller down, as a systemd of the machine's own does. False where it is not
 * among those of version 2, or where the root is no real one, and has processes.
 */
export function enableMemoryLimits(): boolean {
  const root = controlGroupRoot();
  if (root === undefined) return false;
  const has = (file: string): boolean => /\bmemory\b/.test(readFileSync(join(root, file), "utf8"));
  if (!has("cgroup.controllers")) return false;
  try {
    if (!has("cgroup.subtree_control")) writeFileSync(join(root, "cgroup.subtree_control"), "+memory");
    return true;
  } catch {
    return false;
  }
}
