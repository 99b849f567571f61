import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { formatReplay, runReplay } from "../../src/cli/replay.ts";
import { ip } from "../../src/core/ip.ts";
import { instantUs } from "../../src/core/units.ts";
import type { TakenRecording } from "../../src/daemon/control.types.ts";
import { Recorder } from "../../src/vrrp/recorder.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import { groupStep, initialGroupState, summarize } from "../../src/vrrp/syncGroup.ts";
import type { Input, RouterState } from "../../src/vrrp/types.ts";
import { heard, LINK_UP, PARAMETERS } from "./vrrpSamples.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-replay-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A router alone in its sync group that becomes MASTER by its own timer and yields to a better one. */
function recorded(): TakenRecording {
  let state: RouterState = initialState({ ...PARAMETERS, inSyncGroup: true }, LINK_UP);
  let group = initialGroupState("G", ["p"]);
  const recorder = new Recorder(() => ({ instances: [state], groups: [group] }));
  let nowUs = instantUs(1_000_000);
  const tell = (input: Input): void => {
    recorder.add({ kind: "input", atUs: nowUs, instance: "p", input });
    state = step(state, input, nowUs).state;
  };
  const settle = (): void => {
    for (;;) {
      recorder.add({ kind: "group", atUs: nowUs, group: "G" });
      const result = groupStep(group, [summarize(state)], nowUs);
      group = result.state;
      if (result.command === undefined) return;
      tell(result.command.input);
    }
  };
  tell({ kind: "start" });
  settle();
  nowUs = nextDeadline(state) ?? nowUs;
  tell({ kind: "deadline" });
  settle();
  nowUs = instantUs(nowUs + 400_000);
  tell({ kind: "advert", advert: heard({ source: ip("10.0.2.9"), priority: 200 }) });
  settle();
  const taken = { atMs: 60_000, atUs: instantUs(11_000_000) };
  return JSON.parse(JSON.stringify({ version: "0.1.0", taken, ...recorder.recording() }));
}

test("a replay tells every transition with its reason, in the wall's time", () => {
  // Taken at 60 s by the wall, 11 s by the other clock; started at 1 s; the master-down interval is 3.609375 s.
  const lines = formatReplay(recorded(), false).trimEnd().split("\n");
  expect(lines.at(0)).toMatch(
    /^recorded by holdfast 0\.1\.0, taken 1970-01-01 00:01:00\.000: \d+ inputs, from 1970-01-01 00:00:50\.000 to 1970-01-01 00:00:54\.009$/,
  );
  expect(lines.slice(1)).toEqual([
    "begins with p INIT, group G INIT",
    expect.stringMatching(/^1970-01-01 00:00:50\.000 {2}p: INIT -> BACKUP: started, listens .*own priority 100/),
    expect.stringMatching(/^1970-01-01 00:00:50\.000 {2}group G: INIT -> BACKUP: started/),
    expect.stringMatching(/^1970-01-01 00:00:53\.609 {2}p: BACKUP -> MASTER: every member of its sync group/),
    expect.stringMatching(/^1970-01-01 00:00:53\.609 {2}group G: BACKUP -> MASTER: .* \(p: .*\)$/),
    expect.stringMatching(
      /^1970-01-01 00:00:54\.009 {2}p: MASTER -> BACKUP: a master with higher .*peer 10\.0\.2\.9, its priority 200/,
    ),
    expect.stringMatching(/^1970-01-01 00:00:54\.009 {2}group G: MASTER -> BACKUP: another member .* \(p: higher/),
    "ends with p BACKUP, group G BACKUP",
  ]);
});

test("asked for, it tells every input as well", () => {
  const text = formatReplay(recorded(), true);
  expect(text).toContain("00:00:50.000    p: start\n");
  expect(text).toMatch(/00:00:54\.009 {4}p: advert \{"advert":\{"source":"10\.0\.2\.9".*"priority":200/);
  expect(text).toContain("    group G: looks at its members\n");
});

test.each([
  ["nothing there", undefined, "cannot be read"],
  ["a configuration", "vrrp_instance A {\n}\n", "is no JSON"],
  ["another JSON", '{"format": "another"}', "is no recording"],
])("%s is refused in words", (_title, text, words) => {
  const file = join(folder, "given");
  if (text !== undefined) writeFileSync(file, text);
  const silent = { out: () => undefined, err: () => undefined };
  expect(() => runReplay({ file, inputs: false }, silent)).toThrow(words);
});

test.each([
  ["without its entries", (recording: TakenRecording) => ({ ...recording, entries: undefined })],
  ["without its beginning", (recording: TakenRecording) => ({ ...recording, begin: { instances: [], groups: [] } })],
  [
    "with an entry of no kind",
    (recording: TakenRecording) => ({ ...recording, entries: [{ atUs: 1, kind: "other" }] }),
  ],
])("a damaged recording, %s, is refused in words, and nothing of it is told", (_title, damage) => {
  const file = join(folder, "damaged");
  writeFileSync(file, JSON.stringify(damage(recorded())));
  const told: string[] = [];
  const output = { out: (text: string) => void told.push(text), err: () => undefined };
  expect(() => runReplay({ file, inputs: false }, output)).toThrow(/damaged cannot be replayed: /);
  expect(told).toEqual([]);
});

test("a recording in a file is read and told", () => {
  const file = join(folder, "recording");
  const recording = recorded();
  writeFileSync(file, JSON.stringify(recording));
  const told: string[] = [];
  const output = { out: (text: string) => void told.push(text), err: () => undefined };
  expect(runReplay({ file, inputs: false }, output)).toBe(0);
  expect(told).toEqual([formatReplay(recording, false)]);
});
