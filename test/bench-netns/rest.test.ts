import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { printFigures, rounds } from "../bench/report.ts";
import { type Program, startRouter } from "../interop/programs.ts";
import { instanceText } from "../interop/routerFile.ts";
import { createArticleNetwork } from "../lab/articleNetwork.ts";
import { startStandIns } from "../lab/cluster.ts";
import { ARTICLE_FOLDER, NODE_FLAGS } from "../lab/holdfast.ts";
import { createNetwork } from "../lab/netns.ts";
import { startProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { FrameRecorder } from "./advertTimes.ts";
import { PROGRAMS } from "./checkLoad.ts";
import { cpuSeconds, residentMb, wakeups } from "./processUsage.ts";
import type { LoadLine } from "./programs/loadedRouter.ts";

const RESIDENT_GOAL_MB = 100;
const CPU_GOAL_PERCENT = 2;
/** The start's own work, what V8 compiles behind it and the second round of announcements are over. */
const ADVERTS_BEFORE = rounds(8, 30);
const ADVERTS = rounds(3, 30);

interface Rest {
  readonly residentMb: number;
  readonly cpuPercent: number;
  /** What a wakeup costs is the machine's, their number is the program's. */
  readonly wakeupsPerSec: number;
}

/** Does nothing ten times a second: what this machine charges for a wakeup, several milliseconds where virtual processors sleep. */
const EMPTY_TIMER = "setInterval(() => undefined, 100)";

/** MASTER of the article's instances, all of its checks answered: VRRP and checks as the daemon has them; this kernel may have no IPVS. */
async function measureArticle(): Promise<Omit<Rest, "residentMb"> & { readonly bareTimerPercent: number }> {
  const network = await createArticleNetwork("rest-article");
  try {
    const cluster = await startStandIns(network);
    const args = [...NODE_FLAGS, join(PROGRAMS, "loadedRouter.js"), `${ARTICLE_FOLDER}/kad1.conf`];
    const router = await network.balancers.kad1.start(process.execPath, args, { name: "the article's router" });
    const seconds = (): readonly LoadLine[] =>
      router.stdout.split("\n").flatMap((line) => {
        const said = line === "" ? undefined : (JSON.parse(line) as LoadLine | { readonly answered: undefined });
        return said?.answered === undefined || said.answered === 0 ? [] : [said];
      });
    const atWork = async (count: number): Promise<void> =>
      void (await waitFor(() => seconds().length >= count, { what: `${count} s of checks`, timeoutMs: 120_000 }));
    const timer = await startProcess(process.execPath, ["-e", EMPTY_TIMER], { name: "an empty timer" });
    await atWork(ADVERTS_BEFORE);
    const before = [router, timer].map(({ pid }) => cpuSeconds(pid));
    const wakeupsBefore = wakeups(router.pid);
    const begunMs = performance.now();
    await atWork(ADVERTS_BEFORE + ADVERTS);
    const tookSec = (performance.now() - begunMs) / 1000;
    const [cpuPercent = 0, bareTimerPercent = 0] = [router, timer].map(
      ({ pid }, index) => ((cpuSeconds(pid) - (before[index] ?? 0)) / tookSec) * 100,
    );
    const wakeupsPerSec = (wakeups(router.pid) - wakeupsBefore) / tookSec;
    for (const each of [timer, router, cluster]) await each.stop();
    return { cpuPercent, bareTimerPercent, wakeupsPerSec };
  } finally {
    network.remove();
  }
}

/** A MASTER of one instance at 1 s, over some adverts. */
async function measure(program: Program): Promise<Rest> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-rest-"));
  const network = await createNetwork({ prefix: "rest", hosts: [{ name: "kad1", addresses: ["10.0.2.1/24"] }] });
  try {
    const recorder = await FrameRecorder.start(network.bridge);
    const text = instanceText({ priority: 150, version: 2, interval: 1, addresses: ["10.0.2.10/24"] });
    const router = await startRouter(program, network.host("kad1"), text, folder, { terse: true });
    const sent = (): number => recorder.read().adverts.length;
    await waitFor(() => sent() >= ADVERTS_BEFORE, { what: "its first adverts", timeoutMs: 60_000, intervalMs: 100 });
    const { pid } = router.process;
    const [cpuBefore, wakeupsBefore] = [cpuSeconds(pid), wakeups(pid)];
    const begunMs = performance.now();
    const enough = ADVERTS_BEFORE + ADVERTS;
    await waitFor(() => sent() >= enough, { what: "some more", timeoutMs: 60_000, intervalMs: 100 });
    const tookSec = (performance.now() - begunMs) / 1000;
    const cpuPercent = ((cpuSeconds(pid) - cpuBefore) / tookSec) * 100;
    const wakeupsPerSec = (wakeups(pid) - wakeupsBefore) / tookSec;
    const rest = { residentMb: residentMb(pid), cpuPercent, wakeupsPerSec };
    await router.stop();
    await recorder.stop();
    return rest;
  } finally {
    network.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

requires(
  "netns",
  "keepalived",
  "tcpdump",
)("a daemon at rest (VRRP alone; with services: the bench in the guest)", () => {
  test("memory and CPU as MASTER", async () => {
    const [holdfast, keepalived] = await Promise.all([measure("holdfast"), measure("keepalived")]);
    printFigures("a daemon at rest, MASTER of one instance at 1 s", [
      {
        what: "holdfast: resident memory of the daemon",
        value: holdfast.residentMb,
        unit: "MB",
        goalAtMost: RESIDENT_GOAL_MB,
      },
      { what: "holdfast: CPU", value: holdfast.cpuPercent, unit: "%" },
      { what: "holdfast: wakeups a second, its guard's too", value: holdfast.wakeupsPerSec, unit: "" },
      { what: "keepalived: resident memory of the parent", value: keepalived.residentMb, unit: "MB" },
      { what: "keepalived: CPU", value: keepalived.cpuPercent, unit: "%" },
    ]);
    expect(holdfast.residentMb).toBeGreaterThan(0);
  }, 180_000);

  test("CPU with the article's configuration", async () => {
    const { cpuPercent, bareTimerPercent, wakeupsPerSec } = await measureArticle();
    printFigures("VRRP and checks of the article's kad1.conf at rest, without the kernel's table", [
      { what: "holdfast: CPU", value: cpuPercent, unit: "%", goalAtMost: CPU_GOAL_PERCENT },
      { what: "holdfast: wakeups a second", value: wakeupsPerSec, unit: "" },
      { what: "an empty Node timer, 10 times a second: CPU", value: bareTimerPercent, unit: "%" },
    ]);
    expect(cpuPercent).toBeGreaterThan(0);
  }, 300_000);
});
