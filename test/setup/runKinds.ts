/**
 * `npm test`: runs the kinds of test one after another, each by one vitest, in the guest where that is needed, and sums
 * up. The last line printed is `N passed, N failed, N skipped`; the exit status is 0 when nothing failed.
 */

import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { kernelHasIpvs, resultsFolder, runInGuest } from "../guest/boot.ts";
import { onCleanup } from "../lab/cleanup.ts";
import { sweepLeftovers } from "../lab/netns.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";
import { countReport, failedTests, type KindResult, kindProblems, NOTHING, summary } from "./counts.ts";
import { type Kind, kindEnvironment, type Request, readRequest } from "./kinds.ts";

/** A soak run lasts as long as its tests say. */
const SOAK_MINUTES = 24 * 60;

async function main(words: readonly string[]): Promise<number> {
  let request: Request;
  try {
    request = readRequest(words);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  sweepLeftovers();
  const results: KindResult[] = [];
  // A filter picks from the kinds; without one, a kind without tests is a failure.
  const picked = request.kinds.filter((kind) => testFiles(kind, request.filters).length > 0);
  const kinds = request.filters.length > 0 && picked.length > 0 ? picked : request.kinds;
  for (const kind of kinds) results.push(await runKind(kind, request));
  const { text, success } = summary(results);
  process.stdout.write(`\n${text}`);
  return success ? 0 : 1;
}

async function runKind(kind: Kind, request: Request): Promise<KindResult> {
  const begunMs = performance.now();
  const seconds = (): number => (performance.now() - begunMs) / 1000;
  if (testFiles(kind, request.filters).length === 0)
    return { kind: kind.name, counts: NOTHING, problems: ["there is no test"], failed: [], seconds: 0 };
  const inGuest = kind.ipvs && !kernelHasIpvs();
  process.stdout.write(`\n== ${kind.name}${inGuest ? " (in the guest: this kernel has no IPVS)" : ""}\n`);
  const report = join(resultsFolder(), `${kind.name}.json`);
  rmSync(report, { force: true });
  const args = vitestArguments(kind, request, report);
  const env = { ...process.env, ...kindEnvironment(request) };
  const timeoutMs = (request.soak ? SOAK_MINUTES : kind.timeoutMinutes) * 60_000;
  const problems: string[] = [];
  let status = 1;
  try {
    status = inGuest
      ? (await runInGuest({ command: process.execPath, args, cwd: projectRoot, env, timeoutMs, stdio: "inherit" }))
          .status
      : await runHere(args, env, timeoutMs);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  const left = sweepLeftovers();
  if (left.length > 0) problems.push(`namespaces were left behind: ${left.join(", ")}`);
  if (!existsSync(report)) {
    problems.push(`vitest ended with status ${status} without a report`);
    return { kind: kind.name, counts: NOTHING, problems, failed: [], seconds: seconds() };
  }
  const text = readFileSync(report, "utf8");
  const counts = countReport(text);
  problems.push(...kindProblems({ counts, status, ci: process.env.CI === "true" }));
  return { kind: kind.name, counts, problems, failed: failedTests(text), seconds: seconds() };
}

/** The kind's test files that the filters let through, as paths from the project's folder. */
function testFiles(kind: Kind, filters: readonly string[]): string[] {
  const folder = join("test", kind.name);
  if (!existsSync(join(projectRoot, folder))) return [];
  return readdirSync(join(projectRoot, folder), { recursive: true, encoding: "utf8" })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith(".test.ts"))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
}

function vitestArguments(kind: Kind, request: Request, report: string): string[] {
  return [
    // Not by npx: that takes seconds on an emulated processor.
    join(projectRoot, "node_modules", "vitest", "vitest.mjs"),
    ...["run", "--project", kind.name],
    ...["--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
    ...request.filters,
  ];
}

type EndReason = "SIGINT" | "SIGTERM" | "timeout";

/** One vitest on this machine. A signal to us ends it, and then us: the kinds that follow are not run. */
async function runHere(args: readonly string[], env: NodeJS.ProcessEnv, timeoutMs: number): Promise<number> {
  // Its own process group: Ctrl-C reaches it once and by us, as SIGTERM does.
  const child = spawn(process.execPath, args, {
    cwd: projectRoot,
    env,
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("vitest could not be started");
  let reason: EndReason | undefined;
  // The whole group: vitest itself would leave its workers, and it is they who remove what the tests made.
  const end = (why: EndReason): void => {
    reason ??= why;
    signalGroup(pid, "SIGTERM");
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  const timer = setTimeout(() => end("timeout"), timeoutMs);
  const forget = onCleanup(() => signalGroup(pid, "SIGKILL"));
  const status = await new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
  clearTimeout(timer);
  if (reason !== undefined) await groupEnd(pid);
  process.off("SIGINT", end);
  process.off("SIGTERM", end);
  forget();
  if (reason === "timeout") throw new Error(`not finished after ${timeoutMs / 60_000} minutes`);
  if (reason !== undefined) {
    sweepLeftovers();
    process.exit(reason === "SIGINT" ? 130 : 143);
  }
  return status;
}

/** Waits until nothing of a process group is left; after 10 s it is killed. */
async function groupEnd(pid: number): Promise<void> {
  try {
    await waitFor(() => !signalGroup(pid, 0), { what: "the end of vitest's workers", intervalMs: 50 });
  } catch {
    signalGroup(pid, "SIGKILL");
  }
}

/** False when the group does not exist (any more). */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

process.exitCode = await main(process.argv.slice(2));
