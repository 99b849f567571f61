import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { HoldfastError } from "../core/errors.ts";
import type { NativeAddon, NativeSocket } from "./addon.types.ts";
import { adoptGuardSocket } from "./guardSocket.ts";
import { withInheritedOomScore } from "./oomScore.ts";

export type HandoverErrorCode = "handoverFailed";

/** Where a successor finds what it inherits, behind the channel (3). */
const DESCRIPTORS = { channel: 3, lock: 4, namespace: 5, guard: 6 } as const;
/** Tells a program that it is a successor. */
const VARIABLE = "HOLDFAST_HANDOVER";

/** What a daemon has only once on a host, as descriptors. */
export interface Heritage {
  readonly lock: number;
  readonly namespace: number;
  readonly guard: number;
}

/** Messages of another process in order, each waited for. */
class Inbox {
  readonly #messages: unknown[] = [];
  #ended: string | undefined;
  #wake: () => void = () => undefined;

  add(message: unknown): void {
    this.#messages.push(message);
    this.#wake();
  }

  end(cause: string): void {
    this.#ended ??= cause;
    this.#wake();
  }

  async next<Heard>(timeoutMs: number): Promise<Heard> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, timeoutMs);
    try {
      for (;;) {
        if (this.#messages.length > 0) return this.#messages.shift() as Heard;
        if (this.#ended !== undefined) throw failed(this.#ended);
        if (late) throw failed(`the other process said nothing for ${timeoutMs / 1_000} s`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Starts this program again as the successor, with the same arguments, or `program` with them. It inherits standard
 * output and error, and `heritage`.
 */
export function startSuccessor<Said extends object, Heard>(program: string | undefined, heritage: Heritage) {
  const { execArgv, execPath, argv } = process;
  const words = program === undefined ? [...execArgv, ...argv.slice(1)] : argv.slice(2);
  const { WATCHDOG_PID: _ours, ...environment } = process.env;
  // It raises its own score: with ours to begin with, a hundred handovers would make it the kernel's first choice.
  const child = withInheritedOomScore(() =>
    spawn(program ?? execPath, words, {
      stdio: ["ignore", "inherit", "inherit", "ipc", heritage.lock, heritage.namespace, heritage.guard],
      env: { ...environment, [VARIABLE]: "1" },
      // Keeps what is undefined, and newer versions of Node read what older ones write.
      serialization: "advanced",
    }),
  );
  const inbox = inboxOf(child);
  return {
    processId: child.pid ?? 0,
    send: (message: Said): void => {
      child.send(message, () => undefined);
    },
    next: (timeoutMs: number): Promise<Heard> => inbox.next(timeoutMs),
    kill: (): void => {
      child.kill("SIGKILL");
    },
    leave: (): void => {
      child.unref();
      if (child.connected) child.disconnect();
    },
  };
}

function inboxOf(child: ChildProcess): Inbox {
  const inbox = new Inbox();
  child.on("message", (message) => inbox.add(message));
  child.once("error", (error) => inbox.end(`the successor cannot be started: ${error.message}`));
  child.once("exit", (code, signal) =>
    inbox.end(`the successor ended (${signal === null ? `status ${code}` : `signal ${signal}`})`),
  );
  return inbox;
}

/** The daemon that started this process as its successor; undefined = nobody did. */
export function findPredecessor<Said extends object, Heard>(addon: () => NativeAddon) {
  if (process.env[VARIABLE] !== "1" || process.send === undefined) return undefined;
  delete process.env[VARIABLE];
  const inbox = new Inbox();
  process.on("message", (message) => inbox.add(message));
  const ended = (): void => inbox.end("the predecessor has ended");
  // It may have done so while this process was loading.
  if (process.connected) process.once("disconnect", ended);
  else ended();
  return {
    /** Duplicates that no child of ours inherits. */
    heritage: (): Heritage => ({
      lock: own(DESCRIPTORS.lock, (inherited) => addon().adoptSocket(inherited)),
      namespace: own(DESCRIPTORS.namespace, (inherited) => addon().adoptSocket(inherited)),
      guard: own(DESCRIPTORS.guard, (inherited) => adoptGuardSocket(addon(), inherited)),
    }),
    /** Resolves when it is on its way, or cannot be. */
    send: (message: Said): Promise<void> =>
      new Promise((resolve) => {
        if (!process.connected) resolve();
        else process.send?.(message, undefined, undefined, () => resolve());
      }),
    next: (timeoutMs: number): Promise<Heard> => inbox.next(timeoutMs),
    leave: (): void => {
      if (process.connected) process.disconnect();
    },
  };
}

const kept: unknown[] = [];

function own(inherited: number, adopt: (descriptor: number) => NativeSocket): number {
  const duplicate = adopt(inherited);
  closeSync(inherited);
  // Closed with the process.
  kept.push(duplicate);
  return duplicate.descriptor();
}

function failed(message: string): HoldfastError<HandoverErrorCode> {
  return new HoldfastError("handoverFailed", message);
}
