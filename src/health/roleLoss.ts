import type { RoleLossConfig, VirtualServerConfig } from "../config/types.ts";
import {
  after,
  between,
  type DurationUs,
  durationUs,
  milliseconds,
  seconds,
  toSeconds,
  type Us,
} from "../core/units.ts";
import { destinationId, serviceId } from "../plan/keys.ts";
import { isInTier, rowKey } from "./desired.ts";
import { serverReason, serverVerdict } from "./judge.ts";
import { isSorry } from "./sorry.ts";
import type { Loss, ServerState, ServiceState } from "./state.ts";
import type { HealthEvent, ServiceRows } from "./types.ts";

/**
 * What becomes of a server's established connections once it may have no weight any more: it failed, another one has
 * the role, the sorry server has its place. Its row first stays with weight 0; then, by the policy of the service,
 *
 * - cut: the row goes, and with `expire_nodest_conn` the client's next packet is answered with a reset. In an exclusive
 *   service not before another server has been confirmed in the role: until then a reset leads nowhere.
 * - drain: the row goes when no connection is left, at the deadline, or as soon as its service port does not answer either.
 * - keep: nothing more.
 *
 * `inhibit_on_failure` puts a row that was taken away back with weight 0, once its connections are gone.
 */

/** Connections are read so often while a policy waits for them. */
const READ_EVERY: DurationUs = seconds(1);
/** After a cut, whether the row is gone. */
const LOOK_AFTER_CUT: DurationUs = milliseconds(100);
/** Put back within a millisecond, connections live on; after 20 ms none did. */
const GONE_FOR: DurationUs = seconds(1);

/** The policy as it counts now: an exclusive service cuts; a datagram has no session that could end; others drain. */
export function policyOf({ config, exclusive }: Pick<ServiceState, "config" | "exclusive">): RoleLossConfig {
  if (config.roleLoss !== undefined) return config.roleLoss;
  const datagrams = config.targets.every(({ protocol }) => protocol === "UDP");
  return exclusive || datagrams ? { policy: "cut" } : { policy: "drain", deadline: undefined };
}

/** What the policies of a file need of the kernel, for as long as the file counts. */
export interface LossNeeds {
  /** `expire_nodest_conn`: a connection whose row is gone ends, and its client is told. */
  readonly resets: boolean;
  /** `expire_quiescent_template`: affinity does not send a client to a row with weight 0. */
  readonly quiescence: boolean;
}

export function lossNeeds(services: readonly VirtualServerConfig[]): LossNeeds {
  const acting = services.filter(({ roleLoss }) => roleLoss?.policy !== "keep");
  const exclusive = ({ exclusive: setting }: VirtualServerConfig): boolean =>
    setting === "on" || setting === "detected";
  return {
    resets: acting.length > 0,
    quiescence: acting.some((service) => service.persistenceTimeoutSec > 0 && !exclusive(service)),
  };
}

/** True while a server may have weight, whatever weight that is. */
export function isServing(service: ServiceState, server: ServerState): boolean {
  if (service.suspended || isSorry(service)) return false;
  if (isInTier(service, server)) return true;
  if (service.fallback?.active === true || (service.exclusive && service.holder !== server.id)) return false;
  return serverVerdict(server) === "unknown" && server.assumed?.up === true;
}

/** True for a server whose row another look at its service port may end. */
export function asksPort(service: ServiceState, server: ServerState): boolean {
  const { loss } = server;
  // Where no connection is left, nobody needs to know.
  const waited = loss?.phase === "lingers" && (loss.connections ?? 0) > 0;
  return waited && policyOf(service).policy === "drain" && hasPort(service, server);
}

/** Begins, follows and ends what a loss brings about. `read`: the rows of this service are to be read now. */
export function followLosses(
  service: ServiceState,
  now: Us,
): { readonly events: readonly HealthEvent[]; readonly read: boolean } {
  const events: HealthEvent[] = [];
  let read = false;
  for (const server of service.servers) {
    const serving = isServing(service, server);
    // With `ha_suspend` the address has gone elsewhere, and its connections with it.
    if (service.suspended) server.serving = false;
    if (serving || service.suspended) server.loss = undefined;
    else if (server.serving)
      server.loss = {
        since: now,
        phase: "lingers",
        connections: undefined,
        told: false,
        goneSince: undefined,
        readAt: now,
      };
    server.serving = serving;
    if (server.loss === undefined) continue;
    follow(service, server, server.loss, now, events);
    if (server.loss === undefined || policyOf(service).policy === "keep" || now < server.loss.readAt) continue;
    server.loss.readAt = after(now, READ_EVERY);
    read = true;
  }
  return { events, read };
}

/** Takes in what the kernel has of a service's rows, read after everything wanted until then was programmed. */
export function takeRows(service: ServiceState, rows: ServiceRows, now: Us): void {
  for (const server of service.servers) {
    const { loss } = server;
    if (loss === undefined) continue;
    const ids = new Map(
      service.config.targets.map((target) => [serviceId(target), destinationId(rowKey(target, server.config))]),
    );
    const own = [...ids].flatMap(([target, row]) => rows.get(target)?.get(row) ?? []);
    if (loss.phase === "cut") {
      if (own.length > 0) loss.goneSince = undefined;
      else loss.goneSince ??= now;
    } else if (own.length === ids.size && own.every(({ weight }) => weight === 0)) {
      // With weight it could get new ones: a count says something only once the kernel has taken it away.
      loss.connections = own.reduce((sum, { connections }) => sum + connections, 0);
    }
  }
}

/** When something of a service's losses is due. */
export function nextLossAt(service: ServiceState): number {
  const policy = policyOf(service);
  let at = Number.POSITIVE_INFINITY;
  for (const { loss } of service.servers) {
    if (loss === undefined || policy.policy === "keep") continue;
    at = Math.min(at, loss.readAt);
    if (loss.phase === "cut" && loss.goneSince !== undefined) at = Math.min(at, after(loss.goneSince, GONE_FOR));
    const deadline = policy.policy === "drain" ? policy.deadline : undefined;
    if (loss.phase === "lingers" && deadline !== undefined)
      at = Math.min(at, after(loss.since, cutWaits(loss, deadline)));
  }
  return at;
}

/** A row without connections needs no cut; the count comes with the lowering, unless the kernel does not answer. */
function cutWaits({ connections }: Loss, deadline: DurationUs): DurationUs {
  return connections === undefined && deadline < READ_EVERY ? READ_EVERY : deadline;
}

function follow(service: ServiceState, server: ServerState, loss: Loss, now: Us, events: HealthEvent[]): void {
  const policy = policyOf(service);
  const tell = (what: string): void => {
    events.push({ kind: "roleLoss", service: service.id, server: server.id, what });
  };
  if (loss.phase === "cut") {
    if (loss.goneSince !== undefined && now >= after(loss.goneSince, GONE_FOR)) server.loss = undefined;
    return;
  }
  if (policy.policy === "keep") return;
  if (loss.connections === 0) {
    server.loss = undefined;
    if (loss.told) tell("has no connections any more");
    return;
  }
  if (now < after(loss.since, cutWaits(loss, durationUs(0)))) return;
  const why = reasonToCut(service, server, loss, policy, now);
  if (why !== undefined) {
    const many = loss.connections === undefined ? "its connections are" : `its ${loss.connections} connections are`;
    tell(`${many} cut: ${why}`);
    loss.phase = "cut";
    loss.readAt = after(now, LOOK_AFTER_CUT);
  } else if (!loss.told && loss.connections !== undefined) {
    loss.told = true;
    tell(`keeps its ${loss.connections} connections, without new ones, until ${endText(policy)}`);
  }
}

function reasonToCut(
  service: ServiceState,
  server: ServerState,
  { since }: Loss,
  policy: RoleLossConfig,
  now: Us,
): string | undefined {
  if (policy.policy === "cut") {
    if (!service.exclusive) return `role_loss cut (${serverReason(server)})`;
    return service.holder === undefined ? undefined : `${service.holder} has the role`;
  }
  if (policy.policy === "keep") return undefined;
  if (policy.deadline !== undefined && between(since, now) >= policy.deadline)
    return `the deadline of ${toSeconds(policy.deadline)} s is over`;
  if (server.port?.verdict === "down") return `its service port: ${server.port.reason}`;
  if (hasPort(service, server)) return undefined;
  return server.checks.some((check) => check.silentSince !== undefined) ? serverReason(server) : undefined;
}

function endText(policy: RoleLossConfig): string {
  if (policy.policy === "cut") return "another server has the role";
  const deadline = policy.policy === "drain" ? policy.deadline : undefined;
  return deadline === undefined ? "they have ended" : `they have ended, at most ${toSeconds(deadline)} s`;
}

/** A port that a connection of TCP tells something about; where there is none, silent checks stand for it. */
function hasPort({ config }: ServiceState, server: ServerState): boolean {
  return server.config.port !== 0 && config.targets.every(({ protocol }) => protocol === "TCP" || protocol === "FWM");
}
