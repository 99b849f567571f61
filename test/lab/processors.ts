import { readdirSync, readFileSync } from "node:fs";
import { runProcess } from "./processes.ts";

/** A first and a last processor of those that this process may use; the same one where there is one alone. */
export function twoProcessors(): { readonly first: number; readonly last: number } {
  const allowed = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const numbers = allowed.split(/[,-]/).map(Number);
  return { first: numbers[0] ?? 0, last: numbers.at(-1) ?? 0 };
}

/** All threads that a process has now, and those that they start, run on this processor alone from now on. */
export async function pinProcess(processId: number, processor: number): Promise<void> {
  await runProcess("taskset", ["-a", "-c", "-p", String(processor), String(processId)]);
}

/** As `pinProcess`, one thread. */
export async function pinThread(threadId: number, processor: number): Promise<void> {
  await runProcess("taskset", ["-c", "-p", String(processor), String(threadId)]);
}

export interface RoundRobinThread {
  readonly threadId: number;
  readonly priority: number;
}

/**
 * Threads of a process that run under SCHED_RR. proc(5), stat: field 40 is the real-time priority, 41 the policy (2 is SCHED_RR),
 * both behind the name in parentheses.
 */
export function roundRobinThreads(processId: number): RoundRobinThread[] {
  return readdirSync(`/proc/${processId}/task`).flatMap((task) => {
    const stat = readFileSync(`/proc/${processId}/task/${task}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[38] === "2" ? [{ threadId: Number(task), priority: Number(fields[37]) }] : [];
  });
}
