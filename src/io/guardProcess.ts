import { type StdioOptions, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "../core/errors.ts";
import { decodeAnswer, extendFrame, GUARD_FRAME_BYTES_MAX, goodbyeFrame, wardFrame } from "../wire/guard.ts";
import type { NativeAddon, NativeSocket } from "./addon.types.ts";
import { adoptGuardSocket } from "./guardSocket.ts";
import { LINUX } from "./linux.ts";
import { withInheritedOomScore } from "./oomScore.ts";
import { packageRoot } from "./packageRoot.ts";

export type GuardErrorCode = "guardMissing" | "guardFailed";

/** Where `npm ci` puts the program, seen from the folder of package.json. */
const GUARD_FILE = join("build", "Release", "holdfast-guard");
const GUARD_LOCK_FILE = "guard.lock";
/** The guard's end of the socket pair in its own table of descriptors: behind standard error. */
const GUARD_DESCRIPTOR = 3;

export interface GuardHello {
  readonly processId: number;
  readonly lockedInMemory: boolean;
}

/** An inherited guard is no child of ours: its end shows when a frame cannot be sent. */
const PROBE_MS = 500;
const GONE: ReadonlySet<unknown> = new Set(["EPIPE", "ECONNRESET", "ENOTCONN"]);

/**
 * A running holdfast-guard (native/guard.c), seen from the main thread, which starts it, replaces it and says goodbye.
 * Its will and its heartbeats come from the VRRP thread, by a duplicate of the same socket (`descriptor`).
 */
export class GuardProcess {
  readonly hello: GuardHello;
  readonly #ended: Promise<void>;
  readonly #socket: NativeSocket;

  private constructor(ended: Promise<void>, socket: NativeSocket, hello: GuardHello) {
    this.#ended = ended;
    this.#socket = socket;
    this.hello = hello;
  }

  /** A running guard by an inherited descriptor of its socket, which is duplicated. Throws NativeError. */
  static adopt(
    { descriptor, ...hello }: GuardHello & { readonly descriptor: number },
    modules: { readonly addon: NativeAddon; readonly onEnd: (cause: string) => void },
  ): GuardProcess {
    const socket = adoptGuardSocket(modules.addon, descriptor);
    const ended = new Promise<void>((resolve) => {
      const probe = setInterval(() => {
        try {
          // Extends nothing: whether it can be sent is the question.
          const frame = extendFrame(0);
          socket.send(frame, 0, frame.length, undefined);
        } catch (error) {
          if (!(error instanceof Error && "code" in error && GONE.has(error.code))) return;
          clearInterval(probe);
          socket.close();
          resolve();
        }
      }, PROBE_MS);
      probe.unref();
    });
    void ended.then(() => modules.onEnd("its socket is closed"));
    return new GuardProcess(ended, socket, hello);
  }

  /**
   * Resolves when the guard holds its lock, which an older guard keeps until its daemon's addresses are gone.
   * `onEnd` is called once when it ends, whatever the reason. Throws HoldfastError.
   */
  static start(
    options: { readonly runDirectory: string; readonly wardProcessId: number; readonly program?: string },
    modules: { readonly addon: NativeAddon; readonly onEnd: (cause: string) => void },
  ): Promise<GuardProcess> {
    const file = options.program ?? join(packageRoot(import.meta.dirname), GUARD_FILE);
    if (!existsSync(file)) {
      return Promise.reject(
        new HoldfastError<GuardErrorCode>("guardMissing", `the guard is missing: ${file}`, "build it by: npm ci"),
      );
    }
    const [ours, theirs] = modules.addon.openSocketPair(LINUX.AF_UNIX, LINUX.SOCK_SEQPACKET);
    const lock = join(options.runDirectory, GUARD_LOCK_FILE);
    const words = ["--socket", String(GUARD_DESCRIPTOR), "--ward", String(options.wardProcessId), "--lock", lock];
    // The journal, or wherever the daemon's own errors go: that is where the guard's last words must be.
    const stdio: StdioOptions = ["ignore", "ignore", "inherit", theirs.descriptor()];
    const child = withInheritedOomScore(() => spawn(file, words, { stdio }));
    theirs.close();
    return new Promise((resolve, reject) => {
      let started = false;
      let socket = ours;
      const ended = new Promise<void>((gone) => child.once("exit", () => gone()));
      const end = (cause: string): void => {
        socket.close();
        if (started) modules.onEnd(cause);
        else reject(new HoldfastError<GuardErrorCode>("guardFailed", `the guard cannot run: ${cause}`));
      };
      child.once("error", (error) => end(error.message));
      child.once("exit", (code, signal) => end(signal === null ? `it ended with status ${code}` : `signal ${signal}`));
      ours.startReceiving(
        1,
        GUARD_FRAME_BYTES_MAX,
        ([message]) => {
          const answer = message === undefined ? undefined : decodeAnswer(message.data);
          if (answer?.ok !== true || answer.value.kind !== "hello") return;
          // From here the VRRP thread reads the answers.
          ours.stopReceiving();
          started = true;
          socket = adoptGuardSocket(modules.addon, ours.descriptor());
          ours.close();
          resolve(new GuardProcess(ended, socket, answer.value));
        },
        // The end of the stream shows as the child's exit.
        () => ours.stopReceiving(),
      );
    });
  }

  /** For `adoptSocket` in the VRRP thread. */
  get descriptor(): number {
    return this.#socket.descriptor();
  }

  /** The VRRP thread is being replaced: no heartbeat counts as missing for so long. */
  extend(ms: number): void {
    this.#send(extendFrame(ms));
  }

  /** Everything is released: the guard ends without doing anything. Resolves at its end. */
  async goodbye(): Promise<void> {
    this.#send(goodbyeFrame());
    await this.#ended;
  }

  /** It watches another process from now on, by its id. */
  entrust(processId: number): void {
    this.#send(wardFrame(processId, 0));
  }

  /** Lets go of the guard without a word: whoever else has the socket goes on with it. */
  disconnect(): void {
    this.#socket.close();
  }

  #send(frame: Uint8Array): void {
    try {
      this.#socket.send(frame, 0, frame.length, undefined);
    } catch {
      // It is gone or going: its exit tells.
    }
  }
}
