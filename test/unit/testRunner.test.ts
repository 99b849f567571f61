import { describe, expect, test } from "vitest";
import { rounds } from "../bench/report.ts";
import { describeUnless, missingRequirements } from "../lab/requires.ts";
import { countReport, failedTests, kindProblems, summary } from "../setup/counts.ts";
import { KINDS, kindEnvironment, readRequest } from "../setup/kinds.ts";

const report = (...files: { status: string; tests: string[] }[]): string =>
  JSON.stringify({
    testResults: files.map(({ status, tests }) => ({
      status,
      assertionResults: tests.map((each) => ({ status: each })),
    })),
  });

describe("what npm test counts", () => {
  test("every test is passed, failed or skipped", () => {
    const text = report({ status: "failed", tests: ["passed", "passed", "failed", "skipped", "pending", "todo"] });
    expect(countReport(text)).toEqual({ passed: 2, failed: 1, skipped: 3 });
  });

  test("a file that could not be loaded, or whose hook threw, is a failure", () => {
    expect(countReport(report({ status: "failed", tests: [] }))).toEqual({ passed: 0, failed: 1, skipped: 0 });
    expect(countReport(report({ status: "failed", tests: ["skipped"] }))).toEqual({ passed: 0, failed: 1, skipped: 1 });
  });

  test("what failed is named with its file", () => {
    const testResults = [
      {
        name: "/x/test/unit/a.test.ts",
        status: "failed",
        assertionResults: [
          { status: "passed", fullName: " a works" },
          { status: "failed", fullName: " a breaks" },
        ],
      },
      { name: "/x/test/unit/b.test.ts", status: "failed", assertionResults: [] },
      { name: "/x/test/unit/c.test.ts", status: "passed", assertionResults: [{ status: "passed", fullName: "c" }] },
    ];
    expect(failedTests(JSON.stringify({ testResults }))).toEqual(["failed: a.test.ts: a breaks", "failed: b.test.ts"]);
  });

  test("a text that is no report is refused", () => {
    expect(() => countReport("")).toThrow();
    expect(() => countReport("{}")).toThrow();
  });

  test("a kind needs one executed test, an exit status that agrees, and on CI no skipped test", () => {
    const counts = { passed: 3, failed: 0, skipped: 1 };
    expect(kindProblems({ counts, status: 0, ci: false })).toEqual([]);
    expect(kindProblems({ counts, status: 0, ci: true })).toEqual(["1 tests were skipped, and on CI nothing may be"]);
    expect(kindProblems({ counts, status: 1, ci: false })).toEqual([
      "vitest ended with status 1 although no test failed",
    ]);
    expect(kindProblems({ counts: { passed: 0, failed: 0, skipped: 4 }, status: 0, ci: false })).toEqual([
      "no test was executed",
    ]);
  });

  test("the last line is the sum, in which a problem is a failure", () => {
    const good = {
      kind: "unit",
      counts: { passed: 5, failed: 0, skipped: 1 },
      problems: [],
      failed: [],
      seconds: 1.25,
    };
    const bad = {
      kind: "guest",
      counts: { passed: 2, failed: 0, skipped: 0 },
      problems: ["it did not end"],
      failed: ["failed: daemon.test.ts: holds its address"],
      seconds: 60,
    };
    expect(summary([good])).toMatchObject({ success: true });
    const { text, success } = summary([good, bad]);
    expect(success).toBe(false);
    expect(text.trimEnd().split("\n").at(-1)).toBe("7 passed, 1 failed, 1 skipped");
    expect(text).toContain("it did not end");
    expect(text).toContain("holds its address");
  });
});

describe("the arguments of npm test", () => {
  test("none is every kind, a word that is no kind is a part of a file's name", () => {
    expect(readRequest([])).toEqual({ kinds: KINDS, filters: [], soak: false });
    const { kinds, filters, soak } = readRequest(["netns", "unit", "native", "--soak"]);
    expect(kinds.map((kind) => kind.name)).toEqual(["unit", "netns"]);
    expect([filters, soak]).toEqual([["native"], true]);
  });

  test("the benchmarks measure all their rounds when they alone are asked for, or for as long as it takes", () => {
    const measured = (...words: string[]): number => rounds(3, 20, kindEnvironment(readRequest(words)));
    expect(measured()).toBe(3);
    expect(measured("bench", "bench-netns")).toBe(20);
    expect(measured("bench", "programming")).toBe(20);
    expect(measured("--soak")).toBe(20);
  });

  test("an unknown option is refused", () => {
    expect(() => readRequest(["--bail"])).toThrow(/unknown option --bail/);
  });
});

describe("what a test requires", () => {
  test("is missing in words, and a failure on CI", () => {
    expect(() => describeUnless(["program x is not installed"], true, "a title", () => {})).toThrow(
      '"a title" cannot run, and nothing is skipped on CI: program x is not installed',
    );
    expect(missingRequirements("root")).toEqual(process.getuid?.() === 0 ? [] : ["must run as root"]);
  });
});
