import { describe, expect, test } from "vitest";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { HealthRig, httpCheck, type Reply, realServer, targetAt, virtualServer } from "../sim/healthRig.ts";
import { follows, leads } from "../sim/patroniAnswers.ts";

/** A kick makes checks ask now, and nothing else: whatever moves, moves by the answers. */

const SLOW = { delayLoop: seconds(60) };
const members = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary", SLOW)]));
const writers = virtualServer(members, { exclusive: "detected", roleWatch: seconds(0) });
const others = virtualServer([realServer(5, [httpCheck(5, "/replica", SLOW)])], targetAt("10.0.2.11"));
const OTHERS = "TCP 10.0.2.11:5432";

/** Both services, settled: 3 leads, and for the next minute nobody is asked. */
function settledRig(took = milliseconds(1)) {
  const world = { primary: 3, slowest: 0, slowestTook: milliseconds(10) };
  const rig = new HealthRig({
    respond: (check): Reply => {
      const host = Number(check.connectIp.split(".").at(-1));
      const after = host === world.slowest ? world.slowestTook : took;
      return { outcome: (host === world.primary ? leads() : follows()).outcome, after };
    },
  });
  rig.configure([writers, others]);
  rig.run(seconds(2));
  const kick = (...services: string[]): void =>
    rig.feed({ kind: "kick", services: services.length === 0 ? undefined : new Set(services), source: "a test" });
  return { rig, world, kick };
}

const asked = (rig: HealthRig, from: number): number[] => [3, 4, 5].map((host) => rig.askedTimes(host, from).length);

describe("a kick", () => {
  test("moves the weight at once after a switch that nobody has asked about", () => {
    const { rig, world, kick } = settledRig();
    world.primary = 4;
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    kick();
    rig.run(milliseconds(40));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(rig.eventsOf("kick")).toEqual([{ kind: "kick", services: undefined, source: "a test", asked: 3, later: 0 }]);
  });

  test.each([3, 4])("needs one answer of each, and no second one, where %i is the last to answer", (slowest) => {
    const { rig, world, kick } = settledRig();
    Object.assign(world, { primary: 4, slowest });
    kick();
    rig.run(world.slowestTook);
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(asked(rig, 2_000)).toEqual([1, 1, 1]);
  });

  test("does not take a claim from before for an answer: where a newer one is denied, the older is asked for again", () => {
    const { rig, world, kick } = settledRig();
    Object.assign(world, { primary: 4, slowest: 3, slowestTook: milliseconds(200) });
    kick();
    rig.runUntil(milliseconds(10), "a second claim", () => rig.view()[0]?.hunting === true);
    world.primary = 3;
    rig.run(milliseconds(100));
    expect(rig.askedTimes(4, 2_000).length).toBeGreaterThan(1);
    expect(rig.view()[0]).toMatchObject({ hunting: true });
    rig.run(seconds(1));
    expect(rig.view()[0]).toMatchObject({ hunting: false });
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  });

  test("that has to wait for its turn is not asked along with others before it", () => {
    const rig = new HealthRig({ respond: () => leads() });
    const often = { delayLoop: milliseconds(100) };
    rig.configure([virtualServer([realServer(3, [httpCheck(3, "/health", often)])]), others]);
    rig.run(seconds(2));
    for (let count = 0; count < 8; count++) {
      rig.feed({ kind: "kick", services: new Set([OTHERS]), source: "a test" });
      rig.run(milliseconds(60));
    }
    const before = rig.askedTimes(5, 2_000).length;
    rig.run(milliseconds(300));
    expect(rig.askedTimes(3, 2_480).length).toBeGreaterThan(1);
    expect(rig.askedTimes(5, 2_000).length).toBe(before);
    rig.run(seconds(2));
    expect(rig.askedTimes(5, 2_000).length).toBeGreaterThan(before);
  });

  test("without a switch asks each node once, and changes nothing", () => {
    const { rig, kick } = settledRig();
    const before = { table: rig.desired(), changes: rig.timesOf("tableChanged").length };
    kick();
    rig.run(seconds(10));
    expect(asked(rig, 2_000)).toEqual([1, 1, 1]);
    expect({ table: rig.desired(), changes: rig.timesOf("tableChanged").length }).toEqual(before);
    expect(rig.view()[0]?.hunting).toBe(false);
  });

  test("of a named service asks its servers alone", () => {
    const { rig, kick } = settledRig();
    kick(OTHERS);
    rig.run(seconds(1));
    expect(asked(rig, 2_000)).toEqual([0, 0, 1]);
    expect(rig.eventsOf("kick")).toMatchObject([{ services: [OTHERS], asked: 1 }]);
  });

  test("while a question is under way, which may have been asked too early, asks once more behind its answer", () => {
    const { rig, kick } = settledRig(milliseconds(300));
    kick(OTHERS);
    rig.run(milliseconds(100));
    kick(OTHERS);
    kick(OTHERS);
    rig.run(seconds(5));
    // The node rests for as long as its answer took, at most 250 ms.
    expect(rig.askedTimes(5, 2_000)).toEqual([2_000, 2_550]);
    expect(rig.eventsOf("kick")).toHaveLength(2);
  });

  test("a thousand a second cost a node five questions at once and then one a second; none is lost", () => {
    const { rig, world, kick } = settledRig();
    for (let sent = 0; sent < 10_000; sent += 1) {
      kick();
      rig.run(milliseconds(1));
    }
    for (const count of asked(rig, 2_000)) {
      expect(count).toBeGreaterThanOrEqual(14);
      expect(count).toBeLessThanOrEqual(16);
    }
    expect(rig.eventsOf("kick").length).toBeLessThanOrEqual(16);
    world.primary = 4;
    kick();
    rig.run(seconds(1.1));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
  });

  test("asks nobody of a suspended service", () => {
    const rig = new HealthRig({ respond: () => leads() });
    rig.configure([{ ...others, haSuspend: true }]);
    rig.run(seconds(1));
    rig.feed({ kind: "kick", services: undefined, source: "a test" });
    rig.run(seconds(5));
    expect(rig.started).toEqual([]);
    expect(rig.eventsOf("kick")).toEqual([]);
  });
});
