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
  /** What waits for the end of `explained`. */
  #waiting: (() => void)[] | undefined;
  /** When that began whose reasons are recorded now. */
  #beganMs: number | undefined;

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
    const atMs = this.#beganMs ?? this.#wallMs();
    const keep = (): void => this.#keep(level, { atMs, kind, message, fields });
    if (this.#waiting === undefined) keep();
    else this.#waiting.push(keep);
  }

  /**
   * Does `work`, which must be short, and records what happens in it behind what `why` records, also when either throws: the log
   * tells why before what, but the kernel's table waits for neither. The reasons have the time at which the work began.
   */
  explained(why: () => void, work: () => void): void {
    const beganMs = this.#wallMs();
    const outer = this.#waiting;
    const waiting: (() => void)[] = [];
    const tell = (): void => {
      this.#beganMs = beganMs;
      try {
        why();
      } finally {
        this.#beganMs = undefined;
        for (const keep of waiting) keep();
      }
    };
    this.#waiting = waiting;
    try {
      work();
    } finally {
      this.#waiting = outer;
      if (outer === undefined) tell();
      else outer.push(tell);
    }
  }

  /** How many of each kind there were since the start. */
  counted(): readonly Counted[] {
    return this.#kinds.counted();
  }

  latest(): readonly RecordedEvent[] {
    return [...this.#kept];
  }

  #keep(level: "error" | "warn" | "info", event: Omit<RecordedEvent, "sequence">): void {
    const { kind, message, fields } = event;
    this.#sequence += 1;
    this.#kinds.add({ kind });
    this.#kept.push({ sequence: this.#sequence, ...event });
    if (this.#kept.length > EVENTS_KEPT) this.#kept.shift();
    this.#logger[level]({ event: kind, ...fields }, message);
  }
}
