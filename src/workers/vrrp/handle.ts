import { Worker } from "node:worker_threads";
import type { VrrpConfig } from "../../config/vrrp.types.ts";
import type { BorrowedSettingsStore } from "../../core/borrowedSettings.ts";
import { HoldfastError } from "../../core/errors.ts";
import type { Logger } from "../../core/interfaces.ts";
import { monotonicClock } from "../../io/clock.ts";
import type { Recording } from "../../vrrp/recorder.ts";
import { AnswerQueue } from "./answerQueue.ts";
import { GuardKeeper } from "./guardKeeper.ts";
import type { GuardStatus, InheritedGuard, VrrpHandle, VrrpListener } from "./handle.types.ts";
import type { FromWorker, ToWorker, TrackResult, VrrpStatus, WorkerStart } from "./protocol.ts";
import type { Surrender } from "./surrender.ts";
import { Turns } from "./turns.ts";

export interface VrrpWorkerOptions {
  /** SCHED_RR priority of the worker's thread, or undefined. */
  readonly realtimePriority: number | undefined;
  /** Folder of the guard's lock; undefined = without a guard. */
  readonly guardDirectory: string | undefined;
  /** The guard of a predecessor that goes on until `adopt`; undefined = there is none. */
  readonly inheritedGuard?: InheritedGuard;
}

export interface VrrpWorkerModules {
  readonly logger: Logger;
  readonly listener: VrrpListener;
  /** Remembers over a death of the process what of the host is to be given back; undefined = nobody does. */
  readonly settings?: BorrowedSettingsStore;
}

export type VrrpWorkerErrorCode = "vrrpWorkerDied" | "vrrpWorkerNotRunning";

/** Many times what the thread uses, and a bound to what a fault in it can take from the daemon. */
const HEAP_MB_MAX = 32;
/** A small young generation: its collections are the longest pauses that the thread has (docs/decisions.md). */
const YOUNG_MB_MAX = 2;
/** A worker that dies at once is started again after longer and longer pauses. */
const RESTART_MS_MIN = 50;
const RESTART_MS_MAX = 10_000;
/** Longer than any start of a thread, also on a slow machine. */
const GUARD_EXTENSION_MS = 10_000;
/** One that lived this long begins with the shortest pause again. */
const HEALTHY_AFTER_MS = 60_000;

/** Many times what it takes to release thousands of addresses; a thread that spins never answers. */
const STOP_MS_MAX = 10_000;

function notRunning(): HoldfastError<VrrpWorkerErrorCode> {
  return new HoldfastError("vrrpWorkerNotRunning", "the VRRP worker does not run");
}

interface PendingRecording {
  readonly parts: Recording[];
  readonly whole: AnswerQueue<Recording>;
}

type Message<Union> = Union extends { readonly postedUs: unknown } ? Omit<Union, "postedUs"> : never;

/**
 * The main thread's side of the VRRP worker. A worker that dies (exception, exhausted heap) is replaced by a new one,
 * which sweeps the addresses of the dead one, resigns in its name and takes part in the election again.
 */
export class VrrpWorkerHandle implements VrrpHandle {
  readonly #options: VrrpWorkerOptions;
  readonly #modules: VrrpWorkerModules;
  readonly #guard: GuardKeeper | undefined;
  #worker: Worker | undefined;
  /** The worker has said that it listens. */
  #ready = false;
  #turns = new Turns();
  /** Settles when the worker that is being started is ready, or has failed. */
  #starting: Promise<void> = Promise.resolve();
  #vrrp: VrrpConfig | undefined;
  #released = false;
  #tracked: readonly TrackResult[] | undefined;
  #borrowed: WorkerStart["borrowed"] = [];
  #stopping = false;
  readonly #masters = new Set<string>();
  #nextRequestId = 1;
  readonly #answers = {
    pulse: new AnswerQueue(),
    status: new AnswerQueue<VrrpStatus>(),
    configure: new AnswerQueue(),
    surrender: new AnswerQueue<Surrender>(),
    adopt: new AnswerQueue(),
  };
  /** By their ids: their parts come among each other. */
  readonly #recordings = new Map<number, PendingRecording>();
  /** Beside a predecessor, until `adopt`. */
  #standby: boolean;
  #restartMs = RESTART_MS_MIN;

  constructor(options: VrrpWorkerOptions, modules: VrrpWorkerModules) {
    this.#options = options;
    this.#modules = modules;
    this.#standby = options.inheritedGuard !== undefined;
    if (options.guardDirectory === undefined) return;
    const onReplaced = (cause: string): void => {
      const descriptor = this.#guard?.descriptor;
      if (descriptor !== undefined && this.#worker !== undefined) this.#post({ kind: "guard", descriptor });
      modules.listener.onGuardRestart(cause);
    };
    this.#guard = new GuardKeeper({ runDirectory: options.guardDirectory }, { logger: modules.logger, onReplaced });
  }

  start(vrrp: VrrpConfig): Promise<void> {
    this.#vrrp = vrrp;
    // What a predecessor holds comes with its surrender.
    if (!this.#standby) this.#borrowed = this.#modules.settings?.readBorrowedSettings() ?? [];
    // The guard's lock first: an older guard keeps it until what it had to release is gone. A predecessor's guard is still its own.
    const guarded = this.#standby ? undefined : this.#guard?.start();
    this.#starting = (guarded ?? Promise.resolve()).then(() => this.#spawn(vrrp, []));
    return this.#starting;
  }

  guard(): GuardStatus | undefined {
    const { processId, lockedInMemory = false } = this.#guard ?? {};
    return processId === undefined ? undefined : { processId, lockedInMemory };
  }

  /** The guard as a successor inherits it. */
  heritage(): InheritedGuard | undefined {
    const [status, descriptor] = [this.guard(), this.#guard?.descriptor];
    return status === undefined || descriptor === undefined ? undefined : { ...status, descriptor };
  }

  releaseElection(): void {
    this.#released = true;
    if (this.#worker !== undefined) this.#post({ kind: "releaseElection" });
  }

  /** Rejects with a HoldfastError when the worker dies over it; the next worker goes on with what ran before. */
  async configure(vrrp: VrrpConfig): Promise<void> {
    await this.#starting;
    await this.#answers.configure.next(() => this.#post({ kind: "configure", vrrp }));
    this.#vrrp = vrrp;
  }

  track(results: readonly TrackResult[]): void {
    this.#tracked = results;
    if (this.#worker !== undefined) this.#post({ kind: "track", results });
  }

  async status(): Promise<VrrpStatus> {
    await this.#starting;
    return await this.#answers.status.next(() => this.#post({ kind: "status" }));
  }

  /**
   * Resolves when the worker's loop has come round since the last call; where it has not, it is asked and has to answer.
   * Rejects with a HoldfastError while no worker is ready.
   */
  pulse(): Promise<void> {
    if (!this.#ready) return Promise.reject(notRunning());
    if (this.#turns.hasTurned()) return Promise.resolve();
    return this.#answers.pulse.next(() => this.#post({ kind: "pulse" }));
  }

  async record(): Promise<Recording> {
    await this.#starting;
    const id = this.#nextRequestId++;
    const recording: PendingRecording = { parts: [], whole: new AnswerQueue() };
    this.#recordings.set(id, recording);
    return await recording.whole.next(() => this.#post({ kind: "record", id }));
  }

  async surrender(successorProcessId: number): Promise<Surrender> {
    await this.#starting;
    const surrender = await this.#answers.surrender.next(() => this.#post({ kind: "surrender" }));
    this.#guard?.entrust(successorProcessId);
    return surrender;
  }

  async adopt(surrender: Surrender): Promise<void> {
    const { inheritedGuard } = this.#options;
    // First: until the thread has it, no advert leaves.
    const adopted = this.#answers.adopt.next(() =>
      this.#post({ kind: "adopt", surrender, guard: inheritedGuard?.descriptor }),
    );
    if (inheritedGuard !== undefined) this.#guard?.adopt(inheritedGuard);
    for (const { state } of surrender.instances) {
      if (state.role.name === "MASTER") this.#masters.add(state.parameters.name);
    }
    this.#standby = false;
    await adopted;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    // A worker that died a moment ago has left addresses: the next one sweeps them, and is stopped then.
    await this.#starting.catch(() => undefined);
    const worker = this.#worker;
    if (worker !== undefined) {
      const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      this.#post({ kind: "stop" });
      if (!(await within(STOP_MS_MAX, exited))) {
        this.#modules.logger.error({}, "the VRRP worker does not end: it is ended, and the guard does the rest");
        await within(STOP_MS_MAX, Promise.all([exited, worker.terminate()]));
        // No goodbye: what this thread did not release is in its will.
        return;
      }
    }
    await this.#guard?.goodbye();
  }

  /** Starts a worker; resolves when it is ready, rejects when it fails before. */
  #spawn(vrrp: VrrpConfig, resign: readonly string[]): Promise<void> {
    const startedAtMs = Date.now();
    // Until the new thread speaks for itself; the addresses of the dead one end with their leases.
    this.#guard?.extend(GUARD_EXTENSION_MS);
    this.#turns = new Turns();
    const workerData: WorkerStart = {
      turns: this.#turns.shared,
      vrrp,
      realtimePriority: this.#options.realtimePriority,
      resign,
      guard: this.#guard?.descriptor,
      standby: this.#standby,
      borrowed: this.#borrowed,
    };
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      name: "holdfast-vrrp",
      workerData,
      resourceLimits: {
        maxOldGenerationSizeMb: HEAP_MB_MAX,
        maxYoungGenerationSizeMb: YOUNG_MB_MAX,
      },
    });
    this.#worker = worker;
    let cause = "it ended without a reason";
    return new Promise<void>((resolve, reject) => {
      let ready = false;
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "ready") {
          ready = true;
          this.#ready = true;
          // A worker that replaces another one is told what that one knew.
          if (this.#tracked !== undefined) this.#post({ kind: "track", results: this.#tracked });
          if (this.#released) this.#post({ kind: "releaseElection" });
          resolve();
        } else if (message.kind === "startFailed") {
          reject(new HoldfastError(message.code, message.message, message.remedy));
        } else {
          this.#onMessage(message);
        }
      });
      worker.on("error", (error) => {
        cause = error instanceof Error ? error.message : String(error);
      });
      worker.on("exit", () => {
        this.#worker = undefined;
        this.#ready = false;
        const died = new HoldfastError<VrrpWorkerErrorCode>("vrrpWorkerDied", `the VRRP worker died: ${cause}`);
        this.#rejectPending(died);
        reject(died);
        if (!ready || this.#stopping) return;
        this.#guard?.extend(GUARD_EXTENSION_MS);
        if (Date.now() - startedAtMs > HEALTHY_AFTER_MS) this.#restartMs = RESTART_MS_MIN;
        this.#modules.logger.error({ cause }, "the VRRP worker died and is started again");
        // What runs now, which a `configure` may have changed since this worker was started.
        this.#starting = this.#restart(this.#vrrp ?? vrrp, cause);
        // Awaited by whoever asks next; here only kept from being unhandled.
        this.#starting.catch(() => undefined);
      });
    });
  }

  /** Tries until a worker is ready: without one, nobody releases or holds the addresses. */
  async #restart(vrrp: VrrpConfig, cause: string): Promise<void> {
    const resign = [...this.#masters];
    this.#masters.clear();
    for (;;) {
      const pauseMs = this.#restartMs;
      this.#restartMs = Math.min(RESTART_MS_MAX, this.#restartMs * 2);
      try {
        await this.#spawn(vrrp, resign);
        this.#modules.listener.onRestart(cause);
        return;
      } catch (error) {
        this.#modules.logger.error({ error: String(error) }, "the VRRP worker cannot be started again");
        if (this.#stopping) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  #onMessage(message: Exclude<FromWorker, { kind: "ready" | "startFailed" }>): void {
    const { listener, logger } = this.#modules;
    switch (message.kind) {
      case "transition":
        if (message.transition.to === "MASTER") this.#masters.add(message.instance);
        else this.#masters.delete(message.instance);
        listener.onTransition(message.instance, message.transition);
        return;
      case "groupTransition":
        listener.onGroupTransition(message.group, { from: message.from, to: message.to, reason: message.reason });
        return;
      case "lowerPriorityHeard":
        listener.onLowerPriority(message.instance, { peer: message.peer, priority: message.priority });
        return;
      case "priorityChanged":
        listener.onPriorityChanged(message.instance, { priority: message.priority, state: message.state });
        return;
      case "deleted":
        this.#masters.delete(message.instance);
        listener.onDeleted(message.instance);
        return;
      case "alarm":
        listener.onAlarm(message.instance, message.alarm);
        return;
      case "borrowed":
        this.#borrow(message.settings);
        return;
      case "configured":
        this.#answers.configure.answer();
        return;
      case "pulse":
        this.#answers.pulse.answer();
        return;
      case "status":
        this.#answers.status.answer(message.status);
        return;
      case "recording":
        this.#onRecording(message);
        return;
      case "log":
        logger[message.level](message.fields, message.message);
        return;
      case "surrendered":
        // It ends now, and none takes its place in this process.
        this.#stopping = true;
        this.#answers.surrender.answer(message.surrender);
        return;
      case "adopted":
        this.#answers.adopt.answer();
        return;
      case "stopped":
        // The worker ends now; `stop` waits for that.
        return;
    }
  }

  #borrow(settings: WorkerStart["borrowed"]): void {
    this.#borrowed = settings;
    try {
      this.#modules.settings?.writeBorrowedSettings(settings);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const words = "a start after a death would not know which settings of interfaces to give back";
      this.#modules.logger.warn({ error: error.message }, words);
    }
  }

  #onRecording({ id, part, last }: Extract<FromWorker, { kind: "recording" }>): void {
    const pending = this.#recordings.get(id);
    if (pending === undefined) return;
    pending.parts.push(part);
    if (!last) return;
    this.#recordings.delete(id);
    const [first = part] = pending.parts;
    pending.whole.answer({ ...first, entries: pending.parts.flatMap(({ entries }) => entries) });
  }

  #rejectPending(error: Error): void {
    for (const queue of Object.values(this.#answers)) queue.rejectAll(error);
    for (const { whole } of this.#recordings.values()) whole.rejectAll(error);
    this.#recordings.clear();
  }

  #post(message: Message<ToWorker>): void {
    const worker = this.#worker;
    if (worker === undefined) {
      this.#rejectPending(notRunning());
      return;
    }
    worker.postMessage({ ...message, postedUs: monotonicClock.nowUs() });
  }
}

/** False when `awaited` has not settled after so long. */
async function within(ms: number, awaited: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const result = await Promise.race([awaited.then(() => true), late]);
  clearTimeout(timer);
  return result;
}
