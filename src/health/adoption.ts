import type { CheckConfig } from "../config/check.types.ts";
import { type ClusterMember, memberServer } from "../config/discovery.ts";
import type { DiscoveryConfig, RealServerConfig, VirtualServerConfig } from "../config/types.ts";
import { destinationId, serviceId } from "../plan/keys.ts";
import type { DestinationId } from "../plan/types.ts";
import { rowKey } from "./desired.ts";
import { NOTHING } from "./discovery.ts";
import { serverVerdict } from "./judge.ts";
import { parseServer } from "./overrides.ts";
import type { DiscoveryState, HealthState, ServerState, ServiceState } from "./state.ts";
import type { HealthEvent, HealthInput } from "./types.ts";

type Existing = Extract<HealthInput, { kind: "configure" }>["existing"];
type Adopted = Pick<RealServerConfig, "address" | "port"> & Partial<Pick<RealServerConfig, "checks">>;

/**
 * A service that begins to follow a cluster of which nothing is known yet keeps the servers that it has until a list has come:
 * those that were written, at a reload, those that have rows in the kernel's table, at a start. They count as listed, and go like
 * any member that a list does not name. What its servers told of themselves is the cluster that it follows, so that the first
 * source to answer cannot lead it to another one.
 */
export function adoptMembers(
  state: HealthState,
  config: VirtualServerConfig,
  old: ServiceState | undefined,
  existing: Existing,
): HealthEvent[] {
  const { discovery, name } = config;
  const known = state.discovered.get(name) ?? NOTHING;
  if (discovery === undefined || known.members.length > 0) return [];
  const found = old?.servers.map((server) => server.config) ?? rowsOf(config, existing);
  const written = new Set(config.realServers.map(destinationId));
  const adopted = found.map((server) => memberAt(discovery, server));
  const members = adopted.filter((member) => !written.has(destinationId(memberServer(discovery, member))));
  if (members.length === 0) return [];
  const identity = identityOf(old?.servers ?? [], discovery.scope);
  state.discovered.set(name, {
    ...known,
    members: members.map((member) => ({ member, listed: true })),
    scope: known.scope ?? identity.scope,
    system: known.system ?? identity.system,
  });
  const names = members.map(({ address }) => address).join(", ");
  return [{ kind: "members", service: name, what: `until a list has come it keeps what it has: ${names}` }];
}

/** The rows that the kernel has of a service, but those of the servers that the file still names. */
function rowsOf({ targets, realServers, sorryServer }: VirtualServerConfig, existing: Existing): Adopted[] {
  const named = [...realServers, ...(sorryServer === undefined ? [] : [sorryServer])];
  const rows = new Map<DestinationId, Adopted>();
  for (const target of targets) {
    const others = new Set(named.map((server) => destinationId(rowKey(target, server))));
    for (const id of existing.get(serviceId(target))?.keys() ?? []) {
      const row = others.has(id) ? undefined : parseServer(id);
      if (row?.port !== undefined) rows.set(id, { address: row.address, port: row.port });
    }
  }
  return [...rows.values()];
}

/** Its REST API is where its check asks it, else at its address on the port of `patroni`. */
function memberAt({ template }: DiscoveryConfig, { address, port, checks = [] }: Adopted): ClusterMember {
  const own = httpCheckOf(checks);
  const restPort = own?.connectPort ?? httpCheckOf(template.checks)?.connectPort ?? 0;
  return { name: address, address, port, restAddress: own?.connectIp ?? address, restPort };
}

const httpCheckOf = (checks: readonly CheckConfig[]) =>
  checks.find((check) => check.kind === "patroni" || check.kind === "HTTP_GET");

/** What all servers that are up tell alike, unless another scope is written. */
function identityOf(
  servers: readonly ServerState[],
  written: string | undefined,
): Pick<DiscoveryState, "scope" | "system"> {
  const bodies = servers
    .filter((server) => serverVerdict(server) === "up")
    .flatMap(({ checks }) => checks.flatMap(({ body }) => body ?? []));
  const scope = common(bodies.map((body) => body.scope));
  if (written !== undefined && scope !== written) return { scope: written, system: undefined };
  return { scope, system: common(bodies.map((body) => body.databaseSystemIdentifier)) };
}

function common(values: readonly (string | undefined)[]): string | undefined {
  const [first] = values;
  return values.every((each) => each === first) ? first : undefined;
}
