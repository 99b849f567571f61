import type { VirtualServerConfig } from "../config/types.ts";
import { family } from "../core/ip.ts";
import type { DesiredDestination, DesiredService, Forwarding } from "../plan/types.ts";
import { serverVerdict } from "./judge.ts";
import type { ServerState, ServiceState } from "./state.ts";

/** keepalived's `lvs_method` in the plan's words. */
const FORWARDING: Readonly<Record<VirtualServerConfig["forwarding"], Forwarding>> = { DR: "route" };

/**
 * Brings the table wanted for a service up to date; false when nothing of it changed. It follows from configuration,
 * verdicts and holder alone.
 */
export function updateDesired(service: ServiceState): boolean {
  let changed = service.desired.exclusive !== service.exclusive;
  for (const server of service.servers) {
    const row = rowWeight(service, server);
    changed ||= row !== server.row;
    server.row = row;
  }
  if (changed) service.desired = wantedService(service.config, service.exclusive, service.servers);
  return changed;
}

/** A service as it is wanted, with the rows that its servers say. */
export function wantedService(
  config: VirtualServerConfig,
  exclusive: boolean,
  servers: readonly ServerState[],
): DesiredService {
  return {
    protocol: config.protocol,
    address: config.address,
    port: config.port,
    scheduler: config.scheduler,
    // Persistence would send a client that keeps connecting to the demoted server for ever.
    persistenceTimeoutSec: exclusive ? 0 : config.persistenceTimeoutSec,
    persistencePrefix: family(config.address) === 6 ? 128 : 32,
    onePacket: false,
    schedulerFlags: 0,
    exclusive,
    destinations: servers.flatMap((server) => destination(config, server) ?? []),
  };
}

/** 0 for whatever is not to get new connections. */
export function serverWeight(service: ServiceState, server: ServerState): number {
  if (service.exclusive && service.holder !== server.id) return 0;
  switch (serverVerdict(server)) {
    case "up":
      return server.config.weight;
    case "down":
      return 0;
    case "unknown":
      return server.assumed?.up === true ? (server.assumed.weight ?? server.config.weight) : 0;
  }
}

/**
 * A row that has no weight is there with weight 0 under `inhibit_on_failure`, else it is absent. What the kernel had at start
 * keeps its row, and outside an exclusive service its weight, until its own first verdict.
 */
function rowWeight(service: ServiceState, server: ServerState): number | undefined {
  const weight = serverWeight(service, server);
  if (weight > 0 || server.config.inhibitOnFailure) return weight;
  const verdict = serverVerdict(server);
  const serving = verdict === "up" && (!service.exclusive || service.holder === server.id);
  const inKernel = verdict === "unknown" && (server.assumed?.up === true || server.assumed?.weight !== undefined);
  return serving || inKernel ? weight : undefined;
}

function destination(config: VirtualServerConfig, server: ServerState): DesiredDestination | undefined {
  if (server.row === undefined) return undefined;
  return {
    address: server.config.address,
    port: server.config.port,
    weight: server.row,
    forwarding: FORWARDING[config.forwarding],
    upperThreshold: 0,
    lowerThreshold: 0,
  };
}
