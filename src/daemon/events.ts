import type { Logger } from "../core/interfaces.ts";
import type { RecordedEvent } from "./control.types.ts";
import { type Counted, Tally } from "./tally.ts";

const EVENTS_KEPT = 256;

/**
 * Everything that happened, once: each event is logged and kept in a bounded ring for `status`, with one sequence, so
 * that a reader sees what it missed.
 */
export class EventLog {
  readonly #logger: Logger;
  readonly #wallMs: () => number;
  readonly #kept: RecordedEvent[] = [];
  readonly #kinds = new Tally();
  #sequence = 0;
  /** Lines that wait for the end of `writtenAfter`. */
  #waiting: (() => void)[] | undefined;

  constructor(modules: { readonly logger: Logger; readonly wallMs: () => number }) {
    this.#logger = modules.logger;
    this.#wallMs = modules.wallMs;
  }

  record(
    level: "error" | "warn" | "info",
    kind: string,
    message: string,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    this.#sequence += 1;
    this.#kinds.add({ kind });
    this.#kept.push({ sequence: this.#sequence, atMs: this.#wallMs(), kind, message, fields });
    if (this.#kept.length > EVENTS_KEPT) this.#kept.shift();
    const write = (): void => this.#logger[level]({ event: kind, ...fields }, message);
    if (this.#waiting === undefined) write();
    else this.#waiting.push(write);
  }

  /**
   * Does `work`, which must be short, and writes the lines of what happens in it afterwards, in order, also when it throws: the
   * log tells why before what, but the kernel's table does not wait for the log.
   */
  writtenAfter(work: () => void): void {
    if (this.#waiting !== undefined) {
      work();
      return;
    }
    const waiting: (() => void)[] = [];
    this.#waiting = waiting;
    try {
      work();
    } finally {
      this.#waiting = undefined;
      for (const write of waiting) write();
    }
  }

  /** How many of each kind there were since the start. */
  counted(): readonly Counted[] {
    return this.#kinds.counted();
  }

  latest(): readonly RecordedEvent[] {
    return [...this.#kept];
  }
}
