/**
 * The article's real cluster: Debian's patroni and postgresql-15 on the three PostgreSQL hosts, etcd on the client's, all
 * as processes of ours in their namespaces. Timings are gentle to etcd (an emulated processor misses its heartbeats
 * otherwise) and as short for Patroni as it allows.
 */
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ArticleNetwork,
  CLIENT_ADDRESS,
  POSTGRES_HOSTS,
  POSTGRES_NAMES,
  type PostgresName,
  PREFIX_LENGTH,
  REST_PORT,
  SERVICE_PORT,
} from "./articleNetwork.ts";
import { onCleanup } from "./cleanup.ts";
import { postgresPrograms, postgresUser } from "./postgres/server.ts";
import type { FinishedProcess, RunningProcess, RunOptions } from "./processes.ts";
import type { RestLine } from "./programs/restWatch.ts";
import { type Program, startProgram } from "./programs.ts";
import type { SwitchoverRecord } from "./standIn/cluster.ts";
import { monotonicUs } from "./standIn/node.types.ts";
import { waitFor } from "./wait.ts";

const SCOPE = "article";
const ETCD_PORT = 2379;
/** Everything between two phases of a real switchover can take this long under emulation. */
const PHASE_TIMEOUT_MS = 480_000;
const START_TIMEOUT_MS = 600_000;
/**
 * How often the watcher asks each node, and how often while a switchover is timed: every answer costs Patroni a thread and
 * a query, 20 ms of an emulated processor's time.
 */
const WATCH_MS = 1_000;
const SWITCHOVER_WATCH_MS = 100;

export class RealCluster {
  readonly #network: ArticleNetwork;
  readonly #folder: string;
  readonly #programs: string;
  readonly #processes: RunningProcess[] = [];
  readonly #forget: () => void;
  #watch: Program<"restWatch"> | undefined;

  private constructor(network: ArticleNetwork, folder: string) {
    this.#network = network;
    this.#folder = folder;
    this.#programs = postgresPrograms();
    this.#forget = onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  }

  /** Starts everything and waits for a primary with two streaming replicas: about 50 s in the emulated guest. */
  static async start(network: ArticleNetwork): Promise<RealCluster> {
    const cluster = new RealCluster(network, mkdtempSync(join(memoryFolder(), "holdfast-cluster-")));
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const user = await postgresUser();
    chownSync(this.#folder, user.uid, user.gid);
    this.#processes.push(await this.#startEtcd());
    for (const name of POSTGRES_NAMES) {
      writeFileSync(
        this.#configuration(name),
        JSON.stringify(patroniConfiguration(name, this.#folder, this.#programs)),
      );
      const sockets = join(this.#folder, name);
      mkdirSync(sockets, { mode: 0o700 });
      chownSync(sockets, user.uid, user.gid);
      const args = ["--reuid", String(user.uid), "--regid", String(user.gid), "--init-groups", "patroni"];
      const options = { name: `patroni of ${name}`, cwd: this.#folder };
      this.#processes.push(
        await this.#network.postgres[name].start("setpriv", [...args, this.#configuration(name)], options),
      );
    }
    this.#watch = await this.#startWatch(WATCH_MS);
    await this.waitUntilWhole(START_TIMEOUT_MS);
  }

  async #startWatch(intervalMs: number): Promise<Program<"restWatch">> {
    const nodes = POSTGRES_HOSTS.map(({ name, address }) => `${name}=${address}:${REST_PORT}`);
    return await startProgram(this.#network.client, "restWatch", ["/primary", intervalMs, ...nodes]);
  }

  async #startEtcd(): Promise<RunningProcess> {
    const url = (port: number): string => `http://${CLIENT_ADDRESS}:${port}`;
    const args = [
      ...["--name", "etcd", "--data-dir", join(this.#folder, "etcd"), "--unsafe-no-fsync"],
      ...["--heartbeat-interval", "500", "--election-timeout", "5000", "--log-level", "warn"],
      ...["--listen-client-urls", url(ETCD_PORT), "--advertise-client-urls", url(ETCD_PORT)],
      ...["--listen-peer-urls", url(ETCD_PORT + 1), "--initial-advertise-peer-urls", url(ETCD_PORT + 1)],
      ...["--initial-cluster", `etcd=${url(ETCD_PORT + 1)}`],
    ];
    return await this.#network.client.start("etcd", args, { name: "etcd" });
  }

  /** What the REST APIs have said since the start, change by change. */
  said(): readonly RestLine[] {
    return this.#watch?.lines() ?? [];
  }

  /** What a node said last. */
  latest(name: PostgresName): RestLine | undefined {
    return this.said().findLast((line) => line.node === name);
  }

  /** The node that says it takes writes; undefined while none or several do. */
  primary(): PostgresName | undefined {
    const found = POSTGRES_NAMES.filter((name) => isPrimary(this.latest(name)));
    return found.length === 1 ? found[0] : undefined;
  }

  /** Waits for one primary with two streaming replicas that say so themselves; returns the primary. */
  async waitUntilWhole(timeoutMs = PHASE_TIMEOUT_MS): Promise<PostgresName> {
    return await waitFor(
      () => {
        this.#failIfEnded();
        const primary = this.primary();
        const replicas = POSTGRES_NAMES.map((name) => this.latest(name)).filter(
          (line) => line?.status === 503 && line.role === "replica" && line.state === "running",
        );
        const whole = primary !== undefined && replicas.length === 2 && this.latest(primary)?.streaming === 2;
        return whole ? primary : undefined;
      },
      {
        what: "a primary with two streaming replicas",
        timeoutMs,
        intervalMs: 100,
        found: () => ({ said: POSTGRES_NAMES.map((name) => this.latest(name)), log: this.log().slice(-4_000) }),
      },
    );
  }

  /** `patronictl switchover`; resolves when the new primary takes writes, as its REST API tells. */
  async switchover(to: PostgresName): Promise<SwitchoverRecord> {
    const from = this.primary();
    if (from === undefined || from === to) throw new Error(`no switchover from ${from} to ${to}`);
    const watch = await this.#startWatch(SWITCHOVER_WATCH_MS);
    try {
      await waitFor(() => POSTGRES_NAMES.every((name) => watch.lines().some((line) => line.node === name)), {
        what: "the watch's first answers",
        timeoutMs: PHASE_TIMEOUT_MS,
      });
      return await this.#timedSwitchover(from, to, watch);
    } finally {
      await watch.stop();
    }
  }

  async #timedSwitchover(from: PostgresName, to: PostgresName, watch: Program<"restWatch">): Promise<SwitchoverRecord> {
    const beganUs = monotonicUs();
    const args = ["switchover", "--leader", from, "--candidate", to, "--force", SCOPE];
    await this.patronictl(args, { timeoutMs: PHASE_TIMEOUT_MS });
    const first = async (what: string, condition: (line: RestLine) => boolean): Promise<number> => {
      const find = (): RestLine | undefined => watch.lines().find((line) => line.atUs > beganUs && condition(line));
      return (await waitFor(find, { what, timeoutMs: PHASE_TIMEOUT_MS })).atUs;
    };
    const shutdownAtUs = await first(`${from} shutting down`, (line) => line.node === from && line.state !== "running");
    const demotedAtUs = await first(`${from} demoted`, (line) => line.node === from && line.status !== 200);
    const keyAtUs = await first(`${to} with the leader key`, (line) => line.node === to && line.status === 200);
    const promotedAtUs = await first(`${to} promoted`, (line) => line.node === to && isPrimary(line));
    return { from, to, shutdownAtUs, demotedAtUs, keyAtUs, promotedAtUs };
  }

  async patronictl(args: readonly string[], options: RunOptions = {}): Promise<FinishedProcess> {
    return await this.#network.client.exec("patronictl", ["-c", this.#configuration("pg1"), ...args], options);
  }

  /** A client program of PostgreSQL, run on the client's host: `psql`, `pgbench`, ... */
  async client(program: string, args: readonly string[], options: RunOptions = {}): Promise<FinishedProcess> {
    return await this.#network.client.exec(join(this.#programs, program), args, options);
  }

  /** Starts such a program and leaves it running. */
  async startClient(program: string, args: readonly string[]): Promise<RunningProcess> {
    return await this.#network.client.start(join(this.#programs, program), args, { name: program });
  }

  /** One statement at an address, as the superuser; rows and columns as psql -At prints them. */
  async query(address: string, statement: string, database = "postgres"): Promise<string> {
    const where = ["-h", address, "-p", String(SERVICE_PORT), "-U", "postgres", "-d", database];
    return (await this.client("psql", ["-XAtq", ...where, "-c", statement])).stdout.trim();
  }

  /** What all processes have printed. */
  log(): string {
    return this.#processes.map((running) => `== ${running.name}\n${running.output}`).join("\n");
  }

  /** Patroni stops its PostgreSQL on SIGTERM; what does not end is killed with its namespace. */
  async stop(): Promise<void> {
    await this.#watch?.stop();
    // etcd, the first one started, goes last: a Patroni without it waits for it.
    const [etcd, ...patronis] = this.#processes;
    await Promise.all(patronis.map((running) => running.stop(30_000)));
    await etcd?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    this.#forget();
  }

  #configuration(name: PostgresName): string {
    return join(this.#folder, `${name}.json`);
  }

  #failIfEnded(): void {
    const ended = this.#processes.find((running) => running.exit !== undefined);
    if (ended !== undefined) throw new Error(`${ended.name} has ended:\n${ended.output.slice(-4_000)}`);
  }
}

/** 200 comes with the leader key, before the promotion has ended: the body says the rest. */
function isPrimary(line: RestLine | undefined): boolean {
  return line?.status === 200 && line.state === "running" && (line.role === "master" || line.role === "primary");
}

/**
 * JSON is YAML. Patroni documents 20, 1 and 3 s as the least ttl, loop_wait and retry_timeout. Long ones here: a guest that is
 * short of processor time must not demote its primary by itself (a round of the loop costs each Patroni and etcd a third of
 * an emulated processor), and a switchover waits for none of them: the store wakes who waits for the key.
 */
function patroniConfiguration(name: PostgresName, folder: string, programs: string): object {
  const address = POSTGRES_HOSTS.find((host) => host.name === name)?.address ?? "";
  const user = (username: string): object => ({ username, password: username });
  return {
    scope: SCOPE,
    name,
    log: { level: "INFO" },
    restapi: { listen: `${address}:${REST_PORT}`, connect_address: `${address}:${REST_PORT}` },
    etcd3: { hosts: `${CLIENT_ADDRESS}:${ETCD_PORT}` },
    bootstrap: {
      dcs: { ttl: 60, loop_wait: 5, retry_timeout: 20, postgresql: { use_pg_rewind: false, use_slots: true } },
      initdb: [{ encoding: "UTF8" }, { locale: "C" }, "no-sync"],
    },
    postgresql: {
      // All addresses: connections for the virtual ones arrive unchanged (direct routing).
      listen: `0.0.0.0:${SERVICE_PORT}`,
      connect_address: `${address}:${SERVICE_PORT}`,
      use_unix_socket: true,
      data_dir: join(folder, name, "data"),
      bin_dir: programs,
      pgpass: join(folder, name, "pgpass"),
      authentication: { superuser: user("postgres"), replication: user("replicator") },
      pg_hba: ["local all all trust", `host all all ${network()} trust`, `host replication all ${network()} trust`],
      basebackup: [{ checkpoint: "fast" }, "no-sync"],
      parameters: {
        // The namespaces share one file system: each needs sockets of its own.
        unix_socket_directories: join(folder, name),
        max_connections: 150,
        shared_buffers: "16MB",
        fsync: "off",
        jit: "off",
      },
    },
  };
}

function network(): string {
  return `${CLIENT_ADDRESS.replace(/\d+$/, "0")}/${PREFIX_LENGTH}`;
}

/** Data in memory where there is such a folder: databases on an emulated disk take minutes to make. */
function memoryFolder(): string {
  return existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
}

/** The folder of the newest PostgreSQL's programs. */
