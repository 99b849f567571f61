/** What the servers of a list see of the checks that ask them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Figure } from "../bench/report.ts";
import { CHECKED_PORT } from "../lab/checkedServices.ts";
import type { Namespace } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { twoProcessors } from "../lab/processors.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";
import { quantile } from "./advertTimes.ts";
import { cpuSeconds, residentMbOfTree } from "./processUsage.ts";

export const PROGRAMS = join(projectRoot, "dist-test/test/bench-netns/programs");
/** One request as its server saw it. */
export interface Arrival {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Of the server that was asked. */
  readonly server: number;
}

/** All servers of a list, in one process that notes when each request came. */
export class CheckedServers {
  readonly #process: RunningProcess;
  readonly #file: string;

  private constructor(running: RunningProcess, file: string) {
    this.#process = running;
    this.#file = file;
  }

  /** @param file what came is written there, at the end */
  static async start(namespace: Namespace, file: string, cpu: number): Promise<CheckedServers> {
    const program = [process.execPath, join(PROGRAMS, "httpServer.js"), String(CHECKED_PORT), file];
    const running = await namespace.start("taskset", ["-c", String(cpu), ...program], { name: "the checked servers" });
    await running.waitForOutput("listening", 60_000);
    return new CheckedServers(running, file);
  }

  /** Resolves when so many of them have been asked. */
  async heardOf(servers: number, timeoutMs: number): Promise<void> {
    await this.#process.waitForOutput(`heard ${servers}\n`, timeoutMs);
  }

  /** Ends them; everything that came. */
  async stop(): Promise<readonly Arrival[]> {
    await this.#process.stop(20_000);
    const bytes = readFileSync(this.#file);
    return Array.from({ length: bytes.length / 16 }, (_, index) => ({
      atMs: bytes.readDoubleLE(index * 16),
      server: bytes.readDoubleLE(index * 16 + 8),
    }));
  }
}

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * How late requests were: for every two successive ones of a server, what their distance is longer than the interval, and at the
 * end of the window what a server that waits has waited too long. Milliseconds, ascending; early ones count as 0.
 */
export function checkLatenessMs(
  arrivals: readonly Arrival[],
  { fromMs, toMs }: Window,
  intervalMs: number,
): { readonly lateMs: readonly number[]; readonly requests: number; readonly servers: number } {
  const last = new Map<number, number>();
  const late: number[] = [];
  let requests = 0;
  const servers = new Set<number>();
  for (const { atMs, server } of arrivals) {
    if (atMs > toMs) continue;
    const before = last.get(server);
    last.set(server, atMs);
    if (atMs < fromMs) continue;
    requests += 1;
    servers.add(server);
    if (before !== undefined) late.push(Math.max(0, atMs - before - intervalMs));
  }
  for (const atMs of last.values()) if (toMs - atMs > intervalMs) late.push(toMs - atMs - intervalMs);
  return { lateMs: late.sort((a, b) => a - b), requests, servers: servers.size };
}

export interface CheckRound {
  readonly servers: number;
  readonly delayLoopSec: number;
  /** How long it is looked at. */
  readonly seconds: number;
}

export interface MeasuredChecks {
  /** As the servers saw them. */
  readonly perSecond: number;
  /** Ascending, see `checkLatenessMs`. */
  readonly lateMs: readonly number[];
  /** So many servers were asked while it was looked at. */
  readonly servers: number;
  readonly cpuPercent: number;
  /** At the beginning and at the end. */
  readonly residentMb: readonly [number, number];
}

/** Lets a program check a list: servers on the last processor, and from when all have been asked twice `seconds` under observation. */
export async function measureChecks(
  namespace: Namespace,
  folder: string,
  { servers, delayLoopSec, seconds }: CheckRound,
  start: () => Promise<RunningProcess>,
): Promise<MeasuredChecks> {
  const checked = await CheckedServers.start(namespace, join(folder, "arrivals"), twoProcessors().last);
  const program = await start();
  const now = (): number => performance.timeOrigin + performance.now();
  const pass = async (what: string, ms: number): Promise<void> => {
    const endsMs = now() + ms;
    await waitFor(
      () => {
        if (program.exit !== undefined) throw new Error(`${program.name} has ended:\n${program.output.slice(-2000)}`);
        return now() >= endsMs;
      },
      { what, intervalMs: 100, timeoutMs: ms + 20_000 },
    );
  };
  await Promise.race([
    checked.heardOf(servers, 120_000),
    program.exited.then(() => {
      throw new Error(`${program.name} has ended:\n${program.output.slice(-2000)}`);
    }),
  ]);
  await pass("the storm of the first checks to be over", delayLoopSec * 2_000);
  const before = residentMbOfTree(program.pid);
  const cpuBefore = cpuSeconds(program.pid);
  const fromMs = now();
  await pass("the end", seconds * 1_000);
  const toMs = now();
  const cpuPercent = ((cpuSeconds(program.pid) - cpuBefore) / ((toMs - fromMs) / 1_000)) * 100;
  const after = residentMbOfTree(program.pid);
  await program.stop(60_000);
  const { requests, ...seen } = checkLatenessMs(await checked.stop(), { fromMs, toMs }, delayLoopSec * 1_000);
  return { ...seen, perSecond: requests / ((toMs - fromMs) / 1_000), cpuPercent, residentMb: [before, after] };
}

const LATE_GOAL_PERCENT = 10;

/** @param goalPerSecond so many are to be sustained, in time; without it the figures are only for comparison */
export function checkFigures(
  who: string,
  measured: MeasuredChecks,
  { delayLoopSec }: CheckRound,
  goalPerSecond?: number,
): Figure[] {
  const percent = (lateMs: number): number => (lateMs / (delayLoopSec * 1_000)) * 100;
  const late = (share: number): number => percent(quantile(measured.lateMs, share));
  const over = measured.lateMs.filter((ms) => percent(ms) > LATE_GOAL_PERCENT).length;
  const unit = "% of the interval";
  const wanted = (goal: Partial<Figure>): Partial<Figure> => (goalPerSecond === undefined ? {} : goal);
  return [
    {
      ...{ what: `${who}: checks a second, as the servers saw them`, value: measured.perSecond, unit: "" },
      ...(goalPerSecond !== undefined && { goalAtLeast: goalPerSecond }),
    },
    { what: `${who}: half of them later than`, value: late(0.5), unit },
    { what: `${who}: 1 % later than`, value: late(0.99), unit },
    { what: `${who}: latest`, value: late(1), unit, ...wanted({ goalAtMost: LATE_GOAL_PERCENT }) },
    { what: `${who}: later than ${LATE_GOAL_PERCENT} %`, value: over, unit: "checks", ...wanted({ goalAtMost: 0 }) },
    { what: `${who}: CPU`, value: measured.cpuPercent, unit: "% of a core" },
    { what: `${who}: resident memory at the beginning`, value: measured.residentMb[0], unit: "MB" },
    { what: `${who}: resident memory at the end`, value: measured.residentMb[1], unit: "MB" },
  ];
}
