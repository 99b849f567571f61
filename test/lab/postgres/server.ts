/** Debian's PostgreSQL server as a process of a test's own, on the loopback. */
import { chownSync, copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificate } from "../certificates.ts";
import { onCleanup } from "../cleanup.ts";
import { type FinishedProcess, type RunningProcess, runProcess, startProcess } from "../processes.ts";
import { waitFor } from "../wait.ts";

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The folder of the newest server's programs. */
export function postgresPrograms(): string {
  const base = "/usr/lib/postgresql";
  const newest = readdirSync(base)
    .filter((version) => existsSync(join(base, version, "bin/postgres")))
    .sort((a, b) => Number(a) - Number(b))
    .at(-1);
  if (newest === undefined) throw new Error(`no PostgreSQL server under ${base}`);
  return join(base, newest, "bin");
}

export async function postgresUser(): Promise<User> {
  const id = async (option: string): Promise<number> =>
    Number((await runProcess("id", [option, "postgres"])).stdout.trim());
  return { uid: await id("-u"), gid: await id("-g") };
}

export interface PostgresServerOptions {
  readonly port: number;
  readonly address: string;
  /** Lines of pg_hba.conf. */
  readonly access: readonly string[];
  readonly certificate?: Certificate;
}

/** A cluster of its own in a folder of its own; it refuses to run as root, so it runs as Debian's user postgres. */
export class PostgresServer {
  private running: RunningProcess | undefined;
  private readonly forget: () => void;
  private readonly programs = postgresPrograms();
  private readonly options: PostgresServerOptions;
  private readonly folder: string;
  private readonly user: User;

  private constructor(options: PostgresServerOptions, folder: string, user: User) {
    this.options = options;
    this.folder = folder;
    this.user = user;
    this.forget = onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  }

  /** Makes a cluster, without starting it. */
  static async create(options: PostgresServerOptions): Promise<PostgresServer> {
    const user = await postgresUser();
    const folder = mkdtempSync(join(tmpdir(), "holdfast-postgres-"));
    chownSync(folder, user.uid, user.gid);
    const server = new PostgresServer(options, folder, user);
    await server.run("initdb", ["-D", server.data, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    server.write("pg_hba.conf", ["local all all trust", ...options.access]);
    server.write("postgresql.auto.conf", server.settings());
    return server;
  }

  /** Until it answers on its socket; in recovery with nobody to follow where `standby` is true. */
  async start({ standby = false } = {}): Promise<void> {
    if (standby) this.write("standby.signal", []);
    const { command, args } = this.as("postgres", ["-D", this.data]);
    this.running = await startProcess(command, args, { name: "postgres" });
    await waitFor(async () => (await this.query("SELECT 1").catch(() => undefined)) !== undefined, {
      what: "PostgreSQL to answer",
      found: () => this.running?.output,
    });
  }

  async query(statement: string): Promise<FinishedProcess> {
    return await this.run("psql", [
      "-X",
      "-h",
      this.folder,
      "-p",
      String(this.options.port),
      "-d",
      "postgres",
      "-c",
      statement,
    ]);
  }

  /** By a fast shutdown (SIGINT): sessions are ended. */
  async stop(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    if (running === undefined || running.exit !== undefined) return;
    process.kill(running.pid, "SIGINT");
    await running.exited;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
    this.forget();
  }

  private get data(): string {
    return join(this.folder, "data");
  }

  private settings(): string[] {
    const { address, port, certificate } = this.options;
    const lines = [
      `listen_addresses = '${address}'`,
      `port = ${port}`,
      `unix_socket_directories = '${this.folder}'`,
      "fsync = off",
    ];
    if (certificate === undefined) return lines;
    this.take(certificate.certificateFile, "server.crt");
    this.take(certificate.keyFile, "server.key");
    return [...lines, "ssl = on"];
  }

  private take(from: string, name: string): void {
    copyFileSync(from, join(this.data, name));
    chownSync(join(this.data, name), this.user.uid, this.user.gid);
  }

  private write(name: string, lines: readonly string[]): void {
    writeFileSync(join(this.data, name), lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    chownSync(join(this.data, name), this.user.uid, this.user.gid);
  }

  private async run(program: string, args: readonly string[]): Promise<FinishedProcess> {
    const { command, args: all } = this.as(program, args);
    return await runProcess(command, all, { cwd: this.folder });
  }

  private as(program: string, args: readonly string[]): { readonly command: string; readonly args: readonly string[] } {
    const identity = ["--reuid", String(this.user.uid), "--regid", String(this.user.gid), "--init-groups"];
    return { command: "setpriv", args: [...identity, join(this.programs, program), ...args] };
  }
}
