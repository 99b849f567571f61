import { describe, expect, test } from "vitest";
import type { VirtualServerConfig } from "../../src/config/types.ts";
import { durationUs, milliseconds, seconds } from "../../src/core/units.ts";
import {
  HealthRig,
  httpCheck,
  patroniCheck,
  type Reply,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
  writeService,
} from "../sim/healthRig.ts";
import { answer, fails, follows, leads, patroniBody } from "../sim/patroniAnswers.ts";

const ID = "TCP 10.0.2.10:5432";
const server = (host: number): string => `10.0.2.${host}:5432`;
const existing = (weights: Readonly<Record<number, number>>) =>
  new Map([[ID, new Map(Object.entries(weights).map(([host, weight]) => [server(Number(host)), weight]))]]);

type Nodes = Record<number, Reply | undefined>;

/** A rig over members 3, 4, 5; what a node answers may be changed while it runs. */
function rigWith(nodes: Nodes, config: VirtualServerConfig = writeService(), weights = {}): HealthRig {
  const rig = new HealthRig({
    respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))],
    onEffects: () => expectOneWeight(rig),
  });
  rig.configure([config], existing(weights));
  return rig;
}

/** The promise itself, after every step of every test. */
function expectOneWeight(rig: HealthRig | undefined): void {
  for (const service of rig?.desired() ?? []) {
    if (service.exclusive) expect(service.destinations.filter((row) => row.weight > 0).length).toBeLessThan(2);
  }
}

/** A settled cluster: 3 leads, 4 and 5 follow. */
function settled(nodes: Nodes = {}, config = writeService()): { rig: HealthRig; nodes: Nodes } {
  const all: Nodes = { 3: leads(), 4: follows(), 5: follows(), ...nodes };
  const rig = rigWith(all, config);
  rig.run(seconds(3));
  expect(rig.view()[0]?.holder).toBe(server(3));
  return { rig, nodes: all };
}

describe("who holds an exclusive service", () => {
  test("the confirmed claimant alone; persistence is not programmed", () => {
    const { rig } = settled();
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.desired()[0]).toMatchObject({ exclusive: true, persistenceTimeoutSec: 0 });
  });

  test("503 takes the weight at once, before anybody else claims", () => {
    const { rig, nodes } = settled();
    nodes[3] = follows();
    const took = rig.runUntil(milliseconds(205), "nobody has weight", () => rig.weights()[3] === 0);
    expect(took).toBeLessThanOrEqual(milliseconds(205));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.eventsOf("holder").at(-1)).toMatchObject({
      from: server(3),
      to: undefined,
      reason: "HTTP 503 from /primary (role replica)",
    });
  });

  test("a 500 of the holder counts as an answer about the role too", () => {
    for (const body of [patroniBody({}), '{"state": "run']) {
      const { rig, nodes } = settled();
      nodes[3] = answer(500, body);
      rig.run(milliseconds(205));
      expect(rig.weights()[3], body).toBe(0);
    }
  });

  test("key before promotion: 200 with role replica gets nothing, 200 with role primary gets it within one gap", () => {
    const { rig, nodes } = settled();
    nodes[3] = follows();
    rig.run(milliseconds(300));
    nodes[4] = leads({ role: "replica" });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    nodes[4] = leads({ timeline: 6 });
    const took = rig.runUntil(milliseconds(100), "4 has weight", () => rig.weights()[4] === 50);
    expect(took).toBeLessThanOrEqual(milliseconds(25 + 2 + 2));
    expect(rig.eventsOf("conflict")).toEqual([]);
  });

  test("an old primary that shuts down keeps the weight on its 200 and cannot get it back by that", () => {
    const { rig, nodes } = settled();
    nodes[3] = leads({ state: "stopping" });
    rig.run(seconds(3));
    expect(rig.weights()[3]).toBe(50);
    nodes[3] = follows();
    rig.run(milliseconds(400));
    nodes[3] = leads({ state: "stopping" });
    rig.run(seconds(3));
    expect(rig.weights()[3]).toBe(0);
  });

  test("silence keeps the weight for its retries; hunting does not use them up", () => {
    const { rig, nodes } = settled({}, writeService({}, { retry: 2, delayBeforeRetry: seconds(1) }));
    nodes[3] = fails("refused");
    const took = rig.runUntil(seconds(4), "3 is down", () => rig.weights()[3] === 0);
    expect(took).toBeGreaterThanOrEqual(seconds(2));
    expect(took).toBeLessThanOrEqual(milliseconds(2_300));
    expect(rig.askedTimes(3).length).toBeGreaterThan(60);
  });

  describe("a holder whose REST API alone is silent", () => {
    /** The holder's REST API hangs; its service port does what `port` says. */
    const withSilentHolder = (change: Partial<VirtualServerConfig>, port: () => Reply | undefined) => {
      const { rig, nodes } = settled({}, writeService(change, { retry: 1, delayBeforeRetry: seconds(1) }));
      const answers = rig.respond;
      rig.respond = (check, now) => (check.kind === "TCP_CHECK" ? port() : answers(check, now));
      nodes[3] = fails("timedOut", seconds(1));
      return { rig, nodes };
    };
    const accepts = (): Reply => ({ outcome: { kind: "connected" }, after: milliseconds(1) });
    const portsAsked = (rig: HealthRig): number =>
      rig.started.filter(({ spec }) => spec.check.kind === "TCP_CHECK").length;

    test("keeps its weight for role_hold while its service port accepts connections, and then loses it", () => {
      const { rig } = withSilentHolder({ roleHold: seconds(10) }, accepts);
      rig.run(seconds(10));
      expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
      expect(rig.view()[0]?.servers[0]?.reason).toMatch(/^no answer within 1 s; its service port answers/);
      expect(rig.view()[0]?.hunting).toBe(true);
      rig.runUntil(seconds(4), "3 is down", () => rig.weights()[3] === 0);
      expect(rig.eventsOf("holder").at(-1)?.reason).toMatch(/held for role_hold$/);
    });

    test("its port is asked once a second, of it alone, and no more when it speaks again", () => {
      const { rig, nodes } = withSilentHolder({ roleHold: seconds(10) }, accepts);
      rig.run(seconds(7));
      expect(portsAsked(rig)).toBeGreaterThanOrEqual(5);
      expect(portsAsked(rig)).toBeLessThanOrEqual(8);
      expect(new Set(rig.started.map(({ spec }) => spec.check).filter(({ kind }) => kind === "TCP_CHECK"))).toEqual(
        new Set([expect.objectContaining({ connectIp: "10.0.2.3", connectPort: 5432 })]),
      );
      nodes[3] = leads();
      rig.runUntil(seconds(2), "3 speaks", () => rig.view()[0]?.hunting === false);
      const asked = portsAsked(rig);
      rig.run(seconds(5));
      expect(portsAsked(rig)).toBe(asked);
      expect(rig.weights()[3]).toBe(50);
      expect(rig.eventsOf("verdict").filter(({ to, server: id }) => to === "down" && id === server(3))).toEqual([]);
    });

    test.each([
      ["refuses connections", {}, (): Reply => fails("refused")],
      ["hangs too", {}, (): Reply => fails("timedOut", seconds(1))],
      ["accepts them, and role_hold is 0", { roleHold: durationUs(0) }, accepts],
    ])("loses its weight when its port %s", (_title, change, port) => {
      const { rig } = withSilentHolder(change, port);
      rig.runUntil(seconds(6), "3 is down", () => rig.weights()[3] === 0);
      expect(rig.view()[0]?.holder).toBeUndefined();
    });

    test("loses it at once to one that is confirmed in the role, and by its own no", () => {
      const first = withSilentHolder({}, accepts);
      first.rig.run(seconds(8));
      first.nodes[4] = leads({ timeline: 6 });
      first.rig.runUntil(milliseconds(1_100), "4 took over", () => first.rig.weights()[4] === 50);
      expect(first.rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
      const second = withSilentHolder({}, accepts);
      second.rig.run(seconds(8));
      second.nodes[3] = follows();
      second.rig.runUntil(seconds(2), "3 says no", () => second.rig.weights()[3] === 0);
    });
  });

  test("a holder that hangs loses against a rival that claims after it fell silent, retries or not", () => {
    const config = writeService({}, { retry: 100, delayBeforeRetry: seconds(1) });
    const { rig, nodes } = settled({}, config);
    nodes[3] = fails("timedOut", seconds(1));
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    nodes[4] = leads({ timeline: 6 });
    rig.runUntil(milliseconds(1_100), "4 took over", () => rig.weights()[4] === 50);
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    expect(rig.eventsOf("holder").at(-1)?.reason).toMatch(
      /^HTTP 200 from \/primary, role primary; 10\.0\.2\.3:5432: no answer within 1 s \(\d of 101\)$/,
    );
  });

  test("a rival's claim from before the silence does not count against a silent holder", () => {
    // 4 is asked, then 3 is found silent, then the old answer of 4 arrives: it must be asked once more.
    const { rig, nodes } = settled();
    const asked: number[] = [];
    rig.respond = (check, now) => {
      const host = Number(check.connectIp.split(".").at(-1));
      if (host === 4) asked.push(now);
      return nodes[host];
    };
    nodes[4] = leads({ timeline: 6 }, milliseconds(600));
    rig.runUntil(milliseconds(1_100), "4 is asked", () => asked.length > 0);
    nodes[3] = fails("refused");
    rig.runUntil(seconds(5), "4 took over", () => rig.weights()[4] === 50);
    expect(asked.length).toBeGreaterThanOrEqual(2);
  });

  test("a holder whose own query fails (state unknown) keeps the weight", () => {
    const { rig, nodes } = settled();
    nodes[3] = leads({ state: "unknown" });
    rig.run(seconds(30));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
  });

  test("without inhibit_on_failure only the holder has a row", () => {
    const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary")], false));
    const rig = rigWith({ 3: leads(), 4: follows() }, virtualServer(servers, { exclusive: "detected" }));
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50 });
  });

  test("without it a row at 0 that a start finds stays until a successor is confirmed: sessions are cut no sooner (seed 5550281 of the simulation)", () => {
    const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary")], false));
    const nodes: Nodes = { 3: follows(), 4: follows() };
    const rig: HealthRig = new HealthRig({
      respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))],
      rows: () => {
        const there = 3 in rig.weights() ? [[server(3), { weight: 0, connections: 2 }] as const] : [];
        return new Map([[ID, new Map(there)]]);
      },
    });
    rig.configure([virtualServer(servers, { exclusive: "detected" })], existing({ 3: 0 }));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0 });
    nodes[4] = leads();
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 4: 50 });
  });

  test("a standby cluster: /standby-leader asks for the role standby_leader", () => {
    const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/standby-leader")]));
    const standby = (role: string) => answer(200, patroniBody({ role }), "/standby-leader");
    const rig = rigWith(
      { 3: standby("standby_leader"), 4: answer(503, "") },
      virtualServer(servers, { exclusive: "detected" }),
    );
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  });

  test("another check of the holder counts as well", () => {
    const nodes: Nodes = { 3: leads(), 4: follows() };
    let postgres: Reply = { outcome: { kind: "connected" }, after: milliseconds(1) };
    const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary"), tcpCheck(host, { retry: 0 })]));
    const rig = new HealthRig({
      respond: (check) => (check.kind === "TCP_CHECK" ? postgres : nodes[Number(check.connectIp.split(".").at(-1))]),
    });
    rig.configure([virtualServer(servers, { exclusive: "detected" })]);
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    postgres = fails("refused");
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
  });
});

describe("when a service is exclusive", () => {
  const onRoot = (host: number) => realServer(host, [httpCheck(host, "/")]);
  const plain = answer(200, "<html>", "/");

  test("`/` of plain web servers is not", () => {
    const rig = rigWith(
      { 3: plain, 4: plain, 5: plain },
      virtualServer([3, 4, 5].map(onRoot), { exclusive: "onScope" }),
    );
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 50, 4: 50, 5: 50 });
    expect(rig.desired()[0]).toMatchObject({ exclusive: false, persistenceTimeoutSec: 1 });
  });

  test("`/` of plain web servers beside `patroni { role replica }` is not, whatever scope that check's body tells", () => {
    const member = answer(503, patroniBody({ role: "replica" }), "/leader");
    const rig = new HealthRig({ respond: (check) => (check.kind === "patroni" ? member : plain) });
    const servers = [3, 4].map((host) => realServer(host, [patroniCheck(host, "replica"), httpCheck(host, "/")]));
    rig.configure([virtualServer(servers, { exclusive: "onScope" })]);
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 50, 4: 50 });
    expect(rig.desired()[0]?.exclusive).toBe(false);
  });

  test("`/` is as soon as a body carries patroni.scope, also a 503's", () => {
    const nodes: Nodes = {
      3: answer(200, patroniBody({}), "/"),
      4: answer(503, patroniBody({ role: "replica" }), "/", milliseconds(1)),
    };
    const rig = rigWith(nodes, virtualServer([3, 4].map(onRoot), { exclusive: "onScope" }));
    rig.run(milliseconds(1));
    expect(rig.desired()[0]?.exclusive).toBe(true);
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    nodes[4] = answer(200, patroniBody({}), "/");
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    expect(rig.eventsOf("conflict")).toHaveLength(1);
  });

  test("and stays so over a reload, whatever the latest body was", () => {
    const config = virtualServer([3, 4].map(onRoot), { exclusive: "onScope" });
    const nodes: Nodes = { 3: answer(200, patroniBody({}), "/"), 4: fails("refused") };
    const rig = rigWith(nodes, config);
    rig.run(seconds(1));
    nodes[3] = answer(200, "{", "/");
    nodes[4] = answer(200, "{", "/");
    rig.run(seconds(3));
    rig.configure([config]);
    expect(rig.desired()[0]?.exclusive).toBe(true);
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  });

  test("the keyword wins both ways", () => {
    const off = rigWith({ 3: leads(), 4: leads(), 5: leads() }, writeService({ exclusive: "off" }));
    off.run(seconds(1));
    expect(off.weights()).toEqual({ 3: 50, 4: 50, 5: 50 });
    const connected: Reply = { outcome: { kind: "connected" }, after: milliseconds(1) };
    const servers = [3, 4].map((host) => realServer(host, [tcpCheck(host)]));
    const on = rigWith({ 3: connected, 4: fails("refused") }, virtualServer(servers, { exclusive: "on" }));
    on.run(seconds(2));
    expect(on.weights()).toEqual({ 3: 50, 4: 0 });
  });

  test("switched on by a reload it keeps the one server that has weight; of two, nobody", () => {
    const nodes: Nodes = { 3: leads(), 4: follows(), 5: follows() };
    const rig = rigWith(nodes, writeService({ exclusive: "off" }));
    rig.run(seconds(1));
    rig.configure([writeService()]);
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    const both = rigWith({ ...nodes, 4: leads({ system: "other" }) }, writeService({ exclusive: "off" }));
    both.run(seconds(1));
    both.configure([writeService()]);
    expect(both.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
  });
});

describe("several claims", () => {
  test("within one database system the higher timeline wins, against the incumbent too, with an alarm", () => {
    const { rig, nodes } = settled();
    nodes[4] = leads({ timeline: 6 });
    rig.runUntil(milliseconds(1_100), "4 has the weight", () => rig.weights()[4] === 50);
    expect(rig.eventsOf("conflict")).toEqual([
      {
        kind: "conflict",
        service: ID,
        claimants: [server(3), server(4)],
        decision: "10.0.2.4:5432 gets the weight: timeline 6",
      },
    ]);
    expect(rig.view()[0]).toMatchObject({ conflict: true, hunting: true });
    rig.run(seconds(5));
    expect(rig.eventsOf("conflict")).toHaveLength(1);
    nodes[3] = follows();
    rig.run(milliseconds(200));
    expect(rig.eventsOf("conflictEnded")).toHaveLength(1);
    expect(rig.view()[0]).toMatchObject({ conflict: false, hunting: false, holder: server(4) });
  });

  test("is over when the older claim is denied: the newer one is not asked for again", () => {
    const { rig, nodes } = settled();
    // The role has moved: the holder's latest 200 is from before, and its next answer says so. There never was a conflict.
    nodes[4] = leads({ timeline: 6 });
    rig.respond = (check) => {
      const host = Number(check.connectIp.split(".").at(-1));
      const reply = nodes[host];
      if (host === 4) {
        nodes[3] = follows({ timeline: 6 });
        nodes[4] = { ...leads({ timeline: 6 }), after: milliseconds(500) };
      }
      return reply;
    };
    rig.runUntil(milliseconds(1_200), "a second claim", () => rig.view()[0]?.hunting === true);
    rig.runUntil(milliseconds(40), "4 has the weight", () => rig.weights()[4] === 50);
    expect(rig.eventsOf("hunt").at(-2)?.reason).toBe("more than one server claims the role");
    expect(rig.eventsOf("conflict")).toEqual([]);
    expect(rig.eventsOf("conflictEnded")).toEqual([]);
  });

  test.each([
    ["equal timelines", { timeline: 5 }],
    ["a lower timeline", { timeline: 4 }],
    ["another database system", { timeline: 9, system: "8888" }],
    ["a claim in a paused and unlocked cluster", { timeline: 6, pause: true, unlocked: true }],
    ["a claim that is not confirmed", { timeline: 6, role: "replica" }],
  ])("the incumbent stays against %s", (_, rival) => {
    const { rig, nodes } = settled();
    nodes[4] = leads(rival);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.eventsOf("conflict")).toHaveLength(1);
    expect(rig.eventsOf("conflict")[0]?.decision).toMatch(/^10\.0\.2\.3:5432 stays/);
    expect(rig.eventsOf("holder")).toHaveLength(1);
  });

  test("a claim in a paused and unlocked cluster does not displace a silent incumbent either, but fills a vacancy", () => {
    const { rig, nodes } = settled({}, writeService({}, { retry: 3 }));
    nodes[3] = fails("refused");
    nodes[4] = leads({ timeline: 6, pause: true, unlocked: true });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    rig.runUntil(seconds(3), "4 has the weight", () => rig.weights()[4] === 50);
  });

  test("without an incumbent and without a newer timeline nobody gets weight", () => {
    const rig = rigWith({ 3: leads(), 4: leads(), 5: follows() });
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.eventsOf("conflict")[0]?.decision).toMatch(/^nobody gets weight/);
    expect(rig.eventsOf("holder")).toEqual([]);
  });

  test("of three, the two highest being equal, the incumbent stays", () => {
    const { rig, nodes } = settled();
    nodes[4] = leads({ timeline: 6 });
    nodes[5] = leads({ timeline: 6 });
    rig.run(seconds(5));
    // 4 and 5 claim within one another's gap or not: in no order may both have been raised, and the last word is one holder.
    expect(Object.values(rig.weights()).filter((weight) => weight > 0)).toHaveLength(1);
  });

  test("dcs_last_seen never decides", () => {
    const { rig, nodes } = settled();
    nodes[4] = answer(200, patroniBody({}).replace("1795478400", "1999999999"));
    rig.run(seconds(3));
    expect(rig.weights()[3]).toBe(50);
  });

  test("a claim that hangs is waited for, not judged on its old answer", () => {
    const { rig, nodes } = settled({}, writeService({ roleWatch: durationUs(0) }));
    rig.runUntil(seconds(2), "3 was asked and answered", () => rig.askedTimes(3, rig.elapsedMs() - 1).length > 0);
    rig.run(milliseconds(100));
    nodes[3] = leads({}, milliseconds(900));
    nodes[4] = leads({ timeline: 6 });
    rig.runUntil(seconds(1), "second claim", () => rig.view()[0]?.hunting === true);
    rig.run(milliseconds(500));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });
});

describe("a start", () => {
  test("an election waits until every member answered: being quick does not make an incumbent", () => {
    const rig = rigWith({
      3: leads({ timeline: 5 }, milliseconds(1)),
      4: leads({ timeline: 6 }, milliseconds(80)),
      5: follows(),
    });
    rig.run(seconds(2));
    expect(rig.eventsOf("holder").map((event) => event.to)).toEqual([server(4)]);
  });

  test("or until connect_timeout + 0.5 s: a dead node does not stop it for longer", () => {
    const rig = rigWith({ 3: leads(), 4: follows(), 5: undefined });
    rig.run(milliseconds(1_499));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.run(milliseconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.timesOf("firstVerdicts")).toEqual([1_500]);
  });

  test("the one row with weight is the incumbent and keeps it on 200 alone", () => {
    const rig = rigWith({ 3: leads({ state: "unknown" }), 4: follows(), 5: follows() }, writeService(), { 3: 7, 4: 0 });
    expect(rig.weights()).toEqual({ 3: 7, 4: 0, 5: 0 });
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.eventsOf("holder").map((event) => event.reason)).toEqual(["had weight before"]);
  });

  test("keepalived's rows with weight on all three: nobody until a claim is confirmed", () => {
    const rig = rigWith({ 3: follows(), 4: leads(), 5: follows() }, writeService(), { 3: 50, 4: 50, 5: 50 });
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.run(milliseconds(10));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });

  test("a confirmed claim takes over from an adopted row that does not answer", () => {
    const rig = rigWith({ 3: undefined, 4: leads(), 5: follows() }, writeService({}, { retry: 9 }), {
      3: 50,
      4: 0,
      5: 0,
    });
    rig.run(milliseconds(1_501));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });

  describe("an adopted holder whose REST API is silent, slower than the worst case of its check", () => {
    const slow = (port: () => Reply): HealthRig => {
      // Each timeout is told late, as on a host whose processors are busy: no verdict when the worst case is over.
      const nodes: Nodes = { 3: fails("timedOut", milliseconds(1_900)), 4: follows(), 5: follows() };
      const config = writeService({ roleHold: seconds(10) }, { retry: 1, delayBeforeRetry: seconds(1) });
      const rig = rigWith(nodes, config, { 3: 50, 4: 0, 5: 0 });
      const answers = rig.respond;
      rig.respond = (check, now) => (check.kind === "TCP_CHECK" ? port() : answers(check, now));
      return rig;
    };

    test("keeps its weight for role_hold while its service port accepts connections", () => {
      const rig = slow(() => ({ outcome: { kind: "connected" }, after: milliseconds(1) }));
      rig.run(seconds(9));
      expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
      expect(rig.eventsOf("holder").map(({ reason }) => reason)).toEqual(["had weight before"]);
      rig.runUntil(seconds(6), "3 is down", () => rig.weights()[3] === 0);
      expect(rig.eventsOf("holder").at(-1)?.reason).toMatch(/held for role_hold$/);
    });

    test("loses it when its port is silent too", () => {
      const rig = slow(() => fails("refused"));
      rig.runUntil(seconds(6), "3 is down", () => rig.weights()[3] === 0);
      expect(rig.eventsOf("holder").at(-1)?.to).toBeUndefined();
    });
  });

  test("an adopted holder that answers needs not wait for the others", () => {
    const rig = rigWith({ 3: leads(), 4: undefined, 5: undefined }, writeService(), { 3: 50, 4: 0, 5: 0 });
    rig.run(milliseconds(3));
    expect(rig.view()[0]).toMatchObject({ holder: server(3), hunting: false });
  });

  test("without a holder it hunts from the first answers on", () => {
    const nodes: Nodes = { 3: follows(), 4: follows(), 5: follows() };
    const rig = rigWith(nodes);
    rig.run(seconds(1));
    expect(rig.eventsOf("hunt").map((event) => [event.phase, event.reason])).toEqual([
      ["started", "no server has the role"],
    ]);
    nodes[5] = leads();
    rig.runUntil(milliseconds(40), "5 has weight", () => rig.weights()[5] === 50);
  });
});

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
