import { describe, expect, test } from "vitest";
import type { VirtualServerConfig } from "../../src/config/types.ts";
import { durationUs, milliseconds, seconds } from "../../src/core/units.ts";
import {
  HealthRig,
  httpCheck,
  patroniCheck,
  type Reply,
  realServer,
  tcpCheck,
  virtualServer,
  writeService,
} from "../sim/healthRig.ts";
import { answer, fails, follows, leads, patroniBody } from "../sim/patroniAnswers.ts";
import { existing, ID, type Nodes, rigWith, server, settled } from "./exclusiveRig.ts";

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
