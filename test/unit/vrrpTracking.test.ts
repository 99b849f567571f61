import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateTracking, type TrackerResults, type Trackers, type TrackReference } from "../../src/vrrp/tracking.ts";

const NOTHING: Trackers = { interfaces: [], scripts: [], files: [], processes: [] };
const UNKNOWN: TrackerResults = {
  interfaceUp: () => undefined,
  scriptUp: () => undefined,
  processUp: () => undefined,
  fileValue: () => undefined,
  staticsLost: [],
};

const one = (weight: number, reverse = false): readonly TrackReference[] => [{ name: "x", weight, reverse }];

const KINDS = [
  ["interfaces", "interface", "interfaceUp"],
  ["scripts", "script", "scriptUp"],
  ["processes", "process", "processUp"],
] as const;

describe.each(KINDS)("what %s do", (list, kind, result) => {
  const evaluate = (weight: number, reverse: boolean, up: boolean | undefined) =>
    evaluateTracking({ ...NOTHING, [list]: one(weight, reverse) }, 100, { ...UNKNOWN, [result]: () => up });

  it.each([
    [0, false, true, "up"],
    [0, false, false, "fault"],
    [0, true, true, "fault"],
    [0, true, false, "up"],
  ] as const)("weight %i reverse %s, up %s: %s", (weight, reverse, up, expected) => {
    const faults = expected === "fault" ? [{ kind, name: "x" }] : [];
    expect(evaluate(weight, reverse, up)).toEqual({ priority: 100, faults });
  });

  // As keepalived 2.2.7 advertises it (see docs/decisions.md, "Weights").
  it.each([
    [10, false, true, 110],
    [10, false, false, 100],
    [-10, false, true, 100],
    [-10, false, false, 90],
    [10, true, true, 90],
    [10, true, false, 100],
    [-10, true, true, 100],
    [-10, true, false, 110],
    [253, false, true, 254],
    [-253, false, false, 1],
  ] as const)("weight %i reverse %s, up %s: priority %i", (weight, reverse, up, priority) => {
    expect(evaluate(weight, reverse, up)).toEqual({ priority, faults: [] });
  });

  it.each([0, 10, -10])("not known yet, weight %i: neither helps nor harms", (weight) => {
    expect(evaluate(weight, false, undefined)).toEqual({ priority: 100, faults: [] });
  });
});

describe("what files do", () => {
  const evaluate = (weight: number, reverse: boolean, value: number) =>
    evaluateTracking({ ...NOTHING, files: one(weight, reverse) }, 100, { ...UNKNOWN, fileValue: () => value });

  it.each([
    [0, false, 0, 100, false],
    [0, false, 1, 100, true],
    [0, true, 0, 100, true],
    [0, true, -4, 100, false],
    [1, false, 5, 105, false],
    [1, false, -5, 95, false],
    [2, true, 5, 90, false],
    [-2, false, 5, 90, false],
    [1, false, 1000, 254, false],
    [1, false, -253, 1, false],
    [1, false, -254, 100, true],
    [254, false, -1, 100, true],
    [1, true, 254, 100, true],
  ])("weight %i reverse %s, number %i: priority %i, fault %s", (weight, reverse, value, priority, fault) => {
    expect(evaluate(weight, reverse, value)).toEqual({
      priority,
      faults: fault ? [{ kind: "file", name: "x" }] : [],
    });
  });
});

describe("trackers together", () => {
  it("weights add up before the sum is cut to 1 to 254", () => {
    const trackers = { ...NOTHING, interfaces: one(200), scripts: one(-150), processes: one(7) };
    const results = { ...UNKNOWN, interfaceUp: () => true, scriptUp: () => false, processUp: () => true };
    expect(evaluateTracking(trackers, 100, results).priority).toBe(157);
  });

  it("every fault is named, in the order of the file", () => {
    const trackers = { interfaces: one(0), scripts: one(0), files: one(0), processes: one(0) };
    const down = () => false;
    const results = { interfaceUp: down, scriptUp: down, processUp: down, fileValue: () => 1, staticsLost: ["g"] };
    expect(evaluateTracking(trackers, 100, results).faults.map((fault) => fault.kind)).toEqual([
      "interface",
      "script",
      "file",
      "process",
      "staticAddress",
    ]);
  });

  it("the owner's priority never changes, nobody else gets it, nobody gets 0", () => {
    const reference = fc.record({
      name: fc.constantFrom("x", "y"),
      weight: fc.integer({ min: -254, max: 254 }),
      reverse: fc.boolean(),
    });
    const list = fc.array(reference, { maxLength: 4 });
    const up = fc.func(fc.option(fc.boolean(), { nil: undefined }));
    fc.assert(
      fc.property(
        fc.record({ interfaces: list, scripts: list, files: list, processes: list }),
        fc.integer({ min: 1, max: 255 }),
        fc.record({
          interfaceUp: up,
          scriptUp: up,
          processUp: up,
          fileValue: fc.func(fc.option(fc.integer(), { nil: undefined })),
          staticsLost: fc.constant([]),
        }),
        (trackers, priority, results) => {
          const effective = evaluateTracking(trackers, priority, results).priority;
          if (priority === 255) expect(effective).toBe(255);
          else expect(effective >= 1 && effective <= 254).toBe(true);
        },
      ),
    );
  });
});
