/** Debian's keepalived as the other router, or as the one to be replaced. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onCleanup } from "./cleanup.ts";
import type { Namespace } from "./netns.ts";
import type { ProcessExit, RunningProcess } from "./processes.ts";

const FILE_NAME = "keepalived.conf";

/**
 * keepalived answers `vrrp_strict` with packet-filter rules that drop what is sent to its virtual addresses, the traffic
 * of their virtual servers included: with it the article's files carry nothing. So its copy of them goes without.
 */
export function withoutStrict(configuration: string): string {
  const changed = configuration.replace(/^\s*vrrp_strict\s*\n/m, "");
  if (changed === configuration) throw new Error("no vrrp_strict in the configuration");
  return changed;
}

/** In the foreground on a file, with pid files of its own in a folder: several may run on one host. */
export function keepalivedArguments(file: string, folder: string): string[] {
  const pidFile = (option: string, name: string): string[] => [option, join(folder, `${name}.pid`)];
  const pidFiles = [...pidFile("-p", "parent"), ...pidFile("-c", "checkers"), ...pidFile("-r", "vrrp")];
  return ["--dont-fork", "--log-console", "--use-file", file, ...pidFiles];
}

export class Keepalived {
  readonly process: RunningProcess;
  readonly #folder: string;
  readonly #file: string;
  readonly #forget: () => void;

  private constructor(running: RunningProcess, folder: string) {
    this.process = running;
    this.#folder = folder;
    this.#file = join(folder, FILE_NAME);
    this.#forget = onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  }

  /** Starts it on a copy of `file` without `vrrp_strict`, with pid files of its own. */
  static async start(namespace: Namespace, file: string): Promise<Keepalived> {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-keepalived-"));
    const copy = join(folder, FILE_NAME);
    writeFileSync(copy, withoutStrict(readFileSync(file, "utf8")));
    const args = ["--log-detail", ...keepalivedArguments(copy, folder)];
    return new Keepalived(await namespace.start("keepalived", args), folder);
  }

  /**
   * Makes it the last choice by a reload: every instance `state BACKUP` with priority 1. Its addresses go to the peer,
   * its virtual servers stay.
   */
  resignByReload(): void {
    const configuration = readFileSync(this.#file, "utf8");
    writeFileSync(
      this.#file,
      configuration.replace(/^(\s*)state MASTER/gm, "$1state BACKUP").replace(/^(\s*)priority \d+/gm, "$1priority 1"),
    );
    this.process.signal("SIGHUP");
  }

  /** SIGTERM: it removes its addresses and its virtual servers. */
  async stop(): Promise<ProcessExit> {
    const exit = await this.process.stop(20_000);
    rmSync(this.#folder, { recursive: true, force: true });
    this.#forget();
    return exit;
  }
}
