import { afterAll, beforeAll, expect, it } from "vitest";
import { callInThread, DEVOUR, INSPECTED_UNIT } from "../chaos/threads.ts";
import { runProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { UnitBesidePeer } from "../lab/unitBesidePeer.ts";

/** MemoryMax= of systemd/holdfast.service; here because not every machine's control groups of version 2 limit memory. */
requires(
  "netns",
  "keepalived",
  "systemd",
  "memoryLimit",
)("the unit under systemd, with MemoryMax=", () => {
  let unit: UnitBesidePeer;

  beforeAll(async () => {
    unit = await UnitBesidePeer.open("unitmax", [INSPECTED_UNIT, "MemoryMax=256M"]);
  });
  afterAll(() => unit?.close());

  it("that is hit: the kernel takes the daemon alone, the guard lives on and releases, and the service is started again", async () => {
    const { lan, systemd } = unit;
    await unit.begin();
    const daemon = systemd.outside(Number(await systemd.show("MainPID")));
    await unit.expectReleased(() => callInThread(lan.host("a"), "main", DEVOUR));
    const { stdout: kernelLog } = await runProcess("dmesg", []);
    const taken = [...kernelLog.matchAll(/Memory cgroup out of memory: Killed process (\d+) /g)].map(
      (found) => found[1],
    );
    expect(taken).toEqual([String(daemon)]);
  });
});
