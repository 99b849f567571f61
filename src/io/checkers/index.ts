import type { Socket } from "node:net";
import type { ProbeKey, ProbeOutcome, ProbeSpec } from "../../health/types.ts";
import { HttpProber } from "./http.ts";
import { patroniProber } from "./patroni.ts";
import { runTcpCheck } from "./tcp.ts";

/** Runs probes. Checkers judge nothing: what they saw is the outcome. */
export interface Checkers {
  /** `done` gets exactly one outcome, never before `run` returns, at the latest when the check's connect_timeout is over. */
  run(spec: ProbeSpec, done: (outcome: ProbeOutcome) => void): void;
  /** Ends what runs (as `cannotRun`) and closes every socket. */
  close(): void;
}

/** How long the client of a check that a reload removed may stay. */
const UNUSED_MS = 300_000;
const SWEEP_EVERY_MS = 60_000;

export function createCheckers(): Checkers {
  return new RunningCheckers();
}

interface Target {
  readonly prober: HttpProber;
  usedAtMs: number;
}

class RunningCheckers implements Checkers {
  private readonly targets = new Map<ProbeKey, Target>();
  private readonly sockets = new Set<Socket>();
  private sweptAtMs = performance.now();
  private closed = false;

  run(spec: ProbeSpec, done: (outcome: ProbeOutcome) => void): void {
    if (this.closed) throw new Error("the checkers are closed");
    const { check } = spec;
    switch (check.kind) {
      case "TCP_CHECK":
        runTcpCheck(check, this.sockets, done);
        return;
      case "HTTP_GET":
        this.startProber(spec.key, () => new HttpProber(check), done);
        return;
      case "patroni":
        this.startProber(spec.key, () => patroniProber(check), done);
        return;
    }
  }

  close(): void {
    this.closed = true;
    for (const { prober } of this.targets.values()) prober.close();
    this.targets.clear();
    for (const socket of this.sockets) socket.destroy(new Error("the checkers were closed"));
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
