/**
 * What must be undone when this process ends, however it ends: by itself, by an exception, by Ctrl-C. Only synchronous
 * work is possible then. SIGKILL leaves things behind; the sweep in netns.ts removes those at the next run.
 */

const undoers = new Set<() => void>();
let installed = false;

function runAll(): void {
  // The newest first: processes are started inside namespaces and end before them.
  for (const undo of [...undoers].reverse()) {
    undoers.delete(undo);
    try {
      undo();
    } catch (error) {
      process.stderr.write(`clean-up failed: ${String(error)}\n`);
    }
  }
}

function install(): void {
  if (installed) return;
  installed = true;
  process.on("exit", runAll);
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      // A program with a handler of its own (the lab, vitest) decides when to exit; the exit hook serves it.
      if (process.listenerCount(signal) === 1) process.exit(128 + numbers[signal]);
    });
  }
}

/** Registers synchronous work for the end of this process; returns a function that takes it back. */
export function onCleanup(undo: () => void): () => void {
  install();
  undoers.add(undo);
  return () => undoers.delete(undo);
}
