import { HoldfastError } from "../../core/errors.ts";
import type { Logger } from "../../core/interfaces.ts";
import { loadAddon } from "../../io/addon.ts";
import { GuardProcess } from "../../io/guardProcess.ts";
import { raiseOomScore } from "../../io/oomScore.ts";
import type { InheritedGuard } from "./handle.types.ts";

export interface GuardKeeperModules {
  readonly logger: Logger;
  /** Another guard is there in place of one that died. */
  readonly onReplaced: (cause: string) => void;
}

/** A guard that dies at once is started again after this, and then after longer and longer pauses. */
const RESTART_MS_MIN = 10;
const RESTART_MS_MAX = 5_000;

/** Sees to it that a guard is there: starts one, another one when it dies, and says goodbye at the end. */
export class GuardKeeper {
  readonly #runDirectory: string;
  readonly #modules: GuardKeeperModules;
  #guard: GuardProcess | undefined;
  #restartMs = RESTART_MS_MIN;
  #stopping = false;

  constructor(options: { readonly runDirectory: string }, modules: GuardKeeperModules) {
    this.#runDirectory = options.runDirectory;
    this.#modules = modules;
  }

  /** Resolves when the guard holds its lock: what an older one had to release is gone then. Throws HoldfastError. */
  async start(): Promise<void> {
    const guard = await GuardProcess.start(
      { runDirectory: this.#runDirectory, wardProcessId: process.pid },
      { addon: loadAddon(), onEnd: (cause) => void this.#onEnd(cause) },
    );
    this.#guard = guard;
    this.#letKernelTakeUsFirst();
    const { lockedInMemory, processId } = guard.hello;
    if (!lockedInMemory) {
      const remedy = "raise RLIMIT_MEMLOCK (LimitMEMLOCK= of the unit)";
      this.#modules.logger.warn(
        { processId, remedy },
        "the guard is not locked in memory: it may be late on a host that swaps",
      );
    }
  }

  /** When memory runs out: the guard must live on to release the addresses. */
  #letKernelTakeUsFirst(): void {
    try {
      raiseOomScore();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const words = "the guard has no better out-of-memory score than the daemon; it is far smaller all the same";
      this.#modules.logger.warn({ error: error.message }, words);
    }
  }

  /** The guard of a predecessor, which has told it to watch this process. */
  adopt(inherited: InheritedGuard): void {
    const { descriptor, processId, lockedInMemory } = inherited;
    this.#guard = GuardProcess.adopt(
      { descriptor, processId, lockedInMemory },
      { addon: loadAddon(), onEnd: (cause) => void this.#onEnd(cause) },
    );
    this.#letKernelTakeUsFirst();
  }

  /** It watches that process from now on, and is not ours any more. */
  entrust(successorProcessId: number): void {
    this.#stopping = true;
    this.#guard?.entrust(successorProcessId);
  }

  /** For the VRRP thread; undefined while there is none. */
  get descriptor(): number | undefined {
    return this.#guard?.descriptor;
  }

  get processId(): number | undefined {
    return this.#guard?.hello.processId;
  }

  get lockedInMemory(): boolean {
    return this.#guard?.hello.lockedInMemory ?? false;
  }

  /** The VRRP thread is being replaced: no heartbeat counts as missing for so long. */
  extend(ms: number): void {
    this.#guard?.extend(ms);
  }

  /** Everything is released. */
  async goodbye(): Promise<void> {
    this.#stopping = true;
    await this.#guard?.goodbye();
  }

  async #onEnd(cause: string): Promise<void> {
    this.#guard = undefined;
    if (this.#stopping) return;
    this.#modules.logger.error({ cause }, "the guard died and is started again");
    while (!this.#stopping) {
      try {
        await this.start();
        this.#restartMs = RESTART_MS_MIN;
        this.#modules.onReplaced(cause);
        return;
      } catch (error) {
        this.#modules.logger.error({ error: String(error) }, "the guard cannot be started again");
      }
      await new Promise((resolve) => setTimeout(resolve, this.#restartMs));
      this.#restartMs = Math.min(RESTART_MS_MAX, this.#restartMs * 2);
    }
  }
}
