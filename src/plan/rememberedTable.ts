import { serviceId } from "./keys.ts";
import type { Pending, ReconciledTable } from "./reconcile.ts";
import {
  type DesiredService,
  type DestinationAttributes,
  type DestinationKey,
  type IpvsTable,
  type KernelDestination,
  type KernelService,
  NO_STATISTICS,
  type Operation,
  type OperationOutcome,
  type ServiceAttributes,
  type ServiceId,
  type ServiceKey,
} from "./types.ts";

type DestinationOperation = Extract<Operation, { readonly destination: DestinationKey }>;

interface RememberedService {
  readonly attributes: Omit<KernelService, "destinations">;
  readonly rows: RememberedRows;
  /** The wanted service that all of this was found to be equal to, since when nothing of it has changed. */
  settledAs: DesiredService | undefined;
}

/** The rows of one service in the kernel's order. Operations name them in that order nearly always: the place after the last one is tried first. */
class RememberedRows {
  readonly rows: KernelDestination[];
  private next = 0;

  constructor(rows: readonly KernelDestination[]) {
    this.rows = [...rows];
  }

  /** The place of a row; -1 = there is none. */
  placeOf(wanted: DestinationKey): number {
    const isIt = (row: KernelDestination | undefined): boolean =>
      row !== undefined && row.port === wanted.port && row.address === wanted.address;
    const place = isIt(this.rows[this.next]) ? this.next : this.rows.findIndex(isIt);
    this.next = place + 1;
    return place;
  }
}

/**
 * A table that remembers its last dump and every operation that the kernel has answered with success since, so that a
 * change costs its own operations and not a dump of thousands of rows. It forgets everything at the first refused or unanswered
 * operation, and when told to: the next dump is the kernel's own.
 *
 * What somebody else changed meanwhile is not in it. That is found by the next dump after `forget`, and it never makes
 * an exclusive service unsafe: `dumpDestinations`, on which a raise is decided, always asks the kernel.
 * Connections are those of the last dump.
 */
export class RememberedTable implements ReconciledTable {
  readonly #table: IpvsTable;
  #services: Map<ServiceId, RememberedService> | undefined;
  /** Those without `settledAs`: few, but for what others have made. */
  readonly #open = new Map<ServiceId, RememberedService>();
  /** Every `settledAs`. */
  readonly #settled = new Set<DesiredService>();
  /** A list whose services are all settled, each at the place where the next one has it nearly always. */
  #lastSettled: readonly DesiredService[] = [];

  constructor(table: IpvsTable) {
    this.#table = table;
  }

  forget(): void {
    this.#services = undefined;
    this.#open.clear();
    this.#settled.clear();
    this.#lastSettled = [];
  }

  dump(): KernelService[] {
    return [...this.#remembered().values()].map(asKernelService);
  }

  /**
   * What of both sides can differ at all: a change of one service among thousands costs no look at the rows of the others. A service is
   * told by its object, which is another one as soon as anything of it is: wanted services are immutable.
   */
  pending(desired: readonly DesiredService[]): Pending {
    const services = this.#remembered();
    const last = this.#lastSettled;
    const left = desired.filter((service, place) => service !== last[place] && !this.#settled.has(service));
    const replaced = this.#settled.size === 0 ? [] : left.flatMap(({ key }) => settledOf(services.get(serviceId(key))));
    const restIsWanted = desired.length - left.length + replaced.length === this.#settled.size;
    const differing = restIsWanted
      ? [...this.#open.values(), ...replaced]
      : withoutSettled(services.values(), new Set(desired));
    return { desired: left, kernel: differing.map(asKernelService) };
  }

  /** All of `desired` is in the table as it is wanted: what was pending has been found there, or written. */
  settle(desired: readonly DesiredService[], pending: Pending): void {
    for (const service of pending.desired) {
      const id = serviceId(service.key);
      const found = this.#services?.get(id);
      // Forgotten meanwhile.
      if (found === undefined) return;
      this.#unsettle(id, found);
      found.settledAs = service;
      this.#open.delete(id);
      this.#settled.add(service);
    }
    this.#lastSettled = desired;
  }

  #unsettle(id: ServiceId, service: RememberedService): void {
    if (service.settledAs === undefined) return;
    this.#settled.delete(service.settledAs);
    this.#lastSettled = [];
    service.settledAs = undefined;
    this.#open.set(id, service);
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
    else this.#noteAll(operations);
    return answer;
  }

  #remembered(): ReadonlyMap<ServiceId, RememberedService> {
    if (this.#services !== undefined) return this.#services;
    const services = new Map<ServiceId, RememberedService>();
    for (const service of this.#table.dump()) {
      const { destinations, ...attributes } = service;
      const rows = new RememberedRows(destinations);
      const id = serviceId(service.key);
      const remembered = { attributes, rows, settledAs: undefined };
      services.set(id, remembered);
      this.#open.set(id, remembered);
    }
    this.#services = services;
    return services;
  }

  /** Operations on one service stand together in a plan and name it by one object. */
  #noteAll(operations: readonly Operation[]): void {
    const services = this.#services;
    if (services === undefined) return;
    let named: { readonly key: ServiceKey; readonly id: ServiceId } | undefined;
    let found: RememberedService | undefined;
    for (const operation of operations) {
      const key = operation.service;
      if (key !== named?.key) {
        named = { key, id: serviceId(key) };
        found = services.get(named.id);
        if (found !== undefined) this.#unsettle(named.id, found);
      }
      const { id } = named;
      if (operation.kind === "deleteService") {
        services.delete(id);
        this.#open.delete(id);
        found = undefined;
      } else if (operation.kind === "addService" || operation.kind === "editService") {
        found = withAttributes(found, key, operation.attributes);
        services.set(id, found);
        this.#open.set(id, found);
      } else if (found !== undefined) noteRow(found.rows, operation);
    }
  }
}

function withAttributes(
  found: RememberedService | undefined,
  key: ServiceKey,
  wanted: ServiceAttributes,
): RememberedService {
  const attributes = { ...wanted, key, statistics: found?.attributes.statistics ?? NO_STATISTICS };
  return { attributes, rows: found?.rows ?? new RememberedRows([]), settledAs: undefined };
}

const settledOf = (service: RememberedService | undefined): readonly RememberedService[] =>
  service?.settledAs === undefined ? [] : [service];

/** Without those that were found to be equal to one of these. */
function withoutSettled(
  services: Iterable<RememberedService>,
  wanted: ReadonlySet<DesiredService>,
): readonly RememberedService[] {
  return [...services].filter(({ settledAs }) => settledAs === undefined || !wanted.has(settledAs));
}

function asKernelService({ attributes, rows: { rows } }: RememberedService): KernelService {
  return { ...attributes, destinations: [...rows] };
}

function noteRow(remembered: RememberedRows, operation: DestinationOperation): void {
  const { rows } = remembered;
  const place = remembered.placeOf(operation.destination);
  if (operation.kind === "deleteDestination") {
    if (place >= 0) rows.splice(place, 1);
    return;
  }
  const row = noted(operation.destination, operation.attributes, rows[place]);
  if (place < 0) rows.push(row);
  else rows[place] = row;
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
