import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ArticleNetwork,
  createArticleNetwork,
  POSTGRES_HOSTS,
  READ_VIP,
  REST_PORT,
  SERVICE_PORT,
  WRITE_VIP,
} from "../lab/articleNetwork.ts";
import { type LabCluster, startStandIns } from "../lab/cluster.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { readTable, rowsOf } from "../lab/ipvsTable.ts";
import { type Program, startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import type { StandInCluster } from "../lab/standIn/cluster.ts";
import { WRITE_SERVICE, writersOverTime } from "../lab/switches.ts";
import { waitFor } from "../lab/wait.ts";

const READ_SERVICE = `TCP ${READ_VIP}:${SERVICE_PORT}`;

/** No real server is written. */
const service = (address: string, role: string): string =>
  `virtual_server ${address} ${SERVICE_PORT} {\n  lvs_method DR\n  lvs_sched lc\n  protocol TCP\n  weight 50\n` +
  `  inhibit_on_failure\n  patroni {\n    port ${REST_PORT}\n    role ${role}\n  }\n` +
  "  patroni_cluster 10.0.2.3 10.0.2.4 interval 1\n}\n";

requires("ipvs")("services whose servers are the members of a cluster", () => {
  let folder: string;
  let network: ArticleNetwork;
  let cluster: LabCluster & { readonly nodes: StandInCluster };
  let daemon: Holdfast;
  let watch: Program<"tableWatch">;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-discovery-"));
    writeFileSync(join(folder, "holdfast.conf"), service(WRITE_VIP, "primary") + service(READ_VIP, "replica"));
    network = await createArticleNetwork("members");
    cluster = await startStandIns(network);
    await list("pg1", "pg2");
    watch = await startProgram(network.balancers.kad1, "tableWatch", [2]);
    daemon = await Holdfast.start(network.balancers.kad1, join(folder, "holdfast.conf"));
    await daemon.ready();
  });
  afterAll(async () => {
    await daemon?.stop();
    await watch?.stop();
    await cluster?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What every node's /cluster says from now on. */
  const answer = async (clusterAnswer: object | undefined): Promise<void> => {
    for (const name of cluster.nodes.names) await cluster.nodes.set(name, { clusterAnswer });
  };
  const list = (...names: string[]): Promise<void> => {
    const members = POSTGRES_HOSTS.filter(({ name }) => names.includes(name)).map(({ name, address }) => ({
      ...{ name, role: name === "pg1" ? "leader" : "replica", state: "running" },
      ...{ api_url: `http://${address}:${REST_PORT}/patroni`, host: address, port: SERVICE_PORT, timeline: 1 },
    }));
    return answer({ members });
  };
  const rows = async (name: string): Promise<string> => {
    const found = rowsOf(await readTable(network.balancers.kad1), name);
    return [...found.values()].map(({ server, weight }) => `${server.replace(/:\d+$/, "")}=${weight}`).join(" ");
  };
  const becomes = (name: string, wanted: string): Promise<boolean> =>
    waitFor(async () => (await rows(name)) === wanted, {
      what: `${name} to be ${wanted}`,
      timeoutMs: 60_000,
      found: async () => `${await rows(name)}\n${daemon.process.output}`,
    });
  const membersProblem = async (words: string): Promise<void> => {
    await daemon.waitForStatus(`the problem ${words}`, ({ services }) =>
      services.every(({ members }) => members?.problem?.includes(words) === true),
    );
  };

  test("are there with the first programming, and the replica never had weight in the service of writers", async () => {
    await becomes(WRITE_SERVICE, "10.0.2.3=50 10.0.2.4=0");
    await becomes(READ_SERVICE, "10.0.2.3=0 10.0.2.4=50");
    const first = writersOverTime(watch).map((servers) => servers.join());
    expect(new Set(first.filter((servers) => servers !== ""))).toEqual(new Set([`10.0.2.3:${SERVICE_PORT}`]));
    const { stdout } = await daemon.command("status", "--run-dir", daemon.runDirectory);
    expect(stdout).toMatch(/members of article: 2 known, told by 10\.0\.2\.[34]:8010 \d+ s ago/);
  });

  test("a member that joins gets connections when its own check has passed", async () => {
    await list("pg1", "pg2", "pg3");
    await becomes(READ_SERVICE, "10.0.2.3=0 10.0.2.4=50 10.0.2.5=50");
    await becomes(WRITE_SERVICE, "10.0.2.3=50 10.0.2.4=0 10.0.2.5=0");
  });

  test("garbage, no members, and nobody who answers leave the list, and are told", async () => {
    for (const [body, words] of [
      [{ members: [] }, "lists no member"],
      [{ members: 7 }, "no list of members"],
      [{ members: [{ name: "pg9" }] }, "tells no address"],
    ] as const) {
      await answer(body);
      await membersProblem(words);
      expect(await rows(READ_SERVICE)).toBe("10.0.2.3=0 10.0.2.4=50 10.0.2.5=50");
    }
    for (const name of ["pg1", "pg2"]) await cluster.nodes.set(name, { clusterAnswer: { unreachable: true } });
    await membersProblem("HTTP 503");
    expect(await rows(READ_SERVICE)).toBe("10.0.2.3=0 10.0.2.4=50 10.0.2.5=50");
    expect(await rows(WRITE_SERVICE)).toBe("10.0.2.3=50 10.0.2.4=0 10.0.2.5=0");
    const { stdout } = await daemon.command("metrics", "--run-dir", daemon.runDirectory);
    expect(stdout).toContain(`holdfast_service_members_problem{service="${READ_SERVICE}"} 1\n`);
    await list("pg1", "pg2", "pg3");
    await daemon.waitForStatus("the list to be taken again", ({ services }) =>
      services.every(({ members }) => members?.problem === undefined),
    );
  });

  test("one that is no longer listed stays while it answers for itself, and goes when it does not", async () => {
    await list("pg1", "pg2");
    await daemon.waitForStatus("the word that it stays", ({ events }) =>
      events.some(
        ({ message }) => message.startsWith(READ_SERVICE) && message.includes("it stays: its own check passes"),
      ),
    );
    expect(await rows(READ_SERVICE)).toBe("10.0.2.3=0 10.0.2.4=50 10.0.2.5=50");
    await cluster.nodes.set("pg3", { rest: "closed", postgres: "stopped" });
    await becomes(READ_SERVICE, "10.0.2.3=0 10.0.2.4=50");
    await becomes(WRITE_SERVICE, "10.0.2.3=50 10.0.2.4=0");
  });

  test("holdfast forget: the next list decides whose cluster it is, at once", async () => {
    const { stdout } = await daemon.command("forget", `${WRITE_VIP}:${SERVICE_PORT}`, "--run-dir", daemon.runDirectory);
    expect(stdout).toBe(`${WRITE_SERVICE}: the next list of members decides whose cluster it is\n`);
    await daemon.waitForStatus("the list that has decided", ({ events }) =>
      events.some(
        ({ message }) =>
          message.startsWith(WRITE_SERVICE) && message.includes("it follows the cluster article, database system"),
      ),
    );
    await becomes(WRITE_SERVICE, "10.0.2.3=50 10.0.2.4=0");
  });

  test("a restart after kill -9, while nobody tells the list, keeps the table", async () => {
    for (const name of cluster.nodes.names) await cluster.nodes.set(name, { clusterAnswer: { unreachable: true } });
    await daemon.killEverything();
    const { runDirectory } = daemon;
    const before = writersOverTime(watch).length;
    daemon = await Holdfast.start(network.balancers.kad1, join(folder, "holdfast.conf"), runDirectory);
    await daemon.waitForStatus("all verdicts", ({ services }) =>
      services.every(({ servers }) => servers.length === 2 && servers.every(({ verdict }) => verdict !== "unknown")),
    );
    expect(await rows(WRITE_SERVICE)).toBe("10.0.2.3=50 10.0.2.4=0");
    expect(await rows(READ_SERVICE)).toBe("10.0.2.3=0 10.0.2.4=50");
    const writers = writersOverTime(watch).slice(before);
    expect(
      writers.filter((each) => each.join() !== `10.0.2.3:${SERVICE_PORT}`),
      daemon.process.output,
    ).toEqual([]);
  });
});
