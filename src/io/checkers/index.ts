import type { CheckConfig, HttpCheckConfig, PatroniCheckConfig } from "../../config/check.types.ts";
import type { ScriptRunner } from "../../core/scripts.ts";
import type { ProbeKey, ProbeOutcome, ProbeSpec } from "../../health/types.ts";
import { TlsContexts } from "../tlsContexts.ts";
import { Attempt, type Running } from "./attempt.ts";
import { runDnsCheck } from "./dns.ts";
import { HttpProber } from "./http.ts";
import { runMiscCheck } from "./misc.ts";
import type { SocketOpener } from "./path.ts";
import { patroniProber } from "./patroni.ts";
import { runPgsqlCheck } from "./pgsql.ts";
import { runPingCheck } from "./ping.ts";
import { runSmtpCheck } from "./smtp.ts";
import { runTcpCheck } from "./tcp.ts";
import { runUdpCheck } from "./udp.ts";

/** Runs probes. Checkers judge nothing: what they saw is the outcome. */
export interface Checkers {
  /** `done` gets exactly one outcome, never before `run` returns, at the latest when the check's connect_timeout is over. */
  run(spec: ProbeSpec, done: (outcome: ProbeOutcome) => void): void;
  /** Ends what runs (as `cannotRun`) and closes every socket. */
  close(): void;
}

/** What checkers have of the host. */
export interface CheckerHost {
  /** For sockets with options that Node has no call for; asked for when the first such check runs. */
  readonly addon: () => SocketOpener;
  /** For MISC_CHECK. */
  readonly scripts: ScriptRunner;
}

/** How long the client of a check that a reload removed may stay. */
const UNUSED_MS = 300_000;
const SWEEP_EVERY_MS = 60_000;

export function createCheckers(host: CheckerHost): Checkers {
  return new RunningCheckers(host);
}

interface Target {
  readonly prober: HttpProber;
  usedAtMs: number;
}

class RunningCheckers implements Checkers {
  private readonly host: CheckerHost;
  private readonly targets = new Map<ProbeKey, Target>();
  private readonly running = new Set<Running>();
  private readonly contexts = new TlsContexts();
  private sweptAtMs = performance.now();
  private closed = false;

  constructor(host: CheckerHost) {
    this.host = host;
  }

  run(spec: ProbeSpec, done: (outcome: ProbeOutcome) => void): void {
    if (this.closed) throw new Error("the checkers are closed");
    const { check } = spec;
    const { contexts, running } = this;
    const host = { ...this.host, contexts, running };
    if (check.kind === "HTTP_GET") this.startProber(spec.key, () => new HttpProber(check, host), done);
    else if (check.kind === "patroni") this.startProber(spec.key, () => patroniProber(check, host), done);
    else {
      const attempt = new Attempt(check.timing, { running, done });
      attempt.try(() => begin(check, attempt, host));
    }
  }

  close(): void {
    this.closed = true;
    for (const each of [...this.running]) each.cancel(new Error("the checkers were closed"));
    for (const { prober } of this.targets.values()) prober.close();
    this.targets.clear();
  }

  private startProber(key: ProbeKey, create: () => HttpProber, done: (outcome: ProbeOutcome) => void): void {
    const target = this.targetOf(key, create);
    target.prober.start((outcome) => {
      target.usedAtMs = performance.now();
      done(outcome);
    });
  }

  private targetOf(key: ProbeKey, create: () => HttpProber): Target {
    this.sweep();
    const known = this.targets.get(key);
    if (known !== undefined) {
      known.usedAtMs = performance.now();
      return known;
    }
    const target = { prober: create(), usedAtMs: performance.now() };
    this.targets.set(key, target);
    return target;
  }

  /** Clients hold no socket between probes; those of checks that are gone are dropped some minutes later. */
  private sweep(): void {
    const now = performance.now();
    if (now - this.sweptAtMs < SWEEP_EVERY_MS) return;
    this.sweptAtMs = now;
    for (const [key, { prober, usedAtMs }] of this.targets) {
      if (now - usedAtMs < UNUSED_MS) continue;
      prober.close();
      this.targets.delete(key);
    }
  }
}

/** Every checker but HTTP's, which keeps a client for its next probe. */
function begin(
  check: Exclude<CheckConfig, HttpCheckConfig | PatroniCheckConfig>,
  attempt: Attempt,
  { addon, scripts, contexts }: CheckerHost & { readonly contexts: TlsContexts },
): void {
  switch (check.kind) {
    case "TCP_CHECK":
      runTcpCheck(check, attempt, addon);
      return;
    case "SMTP_CHECK":
      runSmtpCheck(check, attempt, addon);
      return;
    case "pgsql":
      runPgsqlCheck(check, attempt, { addon, contexts });
      return;
    case "DNS_CHECK":
      runDnsCheck(check, attempt, addon);
      return;
    case "UDP_CHECK":
      runUdpCheck(check, attempt, addon);
      return;
    case "PING_CHECK":
      runPingCheck(check, attempt, addon);
      return;
    case "MISC_CHECK":
      runMiscCheck(check, attempt, scripts);
      return;
    case "FILE_CHECK":
      throw new Error("a FILE_CHECK is told its value and asks nothing");
  }
}
