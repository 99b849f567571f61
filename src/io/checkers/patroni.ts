import type { PatroniCheckConfig } from "../../config/check.types.ts";
import { PATRONI_PATH } from "../../health/patroniCheck.ts";
import { type HttpHost, HttpProber, type HttpQuestion } from "./http.ts";
import { openVerified } from "./tls.ts";

/**
 * `patroni`: one GET by HTTP or HTTPS, whatever roles the checks behind it want. Every status is an answer: 200 and 503 tell
 * who holds the leader key.
 */
export function patroniProber(check: PatroniCheckConfig, host: HttpHost): HttpProber {
  const { tls, credentials } = check;
  return new HttpProber(questionOf(check), host, {
    ...(tls && { open: (options) => openVerified(tls, host.contexts, options) }),
    ...(credentials && { headers: { authorization: basicAuthorization(credentials) } }),
  });
}

function questionOf({ connectIp, connectPort, bindIp, timing }: PatroniCheckConfig): HttpQuestion {
  const anyStatus = { path: PATRONI_PATH, statusCodes: [{ from: 100, to: 599 }] };
  return { connectIp, connectPort, bindIp, timing, urls: [anyStatus] };
}

/** RFC 7617, 2; UTF-8, as Patroni compares it. */
function basicAuthorization({ user, password }: NonNullable<PatroniCheckConfig["credentials"]>): string {
  return `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
}
