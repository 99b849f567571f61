import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { withEitherProgram } from "./eitherProgram.ts";
import { Lan } from "./lan.ts";
import { type InstanceText, instanceText, masterDownMs, quickInstance } from "./routerFile.ts";

const VIP = "10.0.2.10";
const LEFT = "10.0.2.1";
/** The greater source address wins a tie (RFC 9568 6.4.3 (725)). */
const RIGHT = "10.0.2.2";
const EARLY_MS = 1;

const at = (priority: number, ...lines: string[]): InstanceText => quickInstance(priority, VIP, lines);

requires(
  "netns",
  "keepalived",
  "tshark",
)("who may preempt whom, between two programs", () => {
  let lan: Lan;

  beforeAll(async () => {
    lan = await Lan.open({
      prefix: "preempt",
      hosts: [
        { name: "left", addresses: [`${LEFT}/24`] },
        { name: "right", addresses: [`${RIGHT}/24`] },
      ],
    });
  });
  afterEach(async () => {
    await lan?.clear();
  });
  afterAll(async () => {
    await lan?.close();
  });

  withEitherProgram("nopreempt: waits beside a lower priority, takes over when that resigns", async (low, high) => {
    const master = await lan.start(low, "left", instanceText(at(100)));
    await lan.untilState(master, "MASTER");
    const waiting = await lan.start(high, "right", instanceText(at(150, "nopreempt")));
    await lan.untilState(waiting, "BACKUP");
    await lan.untilAdverts(LEFT, 10, wallClockMs());
    expect(waiting.states()).toEqual(["BACKUP"]);
    expect(lan.capture.adverts(RIGHT, waiting.startedMs)).toEqual([]);
    await master.stop();
    await lan.untilState(waiting, "MASTER");
    await lan.untilHeldBy(VIP, "right");
  });

  withEitherProgram("preempt_delay: first so long beside a lower priority, then it preempts", async (low, high) => {
    const master = await lan.start(low, "left", instanceText(at(100)));
    await lan.untilState(master, "MASTER");
    const delayed = at(150, "preempt_delay 1");
    const waiting = await lan.start(high, "right", instanceText(delayed));
    const first = await lan.capture.waitForAdvert("its first advert", RIGHT, () => true, waiting.startedMs);
    expect(first.atMs - waiting.startedMs).toBeGreaterThan(1000);
    await lan.untilState(master, "BACKUP");
    await lan.untilHeldBy(VIP, "right");
    expect(master.states()).toEqual(["BACKUP", "MASTER", "BACKUP"]);
  });

  withEitherProgram(
    "of equal priority: the incumbent stays; after a split the greater address wins",
    async (left, right) => {
      const incumbent = await lan.start(left, "left", instanceText(at(100)));
      await lan.untilState(incumbent, "MASTER");
      const other = await lan.start(right, "right", instanceText(at(100)));
      await lan.untilState(other, "BACKUP");
      await lan.untilAdverts(LEFT, 10, wallClockMs());
      expect(other.states()).toEqual(["BACKUP"]);
      await lan.host("right").isolate();
      await lan.untilState(other, "MASTER");
      const healedMs = wallClockMs();
      await lan.host("right").rejoin();
      await lan.untilState(incumbent, "BACKUP");
      await lan.untilHeldBy(VIP, "right");
      await lan.untilAdverts(RIGHT, 5, healedMs);
      expect(other.states()).toEqual(["BACKUP", "MASTER"]);
    },
  );

  withEitherProgram("the owner (255) is MASTER at once and yields to nobody", async (owner, other) => {
    const backup = await lan.start(other, "right", instanceText(at(254)));
    await lan.untilState(backup, "MASTER");
    const owned = await lan.start(owner, "left", instanceText(at(255)).replace("state BACKUP", "state MASTER"));
    await lan.untilState(owned, "MASTER");
    await lan.untilState(backup, "BACKUP");
    await lan.untilHeldBy(VIP, "left");
    expect(owned.states().filter((state) => state === "BACKUP")).toEqual([]);
  });

  withEitherProgram("a BACKUP of another interval learns the MASTER's (RFC 9568 6.1)", async (master, backup) => {
    const fast = await lan.start(master, "left", instanceText(at(150)));
    await lan.untilState(fast, "MASTER");
    const slow: InstanceText = { ...at(100), interval: 1 };
    const learner = await lan.start(backup, "right", instanceText(slow));
    await lan.untilState(learner, "BACKUP");
    const heardMs = wallClockMs();
    await lan.untilAdverts(LEFT, 10, heardMs);
    await fast.kill();
    const killedMs = wallClockMs();
    const taken = await lan.capture.waitForAdvert("takeover", RIGHT, () => true, heardMs);
    const last = lan.capture
      .adverts(LEFT, heardMs)
      .filter(({ atMs }) => atMs < killedMs)
      .at(-1);
    const tookMs = taken.atMs - (last?.atMs ?? 0);
    // With its own interval it would have been 3.6 s.
    expect(tookMs).toBeGreaterThan(masterDownMs(at(100)) - EARLY_MS);
    expect(tookMs).toBeLessThan(masterDownMs(slow) / 2);
    // As MASTER it uses its own again, and a faster BACKUP, once it has heard it, is patient with it.
    expect(taken.intervalCs).toBe("100");
    const patient = await lan.start(master, "left", instanceText(at(50)));
    await lan.untilState(patient, "BACKUP");
    await lan.untilAdverts(RIGHT, 2, wallClockMs());
    await lan.untilState(patient, "BACKUP");
    const before = patient.states();
    await lan.untilAdverts(RIGHT, 3, wallClockMs());
    expect(patient.states()).toEqual(before);
    expect(lan.watch.holders(VIP)).toContain("right");
  });

  withEitherProgram("higher_prio_send_advert: whoever yields says so once more", async (low, high) => {
    const yielding = await lan.start(low, "left", instanceText(at(100, "higher_prio_send_advert")));
    await lan.untilState(yielding, "MASTER");
    await lan.host("right").isolate();
    const other = await lan.start(high, "right", instanceText(at(150)));
    await lan.untilState(other, "MASTER");
    const healedMs = wallClockMs();
    await lan.host("right").rejoin();
    await lan.untilState(yielding, "BACKUP");
    const heard = await lan.capture.waitForAdvert("the higher priority", RIGHT, () => true, healedMs);
    // Behind the advert it yields to: with its old priority, not 0.
    const said = await lan.capture.waitForAdvert("the last word", LEFT, ({ atMs }) => atMs > heard.atMs, healedMs);
    expect(said.priority).toBe("100");
    await lan.untilAdverts(RIGHT, 5, said.atMs);
    expect(lan.capture.adverts(LEFT, said.atMs + 50)).toEqual([]);
  });

  withEitherProgram("a healed split: the higher priority answers at once and announces again", async (low, high) => {
    const winner = await lan.start(high, "right", instanceText(at(150)));
    await lan.untilState(winner, "MASTER");
    const loser = await lan.start(low, "left", instanceText(at(100)));
    await lan.untilState(loser, "BACKUP");
    await lan.host("right").isolate();
    await lan.untilState(loser, "MASTER");
    await lan.untilHeldBy(VIP, "left", "right");
    const healedMs = wallClockMs();
    await lan.host("right").rejoin();
    await lan.untilState(loser, "BACKUP");
    await lan.untilHeldBy(VIP, "right");
    expect(winner.states()).toEqual(["BACKUP", "MASTER"]);
    const hardware = await lan.host("right").hardwareAddress();
    await waitFor(() => lan.capture.announcements(VIP, healedMs).some(({ arpHardware }) => arpHardware === hardware), {
      what: "an announcement of the winner",
      found: () => lan.capture.announcements(VIP, healedMs),
    });
  });
});
