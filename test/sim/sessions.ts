import type { RoleLossConfig, VirtualServerConfig } from "../../src/config/types.ts";
import { type DurationUs, seconds, type Us } from "../../src/core/units.ts";
import type { ServiceHealth, ServiceRows } from "../../src/health/types.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import type { DesiredService, DestinationId, Operation, ServiceId, ServiceKey } from "../../src/plan/types.ts";
import type { Dice } from "./dice.ts";
import type { FakeKernel } from "./fakeKernel.ts";

/** How long a row must be gone for its sessions to end. */
const GONE_FOR: DurationUs = seconds(1);

interface RowSessions {
  count: number;
  /** When its weight went to 0 in the kernel; undefined while it has some. */
  idleSince: Us | undefined;
  /** When we deleted it under its sessions, and by which policy. */
  cut: { readonly at: Us; readonly policy: RoleLossConfig["policy"] } | undefined;
  /** It might have been cut since it last served. */
  mayBeCut: boolean;
  /** It has served since the daemon began. */
  served: boolean;
}

/** Often as in most files: not written. */
export function drawRoleLoss(dice: Dice): RoleLossConfig | undefined {
  if (dice.chance(0.4)) return undefined;
  const deadline = dice.chance(0.5) ? dice.span(500, 6_000) : undefined;
  return dice.pick<RoleLossConfig>([{ policy: "cut" }, { policy: "keep" }, { policy: "drain", deadline }]);
}

/** What the simulation knows of a row that is deleted, by its own means. */
export interface CutFacts {
  readonly config: VirtualServerConfig;
  readonly health: ServiceHealth;
  readonly now: Us;
  /** The latest connection to the server's service port was not accepted. */
  readonly deaf: (server: DestinationId) => boolean;
  /** Nothing disturbs kernel and programming: times of the kernel are those of the verdicts. */
  readonly exact: boolean;
}

/** Clients' sessions behind every row of the simulated kernel, and what `role_loss` promises them. */
export class Sessions {
  /** Deletions under living sessions. */
  cuts = 0;
  private readonly kernel: FakeKernel;
  private readonly dice: Dice;
  private readonly rows = new Map<string, RowSessions>();

  constructor(kernel: FakeKernel, dice: Dice) {
    this.kernel = kernel;
    this.dice = dice;
  }

  /** Clients come to every row with weight and go from every row; none comes by a weight that is somebody else's. */
  stir(desired: readonly DesiredService[]): void {
    for (const { key, destinations } of desired) {
      const id = serviceId(key);
      const found = this.kernel.weights(id);
      for (const { weight, ...destination } of destinations) {
        const server = destinationId(destination);
        const row = this.row(id, server);
        if (weight > 0 && (found.get(server) ?? 0) > 0) row.count += this.dice.integer(0, 3);
        else if (this.dice.chance(0.2)) row.count = Math.max(0, row.count - 2);
      }
    }
  }

  /** What may be cut now may be cut later, too, until it serves again: the kernel may refuse the first try. */
  judge(facts: CutFacts): void {
    const { config, health } = facts;
    for (const server of config.realServers.map(destinationId)) {
      const row = this.row(config.name, server);
      if (isServing(health, server)) {
        row.served = true;
        row.mayBeCut = false;
        // It may be there again from here on, also where the kernel refuses that and it loses its role before the next try.
        row.cut = undefined;
      } else if (reasonAgainst(server, row, facts) === undefined) row.mayBeCut = true;
    }
  }

  /** A new life: what an earlier one lowered or cut, nobody follows any more. */
  restart(): void {
    this.endIdle();
    for (const row of this.rows.values()) {
      row.cut = undefined;
      row.served = false;
    }
  }

  /** All clients of rows without weight have gone. */
  endIdle(): void {
    for (const row of this.rows.values()) if (row.idleSince !== undefined) row.count = 0;
  }

  count(service: ServiceId, server: DestinationId): number {
    return this.rows.get(`${service} ${server}`)?.count ?? 0;
  }

  /** The answer to `readRows`. */
  read(services: readonly ServiceKey[]): ServiceRows {
    return new Map(
      services.map((key) => {
        const id = serviceId(key);
        const rows = this.kernel.has(id) ? [...this.kernel.weights(id)] : [];
        return [
          id,
          new Map(rows.map(([server, weight]) => [server, { weight, connections: this.count(id, server) }] as const)),
        ];
      }),
    );
  }

  /** After every change of the kernel's table; throws when ours breaks what the policy promises. */
  changed(cause: Operation | "administrator", now: Us, facts: (service: ServiceId) => CutFacts | undefined): void {
    if (cause !== "administrator" && cause.kind === "deleteService") {
      for (const [key, row] of this.rows) if (key.startsWith(`${serviceId(cause.service)} `)) row.cut = undefined;
    }
    if (cause !== "administrator" && "destination" in cause) {
      const id = serviceId(cause.service);
      const server = destinationId(cause.destination);
      if (cause.kind === "deleteDestination") this.deleted(id, server, facts(id));
      if (cause.kind === "addDestination") this.added(id, server, facts(id)?.health, now);
    }
    for (const [key, row] of this.rows) {
      const [protocol, address, server = ""] = key.split(" ");
      const weight = this.kernel.weights(`${protocol} ${address}`).get(server);
      if (weight === undefined) row.count = 0;
      row.idleSince = weight === undefined || weight > 0 ? undefined : (row.idleSince ?? now);
    }
  }

  private deleted(service: ServiceId, server: DestinationId, facts: CutFacts | undefined): void {
    const row = this.row(service, server);
    if (facts === undefined || row.count === 0) return;
    this.cuts += 1;
    const { exclusive, roleLoss } = facts.health;
    // What an earlier life left without weight, and this one never gave any, goes without being followed where its service cuts at once.
    const followed = row.served || exclusive || roleLoss.policy !== "cut";
    row.cut = followed ? { at: facts.now, policy: roleLoss.policy } : undefined;
    const why = reasonAgainst(server, row, facts);
    const late = !facts.exact && row.mayBeCut;
    if (why !== undefined && !late)
      throw new Error(`${service}: ${server} was deleted under ${row.count} sessions: ${why}`);
  }

  /** One that may have weight again is there at once. */
  private added(service: ServiceId, server: DestinationId, health: ServiceHealth | undefined, now: Us): void {
    const row = this.row(service, server);
    const { cut } = row;
    row.cut = undefined;
    if (cut === undefined || now - cut.at >= GONE_FOR) return;
    if (health !== undefined && isServing(health, server)) return;
    // A reload may have brought another policy, under which a server that was up before has its row at once.
    if (health !== undefined && health.roleLoss.policy !== cut.policy) return;
    throw new Error(`${service}: ${server} was put back ${now - cut.at} µs after the cut: its sessions live on`);
  }

  private row(service: ServiceId, server: DestinationId): RowSessions {
    const key = `${service} ${server}`;
    const known = this.rows.get(key);
    if (known !== undefined) return known;
    const row = { count: 0, idleSince: undefined, cut: undefined, mayBeCut: false, served: false };
    this.rows.set(key, row);
    return row;
  }
}

function isServing(health: ServiceHealth, server: DestinationId): boolean {
  const shown = health.servers.find((each) => each.server === server);
  if (health.fallback === true && shown?.role === "primary") return true;
  const verdict = shown?.verdict;
  // What an old check had proven counts until the first result of a new one.
  if (verdict === "unknown" && (shown?.weight ?? 0) > 0) return true;
  return verdict === "up" && (!health.exclusive || health.holder === server);
}

/** Why sessions must not be cut; undefined = they may be. */
function reasonAgainst(
  server: DestinationId,
  row: RowSessions,
  { config, health, now, deaf, exact }: CutFacts,
): string | undefined {
  // A row of somebody else's.
  if (!config.realServers.some((each) => destinationId(each) === server)) return undefined;
  const policy = config.roleLoss ?? { policy: health.exclusive ? "cut" : "drain", deadline: undefined };
  switch (policy.policy) {
    case "keep":
      return "role_loss keep";
    case "cut":
      if (!health.exclusive) return undefined;
      return health.holder === undefined || health.holder === server ? "no successor has the role" : undefined;
    case "drain": {
      if (deaf(server)) return undefined;
      if (policy.deadline === undefined) return "role_loss drain without a deadline";
      const idle = now - (row.idleSince ?? now);
      return exact && idle < policy.deadline ? `drained for ${idle} µs only` : undefined;
    }
  }
}

/** At rest, what a policy should have brought about; in words where it has not. */
export function checkSessionsAtRest(
  config: VirtualServerConfig,
  health: ServiceHealth,
  kernel: FakeKernel,
  sessions: Sessions,
): string | undefined {
  const found = kernel.weights(config.name);
  const policy = config.roleLoss?.policy ?? (health.exclusive ? "cut" : "drain");
  for (const { config: server, id } of config.realServers.map((each) => ({ config: each, id: destinationId(each) }))) {
    if (isServing(health, id)) continue;
    const left = sessions.count(config.name, id);
    if (policy === "cut" && left > 0) return `${id} lost its weight, and ${left} sessions live on under role_loss cut`;
    const row = found.get(id);
    if (policy === "keep") continue;
    const wanted = server.inhibitOnFailure || left > 0 ? 0 : undefined;
    if (row !== wanted) return `${id} with ${left} sessions has ${row === undefined ? "no row" : `weight ${row}`}`;
  }
  return undefined;
}
