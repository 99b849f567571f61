import { mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AddressWatch } from "../lab/addressWatch.ts";
import {
  type ArticleNetwork,
  type BalancerName,
  createArticleNetwork,
  POSTGRES_HOSTS,
  POSTGRES_NAMES,
  type PostgresName,
  postgresAddress,
  READ_VIP,
  REST_PORT,
  SERVICE_PORT,
  WRITE_VIP,
} from "../lab/articleNetwork.ts";
import { Failovers } from "../lab/failovers.ts";
import { ARTICLE_FOLDER, Holdfast } from "../lab/holdfast.ts";
import { readTable, rowsOf } from "../lab/ipvsTable.ts";
import { READ_SERVICE, WRITE_SERVICE } from "../lab/lab.ts";
import type { NetworkHost } from "../lab/netns.ts";
import { startProgram } from "../lab/programs.ts";
import { RealCluster } from "../lab/realCluster.ts";
import { requires } from "../lab/requires.ts";
import { roundsAsked, SOAK } from "../lab/rounds.ts";
import { monotonicUs } from "../lab/standIn/node.types.ts";
import { restReply } from "../lab/standIn/restReply.ts";
import { doubleWriters, weightedAt, withoutWriter } from "../lab/tableRecord.ts";
import { waitFor } from "../lab/wait.ts";
import { FAILOVER_STORIES, FAILOVER_TIMINGS, playFailover } from "./failoverStories.ts";

const BALANCERS = ["kad1", "kad2"] as const satisfies readonly BalancerName[];
/** What an emulated processor with other work can need for one step. */
const TIMEOUT_MS = 180_000;
/**
 * The article's 75 clients and its 30 s. Their transactions are paced: an emulated processor that selects as fast as it can
 * has nothing left for the cluster, and what is looked at is where the connections go.
 */
const CLIENTS = 75;
const BENCH_SEC = 30;
const TRANSACTIONS_PER_SEC = 75;
const ROLE = "my_user";
const DATABASE = "my_db";
const INSERTS_AFTER = 5;
/** Looks are not free for an emulated processor; closer ones are the guest tests' part, where nothing else runs. */
const TABLE_WATCH_MS = 10;
const FAILOVERS = SOAK ? FAILOVER_STORIES : FAILOVER_STORIES.slice(0, 1);
const FAILOVER_ROUNDS = roundsAsked(SOAK ? 10 : 1);

const destination = (name: PostgresName): string => `${postgresAddress(name)}:${SERVICE_PORT}`;

/**
 * The article's "Tests", one after the other, on the installation that it describes: two load balancers with its two
 * files, verbatim, before a cluster of Debian's Patroni, etcd and PostgreSQL.
 */
requires(
  "netns",
  "ipvs",
  "ipvsadm",
  "patroni",
  "etcd",
  "postgresql",
)("the article's tests on a real cluster", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-article-"));
  let network: ArticleNetwork;
  let cluster: RealCluster;
  let addresses: AddressWatch;
  const daemons = new Map<BalancerName, Holdfast>();

  /** Each daemon reads the article's file by a link, which a later test points elsewhere. */
  const link = (name: BalancerName): string => join(folder, `${name}.conf`);
  const host = (name: BalancerName): NetworkHost => network.balancers[name];
  const primary = (): PostgresName => {
    const found = cluster.primary();
    if (found === undefined) throw new Error("the cluster has no primary");
    return found;
  };
  const daemonLogs = (): string => [...daemons.values()].map(({ process }) => process.output.slice(-3_000)).join("\n");

  /** `ipvsadm -L -n` without the connection counts, which come and go. */
  const ipvsadm = async (name: BalancerName): Promise<string[]> => {
    const { stdout } = await host(name).exec("ipvsadm", ["-L", "-n"]);
    const lines = stdout.split("\n").map((line) => line.trim().replace(/\s+/g, " "));
    return lines.slice(3).flatMap((line) => (line === "" ? [] : [line.replace(/( Route \d+) \d+ \d+$/, "$1")]));
  };
  /** The article's table with `writer` as the leader; the persistence of the read service is what the file says. */
  const expectedTable = (writer: PostgresName): string[] => [
    `TCP ${WRITE_VIP}:${SERVICE_PORT} lc`,
    ...POSTGRES_NAMES.map((name) => `-> ${destination(name)} Route ${name === writer ? 50 : 0}`),
    `TCP ${READ_VIP}:${SERVICE_PORT} lc persistent 1`,
    ...POSTGRES_NAMES.map((name) => `-> ${destination(name)} Route 50`),
  ];
  const waitForTables = async (writer: PostgresName): Promise<void> => {
    for (const name of BALANCERS) {
      const expected = expectedTable(writer).sort().join("\n");
      await waitFor(async () => (await ipvsadm(name)).sort().join("\n") === expected, {
        what: `the article's table at ${name} with ${writer} as the leader`,
        timeoutMs: TIMEOUT_MS,
        intervalMs: 200,
        found: async () => `${(await ipvsadm(name)).join("\n")}\n${daemonLogs()}`,
      });
    }
  };

  beforeAll(async () => {
    network = await createArticleNetwork("article");
    cluster = await RealCluster.start(network, { rewinds: true });
    addresses = await AddressWatch.start(Object.values(network.balancers));
    for (const name of BALANCERS) {
      symlinkSync(join(ARTICLE_FOLDER, `${name}.conf`), link(name));
      daemons.set(name, await Holdfast.start(host(name), link(name)));
    }
  }, 900_000);
  const stopDaemons = async (): Promise<void> => {
    for (const daemon of daemons.values()) await daemon.stop();
    daemons.clear();
  };
  afterAll(async () => {
    await stopDaemons();
    await addresses?.stop();
    await cluster?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("each load balancer gets its address, with the article's label, and both show the article's table", async () => {
    for (const [address, name, label] of [
      [WRITE_VIP, "kad1", "eth0:1"],
      [READ_VIP, "kad2", "eth0:2"],
    ] as const) {
      await waitFor(() => addresses.holders(address).join() === name, {
        what: `${address} at ${name} alone`,
        timeoutMs: TIMEOUT_MS,
        found: daemonLogs,
      });
      const shown = (await host(name).addresses()).find((candidate) => candidate.address === address);
      expect(shown?.label).toBe(label);
    }
    await waitForTables(primary());
  });

  test("the stand-ins of the other tests say what this Patroni says, field by field", async () => {
    const ask = async (name: PostgresName): Promise<Record<string, unknown>> => {
      const program = `require("node:http").get("http://${postgresAddress(name)}:${REST_PORT}/primary", (r) => r.pipe(process.stdout))`;
      return JSON.parse((await network.client.exec(process.execPath, ["-e", program])).stdout);
    };
    for (const name of POSTGRES_NAMES) {
      const leads = name === primary();
      const standIn = restReply(
        {
          options: {
            ...{ name, address: postgresAddress(name), restPort: REST_PORT, sqlPort: SERVICE_PORT, scope: "article" },
            ...{ systemIdentifier: "1", patroniMajor: 3, members: POSTGRES_HOSTS },
            initial: standingState(leads),
          },
          state: standingState(leads),
          walPosition: 1,
          replicas: POSTGRES_HOSTS.filter((member) => member.name !== name),
          startedAt: new Date(),
          now: new Date(),
        },
        "/primary",
      );
      expect(shape(standIn.body), name).toEqual(shape(await ask(name)));
    }
  });

  test("user, database and table are made through the address for writes", async () => {
    const asPostgres = ["-h", WRITE_VIP, "-U", "postgres"];
    await cluster.client("createuser", [...asPostgres, ROLE]);
    // The insert loop asks which server it is on by a setting that is not for everybody's eyes.
    await cluster.query(WRITE_VIP, `grant pg_read_all_settings to ${ROLE}`);
    await cluster.client("createdb", [...asPostgres, "--owner", ROLE, DATABASE]);
    const statement = ["-c", "create table t1 (i int)"];
    await cluster.client("psql", ["-X", "-h", WRITE_VIP, "-U", ROLE, ...statement, DATABASE]);
    await cluster.client("pgbench", ["-h", WRITE_VIP, "-U", ROLE, "-i", DATABASE], { timeoutMs: TIMEOUT_MS });
  });

  /** The article's pgbench at an address; active connections as the kernel of its holder counts them, server by server. */
  const spreadOfBench = async (address: string, at: BalancerName, service: string): Promise<number[]> => {
    const counts = async (): Promise<number[]> => {
      const rows = rowsOf(await readTable(host(at)), service);
      return POSTGRES_NAMES.map((name) => rows.get(destination(name))?.active ?? 0);
    };
    // Least-connection counts what is still closing.
    await waitFor(async () => (await counts()).every((count) => count === 0), {
      what: "no active connection before the bench",
      timeoutMs: TIMEOUT_MS,
      intervalMs: 200,
      found: counts,
    });
    const clients = [
      "-n",
      "-S",
      "-j",
      "4",
      "-c",
      String(CLIENTS),
      "-T",
      String(BENCH_SEC),
      "-R",
      String(TRANSACTIONS_PER_SEC),
    ];
    const bench = await cluster.startClient("pgbench", ["-h", address, "-U", ROLE, ...clients, DATABASE]);
    const spread = await waitFor(
      async () => {
        const now = await counts();
        if (bench.exit !== undefined) throw new Error(`pgbench ended before all were connected:\n${bench.output}`);
        return now.reduce((sum, count) => sum + count, 0) === CLIENTS ? now : undefined;
      },
      { what: `${CLIENTS} active connections`, timeoutMs: TIMEOUT_MS, intervalMs: 100, found: counts },
    );
    expect(await bench.exited, bench.output).toEqual({ status: 0, signal: null });
    expect(bench.output).toMatch(/number of failed transactions: 0 /);
    return spread;
  };

  test("pgbench at the address for writes: all 75 on the primary", async () => {
    const expected = POSTGRES_NAMES.map((name) => (name === primary() ? CLIENTS : 0));
    expect(await spreadOfBench(WRITE_VIP, "kad1", WRITE_SERVICE)).toEqual(expected);
  });

  test("pgbench at the address for reads: persistence_timeout 1 keeps one client on one server, 75 / 0 / 0", async () => {
    const spread = await spreadOfBench(READ_VIP, "kad2", READ_SERVICE);
    expect(spread.sort((a, b) => b - a)).toEqual([CLIENTS, 0, 0]);
  });

  test("pgbench at the address for reads after a reload with persistence_timeout 0: 25 / 25 / 25", async () => {
    const original = join(ARTICLE_FOLDER, "kad2.conf");
    const variant = join(folder, "kad2-without-persistence.conf");
    writeFileSync(variant, readFileSync(original, "utf8").replaceAll("persistence_timeout 1", "persistence_timeout 0"));
    const reload = async (target: string): Promise<void> => {
      unlinkSync(link("kad2"));
      symlinkSync(target, link("kad2"));
      const daemon = daemons.get("kad2");
      expect((await daemon?.command("reload", "--run-dir", daemon.runDirectory))?.status).toBe(0);
    };
    const flags = async (): Promise<string | undefined> =>
      (await readTable(host("kad2"))).find(({ service }) => service === READ_SERVICE)?.flags;

    await reload(variant);
    await waitFor(async () => (await flags()) === "", { what: "no persistence in the kernel", timeoutMs: TIMEOUT_MS });
    expect(await spreadOfBench(READ_VIP, "kad2", READ_SERVICE)).toEqual([25, 25, 25]);
    expect(addresses.holders(READ_VIP)).toEqual(["kad2"]);
    await reload(original);
    await waitForTables(primary());
  });

  test("patronictl switchover under the article's insert loop", async () => {
    const from = primary();
    const to = POSTGRES_NAMES.find((name) => name !== from) ?? from;
    const watches = new Map(
      await Promise.all(
        BALANCERS.map(async (name) => [name, await startProgram(host(name), "tableWatch", [TABLE_WATCH_MS])] as const),
      ),
    );
    const inserts = await startProgram(network.client, "inserts", [WRITE_VIP, SERVICE_PORT, ROLE, DATABASE, 1_000]);
    await waitFor(() => inserts.lines().filter((line) => line.done).length >= 2, {
      what: "two inserts before the switchover",
      timeoutMs: TIMEOUT_MS,
      found: () => inserts.lines(),
    });

    const beganUs = monotonicUs();
    const record = await cluster.switchover(to);
    await waitForTables(to);
    const connectionsBefore = await connections(host("kad1"), from);
    const enough = (): boolean =>
      inserts.lines().filter((line) => line.done && line.node === to).length >= INSERTS_AFTER;
    await waitFor(enough, {
      what: `${INSERTS_AFTER} inserts at ${to}`,
      timeoutMs: TIMEOUT_MS,
      found: () => inserts.lines().slice(-5),
    });
    const told = await inserts.stop();

    const weightDelays: number[] = [];
    for (const [name, watch] of watches) {
      const lines = (await watch.stop()).filter((line) => line.kind === "table");
      expect(doubleWriters(lines, WRITE_SERVICE), `two writers at ${name}`).toEqual([]);
      const raisedUs = weightedAt(lines, WRITE_SERVICE, destination(to), beganUs) ?? Number.POSITIVE_INFINITY;
      weightDelays.push(raisedUs - record.promotedAtUs);
      expect(raisedUs, `weight at ${name}`).toBeLessThan(Number.POSITIVE_INFINITY);
      // Nobody has weight only between the end of one primary and the beginning of the other.
      for (const { fromUs, toUs } of withoutWriter(lines, WRITE_SERVICE)) {
        expect(fromUs, `nobody with weight at ${name} before the switchover`).toBeGreaterThan(beganUs);
        expect(fromUs, `nobody with weight at ${name} after the promotion`).toBeLessThan(record.promotedAtUs);
        expect(toUs, `nobody with weight at ${name} for long after the promotion`).toBeLessThanOrEqual(raisedUs);
      }
      const before = lines.filter((line) => line.atUs < beganUs).at(-1);
      expect(before === undefined ? [] : weightsOf(before.table), `the table at ${name} before`).toEqual(
        POSTGRES_NAMES.map((node) => (node === from ? 50 : 0)),
      );
    }

    process.stdout.write(
      `[figures] real switchover ${from} to ${to}: from the shutdown's beginning to the promotion ` +
        `${milliseconds(record.promotedAtUs - record.shutdownAtUs)}, from the promotion (as its REST API told) to the weight ` +
        `${weightDelays.map(milliseconds).join(" and ")}; ${told.filter((line) => line.done).length} inserts done, ` +
        `${told.filter((line) => !line.done).length} failed\n`,
    );
    expect(told.filter((line) => /read-only/.test(line.outcome))).toEqual([]);
    const raised = told.findIndex((line) => line.done && line.node === to);
    expect(new Set(told.slice(raised).map((line) => line.node))).toEqual(new Set([to]));
    expect(told.slice(raised).filter((line) => !line.done)).toEqual([]);
    // The kernel's own count: nothing new was sent to the demoted server since.
    expect(await connections(host("kad1"), from)).toBe(connectionsBefore);
    const rows = Number(await cluster.query(postgresAddress(to), "select count(*) from t1", DATABASE));
    expect(rows).toBeGreaterThanOrEqual(told.filter((line) => line.done).length);
    await cluster.waitUntilWhole(TIMEOUT_MS);
    await waitForTables(to);
  });

  test("stopped, both leave nothing behind: no address, no virtual server", async () => {
    for (const name of BALANCERS) {
      const daemon = daemons.get(name);
      daemons.delete(name);
      expect(await daemon?.stop(), daemon?.process.output.slice(-3_000)).toEqual({ status: 0, signal: null });
      expect(await ipvsadm(name)).toEqual([]);
      const left = (await host(name).addresses()).map(({ address }) => address);
      expect(left).not.toContain(WRITE_VIP);
      expect(left).not.toContain(READ_VIP);
    }
  });

  describe("failovers of the same cluster", () => {
    let lab: Failovers;
    beforeAll(async () => {
      await stopDaemons();
      lab = await Failovers.start(network, cluster, FAILOVER_TIMINGS);
    }, 900_000);
    afterAll(async () => await lab?.stop());

    const { first, count } = FAILOVER_ROUNDS;
    const plays = Array.from({ length: count }, (_, index) =>
      FAILOVERS.map((story) => ({ story, round: first + index })),
    );
    test.each(plays.flat().map(({ story, round }) => [story.title, round, story] as const))(
      "%s, round %i",
      async (_title, _round, story) => await playFailover(lab, story),
    );
  });
});

function milliseconds(us: number): string {
  return `${(us / 1000).toFixed(0)} ms`;
}

function weightsOf(table: Parameters<typeof rowsOf>[0]): number[] {
  const rows = rowsOf(table, WRITE_SERVICE);
  return POSTGRES_NAMES.map((name) => rows.get(destination(name))?.weight ?? -1);
}

/** Connections scheduled to a server of the write service since it was added: `ipvsadm -L -n --stats`. */
async function connections(balancer: NetworkHost, name: PostgresName): Promise<number> {
  const { stdout } = await balancer.exec("ipvsadm", [
    "-L",
    "-n",
    "--stats",
    "--exact",
    "-t",
    `${WRITE_VIP}:${SERVICE_PORT}`,
  ]);
  const row = stdout.split("\n").find((line) => line.includes(` ${destination(name)} `));
  if (row === undefined) throw new Error(`no row of ${name} in:\n${stdout}`);
  return Number(row.trim().split(/\s+/)[2]);
}

function standingState(leads: boolean): Parameters<typeof restReply>[0]["state"] {
  const role = leads ? "primary" : "replica";
  const standing = { postgres: "running", paused: false, rest: "answering", timeline: 1, leader: "pg1" } as const;
  return { ...standing, inRecovery: !leads, hasLeaderKey: leads, notedRole: role };
}

/** Names and types of all fields, nested; what may be null in one answer and a value in another counts as the same. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== "object" || value === null) return "value";
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
}
