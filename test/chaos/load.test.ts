import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { pinProcess, twoProcessors } from "../lab/processors.ts";
import { requires } from "../lab/requires.ts";
import { SOAK } from "../lab/rounds.ts";
import { waitFor } from "../lab/wait.ts";
import { type Pair, playRounds, Stage } from "./stage.ts";

const RELOADS = SOAK ? 200 : 30;
const RELOAD_EVERY_MS = 100;
const BUSY_LOOPS = 8;
const BUSY_MS = SOAK ? 60_000 : 10_000;

/** Everything lives, and is kept from its work. */
requires(
  "netns",
  "keepalived",
  "tshark",
)("load", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open("load");
  });
  afterEach(async () => await stage.clear());
  afterAll(async () => await stage?.close());

  async function passes(ms: number): Promise<void> {
    const endMs = wallClockMs() + ms;
    await waitFor(() => wallClockMs() >= endMs, { what: "the time", timeoutMs: ms + 60_000 });
  }

  function expectNothingHappened(pair: Pair): void {
    expect(pair.holder.process.exit).toBeUndefined();
    expect(pair.holderTransitions()).toEqual(["BACKUP", "MASTER"]);
    expect(pair.survivorHasStayedBackup()).toBe(true);
    expect(pair.holders()).toEqual(["a"]);
  }

  it("a reload every 100 ms is seen by nobody", async () => {
    await playRounds(stage, { number: 12, title: "a reload every 100 ms" }, async (pair) => {
      for (let count = 1; count <= RELOADS; count++) {
        stage.write("a", pair.combination, [`garp_master_repeat ${1 + (count % 5)}`]);
        pair.holder.process.signal("SIGHUP");
        await passes(RELOAD_EVERY_MS);
      }
      const reloads = (): number => pair.holder.log().filter(({ event }) => event === "reloaded").length;
      await pair.untilAdverts(2, wallClockMs());
      // Signals that come while one is handled are joined by the kernel.
      expect(reloads()).toBeGreaterThan(RELOADS / 5);
      expect(pair.holder.log().filter(({ event }) => event === "reloadRefused")).toEqual([]);
      expectNothingHappened(pair);
      return undefined;
    });
  });

  it("daemon and guard on one processor with eight busy loops: nobody is killed", async () => {
    // Without real time the daemon waits its turn, while the guard is punctual.
    const options = { arguments: ["--realtime-priority", "0"] };
    await playRounds(stage, { number: 13, title: "one busy processor", options }, async (pair) => {
      const { first } = twoProcessors();
      const guard = await pair.guard();
      const busy: RunningProcess[] = [];
      try {
        for (let count = 0; count < BUSY_LOOPS; count++) {
          busy.push(await pair.host.start("taskset", ["-c", String(first), "sh", "-c", "while :; do :; done"]));
        }
        for (const processId of [pair.holder.process.pid, guard]) await pinProcess(processId, first);
        await passes(BUSY_MS);
        expectNothingHappened(pair);
        expect(await pair.guard()).toBe(guard);
      } finally {
        for (const each of busy) each.kill();
        await Promise.all(busy.map((each) => each.exited));
      }
      return undefined;
    });
  });
});
