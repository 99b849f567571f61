import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";
import { Stage } from "./stage.ts";

type Message = "offer" | "ready" | "surrender" | "adopted" | "yours" | "listening";
type Part = "predecessor" | "successor";
/** What the holder's host does in the end: the old process goes on, the new one does, or the peer has taken over. */
type Outcome = "old" | "new" | "peer";

/** For each message: its sender dies before it is sent, its receiver does, its sender dies when it has arrived. */
const STEPS: readonly (readonly [Message, "before" | "behind", Part, Outcome])[] = [
  ["offer", "before", "predecessor", "peer"],
  ["offer", "before", "successor", "old"],
  ["offer", "behind", "predecessor", "peer"],
  ["ready", "before", "successor", "old"],
  ["ready", "before", "predecessor", "peer"],
  ["ready", "behind", "successor", "peer"],
  ["surrender", "before", "predecessor", "peer"],
  ["surrender", "before", "successor", "peer"],
  ["surrender", "behind", "predecessor", "new"],
  ["adopted", "before", "successor", "peer"],
  ["adopted", "before", "predecessor", "new"],
  ["adopted", "behind", "successor", "peer"],
  ["yours", "before", "predecessor", "new"],
  ["yours", "before", "successor", "peer"],
  ["yours", "behind", "predecessor", "new"],
  ["listening", "before", "successor", "peer"],
  ["listening", "before", "predecessor", "new"],
  ["listening", "behind", "successor", "peer"],
];

const HOOK = new URL(`file://${projectRoot}/dist-test/test/chaos/programs/dieAt.js`).href;

/** kill -9 of either process of a handover at every step: one holder, in the end and all the time. */
requires(
  "netns",
  "keepalived",
  "tshark",
)("a handover that one of both does not live through", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open("hovers");
  });
  afterEach(async () => await stage.clear());
  afterAll(async () => await stage?.close());

  it.each(STEPS)("%s, %s it: the %s dies; then: %s", async (message, when, victim, outcome) => {
    const combination = {
      survivor: message.length % 2 === 0 ? "holdfast" : "keepalived",
      unicast: victim === "successor",
      nopreempt: false,
      group: when === "behind",
    } as const;
    const pair = await stage.pair(combination, {
      nodeFlags: [`--import=${HOOK}`],
      env: { HOLDFAST_DIE_AT: `${message} ${when} ${victim}` },
    });
    const old = pair.holder.process;
    const sinceMs = wallClockMs();
    const asked = pair.holder.command("handover", "--run-dir", pair.holder.runDirectory).catch(() => undefined);
    if (outcome === "peer") {
      await pair.untilHeldBy("b");
      await asked;
      // Neither is left: what is not killed by the test or the guard ends by itself.
      await waitFor(() => old.exit, { what: "the end of the old process", timeoutMs: 60_000, found: () => old.output });
      // A failure, so that a service manager starts another one; only when all was said has it done its part.
      const done = message === "listening" && when === "behind";
      expect(old.exit?.status === 0, JSON.stringify(old.exit)).toBe(done);
    } else {
      await asked;
      const { processId } = await pair.holder.waitForStatus("an answer", () => true);
      expect(processId === old.pid).toBe(outcome === "old");
      await pair.untilAdverts(3, wallClockMs());
      expect(pair.survivorHasStayedBackup()).toBe(true);
      expect(pair.advertsOf("a", sinceMs).filter(({ priority }) => priority === "0")).toEqual([]);
    }
    expect(pair.twoHoldersMs()).toBe(0);
    expect(pair.holders()).toEqual([outcome === "peer" ? "b" : "a"]);
  });
});
