import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { DaemonStatus } from "../../src/daemon/control.types.ts";
import { wallClockMs } from "../lab/addressWatch.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { isRunning } from "../lab/processTree.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { ADDRESSES, routerConfiguration, TwoRouters, VIP } from "../lab/twoRouters.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture } from "./vrrp/capture.ts";

const PROGRAM = join(projectRoot, "dist/main.js");
const { a: A, b: B } = ADDRESSES;
const PATIENCE_MS = 60_000;

/** One process of the program goes on in the place of another, and nobody outside sees it. */
requires(
  "netns",
  "tshark",
  "keepalived",
)("holdfast handover", () => {
  let lan: TwoRouters;
  let fileOfA: string;
  let capture: Capture;
  let daemon: Holdfast | undefined;

  beforeAll(async () => {
    lan = await TwoRouters.open("dhand");
    fileOfA = join(lan.folder, "a.conf");
    capture = await Capture.start(lan.network.bridge);
  });
  afterEach(async () => {
    await daemon?.stop();
    await lan.stopPeer();
    daemon = undefined;
  });
  afterAll(async () => {
    await capture?.stop();
    await lan?.close();
  });

  /** `a` holds the address under a guard; `b` is the other router. */
  async function start(program: "holdfast" | "keepalived"): Promise<Holdfast> {
    writeFileSync(fileOfA, routerConfiguration(150));
    const holder = await Holdfast.start(lan.host("a"), fileOfA);
    daemon = holder;
    await holder.waitForStatus("an armed guard", ({ vrrp, guard }) => vrrp.will.armed && guard !== undefined);
    await lan.startPeer(program);
    return holder;
  }

  const handOver = async (holder: Holdfast, ...more: string[]): ReturnType<Holdfast["command"]> =>
    await lan
      .host("a")
      .exec(process.execPath, [PROGRAM, "handover", "--run-dir", holder.runDirectory, ...more], { allowFailure: true });

  const untilHeldBy = async (host: "a" | "b"): Promise<void> =>
    await lan.untilHeldBy(host, () => daemon?.process.output);

  /** Adverts of `a` go on for so many more beats; returns the longest gap between two since the instant. */
  async function longestGapMs(sinceMs: number, beats: number): Promise<number> {
    const from = capture.adverts(A).length;
    const adverts = await waitFor(
      () => {
        const seen = capture.adverts(A);
        return seen.length >= from + beats ? seen.filter(({ atMs }) => atMs >= sinceMs - 1_500) : undefined;
      },
      { what: "adverts after the switch", timeoutMs: PATIENCE_MS, found: () => daemon?.process.output },
    );
    return Math.max(...adverts.slice(1).map(({ atMs }, index) => atMs - (adverts[index]?.atMs ?? 0)));
  }

  const unseen = (status: DaemonStatus): unknown => [status.vrrp.instances[0]?.state, status.guard?.processId];

  it.each(["holdfast", "keepalived"] as const)("three in a row, %s is the peer: nothing is seen", async (program) => {
    const holder = await start(program);
    const before = await holder.status();
    const sinceMs = wallClockMs();
    const processes = new Set([before.processId]);
    for (let round = 0; round < 3; round++) {
      const told = await handOver(holder);
      expect(told.stderr, holder.process.output).toBe("");
      const now = await holder.status();
      processes.add(now.processId);
      expect(told.stdout).toBe(`handed over to process ${now.processId}\n`);
      expect(unseen(now)).toEqual(unseen(before));
      expect(now.vrrp.instances[0]?.last).toEqual(before.vrrp.instances[0]?.last);
      expect(now.vrrp.will.armed).toBe(true);
      expect(now.vrrp.instances[0]?.addresses[0]?.held).toBe(true);
    }
    expect(processes.size).toBe(4);
    expect(await longestGapMs(sinceMs, 4)).toBeLessThan(2_500);
    await waitFor(() => holder.process.exit, { what: "the end of the first process" });
    expect(holder.process.exit?.status).toBe(0);
    const since = (event: { readonly atMs: number }): boolean => event.atMs >= sinceMs;
    expect(lan.watch.events().filter(since)).toEqual([]);
    expect(capture.adverts(B).filter(since)).toEqual([]);
    expect(capture.adverts(A).filter((advert) => since(advert) && advert.priority !== "150")).toEqual([]);
  });

  it("with a changed file: it is taken before the switch, and one that is refused hands nothing over", async () => {
    const holder = await start("holdfast");
    writeFileSync(fileOfA, routerConfiguration(150, { vips: [VIP, "10.0.2.11"] }));
    expect((await handOver(holder)).status).toBe(0);
    const changed = await holder.status();
    expect(changed.vrrp.instances[0]?.addresses.map(({ held }) => held)).toEqual([true, true]);
    writeFileSync(fileOfA, "vrrp_instance RW {\n");
    const refused = await handOver(holder);
    expect(refused.status).toBe(1);
    expect((await holder.status()).processId).toBe(changed.processId);
  });

  it("a successor that cannot run, or dies before the switch: the daemon goes on", async () => {
    const holder = await start("holdfast");
    const sinceMs = wallClockMs();
    const { processId } = await holder.status();
    const refused = await handOver(holder, "--program", "/bin/false");
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("the successor ended (status 1)")]);
    const slow = slowProgram();
    const asked = handOver(holder, "--program", slow.file);
    process.kill(await slow.processId(), "SIGKILL");
    expect((await asked).stderr).toContain("the successor ended (signal SIGKILL)");
    expect((await holder.status()).processId).toBe(processId);
    expect(await longestGapMs(sinceMs, 2)).toBeLessThan(2_500);
    expect(capture.adverts(B).filter(({ atMs }) => atMs >= sinceMs)).toEqual([]);
  });

  it("the daemon dies before the switch: its guard releases, the peer takes over, the successor ends", async () => {
    const holder = await start("holdfast");
    const sinceMs = wallClockMs();
    const slow = slowProgram();
    const asked = handOver(holder, "--program", slow.file);
    const successor = await slow.processId();
    process.kill(holder.process.pid, "SIGKILL");
    await asked;
    await untilHeldBy("b");
    slow.release();
    // At once: it does not wait for an offer from nobody, for which a living predecessor has half a minute.
    await untilGone(successor, 20_000);
    expect(lan.holders()).toBe("b");
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
  });

  it("the successor dies after the switch: the same guard answers for it", async () => {
    const holder = await start("holdfast");
    await handOver(holder);
    const { processId } = await holder.status();
    const sinceMs = wallClockMs();
    process.kill(processId, "SIGKILL");
    await untilHeldBy("b");
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    await waitFor(
      () => capture.adverts(A).filter(({ atMs, priority }) => atMs >= sinceMs && priority === "0").length === 2,
      { what: "the two resignations of the will", timeoutMs: PATIENCE_MS, found: () => holder.process.output },
    );
  });

  it("after a handover: the guard that dies is replaced, and SIGTERM releases everything", async () => {
    const holder = await start("holdfast");
    await handOver(holder);
    const before = await holder.status();
    process.kill(before.guard?.processId ?? 0, "SIGKILL");
    await waitFor(
      async () => {
        const { guard, vrrp } = await holder.status();
        return guard !== undefined && guard.processId !== before.guard?.processId && vrrp.will.armed;
      },
      { what: "another guard", timeoutMs: PATIENCE_MS, found: () => holder.process.output },
    );
    await holder.stop();
    await untilHeldBy("b");
  });

  /** A program that waits to be released before it becomes holdfast. */
  function slowProgram(): { file: string; processId: () => Promise<number>; release: () => void } {
    const [file, mark, go] = ["slow.sh", "slow.pid", "slow.go"].map((name) => join(lan.folder, name)) as [
      string,
      string,
      string,
    ];
    for (const left of [mark, go]) rmSync(left, { force: true });
    writeFileSync(
      file,
      `#!/bin/sh\necho $$ > ${mark}\nwhile [ ! -e ${go} ]; do sleep 0.05; done\nexec ${process.execPath} ${PROGRAM} "$@"\n`,
    );
    chmodSync(file, 0o755);
    const read = (): number => {
      try {
        return Number(readFileSync(mark, "utf8"));
      } catch {
        return 0;
      }
    };
    return {
      file,
      processId: async () =>
        await waitFor(() => read() || undefined, { what: "the successor", timeoutMs: PATIENCE_MS }),
      release: () => writeFileSync(go, ""),
    };
  }

  async function untilGone(processId: number, timeoutMs = PATIENCE_MS): Promise<void> {
    await waitFor(() => !isRunning(processId), { what: `the end of ${processId}`, timeoutMs });
  }
});
