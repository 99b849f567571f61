import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "../core/errors.ts";
import type { ServiceId } from "../plan/types.ts";
import type { NativeAddon } from "./addon.types.ts";

export type RunDirectoryErrorCode = "runDirectoryUnusable" | "alreadyRunning";

/**
 * The run directory of one instance: its lock, its control socket and what it remembers of an earlier life. Nothing is
 * ever written outside it, and nothing in /tmp.
 */
export class RunDirectory {
  readonly path: string;
  readonly #lockDescriptor: number;

  private constructor(path: string, lockDescriptor: number) {
    this.path = path;
    this.#lockDescriptor = lockDescriptor;
  }

  /**
   * Creates the directory (0750) and takes its lock, which the kernel frees however the process ends.
   * Throws HoldfastError `alreadyRunning` (with the holder's process id) or `runDirectoryUnusable`.
   */
  static open(path: string, addon: NativeAddon): RunDirectory {
    let descriptor: number;
    try {
      mkdirSync(path, { recursive: true, mode: 0o750 });
      descriptor = openSync(join(path, "lock"), "a+", 0o640);
    } catch (cause) {
      throw unusable(path, "name a writable one with --run-dir", cause);
    }
    if (!addon.lockFile(descriptor)) {
      const holder = readFileSync(descriptor, "utf8").trim();
      closeSync(descriptor);
      throw new HoldfastError(
        "alreadyRunning",
        `another holdfast (process ${holder || "unknown"}) uses the run directory ${path}`,
        "stop it first, or give this one a directory of its own with --run-dir",
      );
    }
    const directory = new RunDirectory(path, descriptor);
    directory.sign();
    return directory;
  }

  /** The directory of a predecessor, by the descriptor of its lock: the lock is one, held as long as one of both lives. */
  static inherit(path: string, lockDescriptor: number): RunDirectory {
    return new RunDirectory(path, lockDescriptor);
  }

  /** For a successor. */
  get lockDescriptor(): number {
    return this.#lockDescriptor;
  }

  /** Whoever finds the lock taken is told of this process. */
  sign(): void {
    ftruncateSync(this.#lockDescriptor);
    writeSync(this.#lockDescriptor, `${process.pid}\n`);
  }

  /** Services that this instance created in an earlier life: one that left the configuration meanwhile is removed at start. */
  readOwnedServices(): Set<ServiceId> {
    try {
      const stored: unknown = JSON.parse(readFileSync(this.#ownedPath(), "utf8"));
      return new Set(Array.isArray(stored) ? stored.filter((key): key is string => typeof key === "string") : []);
    } catch {
      // Missing on a first start; unreadable means that a crash tore it, and then nothing is claimed.
      return new Set();
    }
  }

  /** Replaced by rename, so a reader never sees half a file. Throws HoldfastError `runDirectoryUnusable` (full, gone, read-only). */
  writeOwnedServices(owned: ReadonlySet<ServiceId>): void {
    const temporary = `${this.#ownedPath()}.new`;
    try {
      writeFileSync(temporary, JSON.stringify([...owned]), { mode: 0o640 });
      renameSync(temporary, this.#ownedPath());
    } catch (cause) {
      throw unusable(this.path, "make room in it, or name a writable one with --run-dir", cause);
    }
  }

  close(): void {
    closeSync(this.#lockDescriptor);
  }

  #ownedPath(): string {
    return join(this.path, "owned-services.json");
  }
}

function unusable(path: string, remedy: string, cause: unknown): HoldfastError<RunDirectoryErrorCode> {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new HoldfastError("runDirectoryUnusable", `run directory ${path}: ${detail}`, remedy, { cause });
}
