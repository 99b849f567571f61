import { afterAll, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { Systemd } from "../lab/systemd.ts";
import { routerConfiguration, TwoRouters, VIP } from "../lab/twoRouters.ts";
import { callInThread, PORT } from "./threads.ts";

const HANG = "() => { for (;;); }";
/** `a` does not take back what the other has taken. */
const STAYING = { nopreempt: true } as const;

/** systemd/holdfast.service whose watchdog is not fed: systemd sends SIGABRT to every process of the group, the guard too. */
requires(
  "netns",
  "keepalived",
  "systemd",
)("the unit under systemd, with a main thread that hangs", () => {
  let lan: TwoRouters;
  let systemd: Systemd;

  beforeAll(async () => {
    lan = await TwoRouters.open("unitdog", STAYING);
    systemd = await Systemd.start({
      configuration: routerConfiguration(150, STAYING),
      networkNamespace: lan.host("a").path,
      serviceLines: [`Environment=NODE_OPTIONS=--inspect=127.0.0.1:${PORT}`, "WatchdogSec=5"],
    });
  });
  afterAll(async () => {
    await systemd?.stop();
    await lan?.close();
  });

  it("the watchdog ends the daemon, the guard lives on and releases, and the service is started again", async () => {
    await systemd.startService();
    await lan.untilHeldBy("a", () => systemd.told());
    await lan.startPeer("keepalived");
    const sinceMs = wallClockMs();
    await callInThread(lan.host("a"), "main", HANG);
    await lan.untilHeldBy("b", () => systemd.told());
    await systemd.untilRestarted(1);
    await systemd.untilActive();
    expect(systemd.log).toContain("the last will of process");
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    expect(lan.holders()).toBe("b");
  });
});
