import { describe, expect, it } from "vitest";
import { instantUs, milliseconds, seconds } from "../../src/core/units.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import { learnedInterval, masterDownInterval, silenceLimit, skewTime } from "../../src/vrrp/timers.ts";
import type { Input } from "../../src/vrrp/types.ts";
import { heard, LINK_UP, PARAMETERS } from "./vrrpSamples.ts";

const V3 = { ...PARAMETERS, version: 3 as const };

describe("timers of RFC 3768 6.1", () => {
  it.each([
    [255, 3_906],
    [254, 7_813],
    [150, 414_063],
    [100, 609_375],
    [1, 996_094],
  ])("Skew_Time of priority %i is (256 - priority) / 256 s: %i us", (priority, expected) => {
    expect(skewTime(2, priority, seconds(10))).toBe(expected);
  });

  it.each([
    [100, 1, 3_609_375],
    [150, 1, 3_414_063],
    [100, 10, 30_609_375],
  ])(
    "Master_Down_Interval of priority %i at %i s is 3 intervals and the skew time, which does not grow with it",
    (priority, interval, expected) => {
      expect(masterDownInterval(PARAMETERS, priority, seconds(interval))).toBe(expected);
    },
  );

  it("the interval of another is never learned", () => {
    expect(learnedInterval(PARAMETERS, seconds(7))).toBe(seconds(1));
  });
});

describe("timers of RFC 9568 6.1", () => {
  it.each([
    [255, 1_000, 3_906],
    [100, 1_000, 609_375],
    [100, 10, 6_094],
    [100, 40_950, 24_953_906],
    [254, 10, 78],
  ])(
    "Skew_Time of priority %i is that part of the master's interval of %i ms: %i us",
    (priority, interval, expected) => {
      expect(skewTime(3, priority, milliseconds(interval))).toBe(expected);
    },
  );

  it("Active_Down_Interval at 10 ms is 36.09 ms", () => {
    expect(masterDownInterval(V3, 100, milliseconds(10))).toBe(36_094);
  });

  it("the master's interval is learned, but no packet can make the timer run without a pause", () => {
    expect(learnedInterval(V3, seconds(7))).toBe(seconds(7));
    expect(learnedInterval(V3, milliseconds(0))).toBe(milliseconds(10));
  });
});

describe("the timer of a BACKUP runs from when the advert came, not from when it was read", () => {
  const backupAt = (priority: number, heardAt?: number) => {
    const started = step(initialState(PARAMETERS, LINK_UP), { kind: "start" }, instantUs(0)).state;
    const input: Input = {
      kind: "advert",
      advert: heard({ priority }),
      heardAt: heardAt === undefined ? undefined : instantUs(heardAt),
    };
    return step(started, input, instantUs(1_000_000)).state;
  };

  it.each([
    ["of a master", 200, 3_609_375],
    ["that resigns", 0, 609_375],
  ])("an advert %s", (_whose, priority, wait) => {
    expect(nextDeadline(backupAt(priority, 999_400))).toBe(999_400 + wait);
    expect(nextDeadline(backupAt(priority))).toBe(1_000_000 + wait);
  });
});

describe("down_timer_adverts and the silence limit", () => {
  it.each([1, 2, 5, 100])("%i adverts may be missed", (downTimerAdverts) => {
    const parameters = { ...PARAMETERS, downTimerAdverts };
    expect(masterDownInterval(parameters, 100, seconds(1))).toBe(downTimerAdverts * 1_000_000 + 609_375);
  });

  it.each([
    [2, 1_000],
    [2, 10_000],
    [3, 10],
    [3, 1_000],
    [3, 40_950],
  ] as const)(
    "version %i at %i ms: a MASTER yields before any peer takes over, and not while it keeps the beat",
    (version, interval) => {
      for (const downTimerAdverts of [1, 2, 3, 10]) {
        const parameters = { ...PARAMETERS, version, downTimerAdverts, advertInterval: milliseconds(interval) };
        const limit = silenceLimit(parameters);
        expect(limit).toBeGreaterThan(parameters.advertInterval);
        for (let priority = 1; priority <= 254; priority++) {
          const peer = masterDownInterval(parameters, priority, parameters.advertInterval);
          if (downTimerAdverts > 1 || priority < 254) expect(peer).toBeGreaterThan(limit);
          else expect(peer).toBe(limit);
        }
      }
    },
  );
});
