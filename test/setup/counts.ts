/** What vitest's JSON report says, counted so that nothing that went wrong is lost. */

import { basename } from "node:path";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The part of the report that is read: https://vitest.dev/guide/reporters.html#json-reporter, Jest's own format. */
interface JsonReport {
  readonly testResults: readonly {
    readonly name?: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName?: string }[];
  }[];
}

export const NOTHING: Counts = { passed: 0, failed: 0, skipped: 0 };

export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/**
 * Counts the tests of a report. A file that failed outside of its tests (it could not be loaded, a hook threw) counts as
 * one failed test. Everything that is neither passed nor failed (skipped, todo, never reached) counts as skipped.
 * Throws when the text is no such report.
 */
export function countReport(text: string): Counts {
  const report = JSON.parse(text) as JsonReport;
  let counts = NOTHING;
  for (const file of report.testResults) {
    const statuses = file.assertionResults.map((test) => test.status);
    const passed = statuses.filter((status) => status === "passed").length;
    const failed = statuses.filter((status) => status === "failed").length;
    const failedElsewhere = file.status === "failed" && failed === 0 ? 1 : 0;
    counts = addCounts(counts, {
      passed,
      failed: failed + failedElsewhere,
      skipped: statuses.length - passed - failed,
    });
  }
  return counts;
}

/** What failed, each with its file: the last lines of a long output name it. Throws when the text is no report. */
export function failedTests(text: string): string[] {
  const report = JSON.parse(text) as JsonReport;
  return report.testResults.flatMap((file) => {
    const name = basename(file.name ?? "");
    const failed = file.assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0) return file.status === "failed" ? [`failed: ${name}`] : [];
    return failed.map((test) => `failed: ${name}: ${test.fullName?.trim() ?? ""}`);
  });
}

/** One kind's run: its counts, and in words what is wrong beyond failed tests. */
export interface KindResult {
  readonly kind: string;
  readonly counts: Counts;
  readonly problems: readonly string[];
  /** By name; they are counted already. */
  readonly failed: readonly string[];
  readonly seconds: number;
}

/** What makes a kind fail although no test of it has failed. */
export function kindProblems(run: { counts: Counts; status: number; ci: boolean }): string[] {
  const { counts, status, ci } = run;
  const problems: string[] = [];
  if (counts.passed + counts.failed === 0) problems.push("no test was executed");
  if (status !== 0 && counts.failed === 0) problems.push(`vitest ended with status ${status} although no test failed`);
  if (ci && counts.skipped > 0) problems.push(`${counts.skipped} tests were skipped, and on CI nothing may be`);
  return problems;
}

/** The table of all kinds and, as its last line, the sum. Each problem counts as one failure. */
export function summary(results: readonly KindResult[]): { text: string; success: boolean } {
  const lines = results.flatMap(({ kind, counts, problems, failed, seconds }) => [
    `${kind.padEnd(12)}${line(counts)}${`${seconds.toFixed(1)} s`.padStart(12)}`,
    ...[...failed, ...problems].map((text) => `${"".padEnd(12)}${text}`),
  ]);
  const problems = results.reduce((sum, result) => sum + result.problems.length, 0);
  const total = results.map((result) => result.counts).reduce(addCounts, { ...NOTHING, failed: problems });
  return { text: `${[...lines, "", line(total)].join("\n")}\n`, success: total.failed === 0 };
}

function line(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}
