import type { ClusterMember } from "../config/discovery.ts";
import { HoldfastError } from "../core/errors.ts";
import { parseIp } from "../core/ip.ts";
import type { RememberedMembers } from "../health/types.ts";
import type { EventLog } from "./events.ts";

export interface MemberMemoryModules {
  readonly store: { readMembers(): unknown; writeMembers(members: object): void };
  readonly events: EventLog;
}

/** What is known of clusters over the end of a daemon: without it a restart would take every discovered server out of a table that works. */
export class MemberMemory {
  readonly #modules: MemberMemoryModules;

  constructor(modules: MemberMemoryModules) {
    this.#modules = modules;
  }

  /** What is not as this writes it is left out. */
  read(): RememberedMembers {
    const stored = this.#modules.store.readMembers();
    const services = isRecord(stored) ? Object.entries(stored) : [];
    return new Map(
      services.flatMap(([service, each]) => {
        if (!isRecord(each) || !Array.isArray(each.members)) return [];
        const members = each.members.flatMap(readMember);
        return [[service, { members, scope: textOf(each.scope), system: textOf(each.system) }] as const];
      }),
    );
  }

  /** A list that cannot be written is one that a restart does not have; the services go on with it. */
  write(members: RememberedMembers): void {
    const { store, events } = this.#modules;
    try {
      store.writeMembers(Object.fromEntries(members));
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      events.record("warn", "membersNotKept", `a restart will not know the members of clusters: ${error.message}`, {});
    }
  }
}

function readMember(stored: unknown): ClusterMember[] {
  if (!isRecord(stored)) return [];
  const { name, port, restPort } = stored;
  const address = parseIp(textOf(stored.address) ?? "");
  const restAddress = parseIp(textOf(stored.restAddress) ?? "");
  if (address === undefined || restAddress === undefined || typeof name !== "string") return [];
  return isPort(port) && isPort(restPort) ? [{ name, address, port, restAddress, restPort }] : [];
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
const isPort = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
