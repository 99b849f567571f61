import { closeSync, constants, type FSWatcher, openSync, readSync, realpathSync, watch, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { FileText, FileWatch } from "../../core/files.ts";

/** A file is written in two steps (emptied, then filled): it is read when they are over. */
const SETTLE_MS = 20;
/** Network file systems tell nothing, and a folder may not be there yet: looked at anew so often. */
const LOOK_MS = 2_000;
const BYTES_READ_MAX = 128;
const NON_BLOCKING = constants.O_RDONLY | constants.O_NONBLOCK;

/** Files by inotify(7) on their folders, so that a file may be replaced, removed and created again. */
export const hostFiles: FileWatch = {
  watch: (path, onChange) => {
    const watched = new WatchedFile(path, onChange);
    return () => watched.close();
  },
  read: readBeginning,
  initialize(path, text, overwrite): boolean {
    try {
      writeFileSync(path, text, { flag: overwrite ? "w" : "wx", mode: 0o644 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
  },
};

class WatchedFile {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #look: NodeJS.Timeout;
  #watchers: FSWatcher[] = [];
  #folders = "";
  #settle: NodeJS.Timeout | undefined;

  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
    this.#watch();
    this.#look = setInterval(() => this.#lookAgain(), LOOK_MS);
  }

  close(): void {
    clearInterval(this.#look);
    clearTimeout(this.#settle);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #lookAgain(): void {
    // Another folder under the same name is another inode: only a new watch sees it.
    this.#folders = "";
    this.#watch();
    this.#onChange();
  }

  /** The folder of the path, and of what a symbolic link in its place leads to. */
  #watch(): void {
    const paths = new Set([this.#path, resolved(this.#path)]);
    const folders = [...paths].join("\n");
    if (folders === this.#folders && this.#watchers.length > 0) return;
    this.#folders = folders;
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [...paths].flatMap((path) => {
      try {
        const watcher = watch(dirname(path), (_event, name) => {
          if (name === null || name === basename(path)) this.#changed();
        });
        watcher.on("error", () => watcher.close());
        return [watcher];
      } catch {
        return []; // The folder is not there: LOOK_MS finds it.
      }
    });
  }

  #changed(): void {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => {
      this.#watch();
      this.#onChange();
    }, SETTLE_MS);
  }
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function readBeginning(path: string): FileText {
  let descriptor: number | undefined;
  try {
    // A FIFO in its place must not stop us.
    descriptor = openSync(path, NON_BLOCKING);
    const bytes = Buffer.alloc(BYTES_READ_MAX);
    return { kind: "text", text: bytes.toString("latin1", 0, readSync(descriptor, bytes)) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? { kind: "missing" } : { kind: "unreadable", detail: message };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
