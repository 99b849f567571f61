import { type Difference, sameDestination, sameService, serviceDifferences } from "./differences.ts";
import { destinationId, serviceId } from "./keys.ts";
import type { Matched } from "./matching.ts";
import type {
  DesiredDestination,
  DesiredService,
  DestinationAttributes,
  DestinationId,
  DestinationKey,
  KernelDestination,
  Operation,
  ServiceAttributes,
  ServiceId,
  ServiceKey,
  TableService,
} from "./types.ts";

/**
 * The ordered operations between the kernel's table and the wanted one. Pure: both sides in, a plan out.
 *
 * Order of `operations`: exclusive services first (a server that lost its role must lose its weight before anything else
 * happens); each service's own operations stand together, so that no service is half done for longer than its own
 * few operations take: the service itself, lowered rows, added rows, raised rows, deleted rows (lowered to 0 among the
 * first of these). Services that we created earlier and that are not wanted any more go last.
 *
 * Every attribute of a service and of a row can be edited in place (ip_vs_edit_service and ip_vs_edit_dest take scheduler,
 * flags, timeout, netmask; forwarding, weight, thresholds). What the kernel cannot edit is the keys: another address,
 * port or protocol is another service or row, so it shows up here as one deleted and one added.
 */
export interface Plan {
  readonly operations: readonly Operation[];
  /**
   * Exclusive services with a row that is to have weight above 0 and has not exactly that: never part of `operations`, whatever
   * the dump said. After `operations` were applied and answered, `confirmRaise` decides on the rows as read again.
   */
  readonly raises: readonly DesiredService[];
  readonly differences: readonly Difference[];
  /** Services of the table that are neither wanted nor ours. */
  readonly foreign: readonly TableService[];
}

/**
 * @param owned services that we created, in this life or an earlier one; those not wanted any more are deleted. A
 *   kernel service that is neither wanted nor owned is foreign and untouched.
 * @throws Error when an exclusive service wants two rows with weight above 0: our own bug, and the table stays as it is.
 */
export function diff({ wanted, found, unwanted }: Matched, owned: ReadonlySet<ServiceId>): Plan {
  const draft = new Draft();
  for (const exclusive of [true, false]) {
    for (let place = 0; place < wanted.length; place++) {
      const service = wanted[place];
      if (service?.exclusive === exclusive) diffService(service, found[place], draft);
    }
  }
  for (const service of unwanted) {
    if (!owned.has(serviceId(service.key))) {
      draft.foreign.push(service);
      continue;
    }
    draft.operations.push({ kind: "deleteService", service: service.key });
    draft.differences.push({ kind: "serviceLeftOver", service: service.key });
  }
  const { operations, raises, differences, foreign } = draft;
  return { operations, raises, differences, foreign };
}

/** What may be done with an exclusive service's raise, on the rows as they are now. */
export type RaiseDecision =
  /** Apply these: no other row has weight above 0. */
  | { readonly kind: "raise"; readonly operations: readonly Operation[] }
  /** Somebody else has weight: apply these, read the rows again, ask again. */
  | { readonly kind: "lower"; readonly operations: readonly Operation[] }
  /** The row is as wanted and alone. */
  | { readonly kind: "settled" }
  /** The service or the row is gone: dump and diff again. */
  | { readonly kind: "replan" };

/**
 * Decides the second half of an exclusive service's switch.
 * @param rows the service's rows, read after everything of the first batch was answered; undefined when it is gone
 */
export function confirmRaise(service: DesiredService, rows: readonly KernelDestination[] | undefined): RaiseDecision {
  if (rows === undefined) return { kind: "replan" };
  const holder = service.destinations.find((destination) => destination.weight > 0);
  const holderId = holder && destinationId(holder);
  const { key } = service;
  const others = rows.filter((row) => row.weight > 0 && destinationId(row) !== holderId);
  if (others.length > 0) return { kind: "lower", operations: others.map((row) => lowered(key, row, row, 0)) };
  if (holder === undefined) return { kind: "settled" };
  const row = rows.find((candidate) => destinationId(candidate) === holderId);
  if (row === undefined) return { kind: "replan" };
  if (sameDestination(row, holder)) return { kind: "settled" };
  const operation: Operation = {
    kind: "editDestination",
    service: key,
    destination: destinationKey(holder),
    attributes: destinationAttributes(holder),
  };
  return { kind: "raise", operations: [operation] };
}

/** A plan in the making. A reload passes over thousands of rows: lists of their own for each service would be most of its cost. */
class Draft {
  readonly operations: Operation[] = [];
  readonly raises: DesiredService[] = [];
  readonly differences: Difference[] = [];
  readonly foreign: TableService[] = [];
  /** Of the service at hand, in the order in which they follow its lowered rows. */
  readonly added: Operation[] = [];
  readonly raised: Operation[] = [];
  readonly deleted: Operation[] = [];

  /** Nothing more is lowered at the service at hand. */
  endService(): void {
    for (const list of [this.added, this.raised, this.deleted]) {
      if (list.length === 0) continue;
      for (const operation of list) this.operations.push(operation);
      list.length = 0;
    }
  }
}

function diffService(service: DesiredService, found: TableService | undefined, draft: Draft): void {
  const { key, exclusive } = service;
  if (exclusive) assertOneHolder(service);
  diffAttributes(service, found, draft);
  const rows = new UnmatchedRows(found?.destinations ?? NO_ROWS);
  let raise = false;
  for (const wanted of service.destinations) {
    const row = rows.take(wanted);
    if (row !== undefined && sameDestination(row, wanted)) continue;
    const held = exclusive && wanted.weight > 0;
    raise ||= held;
    const destination = destinationKey(wanted);
    const attributes = destinationAttributes(wanted);
    if (row === undefined) {
      const added = held ? { ...attributes, weight: 0 } : attributes;
      draft.added.push({ kind: "addDestination", service: key, destination, attributes: added });
      draft.differences.push({ kind: "destinationMissing", service: key, destination, wantedWeight: wanted.weight });
      continue;
    }
    draft.differences.push({ kind: "destinationDiffers", service: key, destination, found: row, wanted: attributes });
    if (held) continue;
    const list = wanted.weight < row.weight ? draft.operations : draft.raised;
    list.push({ kind: "editDestination", service: key, destination, attributes });
  }
  for (const row of rows.left()) removeRow(key, row, draft);
  draft.endService();
  if (raise) draft.raises.push(service);
}

/** The service itself: added or edited. */
function diffAttributes(service: DesiredService, found: TableService | undefined, draft: Draft): void {
  const { key } = service;
  if (found === undefined) {
    draft.operations.push({ kind: "addService", service: key, attributes: serviceAttributes(service) });
    draft.differences.push({ kind: "serviceMissing", service: key });
    return;
  }
  if (sameService(found, service)) return;
  draft.operations.push({ kind: "editService", service: key, attributes: serviceAttributes(service) });
  const attributes = serviceDifferences(found, service);
  draft.differences.push({ kind: "serviceDiffers", service: key, attributes });
}

/** Takes the weight from a row that is to go, and the row itself last. */
function removeRow(key: ServiceKey, row: DesiredDestination, draft: Draft): void {
  const destination = destinationKey(row);
  if (row.weight > 0) draft.operations.push(lowered(key, destination, row, 0));
  draft.differences.push({ kind: "destinationUnwanted", service: key, destination, foundWeight: row.weight });
  draft.deleted.push({ kind: "deleteDestination", service: key, destination });
}

const NO_ROWS: readonly DesiredDestination[] = [];

/**
 * The table's rows of one service, each given out once: from the front while both sides agree, or from the back, since the kernel
 * shows the row that was added last first; else by their names.
 */
class UnmatchedRows {
  private readonly rows: readonly DesiredDestination[];
  private front = 0;
  private back: number;
  private byId: Map<DestinationId, DesiredDestination> | undefined;

  constructor(rows: readonly DesiredDestination[]) {
    this.rows = rows;
    this.back = rows.length;
  }

  take(wanted: DestinationKey): DesiredDestination | undefined {
    if (this.byId === undefined) {
      const first = this.rows[this.front];
      if (this.front < this.back && first !== undefined && sameRow(first, wanted)) {
        this.front += 1;
        return first;
      }
      const last = this.rows[this.back - 1];
      if (this.front < this.back && last !== undefined && sameRow(last, wanted)) {
        this.back -= 1;
        return last;
      }
      this.byId = new Map(this.untaken().map((left) => [destinationId(left), left]));
    }
    const id = destinationId(wanted);
    const row = this.byId.get(id);
    this.byId.delete(id);
    return row;
  }

  /** What nobody took. */
  left(): readonly DesiredDestination[] {
    return this.byId === undefined ? this.untaken() : [...this.byId.values()];
  }

  private untaken(): readonly DesiredDestination[] {
    return this.front === this.back ? NO_ROWS : this.rows.slice(this.front, this.back);
  }
}

const sameRow = (left: DestinationKey, right: DestinationKey): boolean =>
  left.port === right.port && left.address === right.address;

function assertOneHolder(service: DesiredService): void {
  const holders = service.destinations.filter((destination) => destination.weight > 0);
  if (holders.length > 1) {
    throw new Error(`exclusive ${serviceId(service.key)} wants weight on ${holders.map(destinationId).join(" and ")}`);
  }
}

function lowered(
  service: ServiceKey,
  destination: DestinationKey,
  row: DestinationAttributes,
  weight: number,
): Operation {
  return {
    kind: "editDestination",
    service,
    destination: destinationKey(destination),
    attributes: { ...destinationAttributes(row), weight },
  };
}

/** The fields of a key alone, out of a wider object: operations are compared, logged and sent as they are. */
function destinationKey({ address, port }: DestinationKey): DestinationKey {
  return { address, port };
}

function serviceAttributes(service: ServiceAttributes): ServiceAttributes {
  const { scheduler, persistenceTimeoutSec, persistencePrefix, onePacket, schedulerFlags, persistenceEngine } = service;
  return { scheduler, persistenceTimeoutSec, persistencePrefix, onePacket, schedulerFlags, persistenceEngine };
}

function destinationAttributes(destination: DesiredDestination | DestinationAttributes): DestinationAttributes {
  const { weight, forwarding, upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum } = destination;
  return { weight, forwarding, upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum };
}
