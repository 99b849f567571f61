import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { Logger } from "../../core/interfaces.ts";
import type { FinishedScript, ScriptOutcome, ScriptRequest, ScriptRun } from "../../core/scripts.ts";
import { toMilliseconds } from "../../core/units.ts";
import { monotonicClock } from "../clock.ts";
import { LineReader } from "./lineReader.ts";
import type { Identity } from "./users.ts";

/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 1_000;
/** A grandchild that keeps the pipes open must not keep the outcome back. */
const DRAIN_MS = 100;
const OUTPUT_KEPT_CHARS = 1_000;
/** What a script of ours must not find: it would speak to the service manager in our name, or become another Node. */
const HIDDEN =
  /^(?:NOTIFY_SOCKET|LISTEN_(?:PID|FDS|FDNAMES)|WATCHDOG_(?:PID|USEC)|JOURNAL_STREAM|INVOCATION_ID|NODE_.*)$/;

interface Launch {
  readonly launcher: string;
  readonly path: string;
  readonly identity: Identity | undefined;
  readonly logger: Logger;
}

/** Starts a prepared script. What the kernel refuses is an outcome, never an exception. */
export function startScript(request: ScriptRequest, launch: Launch): ScriptRun {
  return new Run(request, launch);
}

class Run implements ScriptRun {
  readonly done: Promise<FinishedScript>;
  readonly #request: ScriptRequest;
  readonly #logger: Logger;
  readonly #startedAtUs = monotonicClock.nowUs();
  readonly #child: ChildProcess;
  #timers: NodeJS.Timeout[] = [];
  #timedOut = false;
  #ended = false;
  #report = "";
  #output = "";
  #finish: (finished: FinishedScript) => void = () => undefined;

  constructor(request: ScriptRequest, launch: Launch) {
    this.#request = request;
    this.#logger = launch.logger;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#child = spawn(launch.launcher, launcherArguments(request, launch), {
      cwd: "/",
      env: environment(request.environment),
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      // A process group of its own (setsid(2)): it is killed with all its children, and a ^C for us is not for it.
      detached: true,
    });
    this.#child.once("error", (error) => {
      this.#settle({ kind: "cannotRun", reason: "notStarted", detail: error.message });
    });
    this.#child.once("exit", (status, signal) => this.#exited(status, signal));
    this.#read(1, new LineReader((line) => this.#log("stdout", line)));
    this.#read(2, new LineReader((line) => this.#log("stderr", line)));
    const report = this.#child.stdio[3] as Readable | null;
    report?.on("data", (data: Buffer) => {
      this.#report += data.toString("latin1");
    });
    // ECONNRESET when the launcher is killed: its exit says it.
    report?.on("error", () => undefined);
    if (request.timeout !== undefined) this.#timer(toMilliseconds(request.timeout), () => this.#timeOut());
  }

  kill(): void {
    if (this.#ended) return;
    this.#signal("SIGTERM");
    this.#timer(GRACE_MS, () => this.#signal("SIGKILL"));
  }

  #timeOut(): void {
    this.#timedOut = true;
    this.kill();
    this.#request.onTimeout?.();
  }

  #exited(status: number | null, signal: NodeJS.Signals | null): void {
    this.#ended = true;
    // What ran too long is ended with all its children; what ended by itself may have left something running on purpose.
    if (this.#timedOut) this.#signal("SIGKILL");
    const settle = (): void => this.#settle(this.#outcome(status, signal));
    this.#child.once("close", settle);
    this.#timer(DRAIN_MS, settle);
  }

  #outcome(status: number | null, signal: NodeJS.Signals | null): ScriptOutcome {
    const refused = /^(\w+) (\d+)$/m.exec(this.#report);
    if (refused !== null) return refusal(refused[1] as string, Number(refused[2]), this.#request.arguments[0] ?? "");
    if (this.#timedOut) {
      return {
        kind: "timedOut",
        afterMs: toMilliseconds(this.#request.timeout as NonNullable<ScriptRequest["timeout"]>),
      };
    }
    return signal === null ? { kind: "exited", status: status ?? 0 } : { kind: "signalled", signal };
  }

  #settle(outcome: ScriptOutcome): void {
    this.#ended = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    const tookMs = toMilliseconds(
      (monotonicClock.nowUs() - this.#startedAtUs) as NonNullable<ScriptRequest["timeout"]>,
    );
    this.#finish({ outcome, tookMs, output: this.#output.trim() });
  }

  #read(descriptor: 1 | 2, reader: LineReader): void {
    const stream = descriptor === 1 ? this.#child.stdout : this.#child.stderr;
    stream?.setEncoding("utf8");
    stream?.on("data", (text: string) => {
      this.#output = (this.#output + text).slice(-OUTPUT_KEPT_CHARS);
      reader.push(text);
    });
    stream?.on("end", () => reader.end());
    stream?.on("error", () => undefined);
  }

  #log(stream: "stdout" | "stderr", line: string): void {
    this.#logger[this.#request.outputLevel](
      { event: "scriptOutput", script: this.#request.name, stream },
      `${this.#request.name}: ${line}`,
    );
  }

  /** To the whole group: the launcher became the script, and both are its leader. */
  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // ESRCH: it has ended. EPERM: it changed its user; it is told to end by our own end (PR_SET_PDEATHSIG).
    }
  }

  #timer(afterMs: number, call: () => void): void {
    this.#timers.push(setTimeout(call, afterMs));
  }
}

/** See native/run_script.c. */
function launcherArguments(request: ScriptRequest, launch: Launch): string[] {
  const { identity } = launch;
  const who =
    identity === undefined ? ["-", "-", "-"] : [String(identity.uid), String(identity.gid), identity.groups.join(",")];
  return [String(process.pid), ...who, launch.path, ...request.arguments.slice(1)];
}

function environment(added: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !HIDDEN.test(name));
  return { ...Object.fromEntries(own), ...added };
}

/** asm-generic/errno-base.h, the numbers that every architecture shares. */
const ERRNO: Readonly<Record<number, string>> = {
  1: "not permitted",
  2: "the file, or the interpreter in its first line, does not exist",
  8: "it is no program: a script needs #! and an interpreter in its first line",
  12: "no memory",
  13: "no permission to execute it, or to pass a folder on its path, for the user that it runs as",
  26: "the file is open for writing",
};

function refusal(step: string, errno: number, program: string): ScriptOutcome {
  const words = ERRNO[errno] ?? `errno ${errno}`;
  if (step !== "execve") return { kind: "cannotRun", reason: "notStarted", detail: `${step}: ${words}` };
  const reason = errno === 2 ? "notFound" : errno === 8 || errno === 13 ? "notExecutable" : "notStarted";
  return { kind: "cannotRun", reason, detail: `${program}: ${words}` };
}
