import type { CheckConfig, PatroniCheckConfig } from "../config/check.types.ts";
import type { RealServerConfig, VirtualServerConfig } from "../config/types.ts";
import { after, type DurationUs, durationUs, milliseconds, type Us } from "../core/units.ts";
import { destinationId, serviceId } from "../plan/keys.ts";
import type { DestinationId } from "../plan/types.ts";
import { adoptMembers } from "./adoption.ts";
import { checkedWeight, hasSecondRole, rowKey, secondTierChecks, serverWeight, updateDesired } from "./desired.ts";
import { forgetClusters, withMembers } from "./discovery.ts";
import { endElection, isExclusive, setHolder } from "./exclusive.ts";
import { decideFallback } from "./fallback.ts";
import { serverVerdict } from "./judge.ts";
import { type Override, overrideFor } from "./overrides.ts";
import { decideQuorum } from "./quorum.ts";
import { policyOf } from "./roleLoss.ts";
import { dropProbe, isProbeSuspended, wakeProbe } from "./schedule.ts";
import {
  type Assumption,
  type CheckState,
  type HealthState,
  type ProbeState,
  type ServerState,
  type ServiceState,
  serverOf,
} from "./state.ts";
import { endDecisions, isSuspended, SUSPENDED } from "./suspended.ts";
import type { HealthEvent, HealthInput, ProbeKey } from "./types.ts";

/** How much longer than its connect_timeout a first result is waited for. */
const FIRST_RESULT_GRACE: DurationUs = milliseconds(500);

/** The whole definition of a probe as a key: what differs in nothing here is one probe, however many services ask it. */
export function probeKey(check: CheckConfig): ProbeKey {
  const { timing, logAllFailures: _, ...asked } = check.kind === "patroni" ? questionOf(check) : check;
  return `${asked.kind} ${timing.connectTimeout} ${canonical(asked)}`;
}

/** One question to a member of Patroni serves all that its answer is judged by. */
function questionOf({ role, maxLagBytes, respectsNoLoadBalance, unknownHold, ...question }: PatroniCheckConfig) {
  return question;
}

/** JSON with the fields of objects in order, those that are undefined left out. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`)
    .join()}}`;
}

/** What a check makes of the probe's answer; several judge one answer of Patroni's, each by its own role. */
function sameJudgement(left: CheckConfig, right: CheckConfig): boolean {
  if (left.kind !== "patroni" || right.kind !== "patroni") return true;
  return (["role", "maxLagBytes", "respectsNoLoadBalance"] as const).every((each) => left[each] === right[each]);
}

/** What is asked one question at a time while a service hunts: an endpoint, or a program. */
function nodeOf(check: CheckConfig): string {
  return "connectIp" in check ? `${check.connectIp} ${check.connectPort}` : probeKey(check);
}

/** The longest time until a verdict of a check that starts now: every try runs into its deadline. */
export function worstCaseVerdict({ timing }: CheckConfig): DurationUs {
  const { connectTimeout, retry, delayBeforeRetry } = timing;
  return durationUs(connectTimeout * (retry + 1) + delayBeforeRetry * retry + FIRST_RESULT_GRACE);
}

/**
 * Takes a configuration over, at start or reload. Results of checks that did not change are kept; a changed check keeps
 * the old verdict until its first result; what was removed vanishes; every new probe is due now.
 */
export function configure(
  state: HealthState,
  input: Extract<HealthInput, { kind: "configure" }>,
  now: Us,
): HealthEvent[] {
  const events: HealthEvent[] = [];
  const old = state.services;
  state.services = new Map();
  state.configured = input.virtualServers;
  events.push(...forgetClusters(state, input.virtualServers));
  for (const written of input.virtualServers) {
    events.push(...adoptMembers(state, written, old.get(written.name), input.existing));
    const config = withMembers(state, written);
    const existing = existingRows(config, input.existing);
    const suspended = isSuspended(config, state.held);
    // What is suspended begins anew when its address comes, whatever was known.
    const known = old.get(config.name);
    if (suspended && known !== undefined) endDecisions(known, SUSPENDED, events);
    const before = suspended ? undefined : known;
    const taken = { existing: suspended ? NO_ROWS : existing, overrides: state.overrides, suspended, now, events };
    const service = buildService(config, before, taken);
    state.services.set(config.name, service);
  }
  for (const [name, gone] of old) {
    if (!state.services.has(name)) endDecisions(gone, "the service is not configured any more", events);
  }
  rebuildProbes(state, now);
  const pending = [...state.probes.values()]
    .filter((probe) => probe.results === 0 && !isProbeSuspended(probe))
    .map((probe) => probe.spec.key);
  const followed = new Set(following(input.virtualServers).map(({ name }) => name));
  if (!state.started) {
    state.startup = {
      pending: new Set(pending),
      clusters: followed,
      until: firstResultsBy([...state.services.values()], now),
    };
    state.started = true;
  } else if (state.startup !== undefined) {
    // What a reload took out is waited for no longer; what it brought is checked like any other.
    const clusters = new Set([...state.startup.clusters].filter((name) => followed.has(name)));
    state.startup = { ...state.startup, clusters, pending: new Set(pending) };
  }
  return events;
}

/** By the servers' own ids. */
type ExistingRows = ReadonlyMap<DestinationId, number>;

const NO_ROWS: ExistingRows = new Map();

/** What a configuration is taken over with, besides what was known of its services before. */
interface Taken {
  /** `ha_suspend`, and the host holds none of the addresses. */
  readonly suspended: boolean;
  readonly existing: ExistingRows;
  readonly overrides: readonly Override[];
  readonly now: Us;
  /** What happens by it is added. */
  readonly events: HealthEvent[];
}

/** Of a server that has rows in several kernel services the greatest weight counts: it may be getting connections. */
function existingRows(
  config: VirtualServerConfig,
  existing: Extract<HealthInput, { kind: "configure" }>["existing"],
): ExistingRows {
  const rows = new Map<DestinationId, number>();
  for (const target of config.targets) {
    const found = existing.get(serviceId(target));
    if (found === undefined) continue;
    for (const server of config.realServers) {
      const weight = found.get(destinationId(rowKey(target, server)));
      const id = destinationId(server);
      if (weight !== undefined) rows.set(id, Math.max(weight, rows.get(id) ?? 0));
    }
  }
  return rows;
}

function buildService(config: VirtualServerConfig, old: ServiceState | undefined, taken: Taken): ServiceState {
  const { existing, now, events } = taken;
  const servers = config.realServers.map((server) => buildServer(server, config.name, old, taken));
  const exclusive = isExclusive({ config, servers }) || (config.exclusive === "onScope" && stillOnScope(old));
  const carried = exclusive && old?.exclusive === true;
  const service: ServiceState = {
    id: config.name,
    config,
    servers,
    exclusive,
    holder: carried ? old.holder : undefined,
    conflict: carried ? old.conflict : undefined,
    quorum: old?.quorum,
    fallback: old?.fallback,
    sorryRow: undefined,
    hunt: carried ? old.hunt : undefined,
    suspended: taken.suspended,
    resumedAt: old?.suspended === true ? now : old?.resumedAt,
    electionOpensAt: old?.electionOpensAt,
    wakeAt: undefined,
    desired: [],
  };
  if (old?.exclusive === true && !exclusive) {
    const reason = "the service is not exclusive any more";
    endElection(old, reason, events);
    setHolder(old, undefined, reason, events, true);
  }
  if (exclusive && !carried)
    adoptHolder(service, (server) => weightBefore(server, old, existing), events, old !== undefined);
  takeUpLosses(service, old, existing);
  const holder = serverOf(service, service.holder);
  if (old === undefined || holder?.checks.some((check) => check.resultAt === undefined)) {
    service.electionOpensAt = firstResultsBy([service], now);
  }
  events.push(...decideFallback(service, now), ...decideQuorum(service));
  updateDesired(service);
  return service;
}

/**
 * A row with weight 0 that an earlier life left has connections, where it would be gone otherwise: they are waited for, kept, or, in
 * an exclusive service that cuts, cut once a successor is confirmed.
 */
function takeUpLosses(service: ServiceState, old: ServiceState | undefined, existing: ExistingRows): void {
  const { policy } = policyOf(service);
  if (policy === "cut" && !service.exclusive) return;
  for (const server of service.servers) {
    const isNew = serverOf(old ?? { servers: [] }, server.id) === undefined;
    if (isNew && existing.get(server.id) === 0 && !server.config.inhibitOnFailure) server.serving = true;
  }
}

function stillOnScope(old: ServiceState | undefined): boolean {
  return old?.config.exclusive === "onScope" && old.exclusive;
}

function weightBefore(server: ServerState, old: ServiceState | undefined, existing: ExistingRows): number {
  const before = serverOf(old ?? { servers: [] }, server.id);
  if (old !== undefined && before !== undefined) return serverWeight(old, before);
  return existing.get(server.id) ?? 0;
}

/** A service that becomes exclusive keeps the one server that has weight; two of them are no incumbent. `shared`: it was known before. */
export function adoptHolder(
  service: ServiceState,
  weightOf: (server: ServerState) => number,
  events: HealthEvent[],
  shared: boolean,
): void {
  const weighted = service.servers.filter((server) => weightOf(server) > 0);
  const [only] = weighted;
  if (only !== undefined && weighted.length === 1) setHolder(service, only.id, "had weight before", events, shared);
}

function buildServer(
  config: RealServerConfig,
  service: string,
  oldService: ServiceState | undefined,
  { existing, overrides, now }: Taken,
): ServerState {
  const id = destinationId(config);
  const old = serverOf(oldService ?? { servers: [] }, id);
  const checks = config.checks.map((check) => buildCheck(check, old));
  const unknown = checks.some((check) => check.verdict === "unknown");
  const fallback = config.fallback && buildCheck(config.fallback, old);
  const until = after(now, durationUs(Math.max(0, ...config.checks.map(worstCaseVerdict))));
  const second = secondTierChecks({ checks, fallback });
  const assumesSecond = old !== undefined && hasSecondRole(old) && second.some(({ verdict }) => verdict === "unknown");
  return {
    id,
    config,
    checks,
    assumed: unknown ? assumption(old, existing.get(id), until) : undefined,
    fallback,
    override: overrideFor(overrides, config, service),
    secondAssumedUntil: assumesSecond ? (old.secondAssumedUntil ?? until) : undefined,
    port: undefined,
    serving: old?.serving ?? (existing.get(id) ?? 0) > 0,
    loss: old?.loss && { ...old.loss },
    verdict: old?.verdict ?? "unknown",
    checkedWeight: checkedWeight({ config, checks }),
    row: old?.row,
  };
}

function assumption(old: ServerState | undefined, weight: number | undefined, until: Us): Assumption | undefined {
  if (old === undefined) return weight === undefined ? undefined : { up: weight > 0, weight, until };
  const verdict = serverVerdict(old);
  if (verdict === "unknown") return old.assumed && { ...old.assumed };
  return { up: verdict === "up", weight: undefined, until };
}

function buildCheck(config: CheckConfig, old: ServerState | undefined): CheckState {
  const key = probeKey(config);
  const before = [...(old?.checks ?? []), ...(old?.fallback === undefined ? [] : [old.fallback])];
  const known = before.find((check) => check.key === key && sameJudgement(check.config, config));
  return known === undefined ? newCheck(config) : { ...known, config };
}

/** A check that has no result yet. */
export function newCheck(config: CheckConfig): CheckState {
  return {
    config,
    key: probeKey(config),
    verdict: "unknown",
    failures: 0,
    countedAt: undefined,
    silentSince: undefined,
    openSince: undefined,
    passing: false,
    confirmed: false,
    askedAt: undefined,
    body: undefined,
    weight: undefined,
    reason: "not checked yet",
    resultAt: undefined,
  };
}

function rebuildProbes(state: HealthState, now: Us): void {
  for (const probe of state.probes.values()) probe.users = [];
  for (const service of state.services.values()) {
    for (const server of service.servers) {
      for (const check of [...server.checks, ...(server.fallback === undefined ? [] : [server.fallback])]) {
        // A file is watched, not asked.
        if (check.config.kind !== "FILE_CHECK") probeFor(state, check).users.push({ service, server, check });
      }
    }
  }
  for (const probe of [...state.probes.values()]) {
    if (probe.users.length === 0) dropProbe(state, probe, now);
    else if (probe.inFlightSince === undefined && probe.users.some(({ check }) => check.resultAt === undefined)) {
      wakeProbe(state, probe, now);
    }
  }
}

/** The probe that answers a check: one that others ask already, or a new one without users. */
export function probeFor(state: HealthState, check: CheckState): ProbeState {
  const known = state.probes.get(check.key);
  if (known !== undefined) return known;
  const probe: ProbeState = {
    spec: { key: check.key, check: check.config },
    node: nodeOf(check.config),
    users: [],
    inFlightSince: undefined,
    startedAt: undefined,
    finishedAt: undefined,
    results: 0,
    reading: undefined,
    system: undefined,
    wakeAt: undefined,
    kickAt: undefined,
    kicksSpentUntil: undefined,
    overdueSeen: false,
  };
  state.probes.set(check.key, probe);
  return probe;
}

export function firstResultsBy(services: readonly ServiceState[], now: Us): Us {
  const timeouts = services.flatMap((service) =>
    service.servers.flatMap((server) => server.checks.map((check) => check.config.timing.connectTimeout)),
  );
  // Members are asked for first, and then asked themselves.
  const followed = following(services.map(({ config }) => config)).flatMap(({ discovery }) =>
    (discovery?.template.checks ?? []).map(({ timing }) => 2 * timing.connectTimeout),
  );
  const longest = [...timeouts, ...followed].reduce<number>((left, right) => Math.max(left, right), 0);
  return after(now, durationUs(longest + FIRST_RESULT_GRACE));
}

const following = (configs: readonly VirtualServerConfig[]): readonly VirtualServerConfig[] =>
  configs.filter(({ discovery }) => discovery !== undefined);
