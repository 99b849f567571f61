import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { NotifySocket } from "../lab/notifySocket.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { type Pair, type PairOptions, playRounds, Stage } from "./stage.ts";
import { callInThread, INSPECTED, spinVrrpThread } from "./threads.ts";

/** The daemon's threads fail one by one: VRRP goes on or is replaced, and the service manager's watchdog is told the truth. */
requires(
  "netns",
  "keepalived",
  "tshark",
)("threads", () => {
  let stage: Stage;
  let manager: NotifySocket;
  /** Fed twice a second. */
  let watched: PairOptions;

  beforeAll(async () => {
    stage = await Stage.open("threads");
  });
  beforeEach(() => {
    manager = new NotifySocket();
    watched = { ...INSPECTED, env: { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "2000000" } };
  });
  afterEach(async () => {
    await stage.clear();
    manager.close();
  });
  afterAll(async () => await stage?.close());

  const events = (pair: Pair, kind: string): Readonly<Record<string, unknown>>[] =>
    pair.holder.log().filter(({ event }) => event === kind);

  it("a main thread that is blocked for 5 s disturbs no advert, feeds no watchdog, and is reported", async () => {
    const title = "the main thread is blocked for 5 s";
    await playRounds(stage, { number: 10, title, options: watched }, async (pair) => {
      await waitFor(() => manager.fedAtMs().length > 0, { what: "the watchdog to be fed" });
      const beforeMs = wallClockMs();
      const block = "() => { const end = performance.now() + 5000; while (performance.now() < end); }";
      await callInThread(pair.host, "main", block);
      const [stall] = await waitFor(
        () => {
          const seen = events(pair, "mainThreadStalled").filter(({ stalledMs }) => Number(stalledMs) > 4_000);
          return seen.length > 0 ? seen : undefined;
        },
        { what: "the report", timeoutMs: 30_000 },
      );
      const endMs = Date.parse(String(stall?.time));
      await waitFor(() => manager.fedAtMs(endMs).length > 0, { what: "the watchdog to be fed again" });
      const fed = manager.fedAtMs(beforeMs - 1_000);
      expect(Math.max(...fed.map((atMs, at) => atMs - (fed[at - 1] ?? atMs)))).toBeGreaterThan(4_000);
      await pair.untilAdverts(1, endMs);
      const during = pair.advertsOf("a", endMs - 5_000).filter(({ atMs }) => atMs < endMs);
      expect(during.length).toBeGreaterThanOrEqual(4);
      expect(pair.survivorHasStayedBackup()).toBe(true);
      expect(pair.holders()).toEqual(["a"]);
      return undefined;
    });
  });

  it("a VRRP thread that spins and holds nothing feeds no watchdog, is reported and not killed, and can be ended", async () => {
    // The other host holds the addresses, so nothing is to be released here.
    const pair = await stage.pair(
      { survivor: "holdfast", unicast: false, nopreempt: false, group: false },
      {},
      watched,
    );
    const backup = pair.survivor;
    await waitFor(() => manager.fedAtMs().length > 0, { what: "the watchdog to be fed" });
    await spinVrrpThread(stage.network.host("b"), backup.process.pid);
    await backup.process.waitForOutput(/"event":"vrrpThreadStalled"/);
    const reportedMs = wallClockMs();
    await backup.process.waitForOutput(/no heartbeat of process \d+ .*it holds nothing/);
    expect(manager.fedAtMs(reportedMs)).toEqual([]);
    backup.process.signal("SIGTERM");
    await waitFor(() => backup.process.exit !== undefined, { what: "its end", timeoutMs: 20_000 });
    expect(backup.process.exit).toEqual({ status: 0, signal: null });
  });
});
