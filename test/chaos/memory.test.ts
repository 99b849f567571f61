import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { ControlGroup } from "./controlGroup.ts";
import { playRounds, Stage } from "./stage.ts";
import { callInThread, DEVOUR, INSPECTED } from "./threads.ts";

/** More than a daemon uses, so that only what is asked of it goes beyond. */
const LIMIT_BYTES = 256 << 20;

const scoreOf = (processId: number): number => Number(readFileSync(`/proc/${processId}/oom_score_adj`, "utf8"));

/** Memory runs out. */
requires(
  "netns",
  "keepalived",
  "tshark",
)("memory", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open("memory");
  });
  afterEach(async () => await stage.clear());
  afterAll(async () => await stage?.close());

  it("the guard has the score that the daemon was started with, the daemon a worse one; a second guard too", async () => {
    const pair = await stage.pair({ survivor: "holdfast", unicast: false, nopreempt: false, group: false });
    const given = scoreOf(process.pid);
    const first = await pair.guard();
    expect(scoreOf(first)).toBe(given);
    expect(scoreOf(pair.holder.process.pid)).toBeGreaterThan(given);
    process.kill(first, "SIGKILL");
    await pair.holder.waitForStatus("another guard", ({ guard }) => guard !== undefined && guard.processId !== first);
    expect(scoreOf(await pair.guard())).toBe(given);
    expect(scoreOf(pair.holder.process.pid)).toBeGreaterThan(given);
  });

  it("a memory limit that is hit: the kernel takes the daemon, the guard lives and releases", async () => {
    const group = ControlGroup.create(`holdfast-chaos-memory-${process.pid}`, ["memory"]);
    if (group === undefined) throw new Error("no control group with a memory limit can be made here");
    try {
      await playRounds(stage, { number: 11, title: "a memory limit is hit", options: INSPECTED }, async (pair) => {
        const killsBefore = group.outOfMemoryKills();
        const guard = await pair.guard();
        group.limitMemory(LIMIT_BYTES);
        group.add(pair.holder.process.pid);
        group.add(guard);
        await callInThread(pair.host, "main", DEVOUR);
        const silenceMs = await pair.silenceMs();
        await waitFor(() => pair.holder.process.exit?.signal === "SIGKILL", { what: "its end" });
        expect(group.outOfMemoryKills()).toBe(killsBefore + 1);
        expect(pair.holder.process.output).toContain("holdfast-guard: the last will");
        return silenceMs;
      });
    } finally {
      group.remove();
    }
  });
});
