import { after, between, durationUs, toSeconds, type Us } from "../core/units.ts";
import type { Finding } from "./findings.ts";
import type { CheckState, ServerState } from "./state.ts";
import type { Verdict } from "./types.ts";

/**
 * Takes a finding into a check. A role answer acts at once; silence, and the wrong status of something that is no
 * Patroni or stands before it, needs `retry` failures, as in keepalived.conf(5): "Retry count to make additional checks if check of an alive server fails".
 * @param rules `exclusive`: every status that HTTP_GET gets is an answer about the role. `held`: silence does not count against this server
 * now, whatever its retries (see hold.ts). `opening`: first results still come in, so what is open waits for them. `patroniSpeaks`: Patroni has answered this question, so what has nothing of its
 * body is somebody else's (a proxy's), and says nothing of the role whatever its status
 * @returns false when the check stands as before: outside an exclusive service nothing follows from such a result
 */
export function judge(
  check: CheckState,
  server: ServerState,
  rules: JudgingRules,
  finding: Finding,
  startedAt: Us,
  now: Us,
): boolean {
  const before = { ...check };
  take(check, server, rules, finding, startedAt, now);
  return !standsAs(before, check);
}

interface JudgingRules {
  readonly exclusive: boolean;
  readonly held: boolean;
  readonly opening: boolean;
  readonly patroniSpeaks: boolean;
}

/** True when two results of a check differ at most in their time and their words. */
function standsAs(before: CheckState, after: CheckState): boolean {
  return (
    before.resultAt !== undefined &&
    before.verdict === after.verdict &&
    before.passing === after.passing &&
    before.confirmed === after.confirmed &&
    before.failures === after.failures &&
    before.silentSince === after.silentSince &&
    before.openSince === after.openSince &&
    before.weight?.kind === after.weight?.kind &&
    before.weight?.weight === after.weight?.weight &&
    before.body?.scope === after.body?.scope
  );
}

function take(
  check: CheckState,
  server: ServerState,
  { exclusive, held, opening, patroniSpeaks }: JudgingRules,
  finding: Finding,
  startedAt: Us,
  now: Us,
): void {
  const secondAssumed = check === server.fallback && server.secondAssumedUntil !== undefined;
  const assumedUp = server.assumed?.up === true || secondAssumed;
  const wasUp = check.verdict === "up" || (check.verdict === "unknown" && assumedUp);
  check.resultAt = now;
  check.reason = finding.reason;
  if (patroniSpeaks && "bodiless" in finding && finding.bodiless === true) {
    check.reason = `${finding.reason}, which is no answer of Patroni's`;
    judgeFailure(check, wasUp, held, now);
    return;
  }
  if (finding.kind === "silence" || (finding.kind === "wrongAnswer" && !finding.roleAnswer && !exclusive)) {
    judgeFailure(check, wasUp, held, now);
    return;
  }
  check.failures = 0;
  check.silentSince = undefined;
  check.askedAt = startedAt;
  check.body = finding.body;
  if (finding.kind === "open") {
    judgeOpen(check, wasUp, opening, now);
    return;
  }
  check.openSince = undefined;
  check.passing = finding.kind === "pass";
  check.weight = finding.kind === "pass" ? finding.weight : undefined;
  check.confirmed = finding.kind === "pass" && finding.objection === undefined;
  check.verdict = check.confirmed || (check.passing && wasUp) ? "up" : "down";
}

/** Whoever is up stays so for a time, `on_unknown`, counted also over silence in between; nobody is raised. */
function judgeOpen(check: CheckState, wasUp: boolean, opening: boolean, now: Us): void {
  const hold = check.config.kind === "patroni" ? check.config.unknownHold : durationUs(0);
  check.openSince ??= now;
  check.passing = false;
  check.confirmed = false;
  if (wasUp && between(check.openSince, now) < hold) {
    check.verdict = "up";
    check.reason += `; kept for ${toSeconds(hold)} s since then`;
  } else if (!opening || check.verdict !== "unknown") check.verdict = "down";
}

/** The time for first results is over: what is still open is not up. */
export function closeOpen(server: ServerState): void {
  for (const check of server.checks) {
    if (check.verdict === "unknown" && check.openSince !== undefined) check.verdict = "down";
  }
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
