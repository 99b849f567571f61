import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ArticleNetwork,
  createArticleNetwork,
  POSTGRES_HOSTS,
  READ_VIP,
  SERVICE_PORT,
  WRITE_VIP,
} from "../lab/articleNetwork.ts";
import { type LabCluster, startStandIns } from "../lab/cluster.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { readTable, weighted } from "../lab/ipvsTable.ts";
import { patroniService } from "../lab/patroniService.ts";
import { type Program, startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import { SOAK } from "../lab/rounds.ts";
import type { StandInCluster } from "../lab/standIn/cluster.ts";
import { playSwitches, WRITE_SERVICE, writersOverTime } from "../lab/switches.ts";
import { waitFor } from "../lab/wait.ts";

const SWITCHES = SOAK ? 30 : 3;
const READ_SERVICE = `TCP ${READ_VIP}:${SERVICE_PORT}`;

/** The article's two services, checked once each by the native checker. */
function configuration(): string {
  return patroniService(WRITE_VIP, ["role primary"]) + patroniService(READ_VIP, ["role replica", "max_lag 16MB"]);
}

requires("ipvs")(`both services by patroni { ... } (${SWITCHES} switches)`, () => {
  let folder: string;
  let network: ArticleNetwork;
  let cluster: LabCluster & { readonly nodes: StandInCluster };
  let daemon: Holdfast;
  let watch: Program<"tableWatch">;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-patroni-"));
    writeFileSync(join(folder, "holdfast.conf"), configuration());
    network = await createArticleNetwork("native");
    cluster = await startStandIns(network);
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

  /** Who leads and who follows, as the table has it. */
  const isSettled = async (): Promise<boolean> => {
    const table = await readTable(network.balancers.kad1);
    const [primary] = cluster.nodes.primaries();
    const leader = POSTGRES_HOSTS.find(({ name }) => name === primary)?.address;
    const others = POSTGRES_HOSTS.map(({ address }) => address).filter((address) => address !== leader);
    const inOrder = (service: string): string => weighted(table, service).toSorted().join();
    return (
      inOrder(WRITE_SERVICE) === `${leader}:${SERVICE_PORT}` &&
      inOrder(READ_SERVICE) === others.map((address) => `${address}:${SERVICE_PORT}`).join()
    );
  };
  const settled = (): Promise<boolean> =>
    waitFor(isSettled, {
      what: "both services to follow the cluster",
      timeoutMs: 60_000,
      found: () => daemon.process.output,
    });

  test("writes go to the primary and reads to the replicas, from the first programming on", async () => {
    await settled();
    const first = writersOverTime(watch).map((servers) => servers.join());
    expect(new Set(first.filter((servers) => servers !== ""))).toEqual(new Set([`10.0.2.3:${SERVICE_PORT}`]));
    const [writers, readers] = (await daemon.status()).services;
    expect(writers).toMatchObject({ exclusive: true, holder: `10.0.2.3:${SERVICE_PORT}` });
    expect(readers?.servers.map(({ role, verdict }) => `${role} ${verdict}`)).toEqual([
      "master down",
      "replica up",
      "replica up",
    ]);
    expect(readers?.servers.map(({ lagBytes }) => lagBytes === undefined)).toEqual([true, false, false]);
    expect((await daemon.command("status", "--run-dir", daemon.runDirectory)).stdout).toMatch(
      /replica, timeline \d+, lag /,
    );
  });

  test("both follow every switchover, never two writers, and one question serves both", async () => {
    const measured = await playSwitches(cluster.nodes, watch, SWITCHES);
    expect(Math.max(...writersOverTime(watch).map((servers) => servers.length))).toBe(1);
    for (const { latencyMs, to } of measured)
      expect(latencyMs, `weight for ${to} before its promotion`).toBeGreaterThan(0);
    await settled();
    for (const name of cluster.nodes.names) {
      expect(Object.keys((await cluster.nodes.counters(name)).probes)).toEqual(["/leader"]);
    }
  });
});
