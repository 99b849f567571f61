import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ArticleNetwork,
  createArticleNetwork,
  postgresAddress,
  SERVICE_PORT,
  WRITE_VIP,
} from "../lab/articleNetwork.ts";
import { type LabCluster, startStandIns } from "../lab/cluster.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { readTable, weighted } from "../lab/ipvsTable.ts";
import { patroniService } from "../lab/patroniService.ts";
import { type Program, startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import type { StandInCluster } from "../lab/standIn/cluster.ts";
import { tableLines, WRITE_SERVICE } from "../lab/switches.ts";
import { waitFor } from "../lab/wait.ts";

const OWN = "10.0.2.1";
const TOKEN = "a-secret-of-the-callbacks";
/** Nobody would be asked by itself while the test lasts. */
const DELAY_LOOP_SEC = 1_200;

function configuration(tokenFile: string): string {
  const timing = [`delay_loop ${DELAY_LOOP_SEC}`, "role_watch 0"];
  return (
    `global_defs {\n  kick_listen ${OWN} 8009\n  kick_token_file ${tokenFile}\n}\n` +
    patroniService(WRITE_VIP, ["role primary"], timing)
  );
}

requires("ipvs")("a kick where checks ask every twenty minutes", () => {
  let folder: string;
  let network: ArticleNetwork;
  let cluster: LabCluster & { readonly nodes: StandInCluster };
  let daemon: Holdfast;
  let watch: Program<"tableWatch">;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-kick-"));
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    writeFileSync(join(folder, "holdfast.conf"), configuration(tokenFile));
    network = await createArticleNetwork("kick");
    cluster = await startStandIns(network);
    watch = await startProgram(network.balancers.kad1, "tableWatch", [2]);
    daemon = await Holdfast.start(network.balancers.kad1, join(folder, "holdfast.conf"));
    await daemon.ready();
    await holds("pg1");
  });
  afterAll(async () => {
    await daemon?.stop();
    await watch?.stop();
    await cluster?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const writers = async (): Promise<string> => weighted(await readTable(network.balancers.kad1), WRITE_SERVICE).join();
  const holds = (name: "pg1" | "pg2" | "pg3"): Promise<boolean> =>
    waitFor(async () => (await writers()) === `${postgresAddress(name)}:${SERVICE_PORT}`, {
      what: `${name} to have the weight`,
      timeoutMs: 60_000,
      found: () => daemon.process.output,
    });
  const asked = async (name: string): Promise<number> => (await cluster.nodes.counters(name)).probes["/leader"] ?? 0;
  /** As the callback of docs/patroni.md does it on a node. */
  const callback = async (node: "pg1" | "pg2" | "pg3"): Promise<string> => {
    const words = ["-sS", "-m", "10", "-X", "POST", "-H", `Authorization: Bearer ${TOKEN}`];
    return (await network.postgres[node].exec("curl", [...words, `http://${OWN}:8009/kick`])).stdout;
  };

  test("without a switch asks every member once, and changes nothing", async () => {
    const before = await Promise.all(cluster.nodes.names.map(asked));
    const lines = tableLines(watch).length;
    expect(await callback("pg3")).toContain(WRITE_SERVICE);
    await waitFor(async () => (await asked("pg1")) > (before[0] ?? 0), { what: "the question", timeoutMs: 30_000 });
    await waitFor(
      async () =>
        (await daemon.status()).services.every(({ servers }) => servers.every(({ verdict }) => verdict !== "unknown")),
      { what: "all answers", timeoutMs: 30_000 },
    );
    const status = await daemon.status();
    expect(status.services[0]).toMatchObject({ holder: `10.0.2.3:${SERVICE_PORT}`, hunting: false });
    expect(status.events.find(({ kind }) => kind === "kick")?.message).toContain("kicked by HTTP from 10.0.2.5");
    expect(await Promise.all(cluster.nodes.names.map(asked))).toEqual(before.map((count) => count + 1));
    expect(tableLines(watch)).toHaveLength(lines);
  });

  test("behind a switch moves the weight, which nothing else would have for twenty minutes", async () => {
    await cluster.nodes.switchover("pg2");
    await cluster.settled();
    const before = await asked("pg2");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(await writers()).toBe(`10.0.2.3:${SERVICE_PORT}`);
    expect(await asked("pg2")).toBe(before);
    await callback("pg2");
    await holds("pg2");
  });

  test("holdfast kick does the same, for one service or all", async () => {
    await cluster.nodes.switchover("pg3");
    await cluster.settled();
    const wrong = await daemon.command("kick", "10.0.2.99:1", "--run-dir", daemon.runDirectory).catch(String);
    expect(JSON.stringify(wrong)).toContain("there is no service 10.0.2.99:1");
    const { stdout } = await daemon.command("kick", `${WRITE_VIP}:${SERVICE_PORT}`, "--run-dir", daemon.runDirectory);
    expect(stdout).toBe(`the checks of these services ask now: ${WRITE_SERVICE}\n`);
    await holds("pg3");
  });

  test("whoever kicks without an end makes a member answer a question a second, not more", async () => {
    const before = await asked("pg1");
    const startedMs = performance.now();
    for (let sent = 0; sent < 20; sent += 1) await callback("pg1");
    const tookSec = (performance.now() - startedMs) / 1_000;
    const { requests } = (await daemon.status()).kickDoor ?? { requests: [] };
    expect(requests.find(({ labels }) => labels.result === "kicked")?.count).toBeGreaterThanOrEqual(20);
    expect((await asked("pg1")) - before).toBeLessThanOrEqual(7 + tookSec);
  });
});
