import { afterAll, beforeAll, expect, it } from "vitest";
import { requires } from "../lab/requires.ts";
import { UnitBesidePeer } from "../lab/unitBesidePeer.ts";
import { ControlGroup } from "./controlGroup.ts";
import { callInThread, DEVOUR, INSPECTED_UNIT } from "./threads.ts";

/** More than a daemon uses. */
const LIMIT_BYTES = 256 << 20;

/**
 * The service of systemd/holdfast.service beyond a memory limit. The limit is a group of the test's own: control groups of
 * version 2, in which systemd would set it, have no memory controller beside version 1.
 */
requires(
  "netns",
  "keepalived",
  "systemd",
)("the unit under systemd, with a memory limit", () => {
  let unit: UnitBesidePeer;

  beforeAll(async () => {
    unit = await UnitBesidePeer.open("unitmem", [INSPECTED_UNIT]);
  });
  afterAll(() => unit?.close());

  it("that is hit: the kernel takes the daemon, the guard lives on and releases, and the service is started again", async () => {
    const { lan, systemd } = unit;
    const group = ControlGroup.create(`holdfast-chaos-unit-${process.pid}`, ["memory"]);
    if (group === undefined) throw new Error("no control group with a memory limit can be made here");
    try {
      await unit.begin();
      group.limitMemory(LIMIT_BYTES);
      const guard = (await systemd.status())?.guard?.processId;
      for (const inner of [Number(await systemd.show("MainPID")), guard ?? 0]) group.add(systemd.outside(inner));
      await unit.expectReleased(() => callInThread(lan.host("a"), "main", DEVOUR));
      expect(group.outOfMemoryKills()).toBe(1);
    } finally {
      group.remove();
    }
  });
});
