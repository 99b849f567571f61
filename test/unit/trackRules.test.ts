import { describe, expect, test } from "vitest";
import type { TrackProcessConfig } from "../../src/config/vrrp.types.ts";
import { durationUs } from "../../src/core/units.ts";
import { fileValue } from "../../src/daemon/track/fileTracker.ts";
import { processMatches, quorumMet } from "../../src/daemon/track/processMatch.ts";
import { initialVerdict, judgeScript } from "../../src/daemon/track/scriptJudge.ts";
import { parseCommandLine, parseStat } from "../../src/io/track/procFiles.ts";

describe("a script's verdict", () => {
  /** `+` a success, `-` a failure; the answers are the verdicts after each: U up, D down. */
  test.each([
    ["the first success counts at once, whatever rise is", false, "+", "U"],
    ["the first failure too", false, "-", "D"],
    ["and also against init_fail, as with keepalived", true, "+", "U"],
    ["three failures in a row", false, "+---", "UUUD"],
    ["not in a row", false, "+--+--+", "UUUUUUU"],
    ["two successes in a row", false, "--+-++", "DDDDDU"],
    ["down and up again", false, "+---++---", "UUUDDUUUD"],
  ])("%s", (_title, initFail, results, verdicts) => {
    let verdict = initialVerdict(initFail);
    const seen = [...results].map((result) => {
      verdict = judgeScript(verdict, result === "+", { rise: 2, fall: 3 });
      return verdict.up === true ? "U" : "D";
    });
    expect(seen.join("")).toBe(verdicts);
  });

  test("before the first run nothing is known, with init_fail it is down", () => {
    expect(initialVerdict(false).up).toBeUndefined();
    expect(initialVerdict(true).up).toBe(false);
  });
});

describe("the number in a track file", () => {
  test.each([
    ["5\n", 5, undefined],
    ["  -254 \n", -254, undefined],
    ["+7", 7, undefined],
    ["-0", 0, undefined],
    ["99999999999", 2_147_483_647, undefined],
    ["-99999999999", -2_147_483_648, undefined],
    ["5 x", 5, '"5 x" is no number; it counts as 5'],
    ["", 0, '"" is no number; it counts as 0'],
    ["junk", 0, '"junk" is no number; it counts as 0'],
    ["0x10", 0, '"0x10" is no number; it counts as 0'],
  ])("%j", (text, value, problem) => {
    expect(fileValue({ kind: "text", text })).toEqual({ value, problem });
  });

  test("a missing file counts as 0, as with keepalived, and is told", () => {
    expect(fileValue({ kind: "missing" })).toMatchObject({
      value: 0,
      problem: expect.stringContaining("no such file"),
    });
  });
});

describe("which processes match", () => {
  const config = (changes: Partial<TrackProcessConfig>): TrackProcessConfig => ({
    ...{ name: "t", process: "nginx", parameters: undefined, parameterMatch: "exact", fullCommand: false },
    ...{ quorum: 1, quorumMax: undefined, forkDelay: durationUs(0), terminateDelay: durationUs(0) },
    ...changes,
  });
  test.each([
    ["by name", {}, "nginx", ["x"], true],
    ["a part of the name is another name", {}, "nginx2", [], false],
    ["a written path stands for its last part", { process: "/usr/sbin/nginx" }, "nginx", [], true],
    ["the kernel cuts names", { process: "a-very-long-process-name" }, "a-very-long-pro", [], true],
    ["a name with a space", { process: "Web Content" }, "Web Content", [], true],
    ["full_command: one word, as it was called", { fullCommand: true }, "n", ["nginx"], true],
    ["full_command: not another path", { fullCommand: true }, "nginx", ["/usr/sbin/nginx"], false],
    ["full_command: no more words", { fullCommand: true }, "nginx", ["nginx", "-g"], false],
    ["parameters, all and no more", { parameters: ["-g", "x y"] }, "n", ["nginx", "-g", "x y"], true],
    ["parameters, one more", { parameters: ["-g"] }, "n", ["nginx", "-g", "x"], false],
    ["parameters, one less", { parameters: ["-g", "x"] }, "n", ["nginx", "-g"], false],
    ["partial: more may follow", { parameters: ["-g"], parameterMatch: "partial" }, "n", ["nginx", "-g", "x"], true],
    ["partial: but not within", { parameters: ["-g"], parameterMatch: "partial" }, "n", ["nginx", "-gx"], false],
    [
      "initial: the last one may be longer",
      { parameters: ["-g"], parameterMatch: "initial" },
      "n",
      ["nginx", "-gx"],
      true,
    ],
    [
      "initial: only the last",
      { parameters: ["-g", "x"], parameterMatch: "initial" },
      "n",
      ["nginx", "-gg", "xy"],
      false,
    ],
    ["no parameters wanted, none there", { parameters: [], parameterMatch: "partial" }, "n", ["nginx"], true],
    ["no parameters wanted, one there", { parameters: [], parameterMatch: "partial" }, "n", ["nginx", "x"], false],
    ["bytes, not letters", { process: "dämon" }, Buffer.from("dämon").toString("latin1"), [], true],
  ] as const)("%s", (_title, changes, name, commandLine, matches) => {
    expect(processMatches(config(changes), { id: 1, name, commandLine })).toBe(matches);
  });

  test.each([
    [1, undefined, 0, false],
    [1, undefined, 9, true],
    [2, 3, 1, false],
    [2, 3, 3, true],
    [2, 3, 4, false],
    // quorum_max 0: it must not run at all.
    [0, 0, 0, true],
    [0, 0, 1, false],
  ])("quorum %j, at most %j: %j running", (quorum, quorumMax, count, met) => {
    expect(quorumMet({ quorum, quorumMax }, count)).toBe(met);
  });
});

test("what /proc says of a process", () => {
  expect(parseStat("12 (a) b) R) S 1 12")).toEqual({ name: "a) b) R", state: "S" });
  expect(parseStat("rubbish")).toBeUndefined();
  expect(parseCommandLine("nginx\0-g\0\0x\0")).toEqual(["nginx", "-g", "", "x"]);
  expect(parseCommandLine("")).toEqual([]);
});
