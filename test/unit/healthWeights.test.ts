import { describe, expect, test } from "vitest";
import type { FileCheckConfig, MiscCheckConfig } from "../../src/config/check.types.ts";
import { durationUs, milliseconds, seconds } from "../../src/core/units.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { HealthRig, realServer, virtualServer } from "../sim/healthRig.ts";
import { timing } from "./checkersRig.ts";

/** Weights that checks set: MISC_CHECK with misc_dynamic, and FILE_CHECK. The configured weight is 50. */

const misc = (name: string, change: Partial<MiscCheckConfig> = {}): MiscCheckConfig => ({
  kind: "MISC_CHECK",
  command: { arguments: [name], user: undefined, group: undefined },
  dynamic: true,
  timing: timing(1_000),
  ...change,
});
const file = (name: string, weight: number): FileCheckConfig => ({
  ...{ kind: "FILE_CHECK", file: name, weight },
  timing: { ...timing(0), delayLoop: durationUs(0) },
});

/** Programs by name, with the exit status that each has now. */
function rigWith(statuses: Record<string, number>): HealthRig {
  return new HealthRig({
    respond: () => undefined,
    runProgram: ({ command }) => {
      const outcome: ProbeOutcome = { kind: "exited", status: statuses[command.arguments[0] ?? ""] ?? 0 };
      return { outcome, after: milliseconds(1) };
    },
  });
}

const files = (values: Record<string, number | undefined>) =>
  ({ kind: "filesRead", values: new Map(Object.entries(values)) }) as const;

describe("MISC_CHECK", () => {
  test.each([
    [0, 50],
    [2, 0],
    [12, 10],
    [255, 253],
  ])("exit status %i gives weight %i", (status, weight) => {
    const rig = rigWith({ a: status });
    rig.configure([virtualServer([realServer(3, [misc("a")], false)])]);
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: weight });
  });

  test("another status is another weight, told with its reason, and a failure takes it", () => {
    const statuses = { a: 12 };
    const rig = rigWith(statuses);
    rig.configure([virtualServer([realServer(3, [misc("a")], false)])]);
    rig.run(seconds(1));
    statuses.a = 22;
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 20 });
    expect(rig.eventsOf("checkedWeight").map(({ from, to, reason }) => [from, to, reason])).toEqual([
      [50, 10, "exit status 12"],
      [10, 20, "exit status 22"],
    ]);
    statuses.a = 1;
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({});
    statuses.a = 0;
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50 });
  });

  test("what each of several adds is added, and nothing goes below 0 (keepalived 2.2.7: 12 and 22 over 5 are 25)", () => {
    const rig = rigWith({ a: 42, b: 72, c: 2 });
    rig.configure([
      virtualServer([realServer(3, [misc("a"), misc("b")], false), realServer(4, [misc("a"), misc("c")], false)]),
    ]);
    rig.run(seconds(1));
    // 50 + (40 - 50) + (70 - 50), and 50 + (40 - 50) + (0 - 50).
    expect(rig.weights()).toEqual({ 3: 60, 4: 0 });
  });

  test("identical programs of several servers are run once", () => {
    let runs = 0;
    const rig = new HealthRig({
      respond: () => undefined,
      runProgram: () => {
        runs += 1;
        return { outcome: { kind: "exited", status: 0 }, after: milliseconds(1) };
      },
    });
    rig.configure([virtualServer([realServer(3, [misc("a")]), realServer(4, [misc("a")])])]);
    expect(runs).toBe(1);
  });
});

describe("FILE_CHECK", () => {
  const started = (weight: number): HealthRig => {
    const rig = rigWith({});
    rig.feed(files({ load: 5 }));
    rig.configure([virtualServer([realServer(3, [file("load", weight)], false)])]);
    return rig;
  };

  test.each([
    [1, { 3: 55 }],
    [-2, { 3: 40 }],
    [-11, { 3: 0 }],
    [100_000, { 3: 65_535 }],
    [0, {}],
  ])("5 with weight %i", (weight, weights) => {
    expect(started(weight).weights()).toEqual(weights);
  });

  test("follows the file at once, in the table and in words", () => {
    const rig = started(1);
    expect(rig.timesOf("firstVerdicts")).toEqual([0]);
    const before = rig.effects.length;
    rig.feed(files({ load: 7 }));
    expect(rig.weights()).toEqual({ 3: 57 });
    expect(rig.effects.slice(before).map(({ effect }) => effect.kind)).toEqual(["event", "tableChanged"]);
    expect(rig.eventsOf("checkedWeight").at(-1)).toMatchObject({ from: 55, to: 57, reason: "track_file load says 7" });
    rig.feed(files({ load: 7 }));
    expect(rig.effects.length).toBe(before + 2);
  });

  test("without a weight takes the server out while the number is not 0", () => {
    const rig = started(0);
    rig.feed(files({ load: 0 }));
    expect(rig.weights()).toEqual({ 3: 50 });
    rig.feed(files({ load: -1 }));
    expect(rig.weights()).toEqual({});
  });

  test("an unknown number is no verdict; a reload keeps what is known", () => {
    const rig = rigWith({});
    rig.feed(files({ load: undefined }));
    rig.configure([virtualServer([realServer(3, [file("load", 1)], false)])]);
    expect(rig.weights()).toEqual({});
    rig.feed(files({ load: 1 }));
    expect(rig.weights()).toEqual({ 3: 51 });
    rig.configure([virtualServer([realServer(3, [file("load", 2)], false)])]);
    expect(rig.weights()).toEqual({ 3: 52 });
  });

  test("counts together with MISC_CHECK (keepalived 2.2.7: 5 and 12 over 10 are 15)", () => {
    const rig = rigWith({ a: 12 });
    rig.feed(files({ load: 5 }));
    rig.configure([virtualServer([realServer(3, [file("load", 1), misc("a")], false)])]);
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 15 });
  });
});
