import { expect, test } from "vitest";
import type { RealServerConfig } from "../../src/config/types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { serviceId } from "../../src/plan/keys.ts";
import {
  type ExistingTable,
  HealthRig,
  httpCheck,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
} from "../sim/healthRig.ts";
import { fails, follows, leads } from "../sim/patroniAnswers.ts";

const connected = { outcome: { kind: "connected" }, after: milliseconds(1) } as const;

/** Two addresses and a mark, as a group gives them. */
const GROUP = {
  name: "TCP group W",
  targets: [
    ...targetAt("10.0.2.10").targets,
    ...targetAt("10.0.2.11").targets,
    { protocol: "FWM", mark: 8, family: 4 },
  ],
} as const;

const rowsOf = (rig: HealthRig): string[] =>
  rig
    .desired()
    .flatMap(({ key, destinations }) =>
      destinations.map((row) => `${serviceId(key)} ${row.address}:${row.port} ${row.weight} ${row.forwarding}`),
    );

test("a group is one service: its servers are checked once and have a row in every kernel service", () => {
  const rig = new HealthRig({ respond: () => connected });
  rig.configure([virtualServer([realServer(3, [tcpCheck(3)])], GROUP)]);
  rig.run(milliseconds(10));
  expect(rig.started).toHaveLength(1);
  expect(rig.view().map(({ service }) => service)).toEqual(["TCP group W"]);
  expect(rowsOf(rig)).toEqual([
    "TCP 10.0.2.10:5432 10.0.2.3:5432 50 route",
    "TCP 10.0.2.11:5432 10.0.2.3:5432 50 route",
    "FWM 8 10.0.2.3:0 50 route",
  ]);
});

test("NAT alone has rows with a port of their own; a tunnel has its options", () => {
  const natted: RealServerConfig = {
    ...realServer(3, []),
    port: 8080,
    forwarding: { method: "NAT" },
    upperThreshold: 9,
    lowerThreshold: 4,
  };
  const tunnelled: RealServerConfig = {
    ...{ ...realServer(4, []), address: ip("2001:db8::4") },
    forwarding: { method: "TUN", type: "gue", port: 6080, checksum: "csum" },
  };
  const rig = new HealthRig({ respond: () => undefined });
  rig.configure([virtualServer([natted, tunnelled], GROUP)]);
  expect(rowsOf(rig)).toEqual([
    ...["TCP 10.0.2.10:5432 10.0.2.3:8080 50 masq", "TCP 10.0.2.10:5432 2001:db8::4:5432 50 tunnel"],
    ...["TCP 10.0.2.11:5432 10.0.2.3:8080 50 masq", "TCP 10.0.2.11:5432 2001:db8::4:5432 50 tunnel"],
    ...["FWM 8 10.0.2.3:8080 50 masq", "FWM 8 2001:db8::4:0 50 tunnel"],
  ]);
  expect(rig.desired()[0]?.destinations).toMatchObject([
    { upperThreshold: 9, lowerThreshold: 4, tunnelType: "ipip", tunnelPort: 0 },
    { tunnelType: "gue", tunnelPort: 6080, tunnelChecksum: "csum" },
  ]);
});

test("affinity with its granularity and engine is programmed, on an exclusive service nothing of it", () => {
  const change = {
    persistenceTimeoutSec: 60,
    persistencePrefix: 24,
    persistenceEngine: "sip",
    onePacket: true,
    schedulerFlags: 5,
  };
  const desired = (exclusive: "on" | "no") => {
    const rig = new HealthRig({ respond: () => undefined });
    rig.configure([virtualServer([realServer(3, [])], { ...change, exclusive })]);
    return rig.desired()[0];
  };
  expect(desired("no")).toMatchObject(change);
  expect(desired("on")).toMatchObject({
    ...{ persistenceTimeoutSec: 0, persistencePrefix: 32, persistenceEngine: "" },
    ...{ onePacket: true, schedulerFlags: 5 },
  });
});

test("an exclusive group has one holder in all its kernel services, and keeps the one that had weight in any of them", () => {
  const nodes: Record<number, ReturnType<typeof leads>> = { 3: leads(), 4: follows() };
  const rig = new HealthRig({ respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))] });
  const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary")]));
  const existing = new Map([["FWM 8", new Map([["10.0.2.3:0", 50]])]]);
  rig.configure([virtualServer(servers, { ...GROUP, exclusive: "detected" })], existing);
  expect(rig.view()[0]?.holder).toBe("10.0.2.3:5432");
  rig.run(seconds(2));
  nodes[3] = follows();
  nodes[4] = leads();
  rig.run(seconds(2));
  for (const { destinations, exclusive } of rig.desired()) {
    expect(exclusive).toBe(true);
    expect(destinations.map(({ weight }) => weight)).toEqual([0, 50]);
  }
});

const SORRY = { address: ip("10.0.2.9"), port: 5432, forwarding: { method: "DR" }, inhibit: false } as const;
const weighing = (host: number, weight: number, inhibit = false): RealServerConfig => ({
  ...realServer(host, [tcpCheck(host, { retry: 0 })], inhibit),
  weight,
});

/** Three servers of weight 10, with what each answers. */
function pool(change: Parameters<typeof virtualServer>[1], inhibit = false) {
  const alive = new Set([3, 4, 5]);
  const rig = new HealthRig({
    respond: (check) => (alive.has(Number(check.connectIp.split(".").at(-1))) ? connected : fails("refused")),
  });
  const configure = (existing?: ExistingTable) =>
    rig.configure(
      [
        virtualServer(
          [3, 4, 5].map((host) => weighing(host, 10, inhibit)),
          change,
        ),
      ],
      existing,
    );
  return { rig, alive, configure };
}

test("the quorum is lost below quorum - hysteresis and gained at quorum + hysteresis, each told once", () => {
  const { rig, alive, configure } = pool({ quorum: 15, hysteresis: 5 });
  configure();
  rig.run(seconds(2));
  const told = () => rig.eventsOf("quorum").map(({ to, weight }) => `${to} ${weight}`);
  expect(told()).toEqual(["up 20"]);
  alive.delete(3);
  alive.delete(4);
  rig.run(seconds(3));
  // 10 is 15 - 5: tolerated.
  expect(told()).toEqual(["up 20"]);
  alive.delete(5);
  rig.run(seconds(3));
  expect(told()).toEqual(["up 20", "down 0"]);
  expect(rig.view()[0]?.quorum).toBe("down");
  alive.add(5);
  rig.run(seconds(3));
  expect(told()).toHaveLength(2);
  alive.add(4);
  rig.run(seconds(3));
  expect(told()).toEqual(["up 20", "down 0", "up 20"]);
});

test.each([false, true])(
  "the sorry server takes the place of all servers while the quorum is lost (inhibit %s)",
  (inhibit) => {
    const { rig, alive, configure } = pool({ quorum: 20, sorryServer: { ...SORRY, inhibit } }, inhibit);
    configure();
    rig.run(seconds(2));
    const whole = { 3: 10, 4: 10, 5: 10 };
    expect(rig.weights()).toEqual(inhibit ? { ...whole, 9: 0 } : whole);
    alive.delete(3);
    alive.delete(4);
    rig.run(seconds(3));
    expect(rig.weights()).toEqual(inhibit ? { 3: 0, 4: 0, 5: 0, 9: 1 } : { 9: 1 });
    expect(rig.view()[0]?.sorryServer).toBe("10.0.2.9:5432");
    alive.add(3);
    rig.run(seconds(3));
    expect(rig.weights()).toEqual(inhibit ? { 3: 10, 4: 0, 5: 10, 9: 0 } : { 3: 10, 5: 10 });
  },
);

test("a start does not send a service to its sorry server before its servers were asked", () => {
  const { rig, configure } = pool({ quorum: 20, sorryServer: SORRY });
  configure(new Map([["TCP 10.0.2.10:5432", new Map([["10.0.2.3:5432", 10]])]]));
  expect(rig.weights()).toEqual({ 3: 10 });
  rig.run(seconds(2));
  expect(rig.weights()).toEqual({ 3: 10, 4: 10, 5: 10 });
  expect(rig.eventsOf("quorum").map(({ to }) => to)).toEqual(["up"]);
});

test("a reload keeps the quorum as it was: within the hysteresis nothing is told again", () => {
  const { rig, alive, configure } = pool({ quorum: 15, hysteresis: 5, sorryServer: SORRY });
  configure();
  rig.run(seconds(2));
  alive.clear();
  rig.run(seconds(3));
  alive.add(3);
  rig.run(seconds(3));
  configure();
  rig.run(seconds(3));
  expect(rig.eventsOf("quorum").map(({ to }) => to)).toEqual(["up", "down"]);
  expect(rig.weights()).toEqual({ 9: 1 });
});

test("an exclusive service without holder has its sorry server as the only weight", () => {
  const nodes = { 3: leads(), 4: follows() };
  const rig = new HealthRig({ respond: (check) => nodes[Number(check.connectIp.split(".").at(-1)) as 3 | 4] });
  const servers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary")]));
  rig.configure([virtualServer(servers, { exclusive: "detected", sorryServer: SORRY })]);
  rig.run(seconds(2));
  expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  nodes[3] = follows();
  rig.run(seconds(2));
  expect(rig.weights()).toEqual({ 3: 0, 4: 0, 9: 1 });
  nodes[4] = leads();
  rig.run(seconds(2));
  expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
});
