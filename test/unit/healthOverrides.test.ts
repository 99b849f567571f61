import { describe, expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { after, milliseconds, seconds, type Us } from "../../src/core/units.ts";
import { covers, type Override, type OverrideTarget, overrideFor, parseServer } from "../../src/health/overrides.ts";
import {
  HealthRig,
  hostIp,
  type Reply,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
  writeService,
} from "../sim/healthRig.ts";
import { fails, follows, leads } from "../sim/patroniAnswers.ts";

const WRITERS = "TCP 10.0.2.10:5432";
const READERS = "TCP 10.0.2.11:5432";
const connected: Reply = { outcome: { kind: "connected" }, after: milliseconds(1) };

const target = (host: number, narrow: Partial<OverrideTarget> = {}): OverrideTarget => ({
  ...{ address: hostIp(host), port: undefined, service: undefined },
  ...narrow,
});
const drained = (of: OverrideTarget, until?: Us): Override => ({ target: of, weight: 0, until });
const weighted = (of: OverrideTarget, weight: number): Override => ({ target: of, weight, until: undefined });

/** The write service over 3 (primary), 4, 5 and a read service by TCP over the same. */
function world(tcp: Record<number, Reply> = {}, existing = new Map()) {
  const nodes: Record<number, Reply> = { 3: leads(), 4: follows(), 5: follows() };
  const rig = new HealthRig({
    respond: (check) => {
      const host = Number(check.connectIp.split(".").at(-1));
      return check.kind === "TCP_CHECK" ? (tcp[host] ?? connected) : nodes[host];
    },
  });
  const readers = virtualServer(
    [3, 4, 5].map((host) => realServer(host, [tcpCheck(host)])),
    targetAt("10.0.2.11"),
  );
  rig.configure([writeService(), readers], existing);
  return { rig, nodes, tcp };
}

/** The holder is drained, and shuts down then: it has the key and is in the role no more. */
function drainedAndStopping() {
  const it = world();
  it.rig.run(seconds(1));
  say(it.rig, drained(target(3)));
  it.nodes[3] = leads({ state: "stopping" });
  it.rig.run(seconds(1));
  return it;
}

const say = (rig: HealthRig, ...overrides: Override[]): void => rig.feed({ kind: "overrides", overrides });

describe("what an operator says over a weight", () => {
  test("one address everywhere: drained in every service, its rows stay with weight 0, the others keep theirs", () => {
    const { rig } = world();
    rig.run(seconds(1));
    say(rig, drained(target(4)));
    expect([rig.weights(0), rig.weights(1)]).toEqual([
      { 3: 50, 4: 0, 5: 0 },
      { 3: 50, 4: 0, 5: 50 },
    ]);
    expect(rig.timesOf("tableChanged").at(-1)).toBe(rig.elapsedMs());
    rig.run(seconds(30));
    expect(rig.weights(1)).toEqual({ 3: 50, 4: 0, 5: 50 });
    expect(rig.view()[1]?.servers[1]).toMatchObject({
      weight: 0,
      override: { weight: 0, target: "10.0.2.4 everywhere" },
    });
    say(rig);
    expect(rig.weights(1)).toEqual({ 3: 50, 4: 50, 5: 50 });
    expect(rig.eventsOf("override")).toEqual([
      { kind: "override", target: "10.0.2.4 everywhere", to: "drained", reason: "until it is taken back" },
      { kind: "override", target: "10.0.2.4 everywhere", to: "as configured", reason: "taken back" },
    ]);
  });

  test("a drained holder that shuts down is not raised by an operator's word, only by a confirmed answer", () => {
    const { rig, nodes } = drainedAndStopping();
    say(rig, weighted(target(3), 90));
    expect(rig.weights(0)).toEqual({ 3: 0, 4: 0, 5: 0 });
    nodes[3] = leads();
    rig.run(milliseconds(250));
    expect(rig.weights(0)).toEqual({ 3: 90, 4: 0, 5: 0 });
  });

  test("nor by a reload that changes its check", () => {
    const { rig, nodes } = drainedAndStopping();
    say(rig);
    expect(rig.weights(0)).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.configure([writeService({}, { delayLoop: seconds(2) })]);
    expect(rig.weights(0)).toEqual({ 3: 0, 4: 0, 5: 0 });
    nodes[3] = leads();
    rig.run(milliseconds(250));
    expect(rig.weights(0)).toEqual({ 3: 50, 4: 0, 5: 0 });
  });

  test("a server of one service alone, and the narrowest word counts", () => {
    const { rig } = world();
    rig.run(seconds(1));
    say(rig, drained(target(3, { service: READERS })));
    expect([rig.weights(0), rig.weights(1)]).toEqual([
      { 3: 50, 4: 0, 5: 0 },
      { 3: 0, 4: 50, 5: 50 },
    ]);
    say(rig, drained(target(3)), weighted(target(3, { service: READERS }), 7));
    expect(rig.weights(0)).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.weights(1)).toEqual({ 3: 7, 4: 50, 5: 50 });
  });

  test("it ends by itself at its time, and says so", () => {
    const { rig } = world();
    rig.run(seconds(1));
    say(rig, drained(target(4), after(rig.now, seconds(5))));
    rig.run(milliseconds(4_999));
    expect(rig.weights(1)[4]).toBe(0);
    rig.run(milliseconds(1));
    expect(rig.weights(1)[4]).toBe(50);
    expect(rig.eventsOf("override").at(-1)).toMatchObject({ to: "as configured", reason: "its time is over" });
  });

  test("a drained holder of an exclusive service: nobody has weight, it stays the holder, and no second server gets any", () => {
    const { rig, nodes } = world();
    rig.run(seconds(1));
    say(rig, drained(target(3)), weighted(target(4), 9));
    expect(rig.weights(0)).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.view()[0]?.holder).toBe("10.0.2.3:5432");
    nodes[3] = follows();
    nodes[4] = leads({ timeline: 6 });
    rig.run(seconds(3));
    // The word waited for the role.
    expect(rig.weights(0)).toEqual({ 3: 0, 4: 9, 5: 0 });
  });

  test("it never gives weight to a server that failed, nor to one that was never checked", () => {
    const { rig, tcp } = world({ 4: fails("refused") });
    say(rig, weighted(target(4), 80), weighted(target(5), 80));
    expect(rig.weights(1)).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.run(seconds(5));
    expect(rig.weights(1)).toEqual({ 3: 50, 4: 0, 5: 80 });
    tcp[4] = connected;
    rig.run(seconds(3));
    expect(rig.weights(1)).toEqual({ 3: 50, 4: 80, 5: 80 });
  });

  test("over an existing table it lowers before the first verdict, and raises only with it", () => {
    const rows = new Map([[READERS, new Map([3, 4, 5].map((host) => [`10.0.2.${host}:5432`, 20]))]]);
    const rig = new HealthRig({ respond: () => connected });
    say(rig, drained(target(3)), weighted(target(4), 80));
    const readers = virtualServer(
      [3, 4, 5].map((host) => realServer(host, [tcpCheck(host)])),
      targetAt("10.0.2.11"),
    );
    rig.configure([readers], rows);
    expect(rig.weights()).toEqual({ 3: 0, 4: 20, 5: 20 });
    rig.run(milliseconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 80, 5: 50 });
  });

  test("a reload keeps it, without a moment of the configured weight or a lost quorum that comes back", () => {
    const { rig } = world();
    rig.run(seconds(1));
    say(rig, drained(target(3)), drained(target(4)), drained(target(5)));
    expect(rig.eventsOf("quorum").at(-1)).toMatchObject({ service: READERS, to: "down" });
    const before = rig.events.length;
    const readers = virtualServer(
      [3, 4, 5].map((host) => realServer(host, [tcpCheck(host)])),
      targetAt("10.0.2.11"),
    );
    rig.configure([writeService(), readers]);
    expect(rig.weights(1)).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.events.slice(before)).toEqual([]);
    expect(rig.view()[0]?.service).toBe(WRITERS);
  });
});

test.each<[string, ReturnType<typeof parseServer>]>([
  ["10.0.2.3", { address: ip("10.0.2.3"), port: undefined }],
  ["10.0.2.3:5432", { address: ip("10.0.2.3"), port: 5432 }],
  ["2001:db8::3", { address: ip("2001:db8::3"), port: undefined }],
  ["[2001:db8::3]:80", { address: ip("2001:db8::3"), port: 80 }],
  ["[10.0.2.3]:80", undefined],
  ["10.0.2.3:65536", undefined],
  ["10.0.2.3:", undefined],
  ["pg1", undefined],
  ["", undefined],
])("a server as an operator writes it: %s", (text, expected) => {
  expect(parseServer(text)).toEqual(expected);
});

test("the service narrows more than the port, and a target covers what is a part of it", () => {
  const server = { address: hostIp(3), port: 80 };
  const wide = drained(target(3));
  const byPort = drained(target(3, { port: 80 }));
  const byService = drained(target(3, { service: "S" }));
  const other = drained(target(3, { port: 81 }));
  expect(overrideFor([wide, byPort, byService, other], server, "S")).toBe(byService);
  expect(overrideFor([wide, byPort, byService, other], server, "T")).toBe(byPort);
  expect(overrideFor([wide, other], server, "T")).toBe(wide);
  expect(overrideFor([other], server, "T")).toBeUndefined();
  expect(covers(wide.target, byPort.target)).toBe(true);
  expect(covers(byPort.target, wide.target)).toBe(false);
});
