import { afterAll, beforeAll, expect, test } from "vitest";
import { type ArticleNetwork, createArticleNetwork, postgresAddress, SERVICE_PORT } from "../lab/articleNetwork.ts";
import { type LabCluster, startStandIns } from "../lab/cluster.ts";
import { ARTICLE_FOLDER, Holdfast } from "../lab/holdfast.ts";
import { readTable, weighted } from "../lab/ipvsTable.ts";
import { type Program, startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import { SOAK } from "../lab/rounds.ts";
import type { StandInCluster } from "../lab/standIn/cluster.ts";
import { playSwitches, tableLines, WRITE_SERVICE, writersOverTime } from "../lab/switches.ts";
import { waitFor } from "../lab/wait.ts";

/** 50 for the proof, fewer in every run of the tests. */
const SWITCHES = SOAK ? 50 : 6;

requires("ipvs")(`the write service under the article's file (${SWITCHES} switches)`, () => {
  let network: ArticleNetwork;
  let cluster: LabCluster & { readonly nodes: StandInCluster };
  let daemon: Holdfast;
  let watch: Program<"tableWatch">;

  beforeAll(async () => {
    network = await createArticleNetwork("switch");
    cluster = await startStandIns(network);
    watch = await startProgram(network.balancers.kad1, "tableWatch", [2]);
    daemon = await Holdfast.start(network.balancers.kad1, `${ARTICLE_FOLDER}/kad1.conf`);
    await daemon.ready();
  });
  afterAll(async () => {
    await daemon?.stop();
    await watch?.stop();
    await cluster?.stop();
    network?.remove();
  });

  const server = (name: "pg1" | "pg2" | "pg3"): string => `${postgresAddress(name)}:${SERVICE_PORT}`;
  const current = async (): Promise<string[]> => weighted(await readTable(network.balancers.kad1), WRITE_SERVICE);

  test("at the start no replica ever had weight: first verdicts come before the first programming", async () => {
    await waitFor(async () => (await current()).join() === server("pg1"), { what: "the primary to have the weight" });
    const sets = writersOverTime(watch).map((servers) => servers.join());
    expect(new Set(sets.filter((servers) => servers !== ""))).toEqual(new Set([server("pg1")]));
  });

  test("never two writers while the role moves, and the weight follows the promotion, not the key", async () => {
    const measured = await playSwitches(cluster.nodes, watch, SWITCHES);
    expect(measured).toHaveLength(SWITCHES);
    expect(Math.max(...writersOverTime(watch).map((servers) => servers.length))).toBe(1);
    for (const { latencyMs, to } of measured)
      expect(latencyMs, `weight for ${to} before its promotion`).toBeGreaterThan(0);
  });

  test("two claimants: the incumbent stays, it is an alarm, and the other one never gets weight", async () => {
    const [incumbent] = cluster.nodes.primaries();
    const rival = cluster.nodes.names.find((name) => name !== incumbent);
    if (incumbent === undefined || rival === undefined) throw new Error("one primary, two others");
    const before = tableLines(watch).length;
    const { timeline } = cluster.nodes.state(incumbent);
    await cluster.nodes.claim(rival, timeline);
    const status = await daemon.waitForStatus("the conflict", (seen) => seen.services.some(({ conflict }) => conflict));
    expect(status.events.some(({ kind }) => kind === "conflict")).toBe(true);
    expect(writersOverTime(watch).slice(before).flat()).not.toContain(server(rival as "pg1"));
    expect(await current()).toEqual([server(incumbent as "pg1")]);
    await cluster.nodes.follow(rival);
    await daemon.waitForStatus("the end of the conflict", (seen) => seen.services.every(({ conflict }) => !conflict));
  });

  test("two claimants: a higher timeline of the same cluster wins", async () => {
    const [incumbent] = cluster.nodes.primaries();
    const rival = cluster.nodes.names.find((name) => name !== incumbent);
    if (incumbent === undefined || rival === undefined) throw new Error("one primary, two others");
    await cluster.nodes.claim(rival, cluster.nodes.state(incumbent).timeline + 1);
    await waitFor(async () => (await current()).join() === server(rival as "pg1"), {
      what: "the newer primary to have the weight",
    });
    expect(Math.max(...writersOverTime(watch).map((servers) => servers.length))).toBe(1);
    await cluster.nodes.follow(incumbent);
  });

  test("a restart over the working table changes nothing in it, and drift is repaired within 5 s", async () => {
    const weight = await current();
    await daemon.killEverything();
    const before = tableLines(watch).length;
    const { runDirectory } = daemon;
    daemon = await Holdfast.start(network.balancers.kad1, `${ARTICLE_FOLDER}/kad1.conf`, runDirectory);
    await daemon.waitForStatus("all verdicts", (seen) =>
      seen.services.every(
        ({ servers }) => servers.length === 3 && servers.every(({ verdict }) => verdict !== "unknown"),
      ),
    );
    expect(await current()).toEqual(weight);
    const seen = writersOverTime(watch).slice(before);
    expect(
      seen.filter((servers) => servers.join() !== weight.join()),
      daemon.process.output,
    ).toEqual([]);

    await network.balancers.kad1.exec("ipvsadm", ["-A", "-t", "10.0.2.77:80", "-s", "rr"]);
    const foreign = (await readTable(network.balancers.kad1)).find(({ service }) => service === "TCP 10.0.2.77:80");
    await network.balancers.kad1.exec("ipvsadm", ["-D", "-t", "10.0.2.10:5432"]);
    const brokenAtMs = performance.now();
    await waitFor(async () => (await current()).join() === weight.join(), { what: "the repair", timeoutMs: 30_000 });
    const tookMs = performance.now() - brokenAtMs;
    expect(tookMs).toBeLessThan(5_000);
    const status = await daemon.status();
    expect(status.services.map(({ drifts }) => drifts)).toEqual([1, 0]);
    expect(status.events.find(({ kind }) => kind === "drift")?.message).toContain("10.0.2.10:5432 is missing");
    expect((await readTable(network.balancers.kad1)).find(({ service }) => service === "TCP 10.0.2.77:80")).toEqual(
      foreign,
    );
  });

  test("a handover changes nothing in the table, and the successor knows every verdict", async () => {
    const weight = await current();
    const table = await readTable(network.balancers.kad1);
    const { processId } = await daemon.status();
    const before = tableLines(watch).length;
    const told = await daemon.command("handover", "--run-dir", daemon.runDirectory);
    const after = await daemon.status();
    expect(told.stdout).toBe(`handed over to process ${after.processId}\n`);
    expect(after.processId).not.toBe(processId);
    expect(after.services.flatMap(({ servers }) => servers.map(({ verdict }) => verdict))).not.toContain("unknown");
    // It looks for drift every two seconds, and would write what it believes to be missing.
    const lookedMs = performance.now() + 5_000;
    await waitFor(() => performance.now() >= lookedMs, { what: "two looks of the successor", timeoutMs: 10_000 });
    expect((await daemon.status()).services.map(({ drifts, inSync }) => [drifts, inSync])).toEqual([
      [0, true],
      [0, true],
    ]);
    expect(await current()).toEqual(weight);
    expect(await readTable(network.balancers.kad1)).toEqual(table);
    expect(tableLines(watch).slice(before)).toEqual([]);
  });

  test("SIGTERM releases everything of ours and leaves what is foreign", async () => {
    await daemon.stop();
    expect((await readTable(network.balancers.kad1)).map(({ service }) => service)).toEqual(["TCP 10.0.2.77:80"]);
  });
});
