/** The article's whole installation, running: network, cluster, two holdfast daemons, and what watches them. */
import { join } from "node:path";
import type { DaemonStatus } from "../../src/daemon/control.types.ts";
import { AddressWatch, wallClockMs } from "./addressWatch.ts";
import {
  type ArticleNetwork,
  type BalancerName,
  createArticleNetwork,
  READ_VIP,
  SERVICE_PORT,
  WRITE_VIP,
} from "./articleNetwork.ts";
import { type LabCluster, startRealCluster, startStandIns } from "./cluster.ts";
import { ARTICLE_FOLDER, Holdfast } from "./holdfast.ts";
import { readTable, type TableService } from "./ipvsTable.ts";
import { type Program, startProgram } from "./programs.ts";
import { waitFor } from "./wait.ts";

export const WRITE_SERVICE = `TCP ${WRITE_VIP}:${SERVICE_PORT}`;
export const READ_SERVICE = `TCP ${READ_VIP}:${SERVICE_PORT}`;
export const BALANCER_NAMES = ["kad1", "kad2"] as const satisfies readonly BalancerName[];
/** Pause between two looks at the kernel's table: the watchers must leave the processors to what they watch. */
const TABLE_WATCH_MS = 2;
const SETTLE_TIMEOUT_MS = 120_000;
const USER = ["postgres", "postgres"] as const;

export interface BalancerView {
  readonly name: BalancerName;
  /** undefined = no daemon answers. */
  readonly status: DaemonStatus | undefined;
  readonly table: readonly TableService[];
  readonly holds: readonly string[];
  readonly link: "up" | "down";
}

interface Balancer {
  daemon: Holdfast | undefined;
  link: "up" | "down";
}

export class Lab {
  readonly network: ArticleNetwork;
  readonly cluster: LabCluster;
  readonly addresses: AddressWatch;
  readonly #balancers: Readonly<Record<BalancerName, Balancer>> = {
    kad1: { daemon: undefined, link: "up" },
    kad2: { daemon: undefined, link: "up" },
  };

  private constructor(network: ArticleNetwork, cluster: LabCluster, addresses: AddressWatch) {
    this.network = network;
    this.cluster = cluster;
    this.addresses = addresses;
  }

  /** Network and cluster; the daemons are started by `startDaemon`. `say` tells what takes long. */
  static async create(options: { readonly real: boolean; readonly say: (text: string) => void }): Promise<Lab> {
    const network = await createArticleNetwork("lab");
    try {
      options.say(
        options.real ? "starting etcd, three Patroni and PostgreSQL" : "starting three stand-in Patroni nodes",
      );
      const cluster = options.real ? await startRealCluster(network) : await startStandIns(network);
      return new Lab(network, cluster, await AddressWatch.start(Object.values(network.balancers)));
    } catch (error) {
      network.remove();
      throw error;
    }
  }

  daemon(name: BalancerName): Holdfast | undefined {
    return this.#balancers[name].daemon;
  }

  link(name: BalancerName): "up" | "down" {
    return this.#balancers[name].link;
  }

  /** `holdfast run` on the article's own file. */
  async startDaemon(name: BalancerName): Promise<void> {
    if (this.#balancers[name].daemon !== undefined) return;
    const daemon = await Holdfast.start(this.network.balancers[name], join(ARTICLE_FOLDER, `${name}.conf`));
    this.#balancers[name].daemon = daemon;
  }

  /** `kill -9` of daemon, guard and all; returns the time (wall clock) and how many processes there were. */
  async killDaemon(name: BalancerName): Promise<{ readonly atMs: number; readonly processes: number }> {
    const { daemon } = this.#balancers[name];
    if (daemon === undefined) throw new Error(`${name} has no daemon`);
    this.#balancers[name].daemon = undefined;
    const atMs = wallClockMs();
    return { atMs, processes: await daemon.killEverything() };
  }

  /** Pulls or plugs the cable of a load balancer; returns the time (wall clock). */
  async setLink(name: BalancerName, link: "up" | "down"): Promise<number> {
    this.#balancers[name].link = link;
    const atMs = wallClockMs();
    await (link === "down" ? this.network.balancers[name].unplug() : this.network.balancers[name].plug());
    return atMs;
  }

  /** Waits until exactly this host holds an address, as the kernels say; returns when it came to be (wall clock). */
  async waitForHolder(address: string, host: BalancerName, sinceMs: number): Promise<number> {
    const event = await waitFor(
      () => {
        this.#failIfEnded();
        const [holder, ...others] = this.addresses.holders(address);
        if (holder !== host || others.length > 0) return undefined;
        return this.addresses.first(host, address, true, sinceMs) ?? { atMs: sinceMs };
      },
      {
        what: `${address} at ${host} alone`,
        timeoutMs: SETTLE_TIMEOUT_MS,
        found: () => ({ holders: this.addresses.holders(address), log: this.#logs() }),
      },
    );
    return event.atMs;
  }

  /** Waits until both kernels send writes to this server and reads to three. */
  async waitForTables(destination: string): Promise<void> {
    await waitFor(
      async () => {
        this.#failIfEnded();
        const tables = await Promise.all(BALANCER_NAMES.map((name) => readTable(this.network.balancers[name])));
        return tables.every((table) => {
          const weights = (service: string): string[] =>
            (table.find((found) => found.service === service)?.rows ?? [])
              .filter((row) => row.weight > 0)
              .map((row) => row.server);
          return weights(WRITE_SERVICE).join() === destination && weights(READ_SERVICE).length === 3;
        });
      },
      { what: `writes to ${destination} and three readers at both`, timeoutMs: SETTLE_TIMEOUT_MS, intervalMs: 100 },
    );
  }

  async view(): Promise<BalancerView[]> {
    return await Promise.all(
      BALANCER_NAMES.map(async (name) => {
        const { daemon, link } = this.#balancers[name];
        const status = daemon?.process.exit === undefined ? await daemon?.tryStatus() : undefined;
        const table = await readTable(this.network.balancers[name]);
        const holds = [WRITE_VIP, READ_VIP].filter((address) => this.addresses.holders(address).includes(name));
        return { name, status, table, holds, link };
      }),
    );
  }

  /** Sessions of the client through a virtual address; each of `localAddresses` is one client to the kernel. */
  async openSessions(address: string, count: number, localAddresses: readonly string[]): Promise<Program<"sessions">> {
    const args = [address, SERVICE_PORT, ...USER, count, 500, ...localAddresses];
    return await startProgram(this.network.client, "sessions", args);
  }

  async startInserts(intervalMs: number): Promise<Program<"inserts">> {
    return await startProgram(this.network.client, "inserts", [WRITE_VIP, SERVICE_PORT, ...USER, intervalMs]);
  }

  async watchTable(name: BalancerName): Promise<Program<"tableWatch">> {
    return await startProgram(this.network.balancers[name], "tableWatch", [TABLE_WATCH_MS]);
  }

  /** The daemons release everything and end; then cluster and network go. */
  async stop(): Promise<void> {
    try {
      await Promise.all(BALANCER_NAMES.map((name) => this.#balancers[name].daemon?.stop()));
      await this.addresses.stop();
      await this.cluster.stop();
    } finally {
      this.network.remove();
    }
  }

  #failIfEnded(): void {
    for (const name of BALANCER_NAMES) {
      const exit = this.#balancers[name].daemon?.process.exit;
      if (exit !== undefined)
        throw new Error(`the daemon of ${name} has ended: ${JSON.stringify(exit)}\n${this.#logs()}`);
    }
  }

  #logs(): string {
    return BALANCER_NAMES.map(
      (name) => `== ${name}\n${this.#balancers[name].daemon?.process.output.slice(-4_000)}`,
    ).join("\n");
  }
}
