import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ControlAnswer } from "../../src/daemon/control.types.ts";
import { PATRONI_PATH } from "../../src/health/patroniCheck.ts";
import { askDaemon, controlSocketPath } from "../../src/io/controlSocket.ts";
import { type ArticleNetwork, createArticleNetwork, WRITE_VIP } from "../lab/articleNetwork.ts";
import { startStandIns } from "../lab/cluster.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { patroniService } from "../lab/patroniService.ts";
import { type Program, startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import type { StandInCluster } from "../lab/standIn/cluster.ts";
import { monotonicUs } from "../lab/standIn/node.types.ts";
import { MEASURED_TIMES, playSwitches, soleWriter, successor, writersOverTime } from "../lab/switches.ts";
import { waitFor } from "../lab/wait.ts";
import { bareProbes } from "./bareProbes.ts";
import { median, printFigures, rounds, worst } from "./report.ts";

const SWITCHES = rounds(5, 50);
const KICKS = rounds(3, 20);
const LOOK_MS = 2;
/** Kicks come less often than once a second: what a daemon takes at once is measured, not what it keeps waiting. */
const KICKED_TIMES = { ...MEASURED_TIMES, returnMs: 1_500 };
/** Nobody asks by itself while kicks are measured. */
const NEVER_SEC = 1_200;

/** The article's write service with the native checker. `asks`: by itself, as by default, or only when kicked. */
function writeService(asks: "by itself" | "when kicked"): string {
  const timing = asks === "by itself" ? ["delay_loop 1"] : [`delay_loop ${NEVER_SEC}`, "role_watch 0"];
  return patroniService(WRITE_VIP, ["role primary"], timing);
}

interface Scene {
  readonly cluster: StandInCluster;
  readonly watch: Program<"tableWatch">;
  readonly daemon: Holdfast;
}

/** Lets a daemon with this service stand in front of a cluster of stand-ins; what is played begins with one writer. */
async function onStage<Result>(
  network: ArticleNetwork,
  configuration: string,
  play: (scene: Scene) => Promise<Result>,
): Promise<{ readonly bare: readonly number[]; readonly result: Result; readonly writersMax: number }> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-patroni-"));
  const file = join(folder, "holdfast.conf");
  writeFileSync(file, configuration);
  const standIns = await startStandIns(network);
  const bare = await bareProbes(network, PATRONI_PATH);
  const watch = await startProgram(network.balancers.kad1, "tableWatch", [LOOK_MS]);
  const daemon = await Holdfast.start(network.balancers.kad1, file);
  try {
    await daemon.ready();
    await waitFor(() => writersOverTime(watch).at(-1)?.length === 1, { what: "one writer", timeoutMs: 120_000 });
    const settledAt = writersOverTime(watch).length;
    const result = await play({ cluster: standIns.nodes, watch, daemon });
    const writers = writersOverTime(watch).slice(settledAt - 1);
    return { bare, result, writersMax: worst(writers.map((servers) => servers.length)) };
  } finally {
    await daemon.stop();
    await watch.stop();
    await standIns.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Right behind each promotion a kick over the control socket, as `holdfast kick` sends it: from there to the weight in the kernel, in ms. */
async function playKicks({ cluster, watch, daemon }: Scene, count: number): Promise<readonly number[]> {
  const tookMs: number[] = [];
  for (let played = 0; played < count; played += 1) {
    const to = successor(cluster);
    const { returned } = await cluster.switchover(to, KICKED_TIMES);
    const kickedAtUs = monotonicUs();
    const answer = (await askDaemon(controlSocketPath(daemon.runDirectory), { command: "kick" })) as ControlAnswer;
    if (!answer.ok) throw new Error(answer.error);
    const line = await soleWriter(watch, to, kickedAtUs);
    tookMs.push((line.atUs - kickedAtUs) / 1_000);
    await returned;
  }
  return tookMs;
}

requires("ipvs")("role switch through the patroni checker", () => {
  test(`${SWITCHES} switches, and ${KICKS} by kick`, async () => {
    const network = await createArticleNetwork("bench-patroni");
    try {
      const own = await onStage(network, writeService("by itself"), ({ cluster, watch }) =>
        playSwitches(cluster, watch, SWITCHES),
      );
      const kicked = await onStage(network, writeService("when kicked"), (scene) => playKicks(scene, KICKS));
      const switches = own.result.map(({ latencyMs }) => latencyMs);
      const kickGoal = median(own.bare) + 5;
      printFigures(`role switch through the patroni checker (${SWITCHES} switches, ${KICKS} kicks)`, [
        { what: "bare probe, median", value: median(own.bare), unit: "ms" },
        { what: "from the first confirmed answer, median", value: median(switches), unit: "ms", goalAtMost: 40 },
        { what: "from the first confirmed answer, worst", value: worst(switches), unit: "ms", goalAtMost: 80 },
        {
          what: "from the kick, median",
          value: median(kicked.result),
          unit: "ms",
          goalAtMost: Number(kickGoal.toFixed(1)),
        },
        { what: "from the kick, worst", value: worst(kicked.result), unit: "ms" },
        { what: "most writers at once", value: Math.max(own.writersMax, kicked.writersMax), unit: "", goalAtMost: 1 },
      ]);
      const inOrder = (values: readonly number[]): string => values.map((value) => value.toFixed(0)).join(" ");
      process.stdout.write(`  switches in order: ${inOrder(switches)} ms; kicks: ${inOrder(kicked.result)} ms\n`);
      expect(own.writersMax).toBe(1);
      expect(kicked.writersMax).toBe(1);
      expect(switches).toHaveLength(SWITCHES);
    } finally {
      network.remove();
    }
  }, 1_200_000);
});
