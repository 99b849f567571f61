import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { SOAK } from "../lab/rounds.ts";
import { waitFor } from "../lab/wait.ts";
import { vipsOf } from "./combinations.ts";
import type { StreamLine } from "./programs/streams.ts";
import { type Pair, Stage } from "./stage.ts";

/** Hand-overs in a row, and then as many upgrades. */
const COUNT = SOAK ? 20 : 2;
const CONNECTIONS = 200;
const PORT = 7_000;
const STREAMS = join(projectRoot, "dist-test/test/chaos/programs/streams.js");
const OTHER_VERSION = "0.1.1-other";

/** A second folder with the program, of another version. */
function installElsewhere(folder: string): string {
  for (const part of ["dist", "build/Release"])
    cpSync(join(projectRoot, part), join(folder, part), { recursive: true });
  symlinkSync(join(projectRoot, "node_modules"), join(folder, "node_modules"));
  const description = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as object;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...description, version: OTHER_VERSION }));
  return join(folder, "dist/main.js");
}

/** The program is replaced again and again beneath connections that stream; nobody sees it. */
requires(
  "netns",
  "keepalived",
  "tshark",
)(`${COUNT} hand-overs and ${COUNT} upgrades in a row with ${CONNECTIONS} connections`, () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-elsewhere-"));
  let stage: Stage;
  let programs: readonly string[];

  beforeAll(async () => {
    programs = [installElsewhere(folder), join(projectRoot, "dist/main.js")];
    stage = await Stage.open("upgrades", ["client"]);
  });
  afterEach(async () => await stage.clear());
  afterAll(async () => {
    await stage?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function handOver(pair: Pair, ...more: readonly string[]): Promise<string> {
    const told = await pair.holder.command("handover", "--run-dir", pair.holder.runDirectory, ...more);
    const status = await pair.holder.status();
    expect(told.stdout).toBe(`handed over to process ${status.processId}\n`);
    expect(status.vrrp.instances.map(({ state }) => state)).toEqual(vipsOf(pair.combination).map(() => "MASTER"));
    return status.version;
  }

  it.each(["holdfast", "keepalived"] as const)("%s is the peer: no transition there, no reset", async (survivor) => {
    const pair = await stage.pair({ survivor, unicast: survivor === "holdfast", nopreempt: false, group: true });
    const [vip = ""] = vipsOf(pair.combination);
    const server = await pair.host.start(process.execPath, [STREAMS, "serve", vip, String(PORT)]);
    await server.waitForOutput(/listening/);
    const reading = [STREAMS, "read", vip, String(PORT), String(CONNECTIONS)];
    const client = await stage.network.host("client").start(process.execPath, reading);
    try {
      const lines = (): StreamLine[] =>
        client.stdout
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line) as StreamLine);
      const report = async (): Promise<Extract<StreamLine, { kind: "report" }>> => {
        const before = lines().length;
        client.signal("SIGUSR1");
        return await waitFor(
          () =>
            lines()
              .slice(before)
              .find((line) => line.kind === "report"),
          { what: "a report" },
        );
      };
      await waitFor(() => lines().some(({ kind }) => kind === "open"), { what: "the connections" });
      await report();
      const guard = await pair.guard();
      const sinceMs = wallClockMs();
      for (let count = 0; count < COUNT; count++) await handOver(pair);
      for (let count = 0; count < COUNT; count++) {
        const version = await handOver(pair, "--program", programs[count % 2] ?? "");
        expect(version === OTHER_VERSION).toBe(count % 2 === 0);
      }
      await pair.untilAdverts(3, wallClockMs());
      const { alive, leastBytes, longestSilenceMs } = await report();
      expect(lines().filter(({ kind }) => kind === "ended")).toEqual([]);
      expect(alive).toBe(CONNECTIONS);
      expect(leastBytes).toBeGreaterThan(0);
      expect(pair.survivorHasStayedBackup()).toBe(true);
      expect(stage.watch.events().filter(({ atMs }) => atMs >= sinceMs)).toEqual([]);
      expect(pair.advertsOf("b", sinceMs)).toEqual([]);
      expect(pair.advertsOf("a", sinceMs).filter(({ priority }) => priority === "0")).toEqual([]);
      expect(await pair.guard()).toBe(guard);
      const gapMs = pair.longestGapMs(sinceMs);
      // The peer waits for three intervals and more.
      expect(gapMs).toBeLessThan(2_500);
      process.stdout.write(
        `chaos: ${COUNT} hand-overs and ${COUNT} upgrades, ${survivor} is the peer: ${CONNECTIONS} connections live, silent for ` +
          `${longestSilenceMs.toFixed(0)} ms at most; longest gap between adverts of 1 s: ${gapMs.toFixed(0)} ms\n`,
      );
    } finally {
      await client.stop();
      await server.stop();
    }
  });
});
