import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { printFigures, rounds } from "../bench/report.ts";
import { type Program, startRouter } from "../interop/programs.ts";
import { instanceText } from "../interop/routerFile.ts";
import { createNetwork } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { FrameRecorder } from "./advertTimes.ts";
import { cpuSeconds, residentMb } from "./processUsage.ts";

const RESIDENT_GOAL_MB = 100;
/** The start's own work, what V8 compiles behind it and the second round of announcements are over. */
const ADVERTS_BEFORE = rounds(8, 30);
const ADVERTS = rounds(3, 30);

interface Rest {
  readonly residentMb: number;
  readonly cpuPercent: number;
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
    const cpuBefore = cpuSeconds(router.process.pid);
    const begunMs = performance.now();
    const enough = ADVERTS_BEFORE + ADVERTS;
    await waitFor(() => sent() >= enough, { what: "some more", timeoutMs: 60_000, intervalMs: 100 });
    const tookSec = (performance.now() - begunMs) / 1000;
    const cpuPercent = ((cpuSeconds(router.process.pid) - cpuBefore) / tookSec) * 100;
    const rest = { residentMb: residentMb(router.process.pid), cpuPercent };
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
      { what: "keepalived: resident memory of the parent", value: keepalived.residentMb, unit: "MB" },
      { what: "keepalived: CPU", value: keepalived.cpuPercent, unit: "%" },
    ]);
    expect(holdfast.residentMb).toBeGreaterThan(0);
  }, 180_000);
});
