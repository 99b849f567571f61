/** Either program on the same keepalived.conf, as a process on a host. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { wallClockMs } from "../lab/addressWatch.ts";
import { Holdfast } from "../lab/holdfast.ts";
import type { NetworkHost } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { killTree } from "../lab/processTree.ts";

export type Program = "holdfast" | "keepalived";
export type RouterState = "MASTER" | "BACKUP" | "FAULT";

/** One of the two programs at work on a configuration file. */
export interface Router {
  readonly program: Program;
  readonly host: NetworkHost;
  readonly process: RunningProcess;
  /** When it was started: wall clock, milliseconds. */
  readonly startedMs: number;
  /** States of an instance in order, from its start: `BACKUP`, `MASTER`, ... */
  states(instance?: string): string[];
  /** Rewrites the file and reloads it (SIGHUP). */
  reload(text: string): void;
  /** kill -9 of the program and all of its children at once. */
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
}

export class HoldfastRouter implements Router {
  readonly program = "holdfast";
  readonly host: NetworkHost;
  readonly daemon: Holdfast;
  readonly startedMs: number;
  readonly #file: string;

  private constructor(host: NetworkHost, daemon: Holdfast, file: string, startedMs: number) {
    this.host = host;
    this.daemon = daemon;
    this.#file = file;
    this.startedMs = startedMs;
  }

  static async start(host: NetworkHost, text: string, folder: string): Promise<HoldfastRouter> {
    const file = join(folder, `${host.host}.conf`);
    writeFileSync(file, text);
    const startedMs = wallClockMs();
    return new HoldfastRouter(host, await Holdfast.start(host, file), file, startedMs);
  }

  get process(): RunningProcess {
    return this.daemon.process;
  }

  states(instance = "RW"): string[] {
    return this.#transitions(instance).map(({ to }) => String(to));
  }

  /** `BACKUP started`, `MASTER masterDown`, ...: states with the reasons that holdfast gives. */
  reasons(instance = "RW"): string[] {
    return this.#transitions(instance).map(({ to, reason }) => `${to} ${reason}`);
  }

  #transitions(instance: string): Readonly<Record<string, unknown>>[] {
    return this.daemon.log().filter((line) => line.event === "transition" && line.instance === instance);
  }

  /** Kinds of the alarms that were logged for an instance, in order, with their fields. */
  alarms(kind: string, instance = "RW"): Readonly<Record<string, unknown>>[] {
    return this.daemon.log().filter((line) => line.event === kind && line.instance === instance);
  }

  reload(text: string): void {
    writeFileSync(this.#file, text);
    this.process.signal("SIGHUP");
  }

  async kill(): Promise<void> {
    await this.daemon.killEverything();
  }

  async stop(): Promise<void> {
    await this.daemon.stop();
  }
}

class KeepalivedDaemon implements Router {
  readonly program = "keepalived";
  readonly host: NetworkHost;
  readonly process: RunningProcess;
  readonly startedMs: number;
  readonly #file: string;

  private constructor(host: NetworkHost, running: RunningProcess, file: string, startedMs: number) {
    this.host = host;
    this.process = running;
    this.#file = file;
    this.startedMs = startedMs;
  }

  static async start(
    host: NetworkHost,
    text: string,
    folder: string,
    options: { readonly terse: boolean },
  ): Promise<KeepalivedDaemon> {
    // Its own folder at every start: all hosts share one file system, and a killed one's pid file stops the next.
    const own = mkdtempSync(join(folder, `${host.host}-`));
    const file = join(own, "keepalived.conf");
    writeFileSync(file, text);
    const pidFiles = ["p", "c", "r", "b"].flatMap((option) => [`-${option}`, join(own, `${option}.pid`)]);
    const startedMs = wallClockMs();
    const running = await host.start(
      "keepalived",
      ["-n", "-l", ...(options.terse ? [] : ["-D"]), "-P", "-f", file, ...pidFiles],
      {
        name: `keepalived in ${host.name}`,
      },
    );
    return new KeepalivedDaemon(host, running, file, startedMs);
  }

  states(instance = "RW"): string[] {
    const pattern = new RegExp(`\\(${instance}\\) Entering (\\w+) STATE`, "g");
    return [...this.process.output.matchAll(pattern)].map((match) => match[1] ?? "");
  }

  reload(text: string): void {
    writeFileSync(this.#file, text);
    this.process.signal("SIGHUP");
  }

  async kill(): Promise<void> {
    killTree(this.process.pid);
    await this.process.exited;
  }

  async stop(): Promise<void> {
    await this.process.stop(20_000);
  }
}

/**
 * Starts a program on a file with this text, written below `folder`. `terse`: keepalived without `--log-detail`, which slows
 * it down by a line for every gratuitous ARP; the benches measure it at its best.
 */
export async function startRouter(
  program: Program,
  host: NetworkHost,
  text: string,
  folder: string,
  options: { readonly terse: boolean } = { terse: false },
): Promise<Router> {
  return program === "holdfast"
    ? await HoldfastRouter.start(host, text, folder)
    : await KeepalivedDaemon.start(host, text, folder, options);
}
