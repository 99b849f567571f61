import type { ForwardingConfig, RealServerConfig, ServiceTarget, VirtualServerConfig } from "../config/types.ts";
import { IPVS_WEIGHT_MAX } from "../core/weights.ts";
import { serviceFamily } from "../plan/keys.ts";
import type { DesiredDestination, DesiredService, DestinationKey } from "../plan/types.ts";
import { serverVerdict } from "./judge.ts";
import { overriddenWeight } from "./overrides.ts";
import { isSorry, sorryWeight } from "./sorry.ts";
import type { CheckState, ServerState, ServiceState } from "./state.ts";

/**
 * Brings the table wanted for a service up to date, or makes it where there is none yet; false when nothing of it changed. It follows from configuration,
 * verdicts, holder and overrides alone.
 */
export function updateDesired(service: ServiceState): boolean {
  let changed =
    service.desired.length === 0 || service.desired.some(({ exclusive }) => exclusive !== service.exclusive);
  for (const server of service.servers) {
    const wanted = rowWeight(service, server);
    const row = (wanted ?? 0) > 0 && !mayRise(service, server) ? server.row : wanted;
    changed ||= row !== server.row;
    server.row = row;
  }
  const sorry = sorryWeight(service);
  changed ||= sorry !== service.sorryRow;
  service.sorryRow = sorry;
  if (changed) service.desired = wantedServices(service.config, service.exclusive, service.servers, sorry);
  return changed;
}

/** An operator's word, too, raises a holder's weight from 0 only on an answer that confirms its role; it may lower at any time. */
function mayRise(service: ServiceState, server: ServerState): boolean {
  return !service.exclusive || server.row !== 0 || server.checks.every((check) => check.confirmed);
}

/** A service as it is wanted, with the rows that its servers say: once for each target, the rows the same. */
function wantedServices(
  config: VirtualServerConfig,
  exclusive: boolean,
  servers: readonly ServerState[],
  sorry: number | undefined,
): readonly DesiredService[] {
  return config.targets.map((target) => ({
    key: target,
    scheduler: config.scheduler,
    // Persistence would send a client that keeps connecting to the demoted server for ever.
    persistenceTimeoutSec: exclusive ? 0 : config.persistenceTimeoutSec,
    persistencePrefix: programmedPrefix(config, exclusive) ?? (serviceFamily(target) === 6 ? 128 : 32),
    persistenceEngine: isPersistent(config, exclusive) ? config.persistenceEngine : "",
    onePacket: config.onePacket,
    schedulerFlags: config.schedulerFlags,
    exclusive,
    destinations: [
      ...servers.flatMap(({ config: server, row }) => destination(target, server, row) ?? []),
      ...[config.sorryServer].flatMap((server) => (server && destination(target, server, sorry)) ?? []),
    ],
  }));
}

const isPersistent = (config: VirtualServerConfig, exclusive: boolean): boolean =>
  !exclusive && config.persistenceTimeoutSec > 0;

const programmedPrefix = (config: VirtualServerConfig, exclusive: boolean): number | undefined =>
  isPersistent(config, exclusive) ? config.persistencePrefix : undefined;

/**
 * The weight of a server that is up: the configured one, and what MISC_CHECK and FILE_CHECK add to it, all of them together
 * (keepalived.conf(5), misc_dynamic).
 */
export function checkedWeight({ checks, config }: Pick<ServerState, "checks" | "config">): number {
  let sum = config.weight;
  for (const { weight: input } of checks)
    if (input !== undefined) sum += input.kind === "set" ? input.weight - config.weight : input.weight;
  return Math.min(IPVS_WEIGHT_MAX, Math.max(0, sum));
}

/** 0 for whatever is not to get new connections; under `ha_suspend` also for a server that is up without any check. */
export function serverWeight(service: ServiceState, server: ServerState): number {
  if (service.suspended) return 0;
  if (service.fallback?.active !== true) return tierWeight(service, server);
  return hasSecondRole(server) ? overriddenWeight(server, server.config.weight, true) : 0;
}

/** By the second role, and by its checks that know no role. */
export function hasSecondRole(server: Pick<ServerState, "checks" | "fallback" | "secondAssumedUntil">): boolean {
  const assumed = server.secondAssumedUntil !== undefined;
  const deciding = secondTierChecks(server);
  return deciding.length > 0 && deciding.every(({ verdict }) => verdict === "up" || (verdict === "unknown" && assumed));
}

/** Without a second role none. */
export function secondTierChecks({ checks, fallback }: Pick<ServerState, "checks" | "fallback">): CheckState[] {
  return fallback === undefined ? [] : [fallback, ...checks.filter(({ config }) => config.kind !== "patroni")];
}

/**
 * True for a server that is up where the service wants it, whatever weight an operator has said: its row is there. Of the first tier nobody
 * is left while the second serves, but for those to whom operators give no weight.
 */
export function isInTier(service: ServiceState, server: ServerState): boolean {
  if (service.fallback?.active === true && hasSecondRole(server)) return true;
  return serverVerdict(server) === "up" && (!service.exclusive || service.holder === server.id);
}

/** The weight by its own checks, whatever tier is served. */
export function tierWeight(service: ServiceState, server: ServerState): number {
  if (service.exclusive && service.holder !== server.id) return 0;
  switch (serverVerdict(server)) {
    case "up":
      return overriddenWeight(server, checkedWeight(server), true);
    case "down":
      return 0;
    case "unknown": {
      const { assumed, config } = server;
      if (assumed?.up !== true) return 0;
      // What an old check of ours had proven, a reload does not call into question; what the kernel had is nobody's proof.
      return overriddenWeight(server, assumed.weight ?? config.weight, assumed.weight === undefined);
    }
  }
}

/**
 * While a server's loss is being dealt with, that decides. Else a row that has no weight is there with weight 0 under `inhibit_on_failure`, else it is absent. What the kernel had at start
 * keeps its row, and outside an exclusive service its weight, until its own first verdict.
 */
function rowWeight(service: ServiceState, server: ServerState): number | undefined {
  if (server.loss !== undefined) return server.loss.phase === "cut" ? undefined : 0;
  if (service.suspended || isSorry(service)) return server.config.inhibitOnFailure ? 0 : undefined;
  const weight = serverWeight(service, server);
  if (weight > 0 || server.config.inhibitOnFailure) return weight;
  const verdict = serverVerdict(server);
  const serving = isInTier(service, server);
  const inKernel = verdict === "unknown" && (server.assumed?.up === true || server.assumed?.weight !== undefined);
  return serving || inKernel ? weight : undefined;
}

/** NAT alone leads to a port of its own; elsewhere the row has its service's, which is 0 for a firewall mark. */
export function rowKey(
  target: ServiceTarget,
  server: Pick<RealServerConfig, "address" | "port" | "forwarding">,
): DestinationKey {
  const targetPort = target.protocol === "FWM" ? 0 : target.port;
  const ownPort = server.forwarding.method === "NAT" && server.port !== 0;
  return { address: server.address, port: ownPort ? server.port : targetPort };
}

type ForwardedServer = Pick<RealServerConfig, "address" | "port" | "forwarding"> &
  Partial<Pick<RealServerConfig, "upperThreshold" | "lowerThreshold">>;

function destination(
  target: ServiceTarget,
  server: ForwardedServer,
  weight: number | undefined,
): DesiredDestination | undefined {
  if (weight === undefined) return undefined;
  const { upperThreshold = 0, lowerThreshold = 0 } = server;
  const { address, port } = rowKey(target, server);
  const { forwarding, tunnelType, tunnelPort, tunnelChecksum } = forwardingAttributes(server.forwarding);
  // Written out: a reload makes thousands, and a spread costs several times as much.
  return {
    address,
    port,
    weight,
    upperThreshold,
    lowerThreshold,
    forwarding,
    tunnelType,
    tunnelPort,
    tunnelChecksum,
  };
}

/** keepalived's `lvs_method` in the plan's words. */
function forwardingAttributes(
  forwarding: ForwardingConfig,
): Pick<DesiredDestination, "forwarding" | "tunnelType" | "tunnelPort" | "tunnelChecksum"> {
  if (forwarding.method === "TUN") {
    const { type, port, checksum } = forwarding;
    return { forwarding: "tunnel", tunnelType: type, tunnelPort: port, tunnelChecksum: checksum };
  }
  const method = forwarding.method === "NAT" ? "masq" : "route";
  return { forwarding: method, tunnelType: "ipip", tunnelPort: 0, tunnelChecksum: "nocsum" };
}
