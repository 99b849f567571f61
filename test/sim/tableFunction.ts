import type { RealServerConfig, VirtualServerConfig } from "../../src/config/types.ts";
import type { Us } from "../../src/core/units.ts";
import type { ServerHealth, ServiceHealth } from "../../src/health/types.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import type { DesiredService, DestinationId } from "../../src/plan/types.ts";
import type { OperatorWords } from "./operatorWords.ts";

/** Everything that a table may depend on, and the table that is wanted. */
export interface TableFacts {
  readonly config: readonly VirtualServerConfig[];
  /** Verdicts and holders. */
  readonly view: readonly ServiceHealth[];
  readonly words: OperatorWords;
  /** By `service server`: whether the latest answer is a confirmed claim. */
  readonly claims: ReadonlyMap<string, boolean>;
  readonly desired: readonly DesiredService[];
}

/** Table = f(configuration, roles, verdicts, overrides), by the simulation's own rule; throws where a row is not what that gives. */
export function checkTable({ config, view, words, claims, desired }: TableFacts, now: Us): void {
  for (const service of config) {
    const health = view.find((each) => each.service === service.name);
    const wanted = desired.find(({ key }) => serviceId(key) === service.name);
    if (health === undefined || wanted === undefined) throw new Error(`${service.name} is configured, but not wanted`);
    if (health.exclusive !== wanted.exclusive) throw new Error(`${service.name} is exclusive by its verdicts only`);
    const rows = new Map<DestinationId, number>(wanted.destinations.map((row) => [destinationId(row), row.weight]));
    if (rows.size !== wanted.destinations.length) throw new Error(`${service.name} wants a server twice`);
    for (const server of service.realServers) {
      const id = destinationId(server);
      const shown = health.servers.find((each) => each.server === id);
      if (shown === undefined) throw new Error(`${service.name}: nothing is known of ${id}`);
      const said = words.weightFor(service.name, server.address, now);
      const row = rows.get(id);
      const wrong = wrongRow(row, {
        server,
        health,
        shown,
        said,
        claims: claims.get(`${service.name} ${id}`) === true,
      });
      if (wrong !== undefined) throw new Error(`${service.name}: ${id} has ${describe(row)}, ${wrong}`);
      rows.delete(id);
    }
    if (rows.size > 0) throw new Error(`${service.name} wants ${[...rows.keys()].join(" and ")}, not configured`);
  }
  if (desired.length !== config.length) throw new Error(`${desired.length} services are wanted of ${config.length}`);
}

interface RowFacts {
  readonly server: RealServerConfig;
  readonly health: ServiceHealth;
  readonly shown: ServerHealth;
  readonly said: number | undefined;
  readonly claims: boolean;
}

/** Why a row must not be so; undefined = it is as it should be. */
function wrongRow(row: number | undefined, { server, health, shown, said, claims }: RowFacts): string | undefined {
  // The second tier has its own rules (tiers.ts).
  if (health.fallback === true) return undefined;
  const due = said ?? server.weight;
  const holds = !health.exclusive || health.holder === shown.server;
  if (shown.verdict === "unknown" && holds)
    return (row ?? 0) > 0 && said !== undefined && (row ?? 0) > said ? `an operator said ${said}` : undefined;
  if (shown.verdict !== "up" || !holds)
    return (row ?? 0) > 0 ? `but is ${holds ? shown.verdict : `not the holder (${health.holder})`}` : undefined;
  // A holder whose latest answer does not confirm its role keeps what it has; it is not raised from 0.
  if (row === due || (row === 0 && health.exclusive && !claims)) return undefined;
  return `but is up and due ${due}`;
}

const describe = (row: number | undefined): string => (row === undefined ? "no row" : `weight ${row}`);
