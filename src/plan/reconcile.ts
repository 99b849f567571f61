import { confirmRaise, diff, type Plan } from "./diff.ts";
import type { Difference } from "./differences.ts";
import { destinationId, serviceId } from "./keys.ts";
import { type Matched, match } from "./matching.ts";
import type { DesiredService, IpvsTable, Operation, Refusal, ServiceId, TableService } from "./types.ts";

/** A table that may know which services need no look. */
export interface ReconciledTable extends IpvsTable {
  /** Without it all of both sides is compared. */
  match?(desired: readonly DesiredService[]): Matched;
  /** Told once the table has everything wanted as it is wanted, and beside that what is `foreign` alone. */
  settle?(desired: readonly DesiredService[], foreign: readonly TableService[]): void;
}

/** What one pass over the table found and did. */
export interface ReconcileReport {
  /** What the first dump showed to be different. Where nothing was changed by us, this is drift. */
  readonly differences: readonly Difference[];
  /** Operations that the kernel answered with success, in order. */
  readonly done: readonly Operation[];
  /** Operations that it refused, in order; one that was tried twice stands here twice. */
  readonly errors: readonly Refusal[];
  /** Dumps made. */
  readonly rounds: number;
  /** The kernel has answered that everything wanted is there. */
  readonly inSync: boolean;
}

/** Dumps in one pass. Somebody who works against us all the time must not hold the daemon for ever. */
export const ROUNDS_MAX = 6;
/** How often one refused operation is tried in a pass: a second time, since a dump lies between. */
const ATTEMPTS_MAX = 2;
/** Times that the rows of a service are read and lowered again before its raise is given up for this round. */
const CONFIRMATIONS_MAX = 3;

/**
 * Makes the kernel's table what is wanted: dump, diff, apply; for exclusive services then read again and raise.
 * After a batch with an error or a lost answer nothing of an exclusive service is raised before another dump and diff.
 * All I/O goes through `table`; what its `dump` throws passes through, at any point, and leaves nothing raised that
 * was not confirmed.
 */
export function reconcile(
  table: ReconciledTable,
  desired: readonly DesiredService[],
  owned: ReadonlySet<ServiceId>,
): ReconcileReport {
  const pass = new Pass(table);
  let differences: readonly Difference[] | undefined;
  let inSync = false;
  let rounds = 0;
  while (!inSync && rounds < ROUNDS_MAX) {
    rounds += 1;
    const plan = diff(table.match?.(desired) ?? match(desired, table.dump()), owned);
    differences ??= plan.differences;
    const result = pass.round(plan);
    if (result === "stuck") break;
    inSync = result === "inSync";
    if (inSync) table.settle?.(desired, plan.foreign);
  }
  return {
    differences: differences ?? [],
    done: pass.done,
    errors: pass.errors,
    rounds,
    inSync,
  };
}

/** The bookkeeping of one pass. */
class Pass {
  readonly done: Operation[] = [];
  readonly errors: Refusal[] = [];
  private readonly table: IpvsTable;
  private readonly refusals = new Map<string, number>();

  constructor(table: IpvsTable) {
    this.table = table;
  }

  /** `again`: dump and diff once more. `stuck`: what is left was refused often enough for this pass. */
  round(plan: Plan): "inSync" | "again" | "stuck" {
    const operations = this.tryable(plan.operations);
    if (!this.apply(operations)) return "again";
    const raised = this.raise(plan.raises);
    if (raised !== "done") return raised;
    return operations.length === plan.operations.length ? "inSync" : "stuck";
  }

  /** The second half of every switch: rows read again, then raised, all confirmed services in one batch. */
  private raise(services: readonly DesiredService[]): "done" | "again" | "stuck" {
    let waiting = services;
    let stuck = false;
    for (let attempt = 0; waiting.length > 0; attempt++) {
      if (attempt === CONFIRMATIONS_MAX) return "again";
      const lowers: Operation[] = [];
      const raises: Operation[] = [];
      const lowered: DesiredService[] = [];
      for (const service of waiting) {
        const decision = confirmRaise(service, this.table.dumpDestinations(service.key));
        if (decision.kind === "replan") return "again";
        if (decision.kind === "settled") continue;
        if (this.tryable(decision.operations).length < decision.operations.length) {
          stuck = true;
          continue;
        }
        if (decision.kind === "raise") raises.push(...decision.operations);
        else {
          lowers.push(...decision.operations);
          lowered.push(service);
        }
      }
      if (!this.apply(lowers) || !this.apply(raises)) return "again";
      waiting = lowered;
    }
    return stuck ? "stuck" : "done";
  }

  /** True when every operation was answered with success. */
  private apply(operations: readonly Operation[]): boolean {
    if (operations.length === 0) return true;
    const { complete, done, refused } = this.table.apply(operations);
    for (const operation of done) this.done.push(operation);
    for (const refusal of refused) this.refused(refusal);
    return complete && refused.length === 0;
  }

  private refused(refusal: Refusal): void {
    this.errors.push(refusal);
    const identity = operationIdentity(refusal.operation);
    this.refusals.set(identity, (this.refusals.get(identity) ?? 0) + 1);
  }

  /** Those that were not refused often enough for this pass. */
  private tryable(operations: readonly Operation[]): readonly Operation[] {
    // Nearly always nothing was refused, and an identity for each of thousands of operations costs more than their diff.
    if (this.refusals.size === 0) return operations;
    return operations.filter((operation) => (this.refusals.get(operationIdentity(operation)) ?? 0) < ATTEMPTS_MAX);
  }
}

function operationIdentity(operation: Operation): string {
  const service = serviceId(operation.service);
  const destination = "destination" in operation ? destinationId(operation.destination) : "";
  const attributes = "attributes" in operation ? JSON.stringify(operation.attributes) : "";
  return `${operation.kind} ${service} ${destination} ${attributes}`;
}
