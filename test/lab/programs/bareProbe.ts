/** `node bareProbe.js HOST PORT PATH COUNT`: one HTTP request after the other, each on a connection of its own; one JSON line with their times. */
import { get } from "node:http";

export interface BareProbeLine {
  readonly timesMs: readonly number[];
}

function once(host: string, port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const begunMs = performance.now();
    get({ host, port, path, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(performance.now() - begunMs));
    }).on("error", reject);
  });
}

const [host = "", port = "", path = "", count = ""] = process.argv.slice(2);
const timesMs: number[] = [];
for (let i = 0; i < Number(count); i++) timesMs.push(await once(host, Number(port), path));
process.stdout.write(`${JSON.stringify({ timesMs } satisfies BareProbeLine)}\n`);
