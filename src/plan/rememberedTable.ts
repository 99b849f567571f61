import { destinationId, serviceId } from "./keys.ts";
import type {
  DestinationAttributes,
  DestinationId,
  DestinationKey,
  IpvsTable,
  KernelDestination,
  KernelService,
  Operation,
  OperationOutcome,
  ServiceId,
  ServiceKey,
  Statistics,
} from "./types.ts";

const NO_STATISTICS: Statistics = { connections: 0n, packetsIn: 0n, packetsOut: 0n, bytesIn: 0n, bytesOut: 0n };

interface RememberedService {
  readonly attributes: Omit<KernelService, "destinations">;
  readonly destinations: Map<DestinationId, KernelDestination>;
}

/**
 * A table that remembers its last dump and every operation that the kernel has answered with success since, so that a
 * change costs its own operations and not a dump of thousands of rows. It forgets everything at the first refused or unanswered
 * operation, and when told to: the next dump is the kernel's own.
 *
 * What somebody else changed meanwhile is not in it. That is found by the next dump after `forget`, and it never makes
 * an exclusive service unsafe: `dumpDestinations`, on which a raise is decided, always asks the kernel.
 * Counters and connections are those of the last dump.
 */
export class RememberedTable implements IpvsTable {
  readonly #table: IpvsTable;
  #services: Map<ServiceId, RememberedService> | undefined;

  constructor(table: IpvsTable) {
    this.#table = table;
  }

  forget(): void {
    this.#services = undefined;
  }

  dump(): KernelService[] {
    if (this.#services === undefined) this.#remember(this.#table.dump());
    return [...(this.#services?.values() ?? [])].map(({ attributes, destinations }) => ({
      ...attributes,
      destinations: [...destinations.values()],
    }));
  }

  dumpDestinations(service: ServiceKey): KernelDestination[] | undefined {
    return this.#table.dumpDestinations(service);
  }

  apply(operations: readonly Operation[]): {
    readonly complete: boolean;
    readonly outcomes: readonly OperationOutcome[];
  } {
    const answer = this.#table.apply(operations);
    if (!answer.complete || answer.outcomes.some(({ ok }) => !ok)) this.forget();
    else for (const operation of operations) this.#note(operation);
    return answer;
  }

  #remember(dumped: readonly KernelService[]): void {
    const services = new Map<ServiceId, RememberedService>();
    for (const service of dumped) {
      const { destinations, ...attributes } = service;
      const rows = new Map(destinations.map((row) => [destinationId(row), row]));
      services.set(serviceId(service.key), { attributes, destinations: rows });
    }
    this.#services = services;
  }

  #note(operation: Operation): void {
    const services = this.#services;
    if (services === undefined) return;
    const id = serviceId(operation.service);
    const found = services.get(id);
    switch (operation.kind) {
      case "addService":
      case "editService": {
        const attributes = {
          ...operation.attributes,
          key: operation.service,
          statistics: found?.attributes.statistics ?? NO_STATISTICS,
        };
        services.set(id, { attributes, destinations: found?.destinations ?? new Map() });
        return;
      }
      case "deleteService":
        services.delete(id);
        return;
      case "addDestination":
      case "editDestination": {
        const row = destinationId(operation.destination);
        found?.destinations.set(row, noted(operation.destination, operation.attributes, found.destinations.get(row)));
        return;
      }
      case "deleteDestination":
        found?.destinations.delete(destinationId(operation.destination));
        return;
    }
  }
}

/** Written out: a reload notes thousands of rows, and a spread costs several times as much. */
function noted(
  { address, port }: DestinationKey,
  { weight, forwarding, upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum }: DestinationAttributes,
  known: KernelDestination | undefined,
): KernelDestination {
  return {
    address,
    port,
    weight,
    forwarding,
    upperThreshold,
    lowerThreshold,
    tunnelType,
    tunnelPort,
    tunnelChecksum,
    activeConnections: known?.activeConnections ?? 0,
    inactiveConnections: known?.inactiveConnections ?? 0,
    persistentConnections: known?.persistentConnections ?? 0,
    statistics: known?.statistics ?? NO_STATISTICS,
  };
}
