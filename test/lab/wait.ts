/** Waiting for conditions; the tests' only clock-driven loop. */

export interface WaitOptions {
  /** What is waited for, in words: it is the message of the failure. */
  readonly what: string;
  /** Default 10 000. */
  readonly timeoutMs?: number;
  /** Pause between two looks; default 10. */
  readonly intervalMs?: number;
  /** Evaluated on timeout and added to the message: the state that was there instead. */
  readonly found?: () => unknown;
}

type Falsy = false | undefined | null | 0 | "";

/**
 * Looks at `condition` until it gives something truthy, and returns that. An exception of the condition is not waited
 * out: it ends the wait at once.
 */
export async function waitFor<T>(
  condition: () => T | Falsy | Promise<T | Falsy>,
  options: WaitOptions,
): Promise<Exclude<T, Falsy>> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    // The look that began before the deadline counts, however long it took: on an emulated processor one look can be slow.
    const begunMs = performance.now();
    const value = await condition();
    if (value) return value as Exclude<T, Falsy>;
    if (begunMs >= deadlineMs) {
      const found = options.found === undefined ? "" : `; found instead: ${describe(await options.found())}`;
      throw new Error(`waited ${timeoutMs} ms for ${options.what}${found}`);
    }
    await pass(options.intervalMs ?? 10);
  }
}

/** For what has no condition: a story whose time is its point, or what the kernel does by its clock. */
export const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function describe(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
