import { describe, expect, test } from "vitest";
import type { CheckConfig, HttpUrlConfig } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import { interpret } from "../../src/health/findings.ts";
import type { HttpAnswer, ProbeOutcome } from "../../src/health/types.ts";
import { timing } from "./checkersRig.ts";

/** What outcomes mean for their checks. */

const PATH = { connectIp: ip("10.0.0.1"), connectPort: 80, timing: timing(1_000) };
const find = (check: CheckConfig, outcome: ProbeOutcome) => interpret(check, outcome);

describe("HTTP_GET", () => {
  const DIGEST = "0123456789abcdef0123456789abcdef";
  const regex = (noMatch: boolean) => ({
    written: "ok$",
    source: "ok$",
    flags: "",
    noMatch,
    minOffset: 0,
    maxOffset: undefined,
  });
  const findAnswer = (url: Partial<HttpUrlConfig>, answer: Partial<HttpAnswer>) =>
    find(
      { kind: "HTTP_GET", ...PATH, urls: [{ path: "/", statusCodes: [{ from: 200, to: 299 }], ...url }] },
      { kind: "answered", answers: [{ path: "/", status: 200, body: "", bodyTruncated: false, ...answer }] },
    );

  test.each<[Partial<HttpUrlConfig>, Partial<HttpAnswer>, string]>([
    [{ digest: DIGEST }, { digest: DIGEST }, "HTTP 200 from /"],
    [{ regex: regex(false) }, { match: { kind: "found", offset: 3 } }, "HTTP 200 from /"],
    [{ regex: regex(true) }, { match: { kind: "none" } }, "HTTP 200 from /"],
  ])("%j with %j passes", (url, answer, reason) => {
    expect(findAnswer(url, answer)).toMatchObject({ kind: "pass", reason });
  });

  test.each<[Partial<HttpUrlConfig>, Partial<HttpAnswer>, string]>([
    [
      { digest: DIGEST },
      { digest: "f".repeat(32) },
      `HTTP 200 from /, but the digest of its body is ${"f".repeat(32)}`,
    ],
    [{ digest: DIGEST }, { digest: DIGEST, status: 500 }, "HTTP 500 from /"],
    [{ regex: regex(false) }, { match: { kind: "none" } }, "HTTP 200 from /, but it does not match ok$"],
    [{ regex: regex(true) }, { match: { kind: "found", offset: 3 } }, "HTTP 200 from /, but it matches ok$ at 3"],
    [{ regex: regex(true) }, { match: { kind: "gaveUp", why: "it is long" } }, "HTTP 200 from /, but it is long"],
  ])("%j with %j fails, and not as a role", (url, answer, reason) => {
    expect(findAnswer(url, answer)).toMatchObject({ kind: "wrongAnswer", roleAnswer: false, reason });
  });
});

test("an outcome that a check cannot have is no pass", () => {
  expect(find({ kind: "TCP_CHECK", ...PATH }, { kind: "answered", answers: [] })).toEqual({
    kind: "silence",
    reason: "TCP_CHECK cannot have the outcome answered",
  });
});

describe("replies", () => {
  const dns: CheckConfig = { kind: "DNS_CHECK", ...PATH, type: "A", name: "a.example" };
  const udp = (pattern?: string, lengthMin = 0, lengthMax = 255): CheckConfig => ({
    ...{ kind: "UDP_CHECK", ...PATH, payload: undefined },
    reply: pattern === undefined ? undefined : { pattern, lengthMin, lengthMax },
  });
  const data = Uint8Array.of(0x4f, 0x4b, 0x01);
  const smtp: CheckConfig = { kind: "SMTP_CHECK", ...PATH, heloName: "x" };

  test.each<[CheckConfig, ProbeOutcome, boolean, string]>([
    [smtp, { kind: "smtpReply", code: 250, text: "hi" }, true, "SMTP 250"],
    [smtp, { kind: "smtpReply", code: 554, text: "no" }, false, "SMTP 554 (no)"],
    [dns, { kind: "dnsReply", responseCode: "NOERROR", answers: 0 }, true, "DNS NOERROR for a.example A, 0 answers"],
    [dns, { kind: "dnsReply", responseCode: "NXDOMAIN", answers: 0 }, false, "DNS NXDOMAIN for a.example A"],
    [{ kind: "PING_CHECK", ...PATH }, { kind: "echoed" }, true, "echo reply"],
    [udp(), { kind: "timedOut", detail: "" }, true, "no error in 1 s"],
    [udp(), { kind: "refused", detail: "" }, false, "connection refused"],
    [udp(), { kind: "datagram", data }, true, "a reply of 3 bytes"],
    [udp(""), { kind: "timedOut", detail: "" }, false, "no answer within 1 s"],
    [udp("4fxx01"), { kind: "datagram", data }, true, "a reply of 3 bytes"],
    [udp("4f4b01ff"), { kind: "datagram", data }, true, "a reply of 3 bytes"],
    [udp("4f4x02"), { kind: "datagram", data }, false, "a reply whose byte 2 is 01"],
    [udp("", 4), { kind: "datagram", data }, false, "a reply of 3 bytes, not of 4 to 255"],
    [udp("", 0, 2), { kind: "datagram", data }, false, "a reply of 3 bytes, not of 0 to 2"],
  ])("%j with %j: %s", (check, outcome, passes, reason) => {
    expect(find(check, outcome)).toMatchObject({ kind: passes ? "pass" : "silence", reason });
  });

  test.each([
    ["any", true, "pass"],
    ["any", false, "pass"],
    ["primary", false, "pass"],
    ["replica", true, "pass"],
    ["primary", true, "wrongAnswer"],
    ["replica", false, "wrongAnswer"],
  ] as const)("pgsql of role %s, in recovery %s: %s", (role, recovers, kind) => {
    const login = { user: "x", password: undefined, database: "postgres", tls: undefined };
    const finding = find({ kind: "pgsql", ...PATH, ...login, role }, { kind: "recovery", recovers });
    expect(finding).toMatchObject({ kind, ...(kind === "wrongAnswer" && { roleAnswer: true }) });
    const refusal: ProbeOutcome = { kind: "sqlError", sqlState: "57P03", message: "it starts up" };
    expect(find({ kind: "pgsql", ...PATH, ...login, role }, refusal)).toMatchObject({
      ...{ kind: "silence", reason: "PostgreSQL refused (57P03: it starts up)" },
    });
  });

  test.each([
    [true, 0, "pass", undefined],
    [true, 1, "silence", undefined],
    [true, 2, "pass", { kind: "set", weight: 0 }],
    [true, 255, "pass", { kind: "set", weight: 253 }],
    [false, 0, "pass", undefined],
    [false, 2, "silence", undefined],
  ])("MISC_CHECK, dynamic %s, exit status %i: %s", (dynamic, status, kind, weight) => {
    const command = { arguments: ["/bin/true"], user: undefined, group: undefined };
    const check: CheckConfig = { kind: "MISC_CHECK", timing: timing(1_000), command, dynamic };
    const finding = find(check, { kind: "exited", status });
    expect(finding.kind).toBe(kind);
    expect(finding.kind === "pass" ? finding.weight : undefined).toEqual(weight);
  });
});
