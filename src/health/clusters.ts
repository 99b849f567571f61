import { type LeaderPosition, leaderPosition, type PatroniReading } from "./patroniCheck.ts";
import type { HealthState, ProbeState } from "./state.ts";
import type { PatroniBody, ProbeKey } from "./types.ts";

/**
 * Members of one cluster by their `database_system_identifier`, over all services: what their latest answers say of the
 * leader's position, and whose lag waits for one.
 */
export interface ClusterState {
  readonly members: Set<ProbeKey>;
  /** Of each member whose latest answer leads; more than one only while claims conflict. */
  readonly leaders: Map<ProbeKey, LeaderPosition>;
  /** Members whose lag could not be told for want of a leader's position: judged again when one comes. */
  readonly waiting: Set<ProbeKey>;
}

/**
 * Takes a member's latest outcome into its cluster (`undefined`: silence, or no answer of Patroni's). Returns the probes
 * that were waiting for what it says.
 */
export function learnPosition(
  state: HealthState,
  probe: ProbeState,
  reading: PatroniReading | undefined,
): readonly ProbeState[] {
  const { key } = probe.spec;
  const system = reading?.body?.databaseSystemIdentifier;
  if (system !== probe.system) forgetMember(state, probe);
  if (reading === undefined || system === undefined) return [];
  const cluster = state.clusters.get(system) ?? { members: new Set(), leaders: new Map(), waiting: new Set() };
  state.clusters.set(system, cluster);
  probe.system = system;
  cluster.members.add(key);
  cluster.waiting.delete(key);
  const position = leaderPosition(reading);
  if (position === undefined) {
    cluster.leaders.delete(key);
    return [];
  }
  cluster.leaders.set(key, position);
  const waiting = [...cluster.waiting].flatMap((each) => state.probes.get(each) ?? []);
  cluster.waiting.clear();
  return waiting;
}

/** A member that is asked no more, or whose answer before counts no more. */
export function forgetMember(state: HealthState, probe: ProbeState): void {
  const { system } = probe;
  probe.system = undefined;
  const cluster = system === undefined ? undefined : state.clusters.get(system);
  if (system === undefined || cluster === undefined) return;
  for (const each of [cluster.members, cluster.leaders, cluster.waiting]) each.delete(probe.spec.key);
  if (cluster.members.size === 0) state.clusters.delete(system);
}

/** The leader of a member's cluster; of several claims the one with the highest timeline. */
export function leaderOf(state: HealthState, body: PatroniBody | undefined): LeaderPosition | undefined {
  let leader: LeaderPosition | undefined;
  for (const each of clusterOf(state, body)?.leaders.values() ?? []) {
    if (leader === undefined || (each.timeline ?? 0) > (leader.timeline ?? 0)) leader = each;
  }
  return leader;
}

/** The member's lag waits for a leader's position. */
export function awaitLeader(state: HealthState, probe: ProbeState, body: PatroniBody | undefined): void {
  clusterOf(state, body)?.waiting.add(probe.spec.key);
}

function clusterOf(state: HealthState, body: PatroniBody | undefined): ClusterState | undefined {
  const system = body?.databaseSystemIdentifier;
  return system === undefined ? undefined : state.clusters.get(system);
}
