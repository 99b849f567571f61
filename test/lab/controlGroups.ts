import { existsSync } from "node:fs";
import { join } from "node:path";

/** Debian's path of the program. */
export const SYSTEMD = "/lib/systemd/systemd";

/** Where control groups of version 2 are mounted, alone or beside version 1; undefined where they are not. */
export function controlGroupRoot(): string | undefined {
  const roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
  return roots.find((path) => existsSync(join(path, "cgroup.controllers")));
}
