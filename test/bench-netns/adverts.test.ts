import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Figure, printFigures, rounds } from "../bench/report.ts";
import { startRouter } from "../interop/programs.ts";
import { instanceText } from "../interop/routerFile.ts";
import { CHECKED_PORT, checkedServices } from "../lab/checkedServices.ts";
import { NODE_FLAGS } from "../lab/holdfast.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { FrameRecorder, latenessMs, quantile, type SeenAdvert } from "./advertTimes.ts";
import { PROGRAMS } from "./checkLoad.ts";
import { cpuSeconds } from "./processUsage.ts";
import type { LoadLine } from "./programs/loadedRouter.ts";

const CHECKS_PER_SECOND = 1_000;
const REALTIME_PRIORITY = "50";

interface Measured {
  readonly lateMs: readonly number[];
  /** So many instances were heard of. */
  readonly heardOf: number;
  /** Of the router's processes; of holdfast with everything on its main thread. */
  readonly cpuPercent: number;
}

/** So many instances, VRID 1 and up, of one address each. */
function instancesText(count: number, interval: number): string {
  return Array.from({ length: count }, (_, index) =>
    instanceText({
      name: `V${index + 1}`,
      priority: 150,
      version: 3,
      interval,
      virtualRouterId: index + 1,
      addresses: [`10.1.${index + 1}.1/32`],
    }),
  ).join("");
}

interface Size {
  readonly count: number;
  readonly interval: number;
  readonly seconds: number;
}

/** From when every instance has advertised: adverts of `seconds`, and the CPU that they took. */
async function measure(
  host: NetworkHost,
  recorder: FrameRecorder,
  router: RunningProcess,
  { count, interval, seconds }: Size,
): Promise<Measured> {
  const heard = (): number => new Set(recorder.read().adverts.map(({ virtualRouterId }) => virtualRouterId)).size;
  await waitFor(() => heard() === count, {
    what: `adverts of all instances of ${host.host}`,
    timeoutMs: 60_000,
    intervalMs: 250,
    found: () => `${heard()}; ${router.output.slice(-2000)}`,
  });
  // What follows the transition (a second round of announcements after 5 s) is another bench's.
  const settledMs = performance.now() + rounds(1_000, 7_000);
  await waitFor(() => performance.now() >= settledMs, { what: "the second round", intervalMs: 100, timeoutMs: 20_000 });
  const cpuBefore = cpuSeconds(router.pid);
  const begunMs = performance.timeOrigin + performance.now();
  const endsMs = begunMs + seconds * 1000;
  const now = (): number => performance.timeOrigin + performance.now();
  await waitFor(() => now() >= endsMs, { what: "the end", intervalMs: 100, timeoutMs: seconds * 1000 + 10_000 });
  const cpuPercent = ((cpuSeconds(router.pid) - cpuBefore) / ((now() - begunMs) / 1000)) * 100;
  const adverts: readonly SeenAdvert[] = recorder.read().adverts.filter(({ atMs }) => atMs >= begunMs);
  const heardOf = new Set(adverts.map(({ virtualRouterId }) => virtualRouterId)).size;
  return { lateMs: latenessMs(adverts, interval * 1000), heardOf, cpuPercent };
}

/** The same with every service's checks on the main thread, after their first storm. */
async function measureLoaded(
  host: NetworkHost,
  network: Network,
  folder: string,
  size: Size,
): Promise<{ readonly measured: Measured; readonly load: readonly LoadLine[] }> {
  const server = await host.start(process.execPath, [join(PROGRAMS, "httpServer.js"), String(CHECKED_PORT)]);
  await server.waitForOutput("listening");
  const file = join(folder, "loaded.conf");
  writeFileSync(file, instancesText(size.count, size.interval) + checkedServices(CHECKS_PER_SECOND, 1));
  const recorder = await FrameRecorder.start(network.bridge);
  const args = [...NODE_FLAGS, join(PROGRAMS, "loadedRouter.js"), file, REALTIME_PRIORITY];
  const router = await host.start(process.execPath, args, { name: "the loaded holdfast" });
  const said = (): LoadLine[] =>
    router.stdout
      .split("\n")
      .filter((line) => line.startsWith('{"answered"') && line.endsWith("}"))
      .map((line) => JSON.parse(line) as LoadLine);
  await waitFor(() => said().filter(({ succeeded }) => succeeded > 0).length >= 3, {
    what: "checks that are answered",
    timeoutMs: 60_000,
    intervalMs: 100,
    found: () => router.output.slice(-2000),
  });
  const measured = await measure(host, recorder, router, size);
  const load = said().slice(-size.seconds);
  const isRefused = router.output.includes("no real-time scheduling");
  process.stdout.write(`\nreal-time priority was ${isRefused ? "refused" : "granted"}\n`);
  await router.stop(20_000);
  await recorder.stop();
  await server.stop();
  return { measured, load };
}

function lines(who: string, measured: Measured, interval: number, goal: boolean): Figure[] {
  const percent = (share: number): number => (quantile(measured.lateMs, share) / (interval * 1000)) * 100;
  return [
    { what: `${who}: half of the adverts later than`, value: percent(0.5), unit: "% of the interval" },
    { what: `${who}: 1 % later than`, value: percent(0.99), unit: "% of the interval" },
    {
      what: `${who}: latest`,
      value: percent(1),
      unit: "% of the interval",
      ...(goal ? { goalAtMost: 10 } : {}),
    },
    { what: `${who}: CPU`, value: measured.cpuPercent, unit: "% of a core" },
  ];
}

requires(
  "netns",
  "keepalived",
  "tcpdump",
)("adverts of many instances", () => {
  const SECONDS = rounds(3, 60);
  for (const [count, interval] of [
    [250, 1],
    [50, 0.1],
  ] as const) {
    test(`${count} instances at ${interval} s for ${SECONDS} s, the main thread with ${CHECKS_PER_SECOND} checks a second`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "holdfast-adverts-"));
      const network = await createNetwork({
        prefix: "adverts",
        hosts: [{ name: "router", addresses: ["10.0.2.1/24"] }],
      });
      const host = network.host("router");
      const size = { count, interval, seconds: SECONDS };
      try {
        const vrrpOnly = instancesText(count, interval);
        const alone: Measured[] = [];
        for (const program of ["holdfast", "keepalived"] as const) {
          const recorder = await FrameRecorder.start(network.bridge);
          const router = await startRouter(program, host, vrrpOnly, folder, { terse: true });
          alone.push(await measure(host, recorder, router.process, size));
          await router.stop();
          await recorder.stop();
        }
        const [holdfast, keepalived] = alone;
        if (holdfast === undefined || keepalived === undefined) throw new Error("both were measured");

        const { measured: busy, load } = await measureLoaded(host, network, folder, size);
        const perSecond = (of: (line: LoadLine) => number): number =>
          load.reduce((sum, line) => sum + of(line), 0) / load.length;
        printFigures(`${count} instances at ${interval} s, ${SECONDS} s each`, [
          ...lines("holdfast under load", busy, interval, true),
          { what: "holdfast under load: checks a second", value: perSecond(({ answered }) => answered), unit: "" },
          { what: "holdfast under load: of these good", value: perSecond(({ succeeded }) => succeeded), unit: "" },
          ...lines("holdfast, VRRP alone", holdfast, interval, true),
          ...lines("keepalived, VRRP alone", keepalived, interval, false),
        ]);
        // The load was there, and so was every instance.
        expect(perSecond(({ succeeded }) => succeeded)).toBeGreaterThan(0);
        for (const { heardOf } of [busy, holdfast]) expect(heardOf).toBe(count);
      } finally {
        network.remove();
        rmSync(folder, { recursive: true, force: true });
      }
    }, 600_000);
  }
});
