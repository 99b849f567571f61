import { memberServer } from "../config/discovery.ts";
import type { VirtualServerConfig } from "../config/types.ts";
import { endpointText } from "../core/ip.ts";
import type { Us } from "../core/units.ts";
import { destinationId } from "../plan/keys.ts";
import type { ServiceId } from "../plan/types.ts";
import { mergeMembers, writtenApis } from "./memberList.ts";
import { type ClusterReading, MEMBERS_MAX, readCluster, restApi, withOwnApis } from "./members.ts";
import type { DiscoveryState, HealthState, ServerState, ServiceState } from "./state.ts";
import type { HealthEvent, HealthInput, PatroniBody, ProbeOutcome, RememberedMembers } from "./types.ts";

/**
 * `patroni_cluster`: real servers that follow the list of a cluster's members. The list only ever proposes. A new member has no weight
 * until its own check has passed, and that check passes only for a member of the same scope and system. One that is no longer
 * listed stays as long as its own answers say that it is up, and until the policy of `role_loss` is done with its connections: so no answer about
 * the others, however wrong, takes a server that works away. What cannot be right leaves the list as it is, and is told.
 */

/** What an earlier life knew; before the first configuration. Where two share a REST API, the next list decides who has it. */
export function rememberMembers(
  state: HealthState,
  { services }: Extract<HealthInput, { kind: "membersRemembered" }>,
): void {
  for (const [service, { members, scope, system }] of services)
    state.discovered.set(service, {
      ...NOTHING,
      members: withOwnApis(members.slice(0, MEMBERS_MAX)).members.map((member) => ({ member, listed: true })),
      scope,
      system,
    });
}

/** Of a cluster that nobody has told anything of. */
export const NOTHING: DiscoveryState = {
  ...{ members: [], scope: undefined, system: undefined, learnsAnew: false },
  ...{ problem: undefined, source: undefined, readAt: undefined, wrong: new Map() },
};

/**
 * The configuration of a service with the servers that are known of its cluster; written ones come first and win: at their place,
 * and for the REST API that they are asked at, which speaks for nobody else.
 */
export function withMembers(state: HealthState, config: VirtualServerConfig): VirtualServerConfig {
  const { discovery } = config;
  const known = state.discovered.get(config.name)?.members ?? [];
  if (discovery === undefined || known.length === 0) return config;
  const taken = new Set(config.realServers.map(destinationId));
  const asked = writtenApis(config);
  const found = known.flatMap(({ member }) => {
    const server = memberServer(discovery, member);
    const id = destinationId(server);
    if (taken.has(id) || asked.has(restApi(member))) return [];
    taken.add(id);
    return [server];
  });
  return { ...config, realServers: [...config.realServers, ...found] };
}

/** Forgets what no service asks for any more; where another scope is written than was learnt, the next list decides. */
export function forgetClusters(state: HealthState, configs: readonly VirtualServerConfig[]): HealthEvent[] {
  const events: HealthEvent[] = [];
  const following = new Map(configs.map(({ name, discovery }) => [name, discovery]));
  for (const [name, found] of [...state.discovered]) {
    const discovery = following.get(name);
    if (discovery === undefined) {
      state.discovered.delete(name);
      continue;
    }
    const sources = new Set(discovery.sources.map(({ address, port }) => endpointText(address, port)));
    const wrong = new Map([...found.wrong].filter(([source]) => sources.has(source)));
    const { scope = discovery.scope } = found;
    state.discovered.set(name, { ...found, scope, wrong });
    if ((discovery.scope ?? scope) !== scope)
      events.push(...forgetCluster(state, new Set([name]), "another scope is written"));
  }
  return events;
}

/**
 * An operator's word that a cluster may be another one now (initialized anew, restored under a new name): the next list that can
 * be right decides which. What was learnt counts until then, so a stranger among the members gets nothing meanwhile.
 */
export function forgetCluster(state: HealthState, services: ReadonlySet<ServiceId>, why: string): HealthEvent[] {
  return [...services].flatMap((service) => {
    const known = state.discovered.get(service);
    if (known === undefined) return [];
    state.discovered.set(service, { ...known, learnsAnew: true });
    return [{ kind: "members", service, what: `the next list decides whose cluster it is: ${why}` } as const];
  });
}

/** Whether an answer about the cluster that a service follows is one, and about that cluster. */
export function countsCluster(state: HealthState, service: ServiceId, outcome: ProbeOutcome): boolean {
  const config = state.configured.find(({ name }) => name === service);
  return config !== undefined && readFor(state, config, outcome).ok;
}

/** What an answer says of the cluster that a service follows, or why it does not count. */
function readFor(state: HealthState, config: VirtualServerConfig, outcome: ProbeOutcome): ClusterReading {
  const reading = readCluster(outcome, config);
  if (!reading.ok) return reading;
  const known = state.discovered.get(config.name) ?? NOTHING;
  const undecided = whatItLacks(known, reading.value, config);
  const error = undecided ?? foreignness(reading.value, config, learntOf(known));
  return error === undefined ? reading : { ok: false, error };
}

/** Why an answer cannot decide whose cluster it is: nothing would be known for a while, and whoever is listed would pass. */
function whatItLacks(
  { learnsAnew, scope, system }: DiscoveryState,
  told: ClusterIdentity,
  { discovery }: VirtualServerConfig,
): string | undefined {
  if (!learnsAnew || told.system !== undefined) return undefined;
  if (system !== undefined) return "it tells no database system, which is to be learnt anew";
  const tellsNothing = scope !== undefined && told.scope === undefined && discovery?.scope === undefined;
  return tellsNothing ? "it tells neither scope nor database system, which are to be learnt anew" : undefined;
}

/** What counts against an answer. */
const learntOf = (known: DiscoveryState): DiscoveryState => (known.learnsAnew ? NOTHING : known);

/** Takes an answer about a cluster. True when the servers of the service are others than before. */
export function takeCluster(
  state: HealthState,
  { service: name, source, outcome, passedOver = [] }: Extract<HealthInput, { kind: "cluster" }>,
  now: Us,
  events: HealthEvent[],
): boolean {
  const service = state.services.get(name);
  const config = state.configured.find((each) => each.name === name);
  if (service === undefined || config?.discovery === undefined) return false;
  const before = state.discovered.get(name) ?? NOTHING;
  const reading = readFor(state, config, outcome);
  const tell = (what: string): void => void events.push({ kind: "members", service: name, what });
  // What was foreign to the old cluster may be the new one's.
  const wrong = new Map(before.learnsAnew ? [] : before.wrong);
  for (const each of passedOver) {
    const found = each.outcome.kind === "answered" ? readFor(state, config, each.outcome) : undefined;
    if (found?.ok !== false) continue;
    tell(`${each.source} does not count, ${source} was asked instead: ${found.error}`);
    wrong.set(each.source, found.error);
  }
  if (!reading.ok) {
    if (before.problem !== reading.error)
      tell(`its list of members stays as it is (${before.members.length} known): ${source}: ${reading.error}`);
    state.discovered.set(name, { ...before, problem: reading.error });
    return false;
  }
  const answer = reading.value;
  const { members, doubled } = mergeMembers(service, before, {
    config,
    discovery: config.discovery,
    answer,
    source,
    tell,
  });
  const [unusable] = answer.unusable;
  const problem = unusable ?? doubled;
  if (problem !== undefined && problem !== before.problem)
    tell(`${source}: ${problem}${unusable === undefined ? "" : ": nobody is taken from the list meanwhile"}`);
  if (problem === undefined && before.problem !== undefined) tell(`its list of members is taken again, from ${source}`);
  const learnt = learntOf(before);
  const scope = config.discovery.scope ?? answer.scope ?? learnt.scope;
  const { system = learnt.system } = answer;
  if (before.learnsAnew)
    tell(
      `it follows the cluster ${clusterText({ scope, system })} now, as ${source} tells; before: ${clusterText(before)}`,
    );
  wrong.delete(source);
  state.discovered.set(name, { members, scope, system, learnsAnew: false, problem, source, readAt: now, wrong });
  const endpoints = (all: DiscoveryState["members"]): string => JSON.stringify(all.map(({ member }) => member));
  return endpoints(members) !== endpoints(before.members) || scope !== before.scope || system !== before.system;
}

type ClusterIdentity = Pick<DiscoveryState, "scope" | "system">;

/** Why an answer is about another cluster than the written or the learnt one. */
function foreignness(
  answer: ClusterIdentity,
  { name, discovery }: VirtualServerConfig,
  learnt: ClusterIdentity,
): string | undefined {
  const written = discovery?.scope;
  const scope = written ?? learnt.scope;
  const remedy = `; if that is right, because the cluster was initialized anew: holdfast forget "${name}"`;
  if (scope !== undefined && answer.scope !== undefined && answer.scope !== scope)
    return `it tells of the cluster ${answer.scope}, not of ${scope}${written === undefined ? remedy : ""}`;
  if (learnt.system !== undefined && answer.system !== undefined && answer.system !== learnt.system)
    return `it tells of the database system ${answer.system}, not of ${learnt.system}${remedy}`;
  return undefined;
}

const clusterText = ({ scope, system }: ClusterIdentity): string =>
  `${scope ?? "of unknown scope"}, database system ${system ?? "unknown"}`;

/**
 * What the answer of a server's REST API says against its being a member of the cluster that its service follows, or against its
 * speaking for that server any more; undefined = nothing.
 */
export function foreignMember(
  state: HealthState,
  { id: service, config }: ServiceState,
  server: ServerState,
  body: PatroniBody | undefined,
): string | undefined {
  const cluster = state.discovered.get(service);
  if (cluster === undefined || body === undefined) return undefined;
  const { scope, system, members } = cluster;
  if (scope !== undefined && body.scope !== undefined && body.scope !== scope)
    return `it is of the cluster ${body.scope}, not of ${scope}`;
  if (system !== undefined && body.databaseSystemIdentifier !== undefined && body.databaseSystemIdentifier !== system)
    return `it is of the database system ${body.databaseSystemIdentifier}, not of ${system}`;
  const { discovery } = config;
  if (discovery === undefined) return undefined;
  const old = members.find(
    ({ member, replacedBy }) =>
      replacedBy !== undefined && destinationId(memberServer(discovery, member)) === server.id,
  );
  return old && `its REST API is that of ${old.replacedBy} now`;
}

/** What a later life needs to know. */
export function membersOf(state: HealthState): RememberedMembers {
  return new Map(
    [...state.discovered].map(([service, { members, scope, system }]) => [
      service,
      // Who has another place now is known by that.
      {
        members: members.filter(({ replacedBy }) => replacedBy === undefined).map(({ member }) => member),
        ...{ scope, system },
      },
    ]),
  );
}
