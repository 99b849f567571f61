import { afterAll, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { Systemd } from "../lab/systemd.ts";
import { routerConfiguration, TwoRouters, VIP } from "../lab/twoRouters.ts";
import { ControlGroup } from "./controlGroup.ts";
import { callInThread, PORT } from "./threads.ts";

/** More than a daemon uses. */
const LIMIT_BYTES = 256 << 20;
const DEVOUR = "() => { const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1)); }";
/** `a` does not take back what the other has taken. */
const STAYING = { nopreempt: true } as const;

/**
 * The service of systemd/holdfast.service beyond a memory limit. The limit is a group of the test's own: control groups of
 * version 2, in which systemd would set it, have no memory controller beside version 1.
 */
requires(
  "netns",
  "keepalived",
  "systemd",
)("the unit under systemd, with a memory limit", () => {
  let lan: TwoRouters;
  let systemd: Systemd;

  beforeAll(async () => {
    lan = await TwoRouters.open("unitmem", STAYING);
    systemd = await Systemd.start({
      configuration: routerConfiguration(150, STAYING),
      networkNamespace: lan.host("a").path,
      serviceLines: [`Environment=NODE_OPTIONS=--inspect=127.0.0.1:${PORT}`],
    });
  });
  afterAll(async () => {
    await systemd?.stop();
    await lan?.close();
  });

  it("that is hit: the kernel takes the daemon, the guard lives on and releases, and the service is started again", async () => {
    const group = ControlGroup.create(`holdfast-chaos-unit-${process.pid}`, ["memory"]);
    if (group === undefined) throw new Error("no control group with a memory limit can be made here");
    try {
      await systemd.startService();
      await lan.untilHeldBy("a", () => systemd.told());
      await lan.startPeer("keepalived");
      group.limitMemory(LIMIT_BYTES);
      const guard = (await systemd.status())?.guard?.processId;
      for (const inner of [Number(await systemd.show("MainPID")), guard ?? 0]) group.add(systemd.outside(inner));
      const sinceMs = wallClockMs();
      await callInThread(lan.host("a"), "main", DEVOUR);
      await lan.untilHeldBy("b", () => systemd.told());
      await systemd.untilRestarted(1);
      await systemd.untilActive();
      expect(group.outOfMemoryKills()).toBe(1);
      expect(systemd.log).toContain("the last will of process");
      expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
      expect(lan.holders()).toBe("b");
    } finally {
      group.remove();
    }
  });
});
