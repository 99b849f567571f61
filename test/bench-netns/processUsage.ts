import { readdirSync, readFileSync } from "node:fs";
import { processTree } from "../lab/processTree.ts";

/** Clock ticks a second in /proc (sysconf _SC_CLK_TCK is 100 on every Linux of these tests). */
const TICKS_PER_SECOND = 100;

/** CPU seconds of a process and all of its descendants (proc(5), stat). */
export function cpuSeconds(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + ticksOf(`/proc/${pid}/stat`) / TICKS_PER_SECOND, 0);
}

/** How often the threads of a process and of all of its descendants have slept and been woken (proc(5), status: voluntary_ctxt_switches). */
export function wakeups(root: number): number {
  const tasks = processTree(root).flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`),
  );
  const switches = /^voluntary_ctxt_switches:\s+(\d+)$/m;
  return tasks.reduce((sum, task) => sum + Number(switches.exec(readFileSync(`${task}/status`, "utf8"))?.[1]), 0);
}

/** Resident memory of a process in MB. */
export function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Resident memory of a process and all of its descendants in MB; what they share is counted in each. */
export function residentMbOfTree(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + residentMb(pid), 0);
}

function ticksOf(path: string): number {
  // The second field, the name in parentheses, can contain anything.
  const fields = readFileSync(path, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
