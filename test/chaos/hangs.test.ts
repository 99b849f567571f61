import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { ControlGroup } from "./controlGroup.ts";
import { type Pair, playRounds, Stage } from "./stage.ts";
import { callInThread, INSPECTED, spinVrrpThread } from "./threads.ts";

/** One holder, whatever stops running for a while or for ever. */
requires(
  "netns",
  "keepalived",
  "tshark",
)("hangs", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open("hangs");
  });
  afterEach(async () => await stage.clear());
  afterAll(async () => await stage?.close());

  async function stopFor(pair: Pair, ms: number): Promise<void> {
    const stoppedMs = wallClockMs();
    pair.holder.process.signal("SIGSTOP");
    await waitFor(() => wallClockMs() - stoppedMs >= ms, { what: "the time", timeoutMs: ms + 10_000, intervalMs: 5 });
    pair.holder.process.signal("SIGCONT");
  }

  async function killedByGuard(pair: Pair): Promise<void> {
    await waitFor(() => pair.holder.process.exit?.signal === "SIGKILL", { what: "the end of what hung" });
  }

  it("SIGSTOP for half a second is noticed by nobody", async () => {
    await playRounds(stage, { number: 4, title: "SIGSTOP for 0.5 s" }, async (pair) => {
      await stopFor(pair, 500);
      await pair.untilAdverts(3, wallClockMs());
      expect(pair.survivorHasStayedBackup()).toBe(true);
      expect(pair.holders()).toEqual(["a"]);
      return undefined;
    });
  });

  it("SIGSTOP for 2 s, as long as the guard waits: the daemon goes on, or the peer takes over", async () => {
    await playRounds(stage, { number: 5, title: "SIGSTOP for 2 s" }, async (pair) => {
      await stopFor(pair, 2_000);
      const continuedMs = wallClockMs();
      await waitFor(() => pair.holder.process.exit !== undefined || pair.advertsOf("a", continuedMs).length >= 3, {
        what: "an end or three adverts",
      });
      await pair.untilHeldBy(pair.holder.process.exit === undefined ? "a" : "b");
      return undefined;
    });
  });

  it("SIGSTOP for 10 s: the guard kills what hangs, and the peer takes over", async () => {
    await playRounds(stage, { number: 6, title: "SIGSTOP for 10 s" }, async (pair) => {
      const stoppedMs = wallClockMs();
      const stopped = stopFor(pair, 10_000);
      const afterMs = await pair.takenOverAfterMs(stoppedMs);
      await killedByGuard(pair);
      await stopped;
      return afterMs;
    });
  });

  it("a VRRP thread that spins: the guard ends the process, and the peer takes over", async () => {
    await playRounds(stage, { number: 7, title: "the VRRP thread spins", options: INSPECTED }, async (pair) => {
      await spinVrrpThread(pair.host, pair.holder.process.pid);
      const silenceMs = await pair.silenceMs();
      await killedByGuard(pair);
      return silenceMs;
    });
  });

  it("a VRRP thread that crashes is started again: its addresses go, and come back by an election", async () => {
    await playRounds(stage, { number: 8, title: "the VRRP thread crashes", options: INSPECTED }, async (pair) => {
      await callInThread(pair.host, "worker", "() => { throw new Error('crash of a test'); }");
      const silenceMs = await pair.silenceMs();
      pair.endOfJudgement();
      expect(pair.holder.process.exit).toBeUndefined();
      await pair.holder.waitForStatus("its restart", ({ events }) =>
        events.some(({ kind }) => kind === "vrrpWorkerRestarted"),
      );
      await pair.untilHeldBy(pair.combination.nopreempt ? "b" : "a");
      return silenceMs;
    });
  });

  it("a frozen control group: the leases end, and what thaws does not go on where it was", async () => {
    const group = ControlGroup.create(`holdfast-chaos-freeze-${process.pid}`, ["freezer"]);
    if (group === undefined) throw new Error("no control group with a freezer can be made here");
    try {
      await playRounds(stage, { number: 9, title: "freeze and thaw" }, async (pair) => {
        group.add(pair.holder.process.pid);
        group.add(await pair.guard());
        const frozenMs = wallClockMs();
        await group.freeze(true);
        const afterMs = await pair.takenOverAfterMs(frozenMs);
        await group.freeze(false);
        await pair.holder.waitForStatus("its yielding", ({ events }) =>
          events.some(({ kind, fields, atMs }) => kind === "transition" && fields.to === "BACKUP" && atMs >= frozenMs),
        );
        pair.endOfJudgement();
        await pair.untilHeldBy(pair.combination.nopreempt ? "b" : "a");
        return afterMs;
      });
    } finally {
      group.remove();
    }
  });
});
