import type {
  DnsCheckConfig,
  FileCheckConfig,
  MiscCheckConfig,
  PgsqlCheckConfig,
  UdpCheckConfig,
} from "../config/check.types.ts";
import type { Finding, Pass, Silence, WeightInput } from "./findings.ts";
import type { ProbeOutcome } from "./types.ts";

/** What replies of SMTP, PostgreSQL, DNS and UDP, the end of a program and the number in a file mean for their checks. */

export const pass = (reason: string, weight?: WeightInput): Pass => ({
  kind: "pass",
  objection: undefined,
  body: undefined,
  weight,
  reason,
});

export const silence = (reason: string): Silence => ({ kind: "silence", reason });

type OutcomeOf<Kind> = Extract<ProbeOutcome, { readonly kind: Kind }>;

/** RFC 5321 4.3.2: what a server that takes mail says to EHLO and HELO. */
const SMTP_OK = 250;

export function interpretSmtp({ code, text }: OutcomeOf<"smtpReply">): Finding {
  return code === SMTP_OK ? pass(`SMTP ${code}`) : silence(`SMTP ${code}${text === "" ? "" : ` (${text})`}`);
}

/** The other role is an answer about the role: it acts at once. */
export function interpretRecovery({ role }: PgsqlCheckConfig, { recovers }: OutcomeOf<"recovery">): Finding {
  const reason = recovers ? "PostgreSQL is in recovery" : "PostgreSQL is not in recovery";
  if (role === "any" || (role === "replica") === recovers) return pass(reason);
  return { kind: "wrongAnswer", roleAnswer: true, body: undefined, reason };
}

/** A refusal tells nothing of the role: PostgreSQL starts up, or takes no more sessions. */
export function interpretSqlError({ sqlState, message }: OutcomeOf<"sqlError">): Finding {
  return silence(`PostgreSQL refused (${sqlState}: ${message})`);
}

/** An answer without records passes, as in keepalived: the server answers for the name. */
export function interpretDns(
  { type, name }: DnsCheckConfig,
  { responseCode, answers }: OutcomeOf<"dnsReply">,
): Finding {
  const asked = `for ${name} ${type}`;
  return responseCode === "NOERROR"
    ? pass(`DNS ${responseCode} ${asked}, ${answers} ${answers === 1 ? "answer" : "answers"}`)
    : silence(`DNS ${responseCode} ${asked}`);
}

export function interpretDatagram({ reply }: UdpCheckConfig, data: Uint8Array): Finding {
  if (reply === undefined) return pass(`a reply of ${data.length} bytes`);
  const { pattern, lengthMin, lengthMax } = reply;
  if (data.length < lengthMin || data.length > lengthMax) {
    return silence(`a reply of ${data.length} bytes, not of ${lengthMin} to ${lengthMax}`);
  }
  const byteOf = (index: number): string => (data[index] ?? 0).toString(16).padStart(2, "0");
  for (let index = 0; index < Math.min(data.length, pattern.length / 2); index++) {
    const [high, low] = byteOf(index);
    const [wantedHigh, wantedLow] = pattern.slice(2 * index);
    const matches = (wanted: string | undefined, digit: string | undefined) => wanted === "x" || wanted === digit;
    if (matches(wantedHigh, high) && matches(wantedLow, low)) continue;
    return silence(`a reply whose byte ${index} is ${byteOf(index)}`);
  }
  return pass(`a reply of ${data.length} bytes`);
}

/** keepalived.conf(5), misc_dynamic: "exit status 2-255: svc check success", and the weight is two less than the status. */
export function interpretExit({ dynamic }: MiscCheckConfig, status: number): Finding {
  const reason = `exit status ${status}`;
  if (status === 0) return pass(reason);
  return dynamic && status > 1 ? pass(reason, { kind: "set", weight: status - 2 }) : silence(reason);
}

/** Without a weight any value but 0 is a failure; with one the server stays up (keepalived 2.2.7). */
export function interpretFile({ file, weight }: FileCheckConfig, value: number): Finding {
  const reason = `track_file ${file} says ${value}`;
  if (weight !== 0) return pass(reason, { kind: "add", weight: value * weight });
  return value === 0 ? pass(reason) : silence(reason);
}
