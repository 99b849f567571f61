import { expect, test } from "vitest";
import { type ArticleNetwork, createArticleNetwork } from "../lab/articleNetwork.ts";
import { startStandIns } from "../lab/cluster.ts";
import { ARTICLE_FOLDER, Holdfast } from "../lab/holdfast.ts";
import { Keepalived } from "../lab/keepalived.ts";
import { startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import { type MeasuredSwitch, playSwitches, writersOverTime } from "../lab/switches.ts";
import { waitFor } from "../lab/wait.ts";
import { bareProbes } from "./bareProbes.ts";
import { median, printFigures, rounds, worst } from "./report.ts";

const HOLDFAST_SWITCHES = rounds(5, 20);
const KEEPALIVED_SWITCHES = rounds(3, 10);
/** A look at the table every so often; its own period is part of the figure. */
const LOOK_MS = 2;

interface Observed {
  /** What a bare probe takes, in ms. */
  readonly bare: readonly number[];
  readonly switches: readonly MeasuredSwitch[];
  /** The most servers with weight on the write service that any look showed. */
  readonly writersMax: number;
}

async function observe(
  network: ArticleNetwork,
  count: number,
  start: () => Promise<{ stop(): Promise<unknown> }>,
): Promise<Observed> {
  const cluster = await startStandIns(network);
  const bare = await bareProbes(network, "/primary");
  const watch = await startProgram(network.balancers.kad1, "tableWatch", [LOOK_MS]);
  const director = await start();
  try {
    await waitFor(() => writersOverTime(watch).at(-1)?.length === 1, { what: "one writer", timeoutMs: 120_000 });
    const settledAt = writersOverTime(watch).length;
    const switches = await playSwitches(cluster.nodes, watch, count);
    const writersMax = Math.max(
      ...writersOverTime(watch)
        .slice(settledAt - 1)
        .map((servers) => servers.length),
    );
    return { bare, switches, writersMax };
  } finally {
    await director.stop();
    await watch.stop();
    await cluster.stop();
  }
}

requires("ipvs", "keepalived")("role switch: from the first confirmed answer to the weight in the kernel", () => {
  test(`${HOLDFAST_SWITCHES} switches by holdfast, ${KEEPALIVED_SWITCHES} by keepalived, in one run`, async () => {
    const network = await createArticleNetwork("bench-switch");
    const file = `${ARTICLE_FOLDER}/kad1.conf`;
    try {
      const { kad1 } = network.balancers;
      const ours = await observe(network, HOLDFAST_SWITCHES, async () => {
        const daemon = await Holdfast.start(kad1, file);
        await daemon.ready();
        return daemon;
      });
      const theirs = await observe(network, KEEPALIVED_SWITCHES, () => Keepalived.start(kad1, file));
      const mine = ours.switches.map(({ latencyMs }) => latencyMs);
      const others = theirs.switches.map(({ latencyMs }) => latencyMs);
      printFigures(`role switch (${HOLDFAST_SWITCHES} and ${KEEPALIVED_SWITCHES} switches)`, [
        { what: "bare probe, median", value: median(ours.bare), unit: "ms" },
        { what: "bare probe, worst", value: worst(ours.bare), unit: "ms" },
        { what: "holdfast, median", value: median(mine), unit: "ms", goalAtMost: 40 },
        { what: "holdfast, worst", value: worst(mine), unit: "ms", goalAtMost: 80 },
        { what: "holdfast, the first one", value: mine[0] ?? Number.NaN, unit: "ms" },
        { what: "keepalived, median", value: median(others), unit: "ms" },
        { what: "keepalived, worst", value: worst(others), unit: "ms" },
        { what: "holdfast: most writers at once", value: ours.writersMax, unit: "", goalAtMost: 1 },
        { what: "keepalived: most writers at once", value: theirs.writersMax, unit: "" },
      ]);
      process.stdout.write(`  holdfast, each in order: ${mine.map((value) => value.toFixed(0)).join(" ")} ms\n`);
      expect(ours.writersMax).toBe(1);
      expect(ours.switches).toHaveLength(HOLDFAST_SWITCHES);
    } finally {
      network.remove();
    }
  }, 1_200_000);
});
