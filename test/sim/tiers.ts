import type { VirtualServerConfig } from "../../src/config/types.ts";
import { between, type Us } from "../../src/core/units.ts";
import type { HealthEvent, ServiceHealth } from "../../src/health/types.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import type { DesiredService, DestinationId, ServiceId } from "../../src/plan/types.ts";
import type { OperatorWords } from "./operatorWords.ts";
import { isMeant } from "./services.ts";

/** What the simulation knows of services with a second tier when it looks at them. */
export interface TierFacts {
  readonly config: readonly VirtualServerConfig[];
  readonly view: readonly ServiceHealth[];
  readonly desired: readonly DesiredService[];
  readonly words: OperatorWords;
  /** By `service server`: the latest answer denied the role of the second tier; was a confirmed claim of it. */
  readonly denied: ReadonlySet<string>;
  readonly claims: ReadonlyMap<string, boolean>;
}

/** A check that a reload brought has had its first answer, or the time for one. */
const ANSWERED_WITHIN_US = 6e6;

/**
 * Readers in tiers (`fallback`) by the simulation's own rules: the second tier serves only while the first has nobody, begins after the time that
 * is written, and has nobody whose latest answer denies the role and everybody whose answer confirms it.
 */
export class Tiers {
  /** How often a second tier began. */
  begun = 0;
  /** Since when the first tier has had nobody, as it was seen. */
  private readonly emptySince = new Map<ServiceId, Us>();
  /** Services whose tiers were decided before. */
  private readonly decided = new Set<ServiceId>();
  private configuredAt = 0;

  /** What serves at a start may do so at once. */
  newLife(now: Us): void {
    this.emptySince.clear();
    this.decided.clear();
    this.configuredAt = now;
  }

  reloaded(now: Us): void {
    this.configuredAt = now;
  }

  /** An event, before the look at what came of it. */
  told(event: HealthEvent, config: readonly VirtualServerConfig[], now: Us): void {
    if (event.kind !== "fallback" || event.phase === "ended") return;
    this.begun += 1;
    const after = config.find(({ name }) => name === event.service)?.fallbackAfter;
    if (after === undefined) throw new Error(`${event.service} has fallen back, and has no second tier`);
    const since = this.emptySince.get(event.service) ?? now;
    if (this.decided.has(event.service) && between(since, now) < after)
      throw new Error(`${event.service} has fallen back after ${between(since, now)} µs, not ${after}`);
  }

  look(facts: TierFacts, now: Us): void {
    for (const service of facts.config) {
      const health = facts.view.find((each) => each.service === service.name);
      if (health === undefined) continue;
      const due = (address: string, weight: number): number =>
        facts.words.weightFor(service.name, address, now) ?? weight;
      const first = service.realServers.find((server) => {
        const shown = health.servers.find((each) => each.server === destinationId(server));
        const assumed = shown?.verdict === "unknown" && health.fallback !== true && shown.weight > 0;
        return (shown?.verdict === "up" || assumed) && due(server.address, server.weight) > 0;
      });
      if (first !== undefined) this.emptySince.delete(service.name);
      else if (!this.emptySince.has(service.name)) this.emptySince.set(service.name, now);
      if (health.fallback === undefined) this.decided.delete(service.name);
      else this.decided.add(service.name);
      if (health.fallback !== true) continue;
      if (first !== undefined) throw new Error(`${service.name} has fallen back, and ${first.address} is up`);
      this.judgeSecond(service, facts, due, now);
    }
  }

  private judgeSecond(
    service: VirtualServerConfig,
    { desired, denied, claims }: TierFacts,
    due: (address: string, weight: number) => number,
    now: Us,
  ): void {
    const rows = desired.find(({ key }) => serviceId(key) === service.name)?.destinations ?? [];
    for (const server of service.realServers) {
      const id = `${service.name} ${destinationId(server)}`;
      const weight = rows.find((row) => destinationId(row) === destinationId(server))?.weight ?? 0;
      const wanted = due(server.address, server.weight);
      if (weight > 0 && denied.has(id)) throw new Error(`${id} serves as second tier although it said no`);
      if (weight > 0 && weight !== wanted) throw new Error(`${id} has weight ${weight} as second tier, due ${wanted}`);
      const confirmed = claims.get(id) === true && now - this.configuredAt > ANSWERED_WITHIN_US;
      if (confirmed && weight !== wanted)
        throw new Error(
          `${id} has weight ${weight}, and is due ${wanted} as second tier: its latest answer confirms the role`,
        );
    }
  }
}

/** What of a service without a holder, at rest, is not as the cluster's truth wants it; undefined = all is. */
export function wrongShared(
  service: VirtualServerConfig,
  health: ServiceHealth,
  facts: {
    readonly leader: DestinationId;
    readonly words: OperatorWords;
    readonly weights: ReadonlyMap<DestinationId, number>;
    readonly now: Us;
  },
): string | undefined {
  const servers = service.realServers.map((server) => {
    const id = destinationId(server);
    const weight = facts.words.weightFor(service.name, server.address, facts.now) ?? server.weight;
    return { id, leads: id === facts.leader, weight, meant: isMeant(server, id === facts.leader) };
  });
  // By operators' words.
  const empty = service.fallbackAfter !== undefined && servers.every(({ meant, weight }) => !meant || weight === 0);
  for (const { id, leads, weight, meant } of servers) {
    const wanted = (empty ? leads : meant) ? weight : 0;
    const found = facts.weights.get(id) ?? 0;
    // A word that has just ended may have left the first tier empty.
    if (found === wanted || (empty && found === 0)) continue;
    const reason = health.servers.find((each) => each.server === id)?.reason;
    return `${id} has weight ${found}, wanted ${wanted}: ${reason}`;
  }
  return undefined;
}
