import type { CheckConfig } from "../config/check.types.ts";
import { toSeconds } from "../core/units.ts";
import { interpretAnswers } from "./httpFinding.ts";
import {
  interpretDatagram,
  interpretDns,
  interpretExit,
  interpretRecovery,
  interpretSmtp,
  interpretSqlError,
  pass,
  silence,
} from "./replyFindings.ts";
import type { HttpAnswer, PatroniBody, ProbeOutcome } from "./types.ts";

/**
 * What an outcome means for its check, before anything that happened earlier. Answers of Patroni's to its own check are
 * read in patroniCheck.ts.
 */
export type Finding = Pass | WrongAnswer | Open | Silence;

/** As expected. */
export interface Pass {
  readonly kind: "pass";
  /** Why no weight may be raised on it; it may be kept. */
  readonly objection: string | undefined;
  readonly body: PatroniBody | undefined;
  readonly bodiless?: boolean;
  /** What the check says about the server's weight; undefined = nothing. */
  readonly weight?: WeightInput | undefined;
  readonly reason: string;
}

/** An unexpected HTTP answer. A role answer acts at once. */
export interface WrongAnswer {
  readonly kind: "wrongAnswer";
  readonly roleAnswer: boolean;
  readonly body: PatroniBody | undefined;
  /** It has nothing of Patroni's where Patroni would have: where Patroni has answered before, somebody else did now. */
  readonly bodiless?: boolean;
  readonly reason: string;
}

/** An answer that leaves open whether the server is what is wanted: a state of its own, neither yes nor no. */
export interface Open {
  readonly kind: "open";
  /** For want of a leader's position alone. */
  readonly awaitsLeader?: boolean;
  readonly body: PatroniBody | undefined;
  readonly reason: string;
}

/** No usable answer, or one of a check that knows no roles: it counts against the retries. */
export interface Silence {
  readonly kind: "silence";
  readonly reason: string;
}

/** `set` takes the place of the configured weight, `add` is added to it. */
export interface WeightInput {
  readonly kind: "set" | "add";
  readonly weight: number;
}

export function interpret(check: CheckConfig, outcome: ProbeOutcome): Finding {
  switch (outcome.kind) {
    case "connected":
      return check.kind === "TCP_CHECK" ? pass(`connected to port ${check.connectPort}`) : strange(check, outcome);
    case "answered":
      if (check.kind === "patroni") return foreignAnswer(outcome.answers[0]);
      return check.kind === "HTTP_GET" ? interpretAnswers(check, outcome.answers) : strange(check, outcome);
    case "smtpReply":
      return check.kind === "SMTP_CHECK" ? interpretSmtp(outcome) : strange(check, outcome);
    case "recovery":
      return check.kind === "pgsql" ? interpretRecovery(check, outcome) : strange(check, outcome);
    case "sqlError":
      return check.kind === "pgsql" ? interpretSqlError(outcome) : strange(check, outcome);
    case "dnsReply":
      return check.kind === "DNS_CHECK" ? interpretDns(check, outcome) : strange(check, outcome);
    case "datagram":
      return check.kind === "UDP_CHECK" ? interpretDatagram(check, outcome.data) : strange(check, outcome);
    case "echoed":
      return check.kind === "PING_CHECK" ? pass("echo reply") : strange(check, outcome);
    case "exited":
      return check.kind === "MISC_CHECK" ? interpretExit(check, outcome.status) : strange(check, outcome);
    case "signalled":
      return silence(`killed by ${outcome.signal}`);
    default:
      return interpretFailure(check, outcome);
  }
}

/** A checker gave what its check cannot have: a defect, but no verdict that anybody should trust. */
const strange = (check: CheckConfig, { kind }: ProbeOutcome): Silence =>
  silence(`${check.kind} cannot have the outcome ${kind}`);

/**
 * What answers in the place of Patroni's REST API, a proxy, another server, or an API that fails (401, 500): it says
 * nothing about the role, so it is silence.
 */
function foreignAnswer(answer: HttpAnswer | undefined): Silence {
  if (answer === undefined) return silence("no answer");
  return silence(`HTTP ${answer.status} from ${answer.path}, which is no answer of Patroni's`);
}

const FAILURE_WORDS = {
  refused: "connection refused",
  reset: "connection reset",
  unreachable: "unreachable",
  tlsFailed: "TLS failed",
  cannotRun: "the check could not run",
} as const;

type Failure = Extract<ProbeOutcome, { readonly detail: string }>;

function interpretFailure(check: CheckConfig, { kind, detail }: Failure): Finding {
  const { connectTimeout } = check.timing;
  switch (kind) {
    case "timedOut":
      // keepalived.conf(5), UDP_CHECK: without require_reply, what fails it is an ICMP error.
      if (check.kind === "UDP_CHECK" && check.reply === undefined)
        return pass(`no error in ${toSeconds(connectTimeout)} s`);
      return silence(`no answer within ${toSeconds(connectTimeout)} s${inBrackets(detail)}`);
    case "malformed":
      return silence(`not ${PROTOCOLS[check.kind]}${inBrackets(detail)}`);
    default:
      return silence(`${FAILURE_WORDS[kind]}${inBrackets(detail)}`);
  }
}

const PROTOCOLS: Readonly<Record<CheckConfig["kind"], string>> = {
  HTTP_GET: "HTTP",
  TCP_CHECK: "TCP",
  patroni: "HTTP",
  pgsql: "PostgreSQL",
  SMTP_CHECK: "SMTP",
  DNS_CHECK: "DNS",
  UDP_CHECK: "UDP",
  PING_CHECK: "ICMP",
  MISC_CHECK: "a program",
  FILE_CHECK: "a number",
};

function inBrackets(detail: string): string {
  return detail === "" ? "" : ` (${detail})`;
}
