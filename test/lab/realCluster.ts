/**
 * The article's real cluster: Debian's patroni and postgresql-15 on the three PostgreSQL hosts, etcd on the client's, all
 * as processes of ours in their namespaces. Each part can be killed, cut off and started again.
 */
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ArticleNetwork,
  POSTGRES_HOSTS,
  POSTGRES_NAMES,
  type PostgresName,
  REST_PORT,
  SERVICE_PORT,
} from "./articleNetwork.ts";
import { onCleanup } from "./cleanup.ts";
import { postgresPrograms, postgresUser } from "./postgres/server.ts";
import { type FinishedProcess, type RunningProcess, type RunOptions, runProcess } from "./processes.ts";
import type { RestLine } from "./programs/restWatch.ts";
import { type Program, startProgram } from "./programs.ts";
import {
  etcdArguments,
  type PatroniTimings,
  patroniConfiguration,
  type RealClusterOptions,
  SCOPE,
} from "./realClusterConfig.ts";
import type { SwitchoverRecord } from "./standIn/cluster.ts";
import { monotonicUs } from "./standIn/node.types.ts";
import { waitFor } from "./wait.ts";

/** Everything between two phases of a real switchover can take this long under emulation. */
const PHASE_TIMEOUT_MS = 480_000;
const START_TIMEOUT_MS = 600_000;
const STOP_TIMEOUT_MS = 30_000;
/**
 * How often the watcher asks each node, and how often while a switchover is timed: every answer costs Patroni a thread and
 * a query, 20 ms of an emulated processor's time.
 */
const WATCH_MS = 1_000;
const SWITCHOVER_WATCH_MS = 100;

type Part = PostgresName | "etcd";

export class RealCluster {
  readonly #network: ArticleNetwork;
  #options: RealClusterOptions;
  readonly #folder: string;
  readonly #programs: string;
  readonly #running = new Map<Part, RunningProcess>();
  /** Outputs of those that were ended by us. */
  readonly #ended: RunningProcess[] = [];
  readonly #forget: () => void;
  #watch: Program<"restWatch"> | undefined;

  private constructor(network: ArticleNetwork, folder: string, options: RealClusterOptions) {
    this.#network = network;
    this.#options = options;
    this.#folder = folder;
    this.#programs = postgresPrograms();
    this.#forget = onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  }

  /** Starts everything and waits for a primary with two streaming replicas: about 50 s in the emulated guest. */
  static async start(network: ArticleNetwork, options: RealClusterOptions = {}): Promise<RealCluster> {
    const cluster = new RealCluster(network, mkdtempSync(join(memoryFolder(), "holdfast-cluster-")), options);
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
    await this.startStore();
    for (const name of POSTGRES_NAMES) {
      const sockets = join(this.#folder, name);
      mkdirSync(sockets, { mode: 0o700 });
      chownSync(sockets, user.uid, user.gid);
      await this.startMember(name);
    }
    this.#watch = await this.#startWatch(this.#options.watchMs ?? WATCH_MS);
    await this.waitUntilWhole(START_TIMEOUT_MS);
  }

  /** Starts a member's Patroni, which starts its PostgreSQL: the first time, or after its end. */
  async startMember(name: PostgresName, tags: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const user = await postgresUser();
    const paths = { folder: this.#folder, programs: this.#programs };
    writeFileSync(this.#configuration(name), JSON.stringify(patroniConfiguration(name, paths, this.#options, tags)));
    const identity = ["--reuid", String(user.uid), "--regid", String(user.gid), "--init-groups"];
    const args = [...identity, "patroni", this.#configuration(name)];
    const options = { name: `patroni of ${name}`, cwd: this.#folder };
    this.#running.set(name, await this.#network.postgres[name].start("setpriv", args, options));
  }

  /** Whether a member has been started and not been ended by us. */
  runs(name: PostgresName): boolean {
    return this.#running.has(name);
  }

  /** An orderly stop of a member and its PostgreSQL. */
  async stopMember(name: PostgresName): Promise<void> {
    await this.#take(name)?.stop(STOP_TIMEOUT_MS);
  }

  /** `kill -9` of all that runs on a member's host at once: Patroni and every process of PostgreSQL. */
  async killMember(name: PostgresName): Promise<void> {
    const patroni = this.#take(name);
    await this.#signal(name, "SIGKILL", /./);
    await patroni?.exited;
  }

  /** `kill -9` of PostgreSQL alone. */
  async killPostgres(name: PostgresName): Promise<void> {
    await this.#signal(name, "SIGKILL", /\/postgres |^postgres: /);
  }

  /** A replica goes on to receive, and no longer replays. */
  async stopReplay(name: PostgresName): Promise<void> {
    await this.#signal(name, "SIGSTOP", /^postgres: .*startup/);
  }

  async continueReplay(name: PostgresName): Promise<void> {
    await this.#signal(name, "SIGCONT", /^postgres: .*startup/);
  }

  /** To every process of a member's host whose command line matches. */
  async #signal(name: PostgresName, signal: NodeJS.Signals, commandLine: RegExp): Promise<void> {
    const { stdout } = await runProcess("ip", ["netns", "pids", this.#network.postgres[name].name]);
    const pids = stdout.split("\n").filter((line) => line !== "" && commandLine.test(commandLineOf(Number(line))));
    if (pids.length === 0) throw new Error(`nothing at ${name} is ${commandLine}`);
    for (const pid of pids) {
      try {
        process.kill(Number(pid), signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }

  async startStore(): Promise<void> {
    const args = etcdArguments(this.#folder);
    this.#running.set("etcd", await this.#network.client.start("etcd", args, { name: "etcd" }));
  }

  /** `kill -9` of etcd; what it knows is kept for the next start. */
  async killStore(): Promise<void> {
    const etcd = this.#take("etcd");
    etcd?.kill();
    await etcd?.exited;
  }

  #take(part: Part): RunningProcess | undefined {
    const running = this.#running.get(part);
    this.#running.delete(part);
    if (running !== undefined) this.#ended.push(running);
    return running;
  }

  async #startWatch(intervalMs: number): Promise<Program<"restWatch">> {
    const nodes = POSTGRES_HOSTS.map(({ name, address }) => `${name}=${address}:${REST_PORT}`);
    return await startProgram(this.#network.client, "restWatch", ["/primary", intervalMs, ...nodes]);
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
        const safe = this.#options.synchronous !== true || replicas.some((line) => line?.synchronous === true);
        return whole && safe ? primary : undefined;
      },
      {
        what: "a primary with two streaming replicas",
        timeoutMs,
        intervalMs: 100,
        found: () => ({ said: POSTGRES_NAMES.map((name) => this.latest(name)), log: this.log().slice(-4_000) }),
      },
    );
  }

  /** Waits until a member that was the primary answers, and no longer says that it leads. */
  async waitUntilDemoted(name: PostgresName): Promise<void> {
    const latest = (): RestLine | undefined => this.latest(name);
    await waitFor(() => latest()?.status === 503, {
      what: `${name} demoted`,
      timeoutMs: PHASE_TIMEOUT_MS,
      found: latest,
    });
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

  /** From now on commits are synchronous, Patroni has these times, and each node is asked so often. Waits until all of it holds. */
  async tighten(timings: PatroniTimings, watchMs: number): Promise<void> {
    const { ttlSec, loopWaitSec, retryTimeoutSec } = timings;
    const settings = { ttl: ttlSec, loop_wait: loopWaitSec, retry_timeout: retryTimeoutSec, synchronous_mode: true };
    const words = Object.entries(settings).flatMap(([name, value]) => ["-s", `${name}=${value}`]);
    await this.patronictl(["edit-config", "--quiet", "--force", ...words, SCOPE], { timeoutMs: PHASE_TIMEOUT_MS });
    this.#options = { ...this.#options, timings, synchronous: true, watchMs };
    await this.#watch?.stop();
    this.#watch = await this.#startWatch(watchMs);
    await this.waitUntilWhole();
  }

  async pause(): Promise<void> {
    await this.patronictl(["pause", "--wait", SCOPE], { timeoutMs: PHASE_TIMEOUT_MS });
  }

  async resume(): Promise<void> {
    await this.patronictl(["resume", "--wait", SCOPE], { timeoutMs: PHASE_TIMEOUT_MS });
  }

  async patronictl(args: readonly string[], options: RunOptions = {}): Promise<FinishedProcess> {
    return await this.#network.client.exec("patronictl", ["-c", this.#configuration("pg1"), ...args], options);
  }

  /** curl on the client's host; any exit is returned. */
  async ask(args: readonly string[]): Promise<FinishedProcess> {
    return await this.#network.client.exec("curl", args, { allowFailure: true });
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
    return [...this.#ended, ...this.#running.values()]
      .map((running) => `== ${running.name}\n${running.output}`)
      .join("\n");
  }

  /** Patroni stops its PostgreSQL on SIGTERM; what does not end is killed with its namespace. */
  async stop(): Promise<void> {
    await this.#watch?.stop();
    await Promise.all(POSTGRES_NAMES.map((name) => this.stopMember(name)));
    // etcd goes last: a Patroni without it waits for it.
    await this.#take("etcd")?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
    this.#forget();
  }

  #configuration(name: PostgresName): string {
    return join(this.#folder, `${name}.json`);
  }

  #failIfEnded(): void {
    const ended = [...this.#running.values()].find((running) => running.exit !== undefined);
    if (ended !== undefined) throw new Error(`${ended.name} has ended:\n${ended.output.slice(-4_000)}`);
  }
}

/** 200 comes with the leader key, before the promotion has ended: the body says the rest. */
export function isPrimary(line: RestLine | undefined): boolean {
  return line?.status === 200 && line.state === "running" && (line.role === "master" || line.role === "primary");
}

/** With spaces between its words; empty when the process has gone. */
function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/** Data in memory where there is such a folder: databases on an emulated disk take minutes to make. */
function memoryFolder(): string {
  return existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
}
