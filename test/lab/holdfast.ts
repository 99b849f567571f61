/** A holdfast daemon under test: the built product, `node dist/main.js run`, as a process in a namespace. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlAnswer, DaemonStatus } from "../../src/daemon/control.types.ts";
import { askDaemon, controlSocketPath } from "../../src/io/controlSocket.ts";
import { onCleanup } from "./cleanup.ts";
import type { Namespace } from "./netns.ts";
import type { FinishedProcess, ProcessExit, RunningProcess } from "./processes.ts";
import { isRunning, killTree } from "./processTree.ts";
import { projectRoot } from "./root.ts";
import { waitFor } from "./wait.ts";

export const ARTICLE_FOLDER = join(projectRoot, "test/lab/article");
const PROGRAM = join(projectRoot, "dist/main.js");
/** The flags of the program's first line, which `node FILE` does not read. */
export const NODE_FLAGS = ["--max-semi-space-size=2", "--single-threaded-gc", "--max-old-space-size=512"];
/** Under emulation a daemon takes seconds to start. */
const START_TIMEOUT_MS = 180_000;

/** One line of the daemon's JSON log. */
export interface LogLine {
  readonly level: number | string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface HoldfastOptions {
  /** Further options of Node itself. */
  readonly nodeFlags?: readonly string[];
  /** Without `-f` and `--run-dir`: `env` says the same. */
  readonly bare?: boolean;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of `holdfast run`, besides those that every test needs. */
  readonly arguments?: readonly string[];
}

export class Holdfast {
  readonly process: RunningProcess;
  readonly runDirectory: string;
  readonly #namespace: Namespace;
  readonly #forget: () => void;

  private constructor(running: RunningProcess, namespace: Namespace, runDirectory: string) {
    this.process = running;
    this.#namespace = namespace;
    this.runDirectory = runDirectory;
    this.#forget = onCleanup(() => rmSync(runDirectory, { recursive: true, force: true }));
  }

  /** Starts a daemon and returns at once; `ready` waits. A run directory of an earlier life can be given. */
  static async start(
    namespace: Namespace,
    file: string,
    runDirectory?: string,
    options: HoldfastOptions = {},
  ): Promise<Holdfast> {
    const folder = runDirectory ?? mkdtempSync(join(tmpdir(), "holdfast-run-"));
    const args = [
      ...NODE_FLAGS,
      ...(options.nodeFlags ?? []),
      PROGRAM,
      "run",
      ...(options.bare === true ? [] : ["-f", file, "--run-dir", folder]),
      "--log-format",
      "json",
      ...(options.arguments ?? []),
    ];
    const env = { ...process.env, ...options.env };
    const running = await namespace.start(process.execPath, args, { name: `holdfast in ${namespace.name}`, env });
    return new Holdfast(running, namespace, folder);
  }

  /** Waits until the control socket answers and every service has been programmed. */
  async ready(): Promise<DaemonStatus> {
    return await waitFor(
      async () => {
        const status = await this.tryStatus();
        return status?.services.every((service) => service.inSync) ? status : undefined;
      },
      { what: `${this.process.name} to be ready`, timeoutMs: START_TIMEOUT_MS, found: () => this.process.output },
    );
  }

  async status(): Promise<DaemonStatus> {
    const answer = (await askDaemon(controlSocketPath(this.runDirectory), { command: "status" })) as ControlAnswer;
    if (!answer.ok || !("status" in answer)) throw new Error(`status was answered ${JSON.stringify(answer)}`);
    return answer.status;
  }

  /** The status, or undefined while nobody answers. A daemon that has ended is an error. */
  async tryStatus(): Promise<DaemonStatus | undefined> {
    if (this.process.exit !== undefined) throw new Error(`${this.process.name} has ended:\n${this.process.output}`);
    try {
      return await this.status();
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "notRunning" || code === "noAnswer") return undefined;
      throw error;
    }
  }

  /** Waits for a state of the daemon as `status` shows it. */
  async waitForStatus(
    what: string,
    condition: (status: DaemonStatus) => boolean,
    timeoutMs = START_TIMEOUT_MS,
  ): Promise<DaemonStatus> {
    let last: DaemonStatus | undefined;
    return await waitFor(
      async () => {
        last = await this.tryStatus();
        return last !== undefined && condition(last) ? last : undefined;
      },
      { what: `${what} at ${this.process.name}`, timeoutMs, intervalMs: 20, found: () => last },
    );
  }

  /** Runs another command of the program in the same host: `ipvs`, `status`, ... */
  async command(...args: string[]): Promise<FinishedProcess> {
    return await this.#namespace.exec(process.execPath, [PROGRAM, ...args]);
  }

  /** The log so far, without lines that are no JSON. */
  log(): LogLine[] {
    return this.process.stdout
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** `kill -9` of the daemon, its guard and everything else of it at once. */
  async killEverything(): Promise<number> {
    const count = killTree(this.process.pid);
    await this.process.exited;
    return count;
  }

  /** SIGTERM; the daemon releases everything. */
  async stop(): Promise<ProcessExit> {
    await this.#stopSuccessor();
    const exit = await this.process.stop(20_000);
    rmSync(this.runDirectory, { recursive: true, force: true });
    this.#forget();
    return exit;
  }

  /** After a handover another process is the daemon. */
  async #stopSuccessor(): Promise<void> {
    if (this.process.exit === undefined) return;
    const processId = await this.status().then(
      (status) => status.processId,
      () => undefined,
    );
    if (processId === undefined) return;
    process.kill(processId, "SIGTERM");
    await waitFor(() => !isRunning(processId), { what: `the end of ${processId}`, timeoutMs: 20_000 });
  }
}
