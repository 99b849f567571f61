import { readFileSync, writeFileSync } from "node:fs";
import { HoldfastError } from "../core/errors.ts";

/** proc(5): from -1000, never taken by the kernel when memory runs out, to 1000, the first. */
const FILE = "/proc/self/oom_score_adj";
const SCORE_MAX = 1000;
/** A hundredth of the machine's memory: enough for an order, and little among all the other processes. */
const RAISED_BY = 10;

let inherited: number | undefined;

function write(score: number): void {
  try {
    writeFileSync(FILE, String(score));
  } catch (cause) {
    const message = `${FILE} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new HoldfastError<"oomScoreRefused">("oomScoreRefused", message);
  }
}

/**
 * Raises this process's out-of-memory score above the one that it was started with, so that the kernel takes it before
 * its guard. No capability is needed for that, nor for going back to the inherited score. Throws HoldfastError.
 */
export function raiseOomScore(): void {
  inherited ??= Number(readFileSync(FILE, "utf8"));
  write(Math.min(SCORE_MAX, inherited + RAISED_BY));
}

/** Starts a process that is to have the score that this one was started with. Throws what `start` throws. */
export function withInheritedOomScore<Started>(start: () => Started): Started {
  if (inherited === undefined) return start();
  write(inherited);
  try {
    // A child has its own copy by the time that this returns.
    return start();
  } finally {
    raiseOomScore();
  }
}
