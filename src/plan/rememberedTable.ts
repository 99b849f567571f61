import { type Matched, match } from "./matching.ts";
import type { ReconciledTable } from "./reconcile.ts";
import type {
  BatchAnswer,
  DesiredService,
  IpvsTable,
  KernelDestination,
  KernelService,
  Operation,
  ServiceKey,
  TableService,
} from "./types.ts";

/** What the table has. */
interface Known {
  /** As wanted, by the wanted services' own objects and in their order; or as dumped. */
  readonly services: readonly TableService[];
  /** Services of others, which nobody wanted. */
  readonly foreign: readonly TableService[];
}

/**
 * A table that remembers what it has been made, so that a change costs its own operations and not a dump of thousands
 * of rows. What it knows ends with the first operation, whatever becomes of that, and begins again with `settle` or with
 * a dump of the kernel's own.
 *
 * What somebody else changed meanwhile is not in it. That is found by the next dump after `forget`, and it never makes
 * an exclusive service unsafe: `dumpDestinations`, on which a raise is decided, always asks the kernel.
 */
export class RememberedTable implements ReconciledTable {
  readonly #table: IpvsTable;
  #known: Known | undefined;
  #entriesDumped = 0;

  constructor(table: IpvsTable) {
    this.#table = table;
  }

  forget(): void {
    this.#known = undefined;
  }

  /** Services and rows of the last dump, those of others among them: what a dump costs goes by their number. */
  get entriesDumped(): number {
    return this.#entriesDumped;
  }

  /** The kernel's own, always; remembered. */
  dump(): KernelService[] {
    const services = this.#dumpKernel();
    this.#known = { services, foreign: [] };
    return services;
  }

  /**
   * What of both sides can differ at all: a change of one service among thousands costs no look at the rows of the others. Whoever
   * asks twice without having settled gets the kernel's own table.
   */
  match(desired: readonly DesiredService[]): Matched {
    const { services, foreign } = this.#known ?? { services: this.#dumpKernel(), foreign: [] };
    this.#known = undefined;
    return match(desired, services, foreign);
  }

  settle(desired: readonly DesiredService[], foreign: readonly TableService[]): void {
    this.#known = { services: desired, foreign };
  }

  dumpDestinations(service: ServiceKey): KernelDestination[] | undefined {
    return this.#table.dumpDestinations(service);
  }

  apply(operations: readonly Operation[]): BatchAnswer {
    this.#known = undefined;
    return this.#table.apply(operations);
  }

  #dumpKernel(): KernelService[] {
    const services = this.#table.dump();
    this.#entriesDumped = services.reduce((sum, { destinations }) => sum + 1 + destinations.length, 0);
    return services;
  }
}
