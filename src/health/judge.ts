import type { HttpCheckConfig, HttpUrlConfig } from "../config/types.ts";
import { after, toSeconds, type Us } from "../core/units.ts";
import { readRole } from "./patroni.ts";
import type { CheckState, ServerState } from "./state.ts";
import type { HttpAnswer, PatroniBody, ProbeOutcome, ProbeSpec, Verdict } from "./types.ts";

/** What an outcome means for its check, before anything that happened earlier. */
export type Finding =
  /** As expected. `objection`: why no weight may be raised on it; it may be kept. */
  | {
      readonly kind: "pass";
      readonly objection: string | undefined;
      readonly body: PatroniBody | undefined;
      readonly reason: string;
    }
  /** An unexpected status. A role answer acts at once. */
  | {
      readonly kind: "wrongStatus";
      readonly roleAnswer: boolean;
      readonly body: PatroniBody | undefined;
      readonly reason: string;
    }
  /** No usable answer. */
  | { readonly kind: "silence"; readonly reason: string };

export function interpret(spec: ProbeSpec, outcome: ProbeOutcome): Finding {
  const { check } = spec;
  switch (outcome.kind) {
    case "connected":
      return { kind: "pass", objection: undefined, body: undefined, reason: `connected to port ${check.connectPort}` };
    case "answered":
      if (check.kind === "TCP_CHECK") return { kind: "silence", reason: "an HTTP answer to a TCP check" };
      return interpretAnswers(check, outcome.answers);
    case "timedOut":
      return {
        kind: "silence",
        reason: `no answer within ${toSeconds(check.timing.connectTimeout)} s${inBrackets(outcome.detail)}`,
      };
    case "refused":
      return { kind: "silence", reason: `connection refused${inBrackets(outcome.detail)}` };
    case "reset":
      return { kind: "silence", reason: `connection reset${inBrackets(outcome.detail)}` };
    case "unreachable":
      return { kind: "silence", reason: `unreachable${inBrackets(outcome.detail)}` };
    case "malformed":
      return { kind: "silence", reason: `not HTTP${inBrackets(outcome.detail)}` };
    case "cannotRun":
      return { kind: "silence", reason: `the check could not run${inBrackets(outcome.detail)}` };
  }
}

function interpretAnswers(check: HttpCheckConfig, answers: readonly HttpAnswer[]): Finding {
  let objection: string | undefined;
  let body: PatroniBody | undefined;
  let reason = "";
  for (const [index, url] of check.urls.entries()) {
    const answer = answers[index];
    if (answer === undefined) return { kind: "silence", reason: `no answer from ${url.path}` };
    const reading = readRole(answer);
    body ??= reading.body;
    if (!isExpected(url, answer.status)) {
      const role = reading.body?.role === undefined ? "" : ` (role ${reading.body.role})`;
      return {
        kind: "wrongStatus",
        roleAnswer: reading.roleAnswer,
        body,
        reason: `HTTP ${answer.status} from ${url.path}${role}`,
      };
    }
    objection ??= reading.objection;
    reason = `HTTP ${answer.status} from ${url.path}`;
  }
  if (objection !== undefined) return { kind: "pass", objection, body, reason: `${reason}, but ${objection}` };
  if (body?.role !== undefined) reason += `, role ${body.role}`;
  return { kind: "pass", objection, body, reason };
}

function isExpected(url: HttpUrlConfig, status: number): boolean {
  return url.statusCodes.some((range) => status >= range.from && status <= range.to);
}

function inBrackets(detail: string): string {
  return detail === "" ? "" : ` (${detail})`;
}

/**
 * Takes a finding into a check. A role answer acts at once; silence, and the wrong status of something that is no
 * Patroni, needs `retry` failures, as in keepalived.conf(5): "Retry count to make additional checks if check of an alive server fails".
 * @param rules `exclusive`: every status is an answer about the role. `held`: silence does not count against this server
 * now, whatever its retries (see hold.ts)
 */
export function judge(
  check: CheckState,
  server: ServerState,
  { exclusive, held }: { readonly exclusive: boolean; readonly held: boolean },
  finding: Finding,
  startedAt: Us,
  now: Us,
): void {
  const wasUp = check.verdict === "up" || (check.verdict === "unknown" && server.assumed?.up === true);
  check.resultAt = now;
  check.reason = finding.reason;
  if (finding.kind === "silence" || (finding.kind === "wrongStatus" && !finding.roleAnswer && !exclusive)) {
    judgeFailure(check, wasUp, held, now);
    return;
  }
  check.failures = 0;
  check.silentSince = undefined;
  check.askedAt = startedAt;
  check.body = finding.body;
  check.passing = finding.kind === "pass";
  check.confirmed = finding.kind === "pass" && finding.objection === undefined;
  check.verdict = check.confirmed || (check.passing && wasUp) ? "up" : "down";
}

function judgeFailure(check: CheckState, wasUp: boolean, held: boolean, now: Us): void {
  const { retry, delayBeforeRetry } = check.config.timing;
  check.passing = false;
  check.confirmed = false;
  if (check.silentSince === undefined) {
    check.silentSince = now;
    check.failures = 0;
  }
  if (check.failures === 0 || check.countedAt === undefined || now >= after(check.countedAt, delayBeforeRetry)) {
    check.failures = Math.min(check.failures + 1, retry + 1);
    check.countedAt = now;
  }
  if (wasUp && held && check.failures > retry) {
    check.verdict = "up";
    check.reason += "; its service port answers, and nobody else claims the role";
  } else if (!wasUp || check.failures > retry) check.verdict = "down";
  else check.reason += ` (${check.failures} of ${retry + 1})`;
}

/** All checks must pass; a server without checks is always up, as in keepalived. */
export function serverVerdict(server: ServerState): Verdict {
  if (server.checks.some((check) => check.verdict === "down")) return "down";
  return server.checks.some((check) => check.verdict === "unknown") ? "unknown" : "up";
}

/** The check that decides the server's verdict, for its reason. */
export function decidingCheck(server: ServerState): CheckState | undefined {
  return (
    server.checks.find((check) => check.verdict === "down") ??
    server.checks.find((check) => check.verdict === "unknown") ??
    server.checks.find((check) => !check.passing) ??
    server.checks.find((check) => check.body !== undefined) ??
    server.checks[0]
  );
}

export function serverReason(server: ServerState): string {
  return decidingCheck(server)?.reason ?? "no checks: always up";
}
