import { destinationId, serviceId } from "../../src/plan/keys.ts";
import type { ReconcileReport } from "../../src/plan/reconcile.ts";
import type { DesiredService, DestinationId, Operation, ServiceId } from "../../src/plan/types.ts";
import type { FakeKernel } from "./fakeKernel.ts";

/** What must hold after every single operation on the kernel's table; a breach is thrown where it happens. */
export class Invariants {
  /** By `service server`: whether the latest outcome that came in is a confirmed claim. Kept by the simulation. */
  readonly latestClaim = new Map<string, boolean>();
  /** Rows that a check has passed for, or that had weight before this life began: `service server`. */
  readonly proven = new Set<string>();
  operations = 0;
  private readonly kernel: FakeKernel;
  private readonly before = new Map<ServiceId, ReadonlyMap<DestinationId, number>>();
  private exclusive: ReadonlySet<ServiceId> = new Set();
  /** How many had weight when a service became exclusive: they are lowered one by one, and none comes to them. */
  private readonly shared = new Map<ServiceId, number>();
  /** False where administrators' hands or faults of the kernel are in play: then two weights may be theirs, never ours. */
  private readonly alone: boolean;

  constructor(kernel: FakeKernel, alone: boolean) {
    this.kernel = kernel;
    this.alone = alone;
  }

  expectExclusive(services: readonly DesiredService[]): void {
    const before = this.exclusive;
    this.exclusive = new Set(services.filter((service) => service.exclusive).map(({ key }) => serviceId(key)));
    for (const id of this.exclusive) if (!before.has(id)) this.shared.set(id, this.weighted(id).length);
  }

  /** A new life over the table as it is: weights found there are proven by whoever left them. */
  adopt(services: readonly ServiceId[]): void {
    this.proven.clear();
    this.latestClaim.clear();
    for (const id of services) {
      for (const [server, weight] of this.kernel.weights(id)) if (weight > 0) this.proven.add(`${id} ${server}`);
    }
  }

  check(cause: Operation | "administrator"): void {
    if (cause === "administrator") {
      for (const id of this.exclusive) this.remember(id);
      return;
    }
    this.operations += 1;
    const id = serviceId(cause.service);
    const weighted = this.weighted(id);
    if (this.exclusive.has(id)) {
      const raising = "attributes" in cause && "weight" in cause.attributes && cause.attributes.weight > 0;
      const lowering = !raising && weighted.length <= this.writersAllowed(id);
      this.shared.set(id, Math.min(this.writersAllowed(id), weighted.length));
      if (weighted.length > 1 && !lowering && (this.alone || raising)) {
        throw new Error(`two writers after ${describe(cause)}: ${weighted.join(" and ")}`);
      }
    }
    this.checkRaise(id, cause);
    this.remember(id);
  }

  /** One; where a service has just become exclusive so many as have not been lowered yet. */
  writersAllowed(id: ServiceId): number {
    return Math.max(1, this.shared.get(id) ?? 1);
  }

  private weighted(id: ServiceId): DestinationId[] {
    return [...this.kernel.weights(id)].filter(([, weight]) => weight > 0).map(([server]) => server);
  }

  private checkRaise(id: ServiceId, cause: Operation): void {
    if (!("destination" in cause) || !("attributes" in cause) || cause.attributes.weight === 0) return;
    const server = destinationId(cause.destination);
    if ((this.before.get(id)?.get(server) ?? 0) > 0) return;
    if (!this.proven.has(`${id} ${server}`)) throw new Error(`never checked, but raised: ${describe(cause)}`);
    if (this.exclusive.has(id) && this.alone && this.latestClaim.get(`${id} ${server}`) !== true) {
      throw new Error(`raised although its latest answer is no confirmed claim: ${describe(cause)}`);
    }
  }

  private remember(id: ServiceId): void {
    this.before.set(id, this.kernel.weights(id));
  }
}

function describe(operation: Operation): string {
  const server = "destination" in operation ? ` ${destinationId(operation.destination)}` : "";
  const attributes = "attributes" in operation ? ` ${JSON.stringify(operation.attributes)}` : "";
  return `${operation.kind} ${serviceId(operation.service)}${server}${attributes}`;
}

/** What a pass did to the table, for the history of a breach. */
export function reportText({ done, inSync }: ReconcileReport): string {
  const words = done.map((operation) => {
    const row = "destination" in operation ? ` ${destinationId(operation.destination)}` : "";
    const weight =
      "attributes" in operation && "weight" in operation.attributes ? ` ${operation.attributes.weight}` : "";
    return `${operation.kind}${row}${weight}`;
  });
  return `${words.join(", ")}${inSync ? "" : " (not in sync)"}`;
}
