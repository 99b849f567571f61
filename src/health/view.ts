import { between, type Us } from "../core/units.ts";
import { destinationId } from "../plan/keys.ts";
import { leaderOf } from "./clusters.ts";
import { serverWeight } from "./desired.ts";
import { NOTHING } from "./discovery.ts";
import { decidingCheck, serverReason, serverVerdict } from "./judge.ts";
import { targetText } from "./overrides.ts";
import { lagOf } from "./patroniCheck.ts";
import { policyOf } from "./roleLoss.ts";
import { isSorry } from "./sorry.ts";
import type { HealthState, ServerState, ServiceState } from "./state.ts";
import type { MembersHealth, PatroniBody, ServerHealth, ServiceHealth } from "./types.ts";

/** A service as `status` shows it. */
export function viewService(state: HealthState, service: ServiceState, now: Us): ServiceHealth {
  return {
    service: service.id,
    exclusive: service.exclusive,
    holder: service.holder,
    hunting: service.hunt !== undefined,
    conflict: service.conflict?.announced !== undefined,
    quorum: service.quorum,
    sorryServer:
      isSorry(service) && service.config.sorryServer !== undefined
        ? destinationId(service.config.sorryServer)
        : undefined,
    ...(service.fallback === undefined ? {} : { fallback: service.fallback.active }),
    roleLoss: policyOf(service),
    servers: service.servers.map((server) => viewServer(state, service, server, now)),
    ...(service.config.discovery && { members: viewMembers(state, service, now) }),
  };
}

function viewMembers({ discovered }: HealthState, { id }: ServiceState, now: Us): MembersHealth {
  const { members, scope, source, readAt, problem, learnsAnew, wrong } = discovered.get(id) ?? NOTHING;
  const wrongSources = [...wrong].map(([each, why]) => ({ source: each, problem: why }));
  return {
    known: members.length,
    scope,
    source,
    age: readAt && between(readAt, now),
    learnsAnew,
    problem,
    wrongSources,
  };
}

function viewServer(state: HealthState, service: ServiceState, server: ServerState, now: Us): ServerHealth {
  const body = latestBody(server);
  const resultAt = decidingCheck(server)?.resultAt;
  return {
    server: server.id,
    verdict: serverVerdict(server),
    reason: reasonInWords(service, server),
    role: body?.role,
    timeline: body?.timeline,
    lagBytes: body === undefined ? undefined : lagOf(body, leaderOf(state, body), lagLimit(server)).bytes,
    lastResultAge: resultAt === undefined ? undefined : between(resultAt, now),
    weight: serverWeight(service, server),
    loss: server.loss && {
      ...{ phase: server.loss.phase, connections: server.loss.connections },
      age: between(server.loss.since, now),
    },
    override: viewOverride(server, now),
  };
}

/** As the check judges it that has the lag in its limits. */
function lagLimit({ checks }: ServerState): number | undefined {
  return checks
    .map(({ config }) => (config.kind === "patroni" ? config.maxLagBytes : undefined))
    .find((each) => each !== undefined);
}

function viewOverride({ override }: ServerState, now: Us): ServerHealth["override"] {
  if (override === undefined) return undefined;
  const { target, weight, until } = override;
  return { weight, target: targetText(target), endsIn: until === undefined ? undefined : between(now, until) };
}

function reasonInWords(service: ServiceState, server: ServerState): string {
  const reason = serverReason(server);
  const weight = serverWeight(service, server);
  if (serverVerdict(server) === "unknown" && server.assumed !== undefined)
    return `${reason}; keeps weight ${weight} until then`;
  if (service.fallback?.active === true && weight > 0)
    return `${reason}; serves as fallback: ${server.fallback?.reason}`;
  if (!service.exclusive || serverVerdict(server) !== "up" || service.holder === server.id) return reason;
  return `${reason}; ${service.holder === undefined ? "nobody holds the service" : `${service.holder} holds the service`}`;
}

function latestBody(server: ServerState): PatroniBody | undefined {
  return server.checks.find((check) => check.body !== undefined)?.body;
}
