/**
 * Child processes of tests: output captured, waited for by conditions, ended with their whole process group, also when
 * the test fails or this process ends.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { onCleanup } from "./cleanup.ts";
import { waitFor } from "./wait.ts";

export interface StartOptions {
  readonly cwd?: string;
  /** Replaces the environment; default: this process's own. */
  readonly env?: NodeJS.ProcessEnv;
  /** Shown in messages; default: the command. */
  readonly name?: string;
}

export interface ProcessExit {
  /** Exit status, or null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface FinishedProcess extends ProcessExit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that was started in a process group of its own. */
export class RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended and its output is complete. */
  readonly exited: Promise<ProcessExit>;
  /** Set from the moment it ended. */
  exit: ProcessExit | undefined;
  stdout = "";
  stderr = "";
  /** Both streams in the order of their arrival. */
  output = "";
  readonly #child: ChildProcess;
  #groupGone = false;

  constructor(child: ChildProcess, pid: number, name: string) {
    this.#child = child;
    this.pid = pid;
    this.name = name;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.output += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.output += text;
    });
    const forget = onCleanup(() => this.kill());
    this.exited = new Promise((resolve) => {
      // "exit" and not only "close": a grandchild that keeps the pipe must not keep the test.
      child.on("exit", (status, signal) => {
        const finish = (): void => {
          if (this.exit !== undefined) return;
          this.exit = { status, signal };
          // What is left of the group lives on: a daemon's guard has work to do after the daemon's death.
          if (!this.#groupExists()) forget();
          resolve(this.exit);
        };
        child.once("close", finish);
        setTimeout(finish, 200).unref();
      });
    });
  }

  /** Sends a signal to the process alone. Does nothing once it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) process.kill(this.pid, signal);
  }

  /** SIGKILL for the whole process group, at once, also for what outlived the process itself. */
  kill(): void {
    this.#signalGroup("SIGKILL");
  }

  /** SIGTERM; SIGKILL for the group once the process has ended, or after `timeoutMs` (default 5 000). */
  async stop(timeoutMs = 5_000): Promise<ProcessExit> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.kill(), timeoutMs);
    const exit = await this.exited;
    clearTimeout(timer);
    this.kill();
    return exit;
  }

  /** Waits until the output (both streams) matches, and returns the match. Fails at once when the process ends without. */
  async waitForOutput(pattern: RegExp | string, timeoutMs = 10_000): Promise<RegExpMatchArray> {
    const look = (): RegExpMatchArray | null =>
      typeof pattern === "string" ? literalMatch(this.output, pattern) : this.output.match(pattern);
    return await waitFor(
      () => {
        const match = look();
        if (match === null && this.exit !== undefined) {
          throw new Error(
            `${this.name} ended ${exitText(this.exit)} without ${String(pattern)}; output:\n${this.output}`,
          );
        }
        return match;
      },
      { what: `${String(pattern)} in the output of ${this.name}`, timeoutMs, found: () => `\n${this.output}` },
    );
  }

  writeInput(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Writes `text` and closes the standard input. */
  endInput(text = ""): void {
    this.#child.stdin?.end(text);
  }

  #signalGroup(signal: NodeJS.Signals | 0): void {
    if (this.#groupGone) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      // Remembered, because the number can be given to another group later.
      this.#groupGone = true;
    }
  }

  #groupExists(): boolean {
    this.#signalGroup(0);
    return !this.#groupGone;
  }
}

function literalMatch(text: string, part: string): RegExpMatchArray | null {
  return text.includes(part) ? [part] : null;
}

function exitText(exit: ProcessExit): string {
  return exit.signal === null ? `with status ${exit.status}` : `by ${exit.signal}`;
}

/** Starts a program in its own process group. Throws when it cannot be started (not found, not executable). */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<RunningProcess> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  // Written to a child that has ended: the exit says it better.
  child.stdin.on("error", () => {});
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => reject(new Error(`cannot start ${command}: ${cause.message}`, { cause })));
  });
  if (child.pid === undefined) throw new Error(`${command} has no pid`);
  return new RunningProcess(child, child.pid, options.name ?? command);
}

/** No measure of anything: an emulated processor that others share takes a minute to start a program. */
const RUN_TIMEOUT_MS = 120_000;

export interface RunOptions extends StartOptions {
  /** Default RUN_TIMEOUT_MS; the process group is killed then, and the call fails. */
  readonly timeoutMs?: number;
  /** Written to its standard input. */
  readonly input?: string;
  /** True: any exit is returned. Default: an exit other than 0 is an exception with the output in its message. */
  readonly allowFailure?: boolean;
}

/** Runs a program to its end. */
export async function runProcess(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<FinishedProcess> {
  const child = await startProcess(command, args, options);
  child.endInput(options.input);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill();
  }, options.timeoutMs ?? RUN_TIMEOUT_MS);
  const exit = await child.exited;
  clearTimeout(timer);
  const words = [command, ...args].join(" ");
  if (timedOut)
    throw new Error(`"${words}" did not end within ${options.timeoutMs ?? RUN_TIMEOUT_MS} ms:\n${child.output}`);
  if (exit.status !== 0 && options.allowFailure !== true) {
    throw new Error(`"${words}" ended ${exitText(exit)}:\n${child.output}`);
  }
  return { ...exit, stdout: child.stdout, stderr: child.stderr };
}
