import { chmodSync, chownSync, closeSync, constants, fstatSync, openSync, rmSync, writeSync } from "node:fs";
import { HoldfastError } from "../../core/errors.ts";
import type { FifoEvents, FifoSpec, FifoStatus, NotifyFifo } from "../../core/notify.ts";
import { isNativeError } from "../addon.ts";
import type { NativeAddon } from "../addon.types.ts";
import type { Identity } from "../scripts/users.ts";

/** Only its owner reads and writes it (keepalived makes it so too). */
const MODE = 0o600;
/** The kernel's pipe holds 64 KiB, some two thousand lines; so many more wait here. */
const WAITING_MAX = 1_024;
/** A pipe does not tell when there is room again. */
const RETRY_MS = 100;

/**
 * Makes the FIFO, or takes the one that is there, and opens it for both ways: so nobody needs to read it yet, and a reader
 * that ends is no error. Throws HoldfastError `fifoUnusable`.
 */
export function openNotifyFifo(
  spec: FifoSpec,
  events: FifoEvents,
  modules: { readonly addon: NativeAddon; readonly owner: Identity | undefined },
): NotifyFifo {
  const made = make(spec.path, modules.addon);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(spec.path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    if (!fstatSync(descriptor).isFIFO()) throw new Error("there is something else in its place");
    if (made) {
      chmodSync(spec.path, MODE);
      if (modules.owner !== undefined) chownSync(spec.path, modules.owner.uid, modules.owner.gid);
    }
    return new OpenFifo(spec.path, descriptor, made, events);
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor);
    if (made) rmSync(spec.path, { force: true });
    throw unusable(spec.path, cause);
  }
}

function make(path: string, addon: NativeAddon): boolean {
  try {
    addon.makeFifo(path, MODE);
    return true;
  } catch (cause) {
    if (isNativeError(cause, "EEXIST")) return false;
    throw unusable(path, cause);
  }
}

function unusable(path: string, cause: unknown): HoldfastError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new HoldfastError("fifoUnusable", `FIFO ${path}: ${detail}`, undefined, { cause });
}

class OpenFifo implements NotifyFifo {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #made: boolean;
  readonly #events: FifoEvents;
  #waiting: string[] = [];
  #retry: NodeJS.Timeout | undefined;
  #written = 0;
  #dropped = 0;
  #full = false;
  #problem: string | undefined;
  #closed = false;

  constructor(path: string, descriptor: number, made: boolean, events: FifoEvents) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#made = made;
    this.#events = events;
  }

  write(line: string): void {
    this.#waiting.push(line);
    this.#flush();
    if (this.#waiting.length <= WAITING_MAX) return;
    this.#waiting.shift();
    this.#dropped += 1;
    if (this.#full) return;
    this.#full = true;
    this.#events.onFull();
  }

  status(): FifoStatus {
    return {
      path: this.#path,
      written: this.#written,
      waiting: this.#waiting.length,
      dropped: this.#dropped,
      problem: this.#problem,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#flush();
    closeSync(this.#descriptor);
    if (this.#made) rmSync(this.#path, { force: true });
  }

  /** A line is shorter than PIPE_BUF, so it goes whole or not at all (pipe(7)). */
  #flush(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    while (this.#waiting.length > 0) {
      try {
        writeSync(this.#descriptor, this.#waiting[0] as string);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        this.#problem = code === "EAGAIN" ? "full: nobody reads it" : message;
        if (!this.#closed) this.#retry = setTimeout(() => this.#flush(), RETRY_MS);
        return;
      }
      this.#waiting.shift();
      this.#written += 1;
    }
    this.#problem = undefined;
    this.#full = false;
  }
}
