import type { HttpCheckConfig, HttpRegexConfig, HttpUrlConfig } from "../config/check.types.ts";
import type { Finding } from "./findings.ts";
import { type RoleReading, readRole } from "./patroni.ts";
import type { HttpAnswer, PatroniBody, RegexMatch } from "./types.ts";

/** What the answers of HTTP_GET and SSL_GET mean: of every url its status, its digest, its regex, and Patroni's body. */
export function interpretAnswers(check: HttpCheckConfig, answers: readonly HttpAnswer[]): Finding {
  let objection: string | undefined;
  let body: PatroniBody | undefined;
  let reason = "";
  let bodiless = false;
  for (const [index, url] of check.urls.entries()) {
    const answer = answers[index];
    if (answer === undefined) return { kind: "silence", reason: `no answer from ${url.path}` };
    const reading = readRole(answer);
    body ??= reading.body;
    bodiless ||= isBodiless(answer, reading) && (reading.roleAnswer || check.urls.length === 1);
    if (!isExpected(url, answer.status)) {
      const role = reading.body?.role === undefined ? "" : ` (role ${reading.body.role})`;
      const words = `HTTP ${answer.status} from ${url.path}${role}`;
      return { kind: "wrongAnswer", roleAnswer: reading.roleAnswer, bodiless, body, reason: words };
    }
    const wrong = bodyFault(url, answer);
    if (wrong !== undefined) {
      const words = `HTTP ${answer.status} from ${url.path}, but ${wrong}`;
      return { kind: "wrongAnswer", roleAnswer: false, bodiless, body, reason: words };
    }
    objection ??= reading.objection;
    reason = `HTTP ${answer.status} from ${url.path}`;
  }
  if (objection !== undefined)
    return { kind: "pass", objection, bodiless, body, reason: `${reason}, but ${objection}` };
  if (body?.role !== undefined) reason += `, role ${body.role}`;
  return { kind: "pass", objection, bodiless, body, reason };
}

/** What begins like JSON may be Patroni's, cut short. */
const isBodiless = ({ body, bodyTruncated }: HttpAnswer, reading: RoleReading): boolean =>
  reading.body === undefined && !bodyTruncated && !body.trimStart().startsWith("{");

function isExpected(url: HttpUrlConfig, status: number): boolean {
  return url.statusCodes.some((range) => status >= range.from && status <= range.to);
}

/** What is against the body, in words; undefined where nothing is. */
function bodyFault({ digest, regex }: HttpUrlConfig, answer: HttpAnswer): string | undefined {
  if (digest !== undefined && answer.digest !== digest)
    return `the digest of its body is ${answer.digest ?? "unknown"}`;
  return regex === undefined ? undefined : matchFault(regex, answer.match ?? { kind: "none" });
}

function matchFault({ written, noMatch }: HttpRegexConfig, match: RegexMatch): string | undefined {
  switch (match.kind) {
    case "found":
      return noMatch ? `it matches ${written} at ${match.offset}` : undefined;
    case "none":
      return noMatch ? undefined : `it does not match ${written}`;
    case "gaveUp":
      return match.why;
  }
}
