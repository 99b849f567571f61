import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { withEitherProgram } from "./eitherProgram.ts";
import { Lan } from "./lan.ts";
import type { Program, Router } from "./programs.ts";
import { type InstanceText, instanceText, quickInstance } from "./routerFile.ts";

const OUTSIDE = "10.0.2.10";
const INSIDE = "10.0.3.10";
const HIGH = "10.0.2.1";
const LOW = "10.0.2.2";

const at = (priority: number, ...lines: string[]): InstanceText => quickInstance(priority, OUTSIDE, lines);

/** A gateway's two sides, bound together. */
function gateway(priority: number): string {
  const inside = { name: "IN", interface: "eth1", virtualRouterId: 2, addresses: [`${INSIDE}/24 dev eth1`] };
  return `vrrp_sync_group GATEWAY {
  group {
    RW
    IN
  }
}
${instanceText(at(priority))}${instanceText({ ...at(priority), ...inside })}`;
}

requires(
  "netns",
  "keepalived",
  "tshark",
)("sync groups and tracking, between two programs", () => {
  let lan: Lan;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-track-"));
    lan = await Lan.open({
      prefix: "groups",
      hosts: [
        { name: "high", addresses: [`${HIGH}/24`] },
        { name: "low", addresses: [`${LOW}/24`] },
      ],
      secondAddresses: { high: "10.0.3.1/24", low: "10.0.3.2/24" },
    });
  });
  afterEach(async () => {
    await lan?.plugSecond("high", true);
    await lan?.clear();
  });
  afterAll(async () => {
    await lan?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const bothAt = async (host: string): Promise<void> => {
    await lan.untilHeldBy(OUTSIDE, host);
    await lan.untilHeldBy(INSIDE, host);
  };

  withEitherProgram("a sync group moves as one: fault of one side, recovery, stop", async (high, low) => {
    const first = await lan.start(high, "high", gateway(150));
    await bothAt("high");
    const second = await lan.start(low, "low", gateway(100));
    for (const instance of ["RW", "IN"]) await lan.untilState(second, "BACKUP", instance);
    await lan.untilAdverts(HIGH, 5, wallClockMs());

    // One side loses its cable: both leave.
    await lan.plugSecond("high", false);
    await bothAt("low");
    for (const instance of ["RW", "IN"]) await lan.untilState(first, "FAULT", instance);

    // It comes back: both return to the higher priority.
    await lan.plugSecond("high", true);
    await bothAt("high");
    for (const instance of ["RW", "IN"]) {
      await lan.untilState(second, "BACKUP", instance);
      expect(second.states(instance)).toEqual(["BACKUP", "MASTER", "BACKUP"]);
    }
    await first.stop();
    await bothAt("low");
    for (const instance of ["RW", "IN"]) expect(second.states(instance).at(-1)).toBe("MASTER");
  });

  /** Plays a tracker that takes 60 of the high router's 150 away and gives it back. */
  async function playTracker(
    high: Program,
    low: Program,
    file: (priority: number) => string,
    trip: (down: boolean) => Promise<void> | void,
  ): Promise<void> {
    await trip(false);
    const first = await lan.start(high, "high", file(150));
    await lan.untilState(first, "MASTER");
    const second = await lan.start(low, "low", instanceText(at(100)));
    await lan.untilState(second, "BACKUP");
    const advertised = async (router: Router, source: string, priority: number): Promise<void> => {
      const sinceMs = wallClockMs();
      await waitFor(() => lan.capture.adverts(source, sinceMs).some((advert) => advert.priority === String(priority)), {
        what: `an advert of ${source} with priority ${priority}`,
        timeoutMs: 20_000,
        found: () => router.process.output,
      });
    };
    await advertised(first, HIGH, 150);
    await trip(true);
    await lan.untilHeldBy(OUTSIDE, "low");
    await advertised(second, LOW, 100);
    expect(first.states().slice(-2)).toEqual(["MASTER", "BACKUP"]);
    await trip(false);
    await lan.untilHeldBy(OUTSIDE, "high");
    await advertised(first, HIGH, 150);
    expect(second.states()).toEqual(["BACKUP", "MASTER", "BACKUP"]);
  }

  withEitherProgram("a tracked interface's weight moves the mastership, and back", async (high, low) => {
    await playTracker(
      high,
      low,
      (priority) => instanceText(at(priority, "track_interface {", "eth1 weight -60", "}")),
      (down) => lan.plugSecond("high", !down),
    );
  });

  withEitherProgram("a tracked file's number moves the mastership, and back", async (high, low) => {
    const tracked = join(folder, `value-${high}-${low}`);
    await playTracker(
      high,
      low,
      (priority) =>
        `track_file LOAD {\n  file ${tracked}\n  weight 2\n}\n${instanceText(at(priority, "track_file {", "LOAD", "}"))}`,
      (down) => writeFileSync(tracked, down ? "-30\n" : "0\n"),
    );
  });

  withEitherProgram("a tracked script's weight moves the mastership, and back", async (high, low) => {
    const flag = join(folder, `flag-${high}-${low}`);
    await playTracker(
      high,
      low,
      (priority) =>
        `global_defs {\n  script_user root\n  enable_script_security\n}\nvrrp_script FLAG {
  script "/usr/bin/test ! -e ${flag}"\n  interval 1\n  weight -60\n  rise 1\n  fall 1\n}\n${instanceText(
    at(priority, "track_script {", "FLAG", "}"),
  )}`,
      (down) => (down ? writeFileSync(flag, "") : rmSync(flag, { force: true })),
    );
  });

  withEitherProgram("a tracked script without weight is FAULT, with priority 0 on the wire", async (high, low) => {
    const flag = join(folder, `fault-${high}-${low}`);
    const file = `global_defs {\n  script_user root\n  enable_script_security\n}\nvrrp_script FLAG {
  script "/usr/bin/test ! -e ${flag}"\n  interval 1\n  rise 1\n  fall 1\n}\n${instanceText(
    at(150, "track_script {", "FLAG", "}"),
  )}`;
    const first = await lan.start(high, "high", file);
    await lan.untilState(first, "MASTER");
    const second = await lan.start(low, "low", instanceText(at(100)));
    await lan.untilState(second, "BACKUP");
    const sinceMs = wallClockMs();
    writeFileSync(flag, "");
    await lan.untilState(first, "FAULT");
    await lan.capture.waitForAdvert("a resignation", HIGH, ({ priority }) => priority === "0", sinceMs);
    await lan.untilHeldBy(OUTSIDE, "low");
    rmSync(flag);
    await lan.untilState(first, "MASTER");
    await lan.untilHeldBy(OUTSIDE, "high");
  });
});
