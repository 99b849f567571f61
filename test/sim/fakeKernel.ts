import { newRow } from "../../src/daemon/paperTable.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import {
  type BatchAnswer,
  type DestinationId,
  type IpvsTable,
  type KernelDestination,
  type KernelService,
  NO_STATISTICS,
  type Operation,
  type Refusal,
  type ServiceId,
  type ServiceKey,
} from "../../src/plan/types.ts";

/** What may go wrong with one operation. */
export type Fault =
  /** Answered with an errno, not applied. */
  | { readonly kind: "refuse"; readonly errno: number }
  /** Applied, but this answer and all later ones of the batch are lost (ENOBUFS). */
  | { readonly kind: "loseAnswers" }
  /** This operation and all later ones of the batch are never seen by the kernel; nothing is answered for them. */
  | { readonly kind: "cutBatch" };

const ENOENT = 2;
const ESRCH = 3;
const EEXIST = 17;
const NO_ROWS: ReadonlyMap<DestinationId, number> = new Map();
type RowOperation = Extract<Operation, { readonly destination: unknown }>;

/** A kernel's IPVS table: same errno as ip_vs_ctl.c, one operation after the other, hooks around each. */
export class FakeKernel implements IpvsTable {
  /** Asked before each operation of a batch: here an administrator's hand changes the table, or a fault is drawn. */
  beforeOperation: (operation: Operation) => Fault | undefined = () => undefined;
  /** Called after every single change, whoever made it: invariants are checked here. */
  afterChange: (cause: Operation | "administrator") => void = () => undefined;
  /** Called at each read, with the service where only its rows are read. */
  beforeRead: (service?: ServiceKey) => void = () => undefined;
  readonly applied: Operation[] = [];
  reads = 0;
  /** Weights of services as they are now: invariants ask for them all the time. */
  private readonly known = new WeakMap<KernelService, ReadonlyMap<DestinationId, number>>();
  /** Services and rows are never changed, only replaced: a dump stays what it was. */
  private readonly services = new Map<ServiceId, KernelService>();

  dump(): KernelService[] {
    this.reads += 1;
    this.beforeRead();
    return [...this.services.values()].map((service) => ({ ...service, destinations: [...service.destinations] }));
  }

  dumpDestinations(service: ServiceKey): KernelDestination[] | undefined {
    this.reads += 1;
    this.beforeRead(service);
    const rows = this.services.get(serviceId(service))?.destinations;
    return rows === undefined ? undefined : [...rows];
  }

  apply(operations: readonly Operation[]): BatchAnswer {
    const done: Operation[] = [];
    const refused: Refusal[] = [];
    let answering = true;
    for (const operation of operations) {
      const fault = this.beforeOperation(operation);
      if (fault?.kind === "cutBatch") return { complete: false, done, refused };
      if (fault?.kind === "loseAnswers") answering = false;
      const errno = fault?.kind === "refuse" ? fault.errno : this.perform(operation);
      if (errno === 0) {
        this.applied.push(operation);
        this.afterChange(operation);
      }
      if (!answering) continue;
      if (errno === 0) done.push(operation);
      else refused.push({ operation, errno, message: `errno ${errno}` });
    }
    return { complete: answering, done, refused };
  }

  /** What ipvsadm in somebody's hands does; an error is theirs. */
  administrator(operation: Operation): void {
    if (this.perform(operation) === 0) this.afterChange("administrator");
  }

  /** ipvsadm -C */
  clear(): void {
    this.services.clear();
    this.afterChange("administrator");
  }

  /** Puts a service there as somebody else left it. */
  put(service: KernelService): void {
    this.services.set(serviceId(service.key), structuredClone(service));
  }

  weights(id: ServiceId): ReadonlyMap<DestinationId, number> {
    const service = this.services.get(id);
    if (service === undefined) return NO_ROWS;
    const known = this.known.get(service);
    if (known !== undefined) return known;
    const weights = new Map(service.destinations.map((row) => [destinationId(row), row.weight]));
    this.known.set(service, weights);
    return weights;
  }

  has(id: ServiceId): boolean {
    return this.services.has(id);
  }

  private perform(operation: Operation): number {
    const id = serviceId(operation.service);
    const service = this.services.get(id);
    if (operation.kind === "addService") {
      if (service !== undefined) return EEXIST;
      this.services.set(id, {
        key: operation.service,
        ...operation.attributes,
        statistics: NO_STATISTICS,
        destinations: [],
      });
      return 0;
    }
    if (service === undefined) return ESRCH;
    if ("destination" in operation) return this.performOnRow(operation, service);
    if (operation.kind === "deleteService") this.services.delete(id);
    else this.services.set(id, { ...service, ...operation.attributes });
    return 0;
  }

  private performOnRow(operation: RowOperation, service: KernelService): number {
    const id = destinationId(operation.destination);
    const index = service.destinations.findIndex((row) => destinationId(row) === id);
    const rows = [...service.destinations];
    const old = rows[index];
    switch (operation.kind) {
      case "addDestination":
        if (old !== undefined) return EEXIST;
        rows.push(newRow(operation));
        break;
      case "editDestination":
        if (old === undefined) return ENOENT;
        rows[index] = { ...old, ...operation.attributes };
        break;
      case "deleteDestination":
        if (old === undefined) return ENOENT;
        rows.splice(index, 1);
        break;
    }
    this.services.set(serviceId(operation.service), { ...service, destinations: rows });
    return 0;
  }
}
