import type { DesiredService } from "../plan/types.ts";
import type { LvsSide } from "./lvs/lvsSide.ts";
import type { ProgrammingCause, TableOwner } from "./tableOwner.ts";

export interface StartOrderModules {
  readonly table: TableOwner;
  readonly lvs: LvsSide;
  /** The table that configuration and verdicts want now. */
  readonly desired: () => readonly DesiredService[];
  /** Elections begin. */
  readonly elect: () => void;
  /** sd_notify(3) */
  readonly notify: (state: string) => void;
  readonly isStopping: () => boolean;
}

/**
 * The order that matters at a start: first verdicts, then the kernel's table, then the election and the word to the service
 * manager. An election before the first programming would draw traffic to an empty table.
 */
export class StartOrder {
  readonly #modules: StartOrderModules;
  #programmed = false;
  #listening = false;
  /** Everything tracked has said something, or has had its time to. */
  #tracked = false;
  /** In a successor until `takeOver`: told of the first verdicts, and nothing is programmed. */
  #standingBy: (() => void) | undefined;

  constructor(modules: StartOrderModules) {
    this.#modules = modules;
  }

  /** Whether the table was written at least once. */
  get programmed(): boolean {
    return this.#programmed;
  }

  /** VRRP's sockets are open. */
  listens(): void {
    this.#listening = true;
    this.#releaseWhenReady();
  }

  tracked(): void {
    this.#tracked = true;
    this.#releaseWhenReady();
  }

  /** Beside a predecessor nothing is written; resolves with the first verdicts. */
  standBy(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#standingBy = resolve;
    });
  }

  /** In the place of a predecessor, with everything that a start waits for. */
  takeOver(): void {
    this.#standingBy = undefined;
    this.#listening = true;
    this.#tracked = true;
    this.firstVerdicts();
  }

  firstVerdicts(): void {
    this.#standingBy?.();
    if (this.#standingBy !== undefined || this.#programmed) return;
    this.#programmed = true;
    this.program("start");
    this.#modules.table.watch(this.#modules.desired);
    this.#releaseWhenReady();
  }

  /** Before the first verdicts only a table that already exists is touched: an empty one waits for them. */
  tableChanged(): void {
    if (this.#standingBy !== undefined) return;
    if (!this.#programmed && !this.#modules.table.hasExisting(this.#modules.desired())) return;
    this.program("change");
  }

  program(cause: ProgrammingCause): void {
    const { lvs, table } = this.#modules;
    const desired = this.#modules.desired();
    lvs.serve(desired);
    table.program(desired, cause);
  }

  notifyReady(): void {
    if (this.#programmed && this.#listening && this.#tracked) this.#modules.notify("READY=1");
  }

  #releaseWhenReady(): void {
    if (!this.#programmed || !this.#listening || !this.#tracked || this.#modules.isStopping()) return;
    this.#modules.elect();
    this.notifyReady();
  }
}
