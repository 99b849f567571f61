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
import type { BorrowedSettingsStore, HeldSetting } from "../core/borrowedSettings.ts";
import { HoldfastError } from "../core/errors.ts";
import type { SyncRole } from "../plan/syncDaemons.ts";
import type { ServiceId } from "../plan/types.ts";
import type { NativeAddon } from "./addon.types.ts";

/** What is remembered over a restart, each a file of JSON. */
const OWNED_SERVICES = "owned-services.json";
const IPVS_SETTINGS = "borrowed-settings.json";
const INTERFACE_SETTINGS = "interface-settings.json";
const OPERATOR_MEMORY = "operator.json";
const MEMBERS = "members.json";
const SYNC_ROLES = "sync-roles.json";

export type RunDirectoryErrorCode = "runDirectoryUnusable" | "alreadyRunning";

/**
 * The run directory of one instance: its lock, its control socket and what it remembers of an earlier life. Nothing is
 * ever written outside it, and nothing in /tmp.
 */
export class RunDirectory {
  readonly path: string;
  /** Settings of IPVS that an earlier life set and did not give back. Writing throws HoldfastError `runDirectoryUnusable`. */
  readonly ipvsSettings = this.#settings(IPVS_SETTINGS);
  /** The same for settings of interfaces. */
  readonly interfaceSettings = this.#settings(INTERFACE_SETTINGS);
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
    const stored = this.#read(OWNED_SERVICES);
    return new Set(Array.isArray(stored) ? stored.filter((key): key is string => typeof key === "string") : []);
  }

  /** Throws HoldfastError `runDirectoryUnusable` (full, gone, read-only). */
  writeOwnedServices(owned: ReadonlySet<ServiceId>): void {
    this.#write(OWNED_SERVICES, [...owned]);
  }

  /** Overrides and pauses, as the daemon wrote them; undefined when it never did. */
  readOperatorMemory(): unknown {
    return this.#read(OPERATOR_MEMORY);
  }

  /** Throws HoldfastError `runDirectoryUnusable`. */
  writeOperatorMemory(memory: object): void {
    this.#write(OPERATOR_MEMORY, memory);
  }

  /** What was known of clusters, as the daemon wrote it; undefined when it never did. */
  readMembers(): unknown {
    return this.#read(MEMBERS);
  }

  /** Throws HoldfastError `runDirectoryUnusable`. */
  writeMembers(members: object): void {
    this.#write(MEMBERS, members);
  }

  /** Threads of the kernel's connection sync that an earlier life started. */
  readSyncRoles(): ReadonlySet<SyncRole> {
    const stored = this.#read(SYNC_ROLES);
    const roles = ["master", "backup"] as const;
    return new Set(Array.isArray(stored) ? roles.filter((role) => stored.includes(role)) : []);
  }

  /** Throws HoldfastError `runDirectoryUnusable`. */
  writeSyncRoles(roles: ReadonlySet<SyncRole>): void {
    this.#write(SYNC_ROLES, [...roles]);
  }

  close(): void {
    closeSync(this.#lockDescriptor);
  }

  #settings(file: string): BorrowedSettingsStore {
    return {
      readBorrowedSettings: () => {
        const stored = this.#read(file);
        return Array.isArray(stored) ? stored.filter(isHeldSetting) : [];
      },
      writeBorrowedSettings: (held) => this.#write(file, held),
    };
  }

  /** Missing on a first start; unreadable means that a crash tore it, and then nothing is remembered. */
  #read(file: string): unknown {
    try {
      return JSON.parse(readFileSync(join(this.path, file), "utf8"));
    } catch {
      return undefined;
    }
  }

  /** Replaced by rename, so a reader never sees half a file. */
  #write(file: string, content: unknown): void {
    const path = join(this.path, file);
    try {
      writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o640 });
      renameSync(`${path}.new`, path);
    } catch (cause) {
      throw unusable(this.path, "make room in it, or name a writable one with --run-dir", cause);
    }
  }
}

function isHeldSetting(value: unknown): value is HeldSetting {
  if (typeof value !== "object" || value === null) return false;
  const { name, before, value: written } = value as Record<string, unknown>;
  return [name, before, written].every((each) => typeof each === "string");
}

function unusable(path: string, remedy: string, cause: unknown): HoldfastError<RunDirectoryErrorCode> {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new HoldfastError("runDirectoryUnusable", `run directory ${path}: ${detail}`, remedy, { cause });
}
