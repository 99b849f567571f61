import { type ArticleNetwork, postgresAddress, REST_PORT } from "../lab/articleNetwork.ts";
import { startStandIns } from "../lab/cluster.ts";
import type { BareProbeLine } from "../lab/programs/bareProbe.ts";
import { startProgram } from "../lab/programs.ts";

const BARE_PROBES = 20;

/** What one HTTP request to a stand-in takes from kad1, in ms: the least that a switch can. */
export async function bareProbes(network: ArticleNetwork, path: string): Promise<readonly number[]> {
  const cluster = await startStandIns(network);
  try {
    const args = [postgresAddress("pg1"), REST_PORT, path, BARE_PROBES];
    const probes = await startProgram(network.balancers.kad1, "bareProbe", args);
    await probes.process.exited;
    return probes.lines().flatMap((line: BareProbeLine) => line.timesMs);
  } finally {
    await cluster.stop();
  }
}
