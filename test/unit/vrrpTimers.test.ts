import { describe, expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { seconds } from "../../src/core/units.ts";
import { masterDownInterval, silenceLimit, skewTime } from "../../src/vrrp/timers.ts";
import type { RouterParameters } from "../../src/vrrp/types.ts";

const parameters = (priority: number, intervalSec: number): RouterParameters => ({
  name: "t",
  virtualRouterId: 1,
  priority,
  advertInterval: seconds(intervalSec),
  preempt: true,
  addresses: [ip("10.0.2.10")],
  garpMasterDelay: seconds(5),
  garpMasterRepeat: 5,
  garpMasterRefresh: seconds(0),
  garpMasterRefreshRepeat: 1,
});

describe("timers of RFC 3768 6.1", () => {
  it.each([
    [255, 3_906],
    [254, 7_813],
    [150, 414_063],
    [100, 609_375],
    [1, 996_094],
  ])("Skew_Time of priority %i is (256 - priority) / 256 s: %i us", (priority, expected) => {
    expect(skewTime(priority)).toBe(expected);
  });

  it.each([
    [100, 1, 3_609_375],
    [150, 1, 3_414_063],
    [100, 10, 30_609_375],
  ])(
    "Master_Down_Interval of priority %i at %i s is 3 intervals and the skew time, which does not grow with it",
    (priority, interval, expected) => {
      expect(masterDownInterval(parameters(priority, interval))).toBe(expected);
    },
  );

  it("no peer's Master_Down_Interval is shorter than the silence after which a MASTER yields", () => {
    for (let priority = 1; priority <= 255; priority++) {
      expect(masterDownInterval(parameters(priority, 1))).toBeGreaterThan(silenceLimit(parameters(100, 1)));
    }
  });
});
