import { readdirSync, readFileSync } from "node:fs";

/** A process and all of its descendants, parents first. Empty when it has ended. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  let found = false;
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = parentOf(pid);
    if (parent === undefined) continue;
    found ||= pid === root;
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  if (!found) return [];
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** Field 4 of proc(5)'s stat; undefined when the process has gone. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field, the name in parentheses, can contain anything.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** False too for one that has ended and that nobody has waited for. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/**
 * `kill -9` of a whole process tree, so that no helper of the killed one can act for it: all are stopped first, then
 * killed. Returns how many there were.
 */
export function killTree(root: number): number {
  const tree = processTree(root);
  for (const signal of ["SIGSTOP", "SIGKILL"] as const) {
    for (const pid of tree) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }
  return tree.length;
}
