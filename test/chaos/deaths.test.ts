import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { isRunning } from "../lab/processTree.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { playRounds, Stage } from "./stage.ts";

/** Three intervals of silence, which a peer waits where nobody tells it of a death. */
const SILENCE_MS = 3_000;

/** One holder, whatever dies. */
requires(
  "netns",
  "keepalived",
  "tshark",
)("deaths", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open("deaths");
  });
  afterEach(async () => await stage.clear());
  afterAll(async () => await stage?.close());

  it("kill -9 of the daemon: the guard releases, and the peer takes over without waiting for silence", async () => {
    await playRounds(stage, { number: 0, title: "kill -9" }, async (pair) => {
      const killedMs = wallClockMs();
      pair.holder.process.signal("SIGKILL");
      const afterMs = await pair.takenOverAfterMs(killedMs);
      expect(afterMs).toBeLessThan(SILENCE_MS);
      return afterMs;
    });
  });

  it("kill -9 of daemon and guard together: the leases end before the peer takes over", async () => {
    await playRounds(stage, { number: 1, title: "kill -9 of daemon and guard" }, async (pair) => {
      const killedMs = wallClockMs();
      await pair.holder.killEverything();
      return await pair.takenOverAfterMs(killedMs);
    });
  });

  it("kill -9 of the whole group by one call, as the service manager does it: the leases end", async () => {
    await playRounds(stage, { number: 14, title: "kill -9 of the group" }, async (pair) => {
      const guard = await pair.guard();
      const killedMs = wallClockMs();
      // Daemon, guard and whatever scripts they run.
      process.kill(-pair.holder.process.pid, "SIGKILL");
      const afterMs = await pair.takenOverAfterMs(killedMs);
      expect(isRunning(guard)).toBe(false);
      expect(pair.holder.process.output).not.toContain("the last will of process");
      return afterMs;
    });
  });

  it("the guard killed first: another one is armed, nobody notices, and it does its work", async () => {
    await playRounds(stage, { number: 2, title: "the guard killed first" }, async (pair) => {
      const first = await pair.guard();
      process.kill(first, "SIGKILL");
      await pair.holder.waitForStatus(
        "another armed guard",
        ({ guard, vrrp }) => guard !== undefined && guard.processId !== first && vrrp.will.armed,
      );
      expect(pair.survivorHasStayedBackup()).toBe(true);
      expect(pair.holders()).toEqual(["a"]);
      const killedMs = wallClockMs();
      pair.holder.process.signal("SIGKILL");
      const afterMs = await pair.takenOverAfterMs(killedMs);
      expect(afterMs).toBeLessThan(SILENCE_MS);
      return afterMs;
    });
  });

  it("an interface that flaps while the daemon dies changes nothing of that", async () => {
    await playRounds(stage, { number: 3, title: "kill -9 of a daemon whose interface flaps" }, async (pair) => {
      for (let flap = 0; flap < 3; flap++) {
        await pair.host.unplug();
        await pair.host.plug();
      }
      pair.holder.process.signal("SIGKILL");
      await waitFor(() => pair.holder.process.exit !== undefined, { what: "the end" });
      await pair.untilHeldBy("b");
      return undefined;
    });
  });
});
