import { readdirSync, readFileSync } from "node:fs";
import type { ProcessFacts } from "../../core/processes.ts";

/** Processes as /proc shows them (proc(5)). One that ends while it is read is not there. */

/** Every running process; zombies do not run. */
export function readProcesses(commandLines: boolean): ProcessFacts[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    return readProcess(Number(entry), commandLines) ?? [];
  });
}

/** Undefined when it has ended, or is a zombie. */
export function readProcess(id: number, commandLines: boolean): ProcessFacts | undefined {
  const stat = readText(`/proc/${id}/stat`);
  const parsed = stat === undefined ? undefined : parseStat(stat);
  if (parsed === undefined || DEAD.has(parsed.state)) return undefined;
  const commandLine = commandLines ? parseCommandLine(readText(`/proc/${id}/cmdline`) ?? "") : [];
  return { id, name: parsed.name, commandLine };
}

/** State letters of zombies and of processes that are being taken away (proc(5)). */
const DEAD = new Set(["Z", "X", "x"]);

/** `PID (NAME) STATE ...`: the name may hold anything, brackets too, so its end is the last bracket. */
export function parseStat(text: string): { readonly name: string; readonly state: string } | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  const state = text[close + 2];
  return open < 0 || close < open || state === undefined ? undefined : { name: text.slice(open + 1, close), state };
}

/** Words that each end with a zero byte; a process that rewrites its title may leave spaces and no zero (setproctitle). */
export function parseCommandLine(text: string): string[] {
  if (text === "") return [];
  const words = text.replace(/\0+$/, "").split("\0");
  return words;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
