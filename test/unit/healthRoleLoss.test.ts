import { describe, expect, test } from "vitest";
import type { RoleLossConfig, VirtualServerConfig } from "../../src/config/types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import type { ServiceRows } from "../../src/health/types.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import {
  HealthRig,
  hostIp,
  httpCheck,
  type Reply,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
  writeService,
} from "../sim/healthRig.ts";
import { answer, fails, follows, leads } from "../sim/patroniAnswers.ts";

const connected: Reply = { outcome: { kind: "connected" }, after: milliseconds(1) };
const drain = (deadlineSec?: number): RoleLossConfig => ({
  policy: "drain",
  deadline: deadlineSec === undefined ? undefined : seconds(deadlineSec),
});

/** The write service: 3 leads and has connections. */
function writers(change: Partial<VirtualServerConfig> = {}, inhibit = true) {
  const nodes: Record<number, Reply> = { 3: leads(), 4: follows(), 5: follows() };
  const rig = new HealthRig({
    respond: (check) => (check.kind === "TCP_CHECK" ? connected : nodes[Number(check.connectIp.split(".").at(-1))]),
  });
  const servers = [3, 4, 5].map((host) => realServer(host, [httpCheck(host, "/primary")], inhibit));
  rig.configure([writeService({ realServers: servers, ...change })]);
  rig.run(seconds(2));
  rig.connections.set(3, 8);
  return { rig, nodes };
}

/** A web service over 3 and 4 by HTTP, with its port beside; 3 has connections. */
function readers(change: Partial<VirtualServerConfig> = {}, inhibit = false) {
  const nodes: Record<number, Reply> = { 3: answer(200, ""), 4: answer(200, "") };
  const ports: Record<number, Reply> = { 3: connected, 4: connected };
  const rig = new HealthRig({
    respond: (check) => (check.kind === "TCP_CHECK" ? ports : nodes)[Number(check.connectIp.split(".").at(-1))],
  });
  rig.feed({ kind: "addresses", held: new Set([ip("10.0.2.10")]) });
  rig.configure([
    virtualServer(
      [3, 4].map((host) => realServer(host, [httpCheck(host, "/health")], inhibit)),
      change,
    ),
  ]);
  rig.run(seconds(2));
  expect(rig.weights()).toEqual({ 3: 50, 4: 50 });
  rig.connections.set(3, 8);
  return { rig, nodes, ports };
}

const told = (rig: HealthRig): string[] => rig.eventsOf("roleLoss").map(({ server, what }) => `${server} ${what}`);

describe("an exclusive service, by default and with cut", () => {
  test.each([undefined, { policy: "cut" } as const])(
    "weight 0 at once, cut when a successor is confirmed, back a second later (%j)",
    (roleLoss) => {
      const { rig, nodes } = writers({ roleLoss });
      nodes[3] = follows();
      rig.run(milliseconds(250));
      expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
      rig.run(seconds(20));
      expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
      expect(rig.view()[0]?.servers[0]?.loss).toMatchObject({ phase: "lingers", connections: 8 });
      nodes[4] = leads({ timeline: 6 });
      const took = rig.runUntil(milliseconds(100), "4 has weight", () => rig.weights()[4] === 50);
      expect(took).toBeLessThanOrEqual(milliseconds(60));
      // In the same step as the raise, or the one behind it.
      expect(rig.weights()).toEqual({ 4: 50, 5: 0 });
      rig.run(milliseconds(1_000));
      expect(rig.weights()).toEqual({ 4: 50, 5: 0 });
      rig.run(milliseconds(300));
      expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
      expect(told(rig)).toEqual([
        "10.0.2.3:5432 keeps its 8 connections, without new ones, until another server has the role",
        "10.0.2.3:5432 its 8 connections are cut: 10.0.2.4:5432 has the role",
      ]);
      expect(rig.view()[0]?.servers[0]?.loss).toBeUndefined();
    },
  );

  test("a row without connections is not touched: it stays under inhibit_on_failure, and goes without", () => {
    for (const inhibit of [true, false]) {
      const { rig, nodes } = writers({}, inhibit);
      rig.connections.clear();
      nodes[3] = follows();
      nodes[4] = leads({ timeline: 6 });
      let always = true;
      for (let ms = 0; ms < 3_000; ms++) {
        rig.run(milliseconds(1));
        always &&= "3" in rig.weights();
      }
      expect(always).toBe(inhibit);
      expect(rig.weights()).toEqual(inhibit ? { 3: 0, 4: 50, 5: 0 } : { 4: 50 });
      expect(told(rig)).toEqual([]);
    }
  });

  test("without inhibit_on_failure the row lingers until the successor is there, and is then gone for good", () => {
    const { rig, nodes } = writers({}, false);
    nodes[3] = follows();
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0 });
    nodes[4] = leads({ timeline: 6 });
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 4: 50 });
  });

  test("it is the holder again before anybody else: nothing is cut", () => {
    const { rig, nodes } = writers();
    nodes[3] = follows();
    rig.run(seconds(1));
    nodes[3] = leads({ timeline: 6 });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(
      rig.effects.filter(({ effect }) => effect.kind === "event" && effect.event.kind === "roleLoss"),
    ).toHaveLength(1);
  });

  test("a kernel that does not tell its rows is cut a second later all the same, and the row is back only when it was seen gone", () => {
    const nodes: Record<number, Reply> = { 3: leads(), 4: follows(), 5: follows() };
    let rows: ServiceRows | undefined;
    const rig = new HealthRig({
      respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))],
      rows: () => rows,
    });
    rig.configure([writeService()]);
    rig.run(seconds(2));
    nodes[3] = follows();
    nodes[4] = leads({ timeline: 6 });
    rig.run(milliseconds(900));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    rig.run(milliseconds(600));
    expect(rig.weights()).toEqual({ 4: 50, 5: 0 });
    // The deletion was refused: the kernel still has the row.
    const [service] = rig.desired();
    if (service === undefined) throw new Error("one service");
    rows = new Map([
      [
        serviceId(service.key),
        new Map([[destinationId({ address: hostIp(3), port: 5432 }), { weight: 0, connections: 8 }]]),
      ],
    ]);
    rig.run(seconds(10));
    expect(rig.weights()).toEqual({ 4: 50, 5: 0 });
    rows = new Map([[serviceId(service.key), new Map()]]);
    rig.run(milliseconds(990));
    expect(rig.weights()).toEqual({ 4: 50, 5: 0 });
    rig.run(milliseconds(1_200));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });

  test("rows of another service say nothing of one that was not read", () => {
    const nodes: Record<number, Reply> = { 3: leads(), 4: follows(), 5: follows() };
    const rig = new HealthRig({
      respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))],
      rows: () => undefined,
    });
    rig.configure([writeService()]);
    rig.run(seconds(2));
    nodes[3] = follows();
    nodes[4] = leads({ timeline: 6 });
    rig.run(milliseconds(1_500));
    expect(rig.weights()).toEqual({ 4: 50, 5: 0 });
    rig.feed({ kind: "rows", rows: new Map([["TCP 10.0.2.11:5432", new Map()]]) });
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 4: 50, 5: 0 });
    rig.feed({ kind: "rows", rows: new Map([["TCP 10.0.2.10:5432", new Map()]]) });
    rig.run(milliseconds(1_100));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });

  test("a count taken while the row had weight in the kernel says nothing: new connections could come", () => {
    const nodes: Record<number, Reply> = { 3: leads(), 4: follows(), 5: follows() };
    const row = { weight: 50, connections: 0 };
    const rig = new HealthRig({
      respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))],
      rows: (services) => new Map(services.map((key) => [serviceId(key), new Map([["10.0.2.3:5432", row]])])),
    });
    rig.configure([writeService()]);
    rig.run(seconds(2));
    nodes[3] = follows();
    rig.run(seconds(2));
    expect(rig.view()[0]?.servers[0]?.loss).toMatchObject({ connections: undefined });
    row.weight = 0;
    rig.run(seconds(2));
    expect(rig.view()[0]?.servers[0]?.loss).toBeUndefined();
  });

  test("at a start over a table with the role's weight nothing is cut that did not have it", () => {
    const nodes: Record<number, Reply> = { 3: follows(), 4: leads(), 5: follows() };
    const rig = new HealthRig({ respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))] });
    for (const host of [3, 4, 5]) rig.connections.set(host, 5);
    const rows = new Map([3, 4, 5].map((host) => [`10.0.2.${host}:5432`, host === 4 ? 50 : 0]));
    rig.configure([writeService()], new Map([["TCP 10.0.2.10:5432", rows]]));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    expect(told(rig)).toEqual([]);
  });
});

describe("drain", () => {
  test("weight 0, and the row goes when the last connection has ended", () => {
    const { rig, nodes } = readers();
    nodes[3] = answer(503, "");
    rig.run(seconds(30));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(rig.view()[0]).toMatchObject({ roleLoss: { policy: "drain" }, servers: [{ loss: { connections: 8 } }, {}] });
    rig.connections.set(3, 1);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    rig.connections.set(3, 0);
    rig.run(milliseconds(1_001));
    expect(rig.weights()).toEqual({ 4: 50 });
    expect(told(rig)).toEqual([
      "10.0.2.3:5432 keeps its 8 connections, without new ones, until they have ended",
      "10.0.2.3:5432 has no connections any more",
    ]);
  });

  test.each([0, 0.5])(
    "after a deadline of %d s, shorter than the count of connections may take: it held the daemon for ever",
    (deadline) => {
      const answering = readers({ roleLoss: drain(deadline) });
      answering.nodes[3] = answer(500, "");
      answering.rig.run(seconds(3));
      expect(told(answering.rig).at(-1)).toMatch(/its 8 connections are cut: the deadline of/);
      const rig = new HealthRig({
        respond: (check) =>
          check.kind === "TCP_CHECK" || check.connectIp === hostIp(4) ? connected : fails("refused"),
        rows: () => undefined,
      });
      const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/health")]));
      const existing = new Map([["TCP 10.0.2.10:5432", new Map([["10.0.2.3:5432", 50]])]]);
      rig.configure([virtualServer(servers, { roleLoss: drain(deadline) })], existing);
      rig.run(seconds(10));
      expect(told(rig).at(-1)).toMatch(/its connections are cut: the deadline of/);
    },
  );

  test("after the deadline, also where the row is then put back", () => {
    const { rig, nodes } = readers({ roleLoss: drain(10) }, true);
    nodes[3] = answer(503, "");
    const lost = rig.runUntil(seconds(4), "3 has no weight", () => rig.weights()[3] === 0);
    expect(lost).toBeGreaterThan(0);
    rig.run(milliseconds(9_990));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    rig.run(milliseconds(20));
    expect(rig.weights()).toEqual({ 4: 50 });
    rig.run(milliseconds(1_200));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(told(rig).at(-1)).toBe("10.0.2.3:5432 its 8 connections are cut: the deadline of 10 s is over");
  });

  test("at once when the service port does not answer either, which is asked for as long as it lasts", () => {
    const { rig, nodes, ports } = readers();
    const asked = (): number => rig.started.filter(({ spec }) => spec.check.kind === "TCP_CHECK").length;
    nodes[3] = fails("refused");
    rig.run(seconds(8));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(asked()).toBeGreaterThan(3);
    ports[3] = fails("refused");
    rig.run(milliseconds(1_100));
    expect(rig.weights()).toEqual({ 4: 50 });
    expect(told(rig).at(-1)).toBe("10.0.2.3:5432 its 8 connections are cut: its service port: connection refused");
    const before = asked();
    rig.run(seconds(5));
    expect(asked()).toBe(before);
  });

  test("a server that is up again has its weight, its connections live on and the port is left alone", () => {
    const { rig, nodes } = readers();
    nodes[3] = answer(503, "");
    rig.run(seconds(8));
    nodes[3] = answer(200, "");
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 50 });
    const before = rig.started.length;
    rig.run(seconds(1));
    expect(rig.started.slice(before).every(({ spec }) => spec.check.kind === "HTTP_GET")).toBe(true);
  });

  test("a reload and a restart take the drain up where it was", () => {
    const { rig, nodes } = readers({ roleLoss: drain(30) });
    nodes[3] = answer(503, "");
    rig.run(seconds(8));
    const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/health")], false));
    rig.configure([virtualServer(servers, { roleLoss: drain(20) })]);
    rig.run(seconds(8));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    // The deadline counts from the loss.
    rig.run(seconds(10));
    expect(rig.weights()).toEqual({ 4: 50 });
    const rows = new Map([
      ["TCP 10.0.2.10:5432", new Map([3, 4].map((host) => [`10.0.2.${host}:5432`, host === 3 ? 0 : 50]))],
    ]);
    rig.restart(2);
    rig.configure([virtualServer(servers)], rows);
    rig.run(seconds(10));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    rig.connections.set(3, 0);
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 4: 50 });
  });

  test("servers that the sorry server displaces drain as well", () => {
    const { rig, nodes } = readers({
      quorum: 100,
      sorryServer: { address: hostIp(9), port: 5432, forwarding: { method: "DR" }, inhibit: false },
    });
    nodes[4] = answer(503, "");
    rig.run(seconds(8));
    expect(rig.weights()).toEqual({ 3: 0, 9: 1 });
    rig.connections.set(3, 0);
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 9: 1 });
  });
});

describe("other policies and kinds", () => {
  test("keep: weight 0 and nothing more, whatever happens", () => {
    const { rig, nodes, ports } = readers({ roleLoss: { policy: "keep" } });
    nodes[3] = fails("refused");
    ports[3] = fails("refused");
    rig.run(seconds(60));
    rig.connections.set(3, 0);
    rig.run(seconds(60));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(rig.timesOf("readRows")).toEqual([]);
    const primary = writers({ roleLoss: { policy: "keep" } });
    primary.nodes[3] = follows();
    primary.nodes[4] = leads({ timeline: 6 });
    primary.rig.run(seconds(60));
    expect(primary.rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    expect(told(primary.rig)).toEqual([]);
  });

  test("keep: a restart keeps what it finds at weight 0, too", () => {
    const config = { roleLoss: { policy: "keep" } } as const;
    const { rig, nodes } = readers(config);
    nodes[3] = fails("refused");
    rig.run(seconds(8));
    const rows = new Map([
      ["TCP 10.0.2.10:5432", new Map(Object.entries({ "10.0.2.3:5432": 0, "10.0.2.4:5432": 50 }))],
    ]);
    const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/health")], false));
    rig.restart(2);
    rig.configure([virtualServer(servers, config)], rows);
    rig.run(seconds(10));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
  });

  test("cut outside an exclusive service is at once; a service of UDP cuts by default", () => {
    const udp = {
      name: "UDP 10.0.2.10:53",
      targets: [{ ...targetAt().targets[0], protocol: "UDP", port: 53 }],
    } as unknown as VirtualServerConfig;
    for (const change of [{ roleLoss: { policy: "cut" } } as const, udp]) {
      const { rig, nodes } = readers(change);
      nodes[3] = answer(503, "");
      rig.run(seconds(4));
      expect(rig.weights()).toEqual({ 4: 50 });
      expect(told(rig).at(-1)).toContain("are cut: role_loss cut (HTTP 503 from /health)");
    }
  });

  test("drain of a service without a port to ask: silent checks stand for it, an answer does not", () => {
    const sctp = {
      name: "SCTP 10.0.2.10:5432",
      targets: [{ ...targetAt().targets[0], protocol: "SCTP" }],
    } as unknown as VirtualServerConfig;
    const { rig, nodes } = readers(sctp);
    nodes[3] = answer(503, "");
    rig.run(seconds(8));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    nodes[3] = fails("refused");
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 4: 50 });
    expect(rig.started.every(({ spec }) => spec.check.kind === "HTTP_GET")).toBe(true);
  });

  test("drained by an operator is no loss: the row stays, nothing is asked or cut", () => {
    const { rig } = readers();
    rig.feed({
      kind: "overrides",
      overrides: [{ target: { address: hostIp(3), port: undefined, service: undefined }, weight: 0, until: undefined }],
    });
    rig.run(seconds(60));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(rig.timesOf("readRows")).toEqual([]);
  });

  test("but its failure then is one", () => {
    const { rig, nodes } = readers();
    rig.feed({
      kind: "overrides",
      overrides: [{ target: { address: hostIp(3), port: undefined, service: undefined }, weight: 0, until: undefined }],
    });
    rig.run(seconds(1));
    nodes[3] = answer(503, "");
    rig.run(seconds(8));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    rig.connections.set(3, 0);
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 4: 50 });
  });

  test("a service that ha_suspend stops has no losses: its connections have gone with the address", () => {
    const { rig } = readers({ haSuspend: true });
    rig.feed({ kind: "addresses", held: new Set() });
    rig.run(seconds(60));
    expect(rig.weights()).toEqual({});
    expect(rig.timesOf("readRows")).toEqual([]);
  });

  test("a group counts the connections of all its services", () => {
    const group = {
      name: "TCP group R",
      targets: [...targetAt("10.0.2.11").targets, ...targetAt("10.0.2.12").targets],
    };
    const left = new Map([
      ["TCP 10.0.2.11:5432", 0],
      ["TCP 10.0.2.12:5432", 2],
    ]);
    let answers: Reply = connected;
    const rig: HealthRig = new HealthRig({
      respond: ({ connectIp }) => (connectIp === "10.0.2.3" ? answers : connected),
      rows: (services) =>
        new Map(
          services.map((key) => [
            serviceId(key),
            new Map([["10.0.2.3:5432", { weight: 0, connections: left.get(serviceId(key)) ?? 0 }]]),
          ]),
        ),
    });
    // The port is another one, so that it answers while the check fails.
    const servers = [3, 4].map((host) => realServer(host, [{ ...tcpCheck(host), connectPort: 80 }], false));
    rig.respond = (check) => (check.connectPort === 80 && check.connectIp === "10.0.2.3" ? answers : connected);
    rig.configure([virtualServer(servers, group)]);
    rig.run(seconds(2));
    answers = fails("refused");
    rig.run(seconds(8));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    left.set("TCP 10.0.2.12:5432", 0);
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 4: 50 });
  });
});
