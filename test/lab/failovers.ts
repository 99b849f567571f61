/**
 * Failovers of the real cluster behind two load balancers, under an insert loop and a read loop: what happened to every row, to
 * the kernels' tables and to the connections, and when.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ArticleNetwork,
  type BalancerName,
  POSTGRES_HOSTS,
  POSTGRES_NAMES,
  type PostgresName,
  postgresAddress,
  postgresAt,
  READ_VIP,
  REST_PORT,
  SERVICE_PORT,
  WRITE_VIP,
} from "./articleNetwork.ts";
import { ARTICLE_FOLDER, Holdfast } from "./holdfast.ts";
import { weighted } from "./ipvsTable.ts";
import { BALANCER_NAMES, WRITE_SERVICE } from "./lab.ts";
import type { InsertLine } from "./programs/inserts.ts";
import type { ReadLine } from "./programs/reads.ts";
import type { RestLine } from "./programs/restWatch.ts";
import type { TableLine } from "./programs/tableWatch.ts";
import { type Program, startProgram } from "./programs.ts";
import { isPrimary, type RealCluster } from "./realCluster.ts";
import type { PatroniTimings } from "./realClusterConfig.ts";
import { monotonicUs } from "./standIn/node.types.ts";
import { pass, waitFor } from "./wait.ts";

const USER = ["postgres", "postgres"] as const;
/** Looks and loops are not free for an emulated processor, which has a cluster to carry. */
const TABLE_WATCH_MS = 10;
const REST_WATCH_MS = 200;
const LOOP_MS = 250;
const TIMEOUT_MS = 240_000;
const INSERTS_AFTER = 5;
/** What the kernel shows of its counters of connections is up to 2 s old: its estimator carries them over (ip_vs_est.c of Linux 6.1). */
const COUNTERS_CARRIED_MS = 4_000;

/** What takes the primary away, and gives it back. */
export interface FailoverStory {
  readonly title: string;
  /** Ends when a successor may come. */
  take(lab: Failovers, primary: PostgresName): Promise<void>;
  /** Once there is a successor, perhaps the same server again. */
  giveBack(lab: Failovers, primary: PostgresName): Promise<void>;
}

/** Times are CLOCK_MONOTONIC's. */
export interface Failover {
  readonly from: PostgresName;
  readonly to: PostgresName;
  readonly beganUs: number;
  /** The new primary's first answer that confirms the role, as a watcher of the REST API saw it. */
  readonly promotedUs: number;
  readonly balancers: readonly {
    readonly name: BalancerName;
    readonly lines: readonly TableLine[];
    /** The first look without weight at `from`. */
    readonly loweredUs: number;
    /** The first look behind it with weight at `to`, alone. */
    readonly raisedUs: number;
  }[];
  readonly inserts: readonly InsertLine[];
  readonly reads: readonly ReadLine[];
  /** Connections that the holder of the write address sent to `from` since it had no weight. */
  readonly strayConnections: number;
}

export class Failovers {
  readonly network: ArticleNetwork;
  readonly cluster: RealCluster;
  readonly #folder = mkdtempSync(join(tmpdir(), "holdfast-failovers-"));
  readonly #daemons: Holdfast[] = [];
  readonly #watches = new Map<BalancerName, Program<"tableWatch">>();
  #inserts: Program<"inserts"> | undefined;
  #reads: Program<"reads"> | undefined;

  private constructor(network: ArticleNetwork, cluster: RealCluster) {
    this.network = network;
    this.cluster = cluster;
  }

  /** On a cluster that may lose its primary (`rewinds`): its commits become synchronous, its times these. Both stay their owner's. */
  static async start(network: ArticleNetwork, cluster: RealCluster, timings: PatroniTimings): Promise<Failovers> {
    await cluster.tighten(timings, REST_WATCH_MS);
    const lab = new Failovers(network, cluster);
    await lab.#start();
    return lab;
  }

  async #start(): Promise<void> {
    try {
      await this.cluster.query(postgresAddress(this.#primary()), "create table t1 (i int)");
      for (const name of BALANCER_NAMES) {
        const file = join(this.#folder, `${name}.conf`);
        writeFileSync(file, failoverConfiguration(name));
        const host = this.network.balancers[name];
        this.#watches.set(name, await startProgram(host, "tableWatch", [TABLE_WATCH_MS]));
        this.#daemons.push(await Holdfast.start(host, file));
      }
      const { client } = this.network;
      this.#inserts = await startProgram(client, "inserts", [WRITE_VIP, SERVICE_PORT, ...USER, LOOP_MS]);
      this.#reads = await startProgram(client, "reads", [READ_VIP, SERVICE_PORT, ...USER, LOOP_MS]);
      await this.#settled(monotonicUs());
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#inserts?.stop();
    await this.#reads?.stop();
    for (const daemon of this.#daemons) await daemon.stop();
    for (const watch of this.#watches.values()) await watch.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Plays a story on a whole cluster, until what was taken away is back, and some inserts longer. */
  async play(story: FailoverStory): Promise<Failover> {
    const from = await this.cluster.waitUntilWhole(TIMEOUT_MS);
    const beganUs = monotonicUs();
    await story.take(this, from);
    await this.#wait(`the weight of ${from} gone`, () =>
      BALANCER_NAMES.every((name) => this.#lines(name).some((line) => line.atUs > beganUs && !writesTo(from, line))),
    );
    await pass(COUNTERS_CARRIED_MS);
    const before = await this.#connections(from);
    const to = await this.#settled(beganUs);
    await story.giveBack(this, from);
    await this.#insertsAt(to, monotonicUs());
    const after = await this.#connections(from);
    // A row that was cut, and put back, counts from nothing again.
    const strayConnections = to === from ? 0 : after - (after < before ? 0 : before);
    return { ...this.#seen(from, to, beganUs), strayConnections };
  }

  /** The server that has weight for writes at every balancer; undefined while they differ, or have none. */
  writer(): PostgresName | undefined {
    const shown = BALANCER_NAMES.map((name) => this.#writers(name));
    const [first] = shown[0] ?? [];
    return first !== undefined && shown.every((each) => each.join() === first) ? postgresAt(first) : undefined;
  }

  /** Waits until no balancer has a server with weight for writes. */
  async nobodyWrites(what: string): Promise<void> {
    await this.#wait(what, () => BALANCER_NAMES.every((name) => this.#writers(name).length === 0));
  }

  /** Who had weight for writes at some balancer since an instant, or "nobody": each answer once. */
  writersSince(sinceUs: number): string[] {
    const shown = BALANCER_NAMES.flatMap((name) => {
      const lines = this.#lines(name);
      const first = lines.findLastIndex(({ atUs }) => atUs <= sinceUs);
      return lines.slice(Math.max(0, first)).map(({ table }) => weighted(table, WRITE_SERVICE).join(" and "));
    });
    return [...new Set(shown.map((servers) => (servers === "" ? "nobody" : (postgresAt(servers) ?? servers))))];
  }

  /** The rows that are there, by their numbers. */
  async rows(): Promise<ReadonlySet<number>> {
    const text = await this.cluster.query(postgresAddress(this.#primary()), "select i from t1");
    return new Set(text.split("\n").map(Number));
  }

  /** Every insert that was acknowledged since the start. */
  acknowledged(): number[] {
    return (this.#inserts?.lines() ?? []).filter(({ done }) => done).map(({ value }) => value);
  }

  #primary(): PostgresName {
    const found = this.cluster.primary();
    if (found === undefined) throw new Error("the cluster has no primary");
    return found;
  }

  #lines(name: BalancerName): TableLine[] {
    return (this.#watches.get(name)?.lines() ?? []).filter((line) => line.kind === "table");
  }

  #writers(name: BalancerName): string[] {
    return weighted(this.#lines(name).at(-1)?.table ?? [], WRITE_SERVICE);
  }

  /** Waits until all agree on a primary, writes arrive there, and reads are answered. */
  async #settled(sinceUs: number): Promise<PostgresName> {
    await this.#wait("one primary with the weight at both balancers", () => {
      const primary = this.cluster.primary();
      return primary !== undefined && this.writer() === primary;
    });
    const primary = this.#primary();
    await this.#insertsAt(primary, sinceUs);
    await this.#wait("a read", () => this.#reads?.lines().some((line) => line.done && line.startedUs > sinceUs));
    return primary;
  }

  async #insertsAt(node: PostgresName, sinceUs: number): Promise<void> {
    await this.#wait(`${INSERTS_AFTER} inserts at ${node}`, () => {
      const lines = (this.#inserts?.lines() ?? []).filter((line) => line.done && line.node === node);
      return lines.filter(({ startedUs }) => startedUs > sinceUs).length >= INSERTS_AFTER;
    });
  }

  async #wait(what: string, condition: () => boolean | undefined): Promise<void> {
    const found = (): string =>
      [
        JSON.stringify(POSTGRES_NAMES.map((name) => this.cluster.latest(name))),
        JSON.stringify(BALANCER_NAMES.map((name) => this.#lines(name).at(-1)?.table)),
        JSON.stringify(this.#inserts?.lines().slice(-3)),
        JSON.stringify(this.#reads?.lines().slice(-3)),
        ...this.#daemons.map(({ process }) => process.output.slice(-3_000)),
        this.cluster.log().slice(-6_000),
      ].join("\n");
    await waitFor(condition, { what, timeoutMs: TIMEOUT_MS, intervalMs: 100, found });
  }

  #seen(from: PostgresName, to: PostgresName, beganUs: number): Omit<Failover, "strayConnections"> {
    const balancers = BALANCER_NAMES.map((name) => {
      const lines = this.#lines(name).filter(({ atUs }) => atUs > beganUs);
      const lowered = lines.findIndex((line) => !writesTo(from, line));
      const raised = lines.slice(Math.max(0, lowered)).find((line) => writesTo(to, line));
      const never = Number.POSITIVE_INFINITY;
      return { name, lines, loweredUs: lines[lowered]?.atUs ?? never, raisedUs: raised?.atUs ?? never };
    });
    const raisedUs = Math.max(...balancers.map((each) => each.raisedUs));
    return {
      ...{ from, to, beganUs, balancers },
      promotedUs: promotion(this.cluster.said(), to, raisedUs),
      inserts: (this.#inserts?.lines() ?? []).filter(({ startedUs }) => startedUs > beganUs),
      reads: (this.#reads?.lines() ?? []).filter(({ startedUs }) => startedUs > beganUs),
    };
  }

  /** Connections scheduled to a server of the write service since its row was added: `ipvsadm -L -n --stats`. */
  async #connections(name: PostgresName): Promise<number> {
    const words = ["-L", "-n", "--stats", "--exact", "-t", `${WRITE_VIP}:${SERVICE_PORT}`];
    const { stdout } = await this.network.balancers.kad1.exec("ipvsadm", words);
    const row = stdout.split("\n").find((line) => line.includes(` ${postgresAddress(name)}:${SERVICE_PORT} `));
    return Number(row?.trim().split(/\s+/)[2] ?? 0);
  }
}

function writesTo(node: PostgresName, line: TableLine): boolean {
  return weighted(line.table, WRITE_SERVICE).includes(`${postgresAddress(node)}:${SERVICE_PORT}`);
}

/** When `node` began to say that it takes writes, the last time before `beforeUs`, or soon after it. */
function promotion(said: readonly RestLine[], node: PostgresName, beforeUs: number): number {
  const lines = said.filter((line) => line.node === node);
  const last = lines.findLastIndex((line) => !isPrimary(line) && line.atUs < beforeUs);
  return lines.slice(last + 1).find(isPrimary)?.atUs ?? Number.POSITIVE_INFINITY;
}

/** The longest time between the ends of two that were done. */
export function longestGapUs(lines: readonly Pick<InsertLine, "done" | "atUs">[], sinceUs: number): number {
  const times = [sinceUs, ...lines.filter(({ done }) => done).map(({ atUs }) => atUs)];
  return Math.max(0, ...times.slice(1).map((atUs, index) => atUs - (times[index] ?? atUs)));
}

/** The article's addresses; writes by the `patroni` checker at kad1 and by the article's own HTTP_GET at kad2, reads by tiers. */
function failoverConfiguration(name: BalancerName): string {
  const article = readFileSync(join(ARTICLE_FOLDER, `${name}.conf`), "utf8");
  const instances = article.match(/^vrrp_instance [\s\S]*?^}/gm) ?? [];
  const patroni = (role: string): string => `  patroni {\n    port ${REST_PORT}\n    role ${role}\n  }\n`;
  const http = `    HTTP_GET {\n      connect_port ${REST_PORT}\n      url {\n        path /primary\n        status_code 200\n      }\n    }\n`;
  const service = (address: string, checked: string, check: string): string => {
    const servers = POSTGRES_HOSTS.map(
      (host) => `  real_server ${host.address} ${SERVICE_PORT} {\n    weight 50\n    inhibit_on_failure\n${check}  }\n`,
    );
    const times = "  delay_loop 1\n  connect_timeout 1\n  delay_before_retry 1\n  warmup 0\n";
    const kind = "  lvs_method DR\n  lvs_sched lc\n  protocol TCP\n";
    return `virtual_server ${address} ${SERVICE_PORT} {\n${kind}${times}${checked}${servers.join("")}}\n`;
  };
  return [
    `global_defs {\n  router_id ${name}\n}`,
    ...instances,
    name === "kad1" ? service(WRITE_VIP, patroni("primary"), "") : service(WRITE_VIP, "", http),
    service(READ_VIP, `${patroni("replica")}  fallback primary after 1\n`, ""),
  ].join("\n");
}
