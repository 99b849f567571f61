import { afterAll, beforeAll, expect, it } from "vitest";
import { callInThread, PORT } from "../chaos/threads.ts";
import { wallClockMs } from "../lab/addressWatch.ts";
import { runProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { Systemd } from "../lab/systemd.ts";
import { routerConfiguration, TwoRouters, VIP } from "../lab/twoRouters.ts";

const DEVOUR = "() => { const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1)); }";
/** `a` does not take back what the other has taken. */
const STAYING = { nopreempt: true } as const;

/** MemoryMax= of systemd/holdfast.service; here because not every machine's control groups of version 2 limit memory. */
requires(
  "netns",
  "keepalived",
  "systemd",
  "memoryLimit",
)("the unit under systemd, with MemoryMax=", () => {
  let lan: TwoRouters;
  let systemd: Systemd;

  beforeAll(async () => {
    lan = await TwoRouters.open("unitmax", STAYING);
    systemd = await Systemd.start({
      configuration: routerConfiguration(150, STAYING),
      networkNamespace: lan.host("a").path,
      serviceLines: [`Environment=NODE_OPTIONS=--inspect=127.0.0.1:${PORT}`, "MemoryMax=256M"],
    });
  });
  afterAll(async () => {
    await systemd?.stop();
    await lan?.close();
  });

  it("that is hit: the kernel takes the daemon alone, the guard lives on and releases, and the service is started again", async () => {
    await systemd.startService();
    await lan.untilHeldBy("a", () => systemd.told());
    await lan.startPeer("keepalived");
    const daemon = systemd.outside(Number(await systemd.show("MainPID")));
    const sinceMs = wallClockMs();
    await callInThread(lan.host("a"), "main", DEVOUR);
    await lan.untilHeldBy("b", () => systemd.told());
    await systemd.untilRestarted(1);
    await systemd.untilActive();
    const { stdout: kernelLog } = await runProcess("dmesg", []);
    const taken = [...kernelLog.matchAll(/Memory cgroup out of memory: Killed process (\d+) /g)].map(
      (found) => found[1],
    );
    expect(taken).toEqual([String(daemon)]);
    expect(systemd.log).toContain("the last will of process");
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    expect(lan.holders()).toBe("b");
  });
});
