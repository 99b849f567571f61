import { beforeEach, describe, expect, test } from "vitest";
import { type DurationUs, seconds } from "../../src/core/units.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { Liveness } from "../../src/daemon/liveness.ts";
import { watchdogLimit } from "../../src/io/sdNotify.ts";
import { recordingLogger } from "../lab/recordingLogger.ts";
import { VirtualTime } from "../lab/virtualTime.ts";

/** The VRRP thread as the test wants it. */
type Vrrp = "answers" | "hangs" | "is not there";

function world(watchdog: DurationUs | undefined) {
  const time = new VirtualTime();
  const events = new EventLog({ logger: recordingLogger().logger, wallMs: () => 0 });
  const told: string[] = [];
  let vrrp: Vrrp = "answers";
  let answerLate: () => void = () => undefined;
  const pulse = (): Promise<void> => {
    if (vrrp === "answers") return Promise.resolve();
    if (vrrp === "is not there") return Promise.reject(new Error("it does not run"));
    return new Promise((resolve) => {
      answerLate = resolve;
    });
  };
  const notify = (state: string): void => void told.push(state);
  const liveness = new Liveness({ watchdog }, { clock: time, timers: time, events, pulse, notify });
  return {
    time,
    told,
    liveness,
    kinds: () => events.latest().map(({ kind, fields }) => ({ kind, ...fields })),
    setVrrp: (to: Vrrp) => {
      vrrp = to;
      if (to === "answers") answerLate();
    },
  };
}

describe("liveness", () => {
  let at: ReturnType<typeof world>;
  beforeEach(() => {
    at = world(seconds(4));
    at.liveness.start();
  });

  test("feeds the watchdog every quarter of its limit while both threads live", async () => {
    await at.time.pass(4_000);
    expect(at.told).toEqual(Array(5).fill("WATCHDOG=1"));
    expect(at.kinds()).toEqual([]);
  });

  test("does not feed it while the VRRP thread does not answer; says so once, and goes on when it answers", async () => {
    await at.time.pass(100);
    at.setVrrp("hangs");
    at.told.length = 0;
    await at.time.pass(60_000);
    expect(at.told).toEqual([]);
    expect(at.kinds()).toEqual([{ kind: "vrrpThreadStalled", silentMs: 2_000 }]);
    at.setVrrp("answers");
    await at.time.pass(1_000);
    expect(at.told.length).toBeGreaterThan(0);
    at.setVrrp("hangs");
    await at.time.pass(60_000);
    expect(at.kinds()).toHaveLength(2);
  });

  test("a VRRP thread that is being replaced is told by whoever replaces it, and feeds nothing", async () => {
    await at.time.pass(100);
    at.setVrrp("is not there");
    at.told.length = 0;
    await at.time.pass(60_000);
    expect(at.told).toEqual([]);
    expect(at.kinds()).toEqual([]);
  });

  test("a main thread that was blocked tells for how long, and does not take that for a silence of the other", async () => {
    await at.time.pass(600);
    at.setVrrp("hangs");
    await at.time.pass(500);
    at.time.block(5_000);
    await at.time.pass(0);
    expect(at.kinds()).toEqual([{ kind: "mainThreadStalled", stalledMs: 4_100 }]);
  });

  test("a silence is counted by looks that are a while apart, whenever the first of them was", async () => {
    at.liveness.stop();
    await at.time.pass(990);
    at.setVrrp("hangs");
    at.liveness.start();
    await at.time.pass(1_400);
    expect(at.kinds()).toEqual([]);
    await at.time.pass(1_000);
    expect(at.kinds()).toEqual([{ kind: "vrrpThreadStalled", silentMs: 2_000 }]);
  });

  test("looks that are late by a little, one more than the next, leave out no word to the watchdog", async () => {
    for (let look = 0; look < 20; look++) {
      at.time.block(look % 2 === 0 ? 1_002 : 998);
      await at.time.pass(0);
    }
    expect(at.told.length).toBeGreaterThanOrEqual(20);
  });

  test("lateness below a second is told by nobody", async () => {
    await at.time.pass(500);
    at.time.block(1_400);
    await at.time.pass(3_000);
    expect(at.kinds()).toEqual([]);
  });

  test("tells nothing when stopped, and nothing to a service manager that does not watch", async () => {
    at.liveness.stop();
    at.told.length = 0;
    await at.time.pass(60_000);
    expect(at.told).toEqual([]);
    const unwatched = world(undefined);
    unwatched.liveness.start();
    await unwatched.time.pass(60_000);
    expect(unwatched.told).toEqual([]);
  });
});

test.each([
  ["30000000", undefined, 30_000_000],
  ["30000000", String(process.pid), 30_000_000],
  ["30000000", String(process.pid + 1), undefined],
  [undefined, undefined, undefined],
  ["0", undefined, undefined],
  ["much", undefined, undefined],
])("WATCHDOG_USEC=%s WATCHDOG_PID=%s is a limit of %s", (limit, watched, expected) => {
  expect(watchdogLimit({ WATCHDOG_USEC: limit, WATCHDOG_PID: watched })).toBe(expected);
});
