import { destinationId, serviceId } from "../plan/keys.ts";
import {
  type BatchAnswer,
  type DestinationId,
  type IpvsTable,
  type KernelDestination,
  type KernelService,
  NO_STATISTICS,
  type Operation,
  type ServiceAttributes,
  type ServiceId,
  type ServiceKey,
} from "../plan/types.ts";

interface PaperService {
  readonly key: ServiceKey;
  attributes: ServiceAttributes;
  readonly rows: Map<DestinationId, KernelDestination>;
}

/** A table in memory that does what it is told, without a kernel's refusals. */
export class PaperTable implements IpvsTable {
  private readonly services = new Map<ServiceId, PaperService>();

  dump(): KernelService[] {
    return [...this.services.values()].map(({ key, attributes, rows }) => ({
      ...attributes,
      key,
      statistics: NO_STATISTICS,
      destinations: [...rows.values()],
    }));
  }

  dumpDestinations(service: ServiceKey): KernelDestination[] | undefined {
    const found = this.services.get(serviceId(service));
    return found && [...found.rows.values()];
  }

  apply(operations: readonly Operation[]): BatchAnswer {
    for (const operation of operations) this.perform(operation);
    return { complete: true, done: operations, refused: [] };
  }

  private perform(operation: Operation): void {
    const key = operation.service;
    const id = serviceId(key);
    const found = this.services.get(id);
    switch (operation.kind) {
      case "addService":
        this.services.set(id, { key, attributes: operation.attributes, rows: new Map() });
        break;
      case "editService":
        if (found !== undefined) found.attributes = operation.attributes;
        break;
      case "deleteService":
        this.services.delete(id);
        break;
      case "deleteDestination":
        found?.rows.delete(destinationId(operation.destination));
        break;
      default:
        found?.rows.set(destinationId(operation.destination), newRow(operation));
    }
  }
}

/** The row that the kernel makes of an operation: nothing has been counted yet. */
export function newRow({
  destination,
  attributes,
}: Extract<Operation, { readonly kind: "addDestination" | "editDestination" }>): KernelDestination {
  return {
    ...destination,
    ...attributes,
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
    statistics: NO_STATISTICS,
  };
}
