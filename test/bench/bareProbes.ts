import { type ArticleNetwork, POSTGRES_NAMES, postgresAddress, REST_PORT } from "../lab/articleNetwork.ts";
import type { BareProbeLine } from "../lab/programs/bareProbe.ts";
import { startProgram } from "../lab/programs.ts";

/** V8 compiles and optimizes what an HTTP server runs in its first hundred answers: that is the stand-in's own time, a Patroni has none of it. */
const WARMING_PROBES = 100;
const BARE_PROBES = 20;

/** What one HTTP request to a stand-in takes from kad1, in ms: the least that a switch can. All stand-ins have answered many before. */
export async function bareProbes(network: ArticleNetwork, path: string): Promise<readonly number[]> {
  const timesMs: (readonly number[])[] = [];
  for (const name of POSTGRES_NAMES) {
    const args = [postgresAddress(name), REST_PORT, path, WARMING_PROBES + BARE_PROBES];
    const probes = await startProgram(network.balancers.kad1, "bareProbe", args);
    await probes.process.exited;
    timesMs.push(
      probes
        .lines()
        .flatMap((line: BareProbeLine) => line.timesMs)
        .slice(WARMING_PROBES),
    );
  }
  return timesMs.flat();
}
