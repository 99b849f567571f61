import type { PatroniCheckConfig } from "../../config/check.types.ts";
import { PATRONI_PATH } from "../../health/patroniCheck.ts";
import { type HttpHost, HttpProber, type HttpQuestion } from "./http.ts";
import { openVerified } from "./tls.ts";

/**
 * `patroni`: one GET by HTTP or HTTPS, whatever roles the checks behind it want. Every status is an answer: 200 and 503 tell
 * who holds the leader key.
 */
export function patroniProber(
  check: PatroniCheckConfig,
  host: HttpHost,
  paths: readonly string[] = [PATRONI_PATH],
): HttpProber {
  const { tls, credentials } = check;
  return new HttpProber(questionOf(check, paths), host, {
    ...(tls && { open: (options) => openVerified(tls, host.contexts, options) }),
    ...(credentials && { headers: { authorization: basicAuthorization(credentials) } }),
  });
}

function questionOf(
  { connectIp, connectPort, bindIp, timing }: PatroniCheckConfig,
  paths: readonly string[],
): HttpQuestion {
  const anyStatus = [{ from: 100, to: 599 }];
  return { connectIp, connectPort, bindIp, timing, urls: paths.map((path) => ({ path, statusCodes: anyStatus })) };
}

/** RFC 7617, 2; UTF-8, as Patroni compares it. */
function basicAuthorization({ user, password }: NonNullable<PatroniCheckConfig["credentials"]>): string {
  return `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
}
