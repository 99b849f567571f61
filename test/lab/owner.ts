import { readFileSync } from "node:fs";

/** `PID-START`: names this process for as long as it lives, also when its number is given to another one later. */
export const ownerTag = `${process.pid}-${startTime(process.pid) ?? "0"}`;

/** Whether the process that an `ownerTag` names has ended. */
export function ownerHasEnded(tag: string): boolean {
  const [pid, start] = tag.split("-");
  return startTime(Number(pid)) !== start;
}

/** The process's start in clock ticks since boot, field 22 of proc(5)'s stat; undefined when there is no such process. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field, the name in parentheses, can contain anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
