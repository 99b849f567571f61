import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAddon } from "../../src/io/addon.ts";
import type { NativeSocket } from "../../src/io/addon.types.ts";
import { LINUX } from "../../src/io/linux.ts";
import { unixAddress } from "../../src/io/sockaddr.ts";
import { wallClockMs } from "./addressWatch.ts";

/** A service manager's end of sd_notify(3). */
export class NotifySocket {
  readonly path: string;
  readonly #folder: string;
  readonly #socket: NativeSocket;
  readonly #told: { readonly atMs: number; readonly state: string }[] = [];

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "holdfast-notify-"));
    this.path = join(this.#folder, "notify");
    this.#socket = loadAddon().openSocket(LINUX.AF_UNIX, LINUX.SOCK_DGRAM, 0);
    this.#socket.bind(unixAddress(this.path));
    this.#socket.startReceiving(
      16,
      256,
      (messages) => {
        for (const { data } of messages) this.#told.push({ atMs: wallClockMs(), state: data.toString() });
      },
      (error) => {
        throw error;
      },
    );
  }

  /** When WATCHDOG=1 arrived, from an instant on: wall clock, milliseconds. */
  fedAtMs(sinceMs = 0): number[] {
    return this.#told.filter(({ state, atMs }) => state === "WATCHDOG=1" && atMs >= sinceMs).map(({ atMs }) => atMs);
  }

  /** Every state so far, in order. */
  states(): string[] {
    return this.#told.map(({ state }) => state);
  }

  close(): void {
    this.#socket.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
