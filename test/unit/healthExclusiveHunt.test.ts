import { describe, expect, test } from "vitest";
import { durationUs, milliseconds, seconds } from "../../src/core/units.ts";
import { HealthRig, httpCheck, realServer, targetAt, virtualServer, writeService } from "../sim/healthRig.ts";
import { answer, fails, follows, leads, patroniBody } from "../sim/patroniAnswers.ts";
import { settled } from "./exclusiveRig.ts";

describe("watching and hunting", () => {
  const gaps = (times: readonly number[]): number[] => times.slice(1).map((at, index) => at - (times[index] ?? 0));

  test("the holder is asked every 200 ms, the others at delay_loop", () => {
    const { rig } = settled();
    const from = rig.elapsedMs();
    rig.run(seconds(20));
    expect(rig.askedTimes(3, from).length).toBeGreaterThanOrEqual(100);
    expect(rig.askedTimes(3, from).length).toBeLessThanOrEqual(112);
    expect(rig.askedTimes(4, from).length).toBeLessThanOrEqual(23);
    expect(Math.max(...gaps(rig.askedTimes(3, from)))).toBeLessThanOrEqual(200);
  });

  test("role_watch 0 watches at delay_loop; a shorter delay_loop wins", () => {
    const off = settled({}, writeService({ roleWatch: durationUs(0) })).rig;
    const from = off.elapsedMs();
    off.run(seconds(10));
    expect(off.askedTimes(3, from).length).toBeLessThanOrEqual(12);
    const short = settled({}, writeService({}, { delayLoop: milliseconds(100) })).rig;
    short.run(seconds(10));
    expect(Math.max(...gaps(short.askedTimes(3, 3_000)))).toBeLessThanOrEqual(100);
  });

  test("a hunt asks every member 25 ms after a quick answer, later 50 ms, then ever less up to delay_loop", () => {
    const { rig, nodes } = settled();
    nodes[3] = follows({}, milliseconds(10));
    nodes[4] = follows({}, milliseconds(300));
    rig.runUntil(milliseconds(205), "the hunt is on", () => rig.view()[0]?.hunting === true);
    const start = rig.elapsedMs();
    rig.run(seconds(400));
    const between = (host: number, fromS: number, toS: number): number[] =>
      gaps(rig.askedTimes(host, start + fromS * 1000).filter((at) => at < start + toS * 1000));
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(between(3, 0, 10))).toBeCloseTo(10 + 25 * 0.95, 0);
    expect(Math.max(...between(3, 0.1, 10))).toBeLessThanOrEqual(35);
    // A slow one is left alone for as long as its answer took, at most 250 ms.
    expect(mean(between(4, 0, 10))).toBeCloseTo(300 + 250 * 0.95, -0.5);
    expect(mean(between(3, 11, 119))).toBeCloseTo(10 + 50 * 0.95, 0);
    expect(mean(between(3, 121, 179))).toBeCloseTo(10 + 100 * 0.95, -0.5);
    expect(Math.max(...between(3, 181, 400))).toBeLessThanOrEqual(1_000);
    expect(between(3, 380, 400).length).toBeLessThanOrEqual(23);
  });

  test("the node that alone has the key is asked 5 ms after each quick answer, the others every 200 ms", () => {
    const { rig, nodes } = settled();
    nodes[3] = follows({}, milliseconds(10));
    rig.runUntil(milliseconds(230), "the hunt is on", () => rig.view()[0]?.hunting === true);
    nodes[5] = leads({ role: "replica" }, milliseconds(10));
    rig.run(milliseconds(500));
    const start = rig.elapsedMs();
    rig.run(seconds(5));
    expect(Math.max(...gaps(rig.askedTimes(5, start)))).toBeLessThanOrEqual(15);
    expect(Math.min(...gaps(rig.askedTimes(3, start)))).toBeGreaterThanOrEqual(190);
    // It loses the key again: everybody is asked as before, at once.
    nodes[5] = follows({}, milliseconds(10));
    rig.run(milliseconds(60));
    const lost = rig.elapsedMs();
    rig.run(seconds(1));
    expect(Math.max(...gaps(rig.askedTimes(3, lost)))).toBeLessThanOrEqual(35);
    expect(Math.max(...gaps(rig.askedTimes(5, lost)))).toBeLessThanOrEqual(35);
  });

  test("starts with the holder's first failed probe and ends with its next confirmed answer", () => {
    const { rig, nodes } = settled();
    nodes[3] = fails("reset");
    rig.runUntil(milliseconds(205), "the hunt is on", () => rig.view()[0]?.hunting === true);
    expect(rig.weights()[3]).toBe(50);
    nodes[3] = leads();
    rig.runUntil(milliseconds(40), "the hunt is over", () => rig.view()[0]?.hunting === false);
    expect(rig.eventsOf("hunt").slice(-2)).toMatchObject([
      { phase: "started", reason: "10.0.2.3:5432: connection reset (1 of 2)" },
      { phase: "ended", reason: "10.0.2.3:5432: HTTP 200 from /primary, role primary" },
    ]);
    const quiet = rig.askedTimes(4).length;
    rig.run(seconds(5));
    expect(rig.askedTimes(4).length - quiet).toBeLessThanOrEqual(7);
  });

  test("asks a node one question at a time, also for two services", () => {
    let inFlight = 0;
    let worst = 0;
    const rig = new HealthRig({
      respond: () => {
        inFlight += 1;
        if (rig.elapsedMs() > 100) worst = Math.max(worst, inFlight);
        rig.at(durationUs(rig.now + 9_000) as unknown as typeof rig.now, () => {
          inFlight -= 1;
        });
        return follows({}, milliseconds(10));
      },
    });
    const service = (path: string, port: number) =>
      virtualServer([realServer(3, [httpCheck(3, path)])], { exclusive: "detected", ...targetAt("10.0.2.10", port) });
    rig.configure([service("/primary", 1), service("/leader", 2)]);
    rig.run(seconds(5));
    expect(worst).toBe(1);
    expect(rig.started.length).toBeGreaterThan(150);
    const paths = rig.started.map(({ spec }) => (spec.check.kind === "HTTP_GET" ? spec.check.urls[0]?.path : ""));
    expect(Math.abs(paths.filter((path) => path === "/leader").length * 2 - paths.length)).toBeLessThan(10);
  });
});

describe("reload of an exclusive service", () => {
  test("keeps the holder; a removed holder leaves a vacancy and a hunt", () => {
    const { rig } = settled();
    rig.configure([writeService()]);
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    const rest = [4, 5].map((host) => realServer(host, [httpCheck(host, "/primary")]));
    rig.configure([virtualServer(rest, { exclusive: "detected" })]);
    expect(rig.weights()).toEqual({ 4: 0, 5: 0 });
    expect(rig.eventsOf("holder").at(-1)).toMatchObject({ to: undefined, reason: "removed from the configuration" });
    expect(rig.view()[0]?.hunting).toBe(true);
  });

  test("another check path keeps the holder until its first answer", () => {
    const { rig, nodes } = settled();
    nodes[3] = answer(200, patroniBody({}), "/leader", milliseconds(40));
    nodes[4] = answer(503, patroniBody({ role: "replica" }), "/leader", milliseconds(10));
    const leader = [3, 4].map((host) => realServer(host, [httpCheck(host, "/leader")]));
    rig.configure([virtualServer(leader, { exclusive: "detected" })]);
    rig.run(milliseconds(20));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    expect(rig.eventsOf("holder")).toHaveLength(1);
  });
});
