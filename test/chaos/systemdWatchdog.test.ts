import { afterAll, beforeAll, it } from "vitest";
import { requires } from "../lab/requires.ts";
import { UnitBesidePeer } from "../lab/unitBesidePeer.ts";
import { callInThread, INSPECTED_UNIT } from "./threads.ts";

const HANG = "() => { for (;;); }";

/** systemd/holdfast.service whose watchdog is not fed: systemd sends SIGABRT to every process of the group, the guard too. */
requires(
  "netns",
  "keepalived",
  "systemd",
)("the unit under systemd, with a main thread that hangs", () => {
  let unit: UnitBesidePeer;

  beforeAll(async () => {
    unit = await UnitBesidePeer.open("unitdog", [INSPECTED_UNIT, "WatchdogSec=5"]);
  });
  afterAll(() => unit?.close());

  it("the watchdog ends the daemon, the guard lives on and releases, and the service is started again", async () => {
    await unit.begin();
    await unit.expectReleased(() => callInThread(unit.lan.host("a"), "main", HANG));
  });
});
