import { describe, expect, test } from "vitest";
import type { CheckConfig, CheckPath } from "../../src/config/check.types.ts";
import { after, durationUs, milliseconds, seconds, type Us } from "../../src/core/units.ts";
import { huntGap } from "../../src/health/schedule.ts";
import {
  type ExistingTable,
  HealthRig,
  httpCheck,
  type Reply,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
} from "../sim/healthRig.ts";
import { answer, fails, follows, leads } from "../sim/patroniAnswers.ts";

const ID = "TCP 10.0.2.10:5432";
const hostOf = (check: CheckPath): number => Number(check.connectIp.split(".").at(-1));
const connected: Reply = { outcome: { kind: "connected" }, after: milliseconds(1) };

/** A rig whose nodes answer as a table says; a node may be changed while it runs. */
function rigWith(nodes: Record<number, Reply | undefined>): HealthRig {
  return new HealthRig({ respond: (check) => nodes[hostOf(check)] });
}

function table(weights: Readonly<Record<number, number>>): ExistingTable {
  const rows = Object.entries(weights).map(([host, weight]): [string, number] => [`10.0.2.${host}:5432`, weight]);
  return new Map([[ID, new Map(rows)]]);
}

const readers = (timing: Partial<CheckConfig["timing"]> = {}, inhibit = true) =>
  virtualServer([3, 4, 5].map((host) => realServer(host, [tcpCheck(host, timing)], inhibit)));

describe("first checks", () => {
  test("all start at once, whatever warmup says, and the first verdicts are announced once", () => {
    const rig = rigWith({ 3: connected, 4: connected, 5: connected });
    rig.configure([readers({ warmup: seconds(60) })]);
    expect(rig.started.map(({ at }) => at)).toEqual([rig.now, rig.now, rig.now]);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.run(seconds(10));
    expect(rig.timesOf("firstVerdicts")).toEqual([1]);
    expect(rig.weights()).toEqual({ 3: 50, 4: 50, 5: 50 });
  });

  test("are waited for until connect_timeout + 0.5 s, no longer", () => {
    const rig = rigWith({ 3: connected, 4: connected, 5: undefined });
    rig.configure([readers()]);
    rig.run(seconds(3));
    expect(rig.timesOf("firstVerdicts")).toEqual([1_500]);
    expect(rig.weights()).toEqual({ 3: 50, 4: 50, 5: 0 });
  });

  test("a configuration without checks has its first verdicts at once: always up, as in keepalived", () => {
    const rig = rigWith({});
    rig.configure([virtualServer([realServer(3, [])])]);
    expect(rig.timesOf("firstVerdicts")).toEqual([0]);
    expect(rig.weights()).toEqual({ 3: 50 });
    expect(rig.view()[0]?.servers[0]?.reason).toBe("no checks: always up");
  });

  test("a server that was never checked gets no weight, and a row only under inhibit_on_failure", () => {
    const rig = rigWith({});
    rig.configure([readers({}, false)]);
    expect(rig.weights()).toEqual({});
    rig.run(seconds(60));
    expect(rig.weights()).toEqual({});
  });
});

describe("log_all_failures", () => {
  const failing = { 3: connected, 4: fails("refused", milliseconds(1)) };

  test.each([true, false])("%s: failures that retry tolerates are told, and no others", (logAllFailures) => {
    const check = { ...tcpCheck(3, { retry: 2, delayBeforeRetry: milliseconds(100) }), logAllFailures };
    const nodes: Record<number, Reply | undefined> = { ...failing };
    const rig = rigWith(nodes);
    rig.configure([virtualServer([realServer(3, [check])])]);
    rig.run(milliseconds(50));
    nodes[3] = failing[4];
    rig.run(seconds(10));
    const told = rig.events.flatMap(({ event }) => (event.kind === "checkFailed" ? [event.reason] : []));
    expect(told).toEqual(logAllFailures ? ["connection refused (1 of 3)", "connection refused (2 of 3)"] : []);
  });
});

describe("a start over an existing table", () => {
  test("rows keep their weight until their own first verdict", () => {
    const rig = rigWith({
      3: connected,
      4: fails("refused", milliseconds(5)),
      5: { ...connected, after: milliseconds(30) },
    });
    rig.configure([readers()], table({ 3: 7, 4: 9, 5: 11, 9: 1 }));
    expect(rig.weights()).toEqual({ 3: 7, 4: 9, 5: 11 });
    rig.run(milliseconds(10));
    expect(rig.weights()).toEqual({ 3: 50, 4: 9, 5: 11 });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 50 });
  });

  test("at most the worst-case time of the check, then they count as failed", () => {
    const rig = rigWith({});
    rig.configure([readers({ retry: 0, connectTimeout: seconds(2) })], table({ 3: 7 }));
    rig.run(milliseconds(2_499));
    expect(rig.weights()).toEqual({ 3: 7, 4: 0, 5: 0 });
    rig.run(milliseconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
  });

  test("answers that came while the thread did not run count before that time is over", () => {
    const rig = rigWith({ 3: { ...connected, after: milliseconds(20) } });
    rig.configure([readers({ retry: 0, connectTimeout: seconds(2) })], table({ 3: 7, 4: 9 }));
    rig.now = after(rig.now, seconds(6));
    rig.feed({ kind: "deadline" });
    expect(rig.weights()).toEqual({ 3: 7, 4: 9, 5: 0 });
    rig.run(milliseconds(1));
    expect(rig.weights()).toEqual({ 3: 50, 4: 9, 5: 0 });
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
  });

  test("a row at 0 stays a row at 0 until its verdict, also without inhibit_on_failure", () => {
    const rig = rigWith({ 3: { ...connected, after: milliseconds(20) } });
    rig.configure([readers({}, false)], table({ 3: 0 }));
    expect(rig.weights()).toEqual({ 3: 0 });
    rig.run(milliseconds(30));
    expect(rig.weights()).toEqual({ 3: 50 });
  });
});

describe("verdicts of a check that tells no role", () => {
  test("retry failures are tolerated, counted delay_before_retry apart; recovery is at once", () => {
    const nodes: Record<number, Reply> = { 3: connected, 4: connected, 5: connected };
    const rig = rigWith(nodes);
    rig.configure([readers({ retry: 2, delayBeforeRetry: milliseconds(300) })]);
    rig.run(milliseconds(500));
    nodes[3] = fails("refused");
    const took = rig.runUntil(seconds(3), "server 3 is down", () => rig.weights()[3] === 0);
    expect(took).toBeGreaterThan(milliseconds(2 * 300));
    expect(took).toBeLessThanOrEqual(milliseconds(1_000 + 2 * 300 + 10));
    expect(rig.eventsOf("verdict").at(-1)).toMatchObject({ from: "up", to: "down", reason: "connection refused" });
    nodes[3] = connected;
    rig.runUntil(milliseconds(1_010), "server 3 is up", () => rig.weights()[3] === 50);
  });

  test("a wrong status of a plain web server is tolerated like silence, as in keepalived", () => {
    const nodes: Record<number, Reply> = { 3: answer(200, "hello", "/") };
    const rig = rigWith(nodes);
    const timing = { retry: 1, delayBeforeRetry: milliseconds(500) };
    rig.configure([virtualServer([realServer(3, [httpCheck(3, "/", timing)])])]);
    rig.run(milliseconds(100));
    nodes[3] = answer(500, "oops", "/");
    rig.run(milliseconds(1_050));
    expect(rig.weights()).toEqual({ 3: 50 });
    expect(rig.view()[0]?.servers[0]?.reason).toBe("HTTP 500 from / (1 of 2)");
    rig.run(milliseconds(510));
    expect(rig.weights()).toEqual({ 3: 0 });
  });

  test("a role answer of a reader acts at once", () => {
    const nodes: Record<number, Reply> = { 3: answer(200, "", "/replica") };
    const rig = rigWith(nodes);
    rig.configure([virtualServer([realServer(3, [httpCheck(3, "/replica", { retry: 5 })], false)])]);
    rig.run(milliseconds(100));
    expect(rig.weights()).toEqual({ 3: 50 });
    nodes[3] = answer(503, "", "/replica");
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({});
  });

  test("every check of a server must pass", () => {
    const rig = new HealthRig({ respond: (check) => (check.kind === "TCP_CHECK" ? connected : answer(404, "", "/x")) });
    rig.configure([virtualServer([realServer(3, [tcpCheck(3), httpCheck(3, "/x")])])]);
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 0 });
  });

  test("a leader path outside an exclusive service is raised on a confirmed answer too, and kept on 200 alone", () => {
    const nodes: Record<number, Reply> = { 3: leads({ role: "replica" }) };
    const rig = rigWith(nodes);
    rig.configure([virtualServer([realServer(3, [httpCheck(3, "/primary")])], { exclusive: "off" })]);
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 0 });
    nodes[3] = leads();
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50 });
    nodes[3] = leads({ state: "unknown" });
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 50 });
    nodes[3] = fails("refused");
    rig.run(seconds(5));
    nodes[3] = leads({ state: "unknown" });
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0 });
  });
});

describe("probes", () => {
  test("identical checks are one probe, asked as often as the most eager wants", () => {
    const rig = rigWith({ 3: connected });
    const one = virtualServer([realServer(3, [tcpCheck(3)])]);
    const two = virtualServer(
      [realServer(3, [tcpCheck(3, { delayLoop: milliseconds(100) })])],
      targetAt("10.0.2.10", 9),
    );
    rig.configure([one, two]);
    rig.run(seconds(1));
    expect(rig.started.length).toBeGreaterThanOrEqual(10);
    expect(rig.started.length).toBeLessThanOrEqual(13);
    expect([rig.weights(0), rig.weights(1)]).toEqual([{ 3: 50 }, { 3: 50 }]);
  });

  test("another deadline, port, url or status is another probe", () => {
    const rig = rigWith({ 3: connected });
    const urls = [{ path: "/x", statusCodes: [{ from: 200, to: 204 }] }];
    const checks = [httpCheck(3, "/x"), httpCheck(3, "/y"), { ...httpCheck(3, "/x"), urls }];
    rig.configure([virtualServer([realServer(3, [...checks, { ...httpCheck(3, "/x"), connectPort: 1 }])])]);
    expect(rig.started).toHaveLength(4);
    const other = virtualServer(
      [realServer(3, [httpCheck(3, "/x", { connectTimeout: seconds(2) })])],
      targetAt("10.0.2.10", 7),
    );
    rig.configure([other]);
    expect(rig.started).toHaveLength(5);
  });

  test("never more than one in flight, however slow; the interval counts from the start", () => {
    const nodes: Record<number, Reply> = { 3: { ...connected, after: milliseconds(400) } };
    const rig = rigWith(nodes);
    rig.configure([virtualServer([realServer(3, [tcpCheck(3)])])]);
    rig.run(seconds(10));
    const times = rig.askedTimes(3);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1_000);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(899);
    expect(new Set(gaps).size).toBeGreaterThan(3);
  });

  test("one that is lost counts as failed and is asked again; its late outcome is ignored", () => {
    let lost = true;
    const slow: Reply = { ...connected, after: milliseconds(950) };
    const rig = new HealthRig({
      respond: () => (lost ? { ...fails("refused"), after: seconds(60) } : slow),
    });
    rig.configure([virtualServer([realServer(3, [tcpCheck(3, { retry: 0 })])])]);
    lost = false;
    rig.run(milliseconds(2_499));
    expect(rig.started).toHaveLength(1);
    rig.run(milliseconds(2_000));
    expect(rig.weights()).toEqual({ 3: 50 });
    // The late outcome comes while the next probe is in flight, as one nearly always is here.
    rig.run(seconds(120));
    expect(rig.eventsOf("verdict").map((event) => event.to)).toEqual(["down", "up"]);
    expect(rig.eventsOf("verdict")[0]?.reason).toMatch(/could not run \(no outcome after 2500 ms\)/);
  });

  test("warmup scatters the second probe only, and never beyond the interval", () => {
    const seconds2nd = [1, 2, 3, 4, 5].map((seed) => {
      const rig = new HealthRig({ seed, respond: () => connected });
      rig.configure([virtualServer([realServer(3, [tcpCheck(3, { warmup: seconds(1) })])])]);
      rig.run(seconds(5));
      const times = rig.askedTimes(3);
      expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(900);
      return times[1] ?? 0;
    });
    expect(Math.max(...seconds2nd)).toBeLessThanOrEqual(1_000);
    expect(new Set(seconds2nd).size).toBe(5);
  });

  test("the same seed and the same answers give the same effects", () => {
    const run = () => {
      const rig = rigWith({ 3: leads(), 4: follows(), 5: fails("timedOut", seconds(1)) });
      rig.configure([
        virtualServer(
          [3, 4, 5].map((host) => realServer(host, [httpCheck(host, "/primary")])),
          { exclusive: "detected" },
        ),
      ]);
      rig.run(seconds(30));
      return rig.effects;
    };
    expect(run()).toEqual(run());
  });
});

describe("reload", () => {
  test("verdicts of unchanged checks are kept, removed services vanish, new ones start at 0", () => {
    const rig = rigWith({ 3: connected, 4: connected, 5: connected });
    rig.configure([readers(), virtualServer([realServer(3, [tcpCheck(3)])], targetAt("10.0.2.10", 9))]);
    rig.run(seconds(1));
    const asked = rig.started.length;
    rig.configure([virtualServer([3, 6].map((host) => realServer(host, [tcpCheck(host)])))]);
    expect(rig.desired()).toHaveLength(1);
    expect(rig.weights()).toEqual({ 3: 50, 6: 0 });
    expect(rig.started.slice(asked).map(({ spec }) => spec.check.connectIp)).toEqual(["10.0.2.6"]);
    expect(rig.timesOf("firstVerdicts")).toHaveLength(1);
    expect(rig.timesOf("tableChanged").at(-1)).toBe(rig.elapsedMs());
    const before = rig.askedTimes(4).length;
    rig.run(seconds(10));
    expect(rig.askedTimes(4)).toHaveLength(before);
  });

  test("a changed check keeps the old verdict until its first result", () => {
    const nodes: Record<number, Reply> = { 3: connected, 4: fails("refused"), 5: connected };
    const rig = rigWith(nodes);
    rig.configure([readers()]);
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 50 });
    for (const host of [3, 4, 5]) nodes[host] = answer(200, "", "/x", milliseconds(50));
    rig.configure([virtualServer([3, 4, 5].map((host) => realServer(host, [httpCheck(host, "/x")])))]);
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 50 });
    rig.run(milliseconds(49));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 50 });
    rig.run(milliseconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 50, 5: 50 });
    expect(rig.eventsOf("verdict").at(-1)).toMatchObject({ server: "10.0.2.4:5432", from: "down", to: "up" });
  });

  test("an answer to a probe that is gone changes nothing", () => {
    const rig = rigWith({ 3: { ...connected, after: milliseconds(500) } });
    rig.configure([virtualServer([realServer(3, [tcpCheck(3)])])]);
    rig.run(milliseconds(100));
    rig.configure([]);
    rig.run(seconds(2));
    expect(rig.desired()).toEqual([]);
    expect(rig.started).toHaveLength(1);
  });

  test("another weight of a server that is up is taken over at once", () => {
    const rig = rigWith({ 3: connected });
    rig.configure([virtualServer([realServer(3, [tcpCheck(3)])])]);
    rig.run(seconds(1));
    rig.configure([virtualServer([{ ...realServer(3, [tcpCheck(3)]), weight: 70 }])]);
    expect(rig.weights()).toEqual({ 3: 70 });
  });
});

describe("view", () => {
  test("says why in words", () => {
    const rig = rigWith({ 3: connected, 4: fails("timedOut", seconds(1)), 5: undefined });
    rig.configure([readers({ connectTimeout: seconds(1), retry: 1 })], table({ 4: 50, 5: 50 }));
    rig.run(milliseconds(1_001));
    expect(rig.view()[0]?.servers.map((server) => [server.verdict, server.reason, server.weight])).toEqual([
      ["up", "connected to port 5432", 50],
      ["unknown", "no answer within 1 s (1 of 2); keeps weight 50 until then", 50],
      ["unknown", "not checked yet; keeps weight 50 until then", 50],
    ]);
    expect(rig.view()[0]?.servers[1]?.lastResultAge).toBe(milliseconds(1));
  });
});

test("a deadline that is not due does nothing", () => {
  const rig = rigWith({ 3: connected });
  rig.configure([virtualServer([realServer(3, [tcpCheck(3)])])]);
  rig.run(milliseconds(10));
  const before = rig.effects.length;
  rig.feed({ kind: "deadline" });
  expect(rig.effects).toHaveLength(before);
});

test("the gap of a hunt: 25 ms, then 50 ms, then doubling without end", () => {
  const at = (span: number) => huntGap(durationUs(span)) / 1000;
  expect([0, 9.999e6, 10e6, 119e6, 120e6, 181e6, 241e6].map(at)).toEqual([25, 25, 50, 50, 100, 200, 400]);
  expect(Number.isFinite(at(1e15 as Us))).toBe(true);
});
