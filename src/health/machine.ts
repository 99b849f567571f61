import type { Ip } from "../core/ip.ts";
import { after, between, type DurationUs, milliseconds, toMilliseconds, toSeconds, type Us } from "../core/units.ts";
import { serviceId } from "../plan/keys.ts";
import { adoptHolder, configure } from "./configure.ts";
import { checkedWeight, secondTierChecks, updateDesired } from "./desired.ts";
import { countsCluster, forgetCluster, membersOf, rememberMembers, takeCluster } from "./discovery.ts";
import { decide, isExclusive } from "./exclusive.ts";
import { decideFallback, fallbackDueAt } from "./fallback.ts";
import { judgeFiles } from "./files.ts";
import { Heap } from "./heap.ts";
import { askPorts, endHold, holdUnknown } from "./hold.ts";
import { closeOpen, serverReason, serverVerdict } from "./judge.ts";
import { kick } from "./kick.ts";
import {
  applyOverrides,
  expire,
  isSameTarget,
  nextExpiry,
  type Override,
  overrideText,
  targetText,
} from "./overrides.ts";
import { decideQuorum } from "./quorum.ts";
import { takeOutcome } from "./results.ts";
import { followLosses, nextLossAt, takeRows } from "./roleLoss.ts";
import {
  finishProbe,
  nextWakeup,
  OVERDUE_SECOND_LOOK,
  planNext,
  pullForward,
  startOrGiveUp,
  takeAlong,
  takeDue,
} from "./schedule.ts";
import type { CheckState, HealthState, ProbeState, ServiceState } from "./state.ts";
import { takeAddresses } from "./suspend.ts";
import type { HealthEffect, HealthEvent, HealthInput, HealthMachine, ProbeOutcome, ServiceRows } from "./types.ts";
import { viewService } from "./view.ts";

/**
 * The health half: results of probes in, probes to start and a table to want out. Time, results and jitter's seed are all
 * it knows of the world. `step` owns the state: the object given in is the object returned.
 *
 * `tableChanged` may come before `firstVerdicts`; the table wanted then is a safe one too (what is not known keeps the
 * weight it has), but it changes with every first result, so a caller may wait for `firstVerdicts`.
 */
export const healthMachine: HealthMachine<HealthState> = {
  initial: (seed) => ({
    randomWord: seed >>> 0,
    services: new Map(),
    probes: new Map(),
    nodes: new Map(),
    overrides: [],
    clusters: new Map(),
    wakeups: new Heap(),
    files: new Map(),
    startup: undefined,
    configured: [],
    discovered: new Map(),
    held: new Set(),
    started: false,
  }),

  step: (state, input, now) => {
    const step = new Step(state, now);
    switch (input.kind) {
      case "configure":
        step.configure(input);
        break;
      case "addresses":
        step.addresses(input.held);
        break;
      case "probeDone":
        step.probeDone(input.key, input.startedAt, input.outcome);
        break;
      case "filesRead":
        step.filesRead(input.values);
        break;
      case "overrides":
        step.overridden(input.overrides);
        break;
      case "kick":
        step.events(kick(state, input, now));
        break;
      case "membersRemembered":
        rememberMembers(state, input);
        break;
      case "forgetCluster":
        step.events(forgetCluster(state, input.services, "an operator says so"));
        break;
      case "cluster":
        step.clusterTold(input);
        break;
      case "rows":
        step.rowsRead(input.rows);
        break;
      case "deadline":
        break;
    }
    step.finish();
    return { state, effects: step.effects };
  },

  nextDeadline: (state) => {
    const due = [nextWakeup(state), state.startup?.until, nextExpiry(state.overrides)];
    const first = due.reduce<number>((least, at) => Math.min(least, at ?? least), Number.POSITIVE_INFINITY);
    return Number.isFinite(first) ? (first as Us) : undefined;
  },

  countsCluster,
  services: (state) => [...state.services.values()].map(({ config }) => config),
  desired: (state) => [...state.services.values()].flatMap((service) => service.desired),
  view: (state, now) => [...state.services.values()].map((service) => viewService(state, service, now)),
};

/** One step: what it does to the state and the effects it collects. */
class Step {
  readonly effects: HealthEffect[] = [];
  private readonly state: HealthState;
  private readonly now: Us;
  private changed = false;
  /** Services whose rows a policy waits for. */
  private readonly toRead = new Set<ServiceState>();

  constructor(state: HealthState, now: Us) {
    this.state = state;
    this.now = now;
  }

  events(events: readonly HealthEvent[]): void {
    for (const event of events) this.effects.push({ kind: "event", event });
  }

  configure(input: Extract<HealthInput, { kind: "configure" }>): void {
    this.events(configure(this.state, input, this.now));
    this.changed = true;
    for (const service of this.state.services.values()) {
      judgeFiles(service, this.state.files, this.now);
      this.evaluate(service);
    }
  }

  /** Other servers than before are a configuration like any other, to which the kernel has nothing new to say. */
  clusterTold(input: Extract<HealthInput, { kind: "cluster" }>): void {
    const { state } = this;
    const events: HealthEvent[] = [];
    const changed = takeCluster(state, input, this.now, events);
    this.events(events);
    state.startup?.clusters.delete(input.service);
    if (!changed) return;
    this.effects.push({ kind: "rememberMembers", services: membersOf(state) });
    this.configure({ kind: "configure", virtualServers: state.configured, existing: new Map() });
  }

  filesRead(values: ReadonlyMap<string, number | undefined>): void {
    const { state, now } = this;
    state.files = new Map(values);
    for (const service of state.services.values()) if (judgeFiles(service, values, now)) this.evaluate(service);
  }

  addresses(held: ReadonlySet<Ip>): void {
    const events: HealthEvent[] = [];
    const services = takeAddresses(this.state, held, this.now, events);
    this.events(events);
    for (const service of services) {
      judgeFiles(service, this.state.files, this.now);
      this.evaluate(service);
    }
  }

  /** Answers of probes that were dropped, or given up and asked again, are none. */
  probeDone(key: string, startedAt: Us, outcome: ProbeOutcome): void {
    const probe = this.state.probes.get(key);
    if (probe?.inFlightSince === undefined || startedAt < probe.inFlightSince) return;
    this.takeResult(probe, startedAt, outcome);
  }

  overridden(overrides: readonly Override[]): void {
    const before = this.state.overrides;
    const same = (one: Override) => (other: Override) => isSameTarget(one.target, other.target);
    for (const gone of before.filter((each) => !overrides.some(same(each)))) this.overrideEnded(gone, "taken back");
    for (const override of overrides) {
      const known = before.find(same(override));
      if (known?.weight === override.weight && known.until === override.until) continue;
      const reason =
        override.until === undefined ? "until it is taken back" : `for ${seconds(override.until, this.now)}`;
      this.events([{ kind: "override", target: targetText(override.target), to: overrideText(override), reason }]);
    }
    this.setOverrides(overrides);
  }

  /** Whatever came in: start what is due, judge what is overdue, announce what changed. */
  finish(): void {
    const { state, now } = this;
    const { left, ended } = expire(state.overrides, now);
    for (const override of ended) this.overrideEnded(override, "its time is over");
    if (ended.length > 0) this.setOverrides(left);
    this.startProbes();
    if (state.startup !== undefined && (isStarted(state.startup) || now >= state.startup.until)) {
      state.startup = undefined;
      this.effects.push({ kind: "firstVerdicts" });
      this.changed = true;
    }
    if (this.changed) this.effects.push({ kind: "tableChanged" });
    if (this.toRead.size === 0) return;
    this.effects.push({ kind: "readRows", services: [...this.toRead].flatMap(({ config }) => config.targets) });
  }

  rowsRead(rows: ServiceRows): void {
    for (const service of this.state.services.values()) {
      if (!service.servers.some(({ loss }) => loss !== undefined)) continue;
      // Of what was not read nothing is known, least of all that its rows are gone.
      if (!service.config.targets.every((target) => rows.has(serviceId(target)))) continue;
      takeRows(service, rows, this.now);
      this.evaluate(service);
    }
  }

  private startProbes(): void {
    const { state, now, effects } = this;
    let unhurried = false;
    for (let due = takeDue(state, now); due !== undefined; due = takeDue(state, now)) {
      if (due.kind === "service") {
        // Time is over for a first verdict, or for the answers before an election.
        due.service.wakeAt = undefined;
        this.evaluate(due.service);
        continue;
      }
      const done = startOrGiveUp(state, due.probe, now, effects);
      if (done === "lost") this.giveUp(due.probe);
      else if (done === "started" && due.earliestAt < due.at) unhurried = true;
    }
    // A hunt's answer is waited for: whatever was asked along with it would stand in its way.
    if (unhurried) for (const probe of takeAlong(state, now)) startOrGiveUp(state, probe, now, effects);
  }

  private setOverrides(overrides: readonly Override[]): void {
    this.state.overrides = overrides;
    for (const service of this.state.services.values()) {
      if (applyOverrides(service, overrides)) this.evaluate(service);
    }
  }

  private overrideEnded({ target }: Override, reason: string): void {
    this.events([{ kind: "override", target: targetText(target), to: "as configured", reason }]);
  }

  private giveUp(probe: ProbeState): void {
    const since = probe.inFlightSince ?? this.now;
    const detail = `no outcome after ${Math.round(toMilliseconds(between(since, this.now)))} ms`;
    this.takeResult(probe, since, { kind: "cannotRun", detail });
  }

  private takeResult(probe: ProbeState, startedAt: Us, outcome: ProbeOutcome): void {
    const { state, now } = this;
    finishProbe(state, probe, startedAt, now);
    state.startup?.pending.delete(probe.spec.key);
    const { services, events } = takeOutcome(state, probe, startedAt, outcome, now);
    this.events(events);
    for (const service of services) this.evaluate(service);
    planNext(state, probe, now);
  }

  /** Everything that follows from a service's latest results, anew. */
  private evaluate(service: ServiceState): void {
    const { state, now } = this;
    const { holder, hunt } = service;
    endHold(service, now);
    expireAssumptions(service, now);
    if (service.electionOpensAt !== undefined && now >= service.electionOpensAt) {
      service.electionOpensAt = undefined;
      for (const server of service.servers) closeOpen(server);
    }
    this.announceVerdicts(service);
    this.announceWeights(service);
    if (!service.exclusive && isExclusive(service)) {
      service.exclusive = true;
      const events: HealthEvent[] = [];
      adoptHolder(service, (server) => server.row ?? 0, events, true);
      this.events(events);
    }
    if (service.exclusive && !service.suspended) this.events(decide(service, now));
    this.events(decideFallback(service, now));
    this.events(decideQuorum(service));
    const losses = followLosses(service, now);
    this.events(losses.events);
    if (losses.read) this.toRead.add(service);
    askPorts(state, service, now);
    if (service.holder !== holder || service.hunt !== hunt) pullForward(state, service, now);
    if (updateDesired(service)) this.changed = true;
    this.armService(service);
  }

  private announceVerdicts(service: ServiceState): void {
    for (const server of service.servers) {
      const to = serverVerdict(server);
      const from = server.verdict;
      // Back to unknown is a changed check: the old verdict stands until its first result.
      if (from === to || to === "unknown") continue;
      server.verdict = to;
      const reason = serverReason(server);
      this.events([{ kind: "verdict", service: service.id, server: server.id, from, to, reason }]);
    }
  }

  private announceWeights(service: ServiceState): void {
    for (const server of service.servers) {
      const to = checkedWeight(server);
      const from = server.checkedWeight;
      if (to === from) continue;
      server.checkedWeight = to;
      const reasons = server.checks.flatMap(({ weight, reason }) => (weight === undefined ? [] : [reason]));
      const reason = reasons.length === 0 ? "its checks leave the weight alone" : reasons.join("; ");
      this.events([{ kind: "checkedWeight", service: service.id, server: server.id, from, to, reason }]);
    }
  }

  private armService(service: ServiceState): void {
    const never = Number.POSITIVE_INFINITY;
    let at = Math.min(nextLossAt(service), service.electionOpensAt ?? never, fallbackDueAt(service) ?? never);
    for (const { assumed, secondAssumedUntil } of service.servers)
      at = Math.min(at, assumed?.until ?? never, secondAssumedUntil ?? never);
    if (!Number.isFinite(at)) service.wakeAt = undefined;
    else if (service.wakeAt !== at) {
      service.wakeAt = at as Us;
      this.state.wakeups.push({ at: at as Us, kind: "service", service });
    }
  }
}

/** A deadline that is told so late tells of a stall. */
const STALL: DurationUs = milliseconds(100);

/** What was taken for true goes with the first verdict, or when the time for one is over: then it counts as failed. */
function expireAssumptions(service: ServiceState, now: Us): void {
  for (const server of service.servers) {
    const { assumed, secondAssumedUntil } = server;
    if (assumed !== undefined) {
      // This thread did not run: answers that wait in the event loop get in before what was adopted is given up.
      if (between(assumed.until, now) > STALL) server.assumed = { ...assumed, until: after(now, OVERDUE_SECOND_LOOK) };
      else if (now >= assumed.until) failUnknown(holdUnknown(service, server, now));
      if (serverVerdict(server) !== "unknown") server.assumed = undefined;
    }
    if (secondAssumedUntil === undefined) continue;
    const second = secondTierChecks(server);
    if (now >= secondAssumedUntil) failUnknown(second);
    if (second.every(({ verdict }) => verdict !== "unknown")) server.secondAssumedUntil = undefined;
  }
}

function failUnknown(checks: readonly CheckState[]): void {
  for (const check of checks) {
    if (check.verdict !== "unknown") continue;
    check.verdict = "down";
    check.reason = `no verdict in the worst-case time of the check (${check.reason})`;
  }
}

const isStarted = ({ pending, clusters }: NonNullable<HealthState["startup"]>): boolean =>
  pending.size === 0 && clusters.size === 0;

const seconds = (until: Us, now: Us): string => `${Math.round(toSeconds(between(now, until)))} s`;
