import { describe, expect, test } from "vitest";
import type { CheckPath } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { describeHealthEvent } from "../../src/daemon/messages.ts";
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
import { follows, leads } from "../sim/patroniAnswers.ts";

/** `ha_suspend`: nobody is asked, and nobody has weight, where the host does not hold the service's address. */

const VIP = ip("10.0.2.10");
const held = (rig: HealthRig, ...addresses: string[]): void =>
  rig.feed({ kind: "addresses", held: new Set(addresses.map(ip)) });
const connected: Reply = { outcome: { kind: "connected" }, after: milliseconds(1) };
const hostOf = (check: CheckPath): number => Number(check.connectIp.split(".").at(-1));
const readers = virtualServer(
  [3, 4].map((host) => realServer(host, [tcpCheck(host)])),
  { haSuspend: true },
);
const firstVerdicts = (rig: HealthRig): number => rig.timesOf("firstVerdicts").length;

describe("a suspended service", () => {
  test("is not checked, does not keep the first programming waiting, and has no weight whatever the table had", () => {
    const rig = new HealthRig({ respond: () => connected });
    rig.configure([readers], new Map([["TCP 10.0.2.10:5432", new Map([["10.0.2.3:5432", 50]])]]));
    rig.run(seconds(60));
    expect(rig.started).toEqual([]);
    expect(firstVerdicts(rig)).toBe(1);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
  });

  test("is checked at once when an address of it comes, and no more when it goes", () => {
    const rig = new HealthRig({ respond: () => connected });
    rig.configure([readers]);
    held(rig, "10.0.2.99");
    rig.run(seconds(5));
    held(rig, VIP, "10.0.2.99");
    expect(rig.started).toHaveLength(2);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
    rig.run(milliseconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 50 });
    rig.run(seconds(10));
    const asked = rig.started.length;
    expect(asked).toBeGreaterThan(15);
    held(rig);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
    rig.run(seconds(10));
    expect(rig.started).toHaveLength(asked);
  });

  test("whose turn it would be at a hunted node passes the turn on: who waits behind it is asked (seed 781 of the simulation)", () => {
    const leading = (address: string, path: string) =>
      virtualServer(
        [3, 4, 5].map((host) => realServer(host, [httpCheck(host, path)])),
        { ...targetAt(address), exclusive: "detected", haSuspend: true },
      );
    const others = [leading("10.0.2.11", "/read-write"), leading("10.0.2.12", "/master")];
    // Whenever the addresses go, whatever waits at a node then.
    for (let ms = 0; ms < 400; ms += 10) {
      const rig = new HealthRig({ respond: () => ({ ...follows(), after: milliseconds(120) }) });
      rig.configure([...others, writeService()]);
      held(rig, "10.0.2.11", "10.0.2.12");
      rig.run(milliseconds(3_000 + ms));
      held(rig);
      const from = rig.elapsedMs();
      rig.run(seconds(3));
      for (const host of [3, 4, 5])
        expect(rig.askedTimes(host, from).length, `questions to ${host}, after ${ms} ms`).toBeGreaterThan(5);
    }
  });

  test("an answer that was asked for before does not count", () => {
    const rig = new HealthRig({ respond: () => ({ ...connected, after: milliseconds(500) }) });
    rig.configure([readers]);
    held(rig, VIP);
    rig.run(milliseconds(100));
    held(rig);
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
  });

  test("gives no weight to a server without checks either, nor to the sorry server, and loses no quorum by it", () => {
    const sorryServer = { ...realServer(9, []), inhibit: false };
    for (const inhibit of [true, false]) {
      const unchecked = virtualServer([realServer(3, [], inhibit)], { haSuspend: true, sorryServer });
      const rig = new HealthRig({ respond: () => connected });
      rig.configure([unchecked]);
      rig.run(seconds(5));
      expect(rig.weights()).toEqual(inhibit ? { 3: 0 } : {});
      held(rig, VIP);
      expect(rig.weights()).toEqual({ 3: 50 });
      held(rig);
      rig.run(seconds(5));
      expect(rig.weights()).toEqual(inhibit ? { 3: 0 } : {});
      expect(rig.eventsOf("quorum").map(({ to }) => to)).toEqual(["up"]);
    }
  });

  test("gone on again, takes no answer that was asked for before; what it asks then comes at once behind it", () => {
    let primary = 3;
    const rig = new HealthRig({
      respond: (check) => {
        const { outcome } = hostOf(check) === primary ? leads() : follows();
        return { outcome, after: milliseconds(500) };
      },
    });
    const members = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary")]));
    rig.configure([virtualServer(members, { exclusive: "detected", haSuspend: true })]);
    held(rig, VIP);
    rig.run(milliseconds(100));
    held(rig);
    rig.run(milliseconds(100));
    primary = 4;
    held(rig, VIP);
    rig.run(milliseconds(310));
    expect(rig.askedTimes(3)).toEqual([0, 500]);
    expect(rig.view()[0]?.servers.map(({ verdict }) => verdict)).toEqual(["unknown", "unknown"]);
    expect(rig.eventsOf("holder")).toEqual([]);
    rig.run(milliseconds(500));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
  });

  test("an exclusive one finds its holder anew: the one of before may have lost the role", () => {
    let primary = 3;
    const rig = new HealthRig({
      respond: (check) => (hostOf(check) === primary ? leads() : follows()),
    });
    const members = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary")]));
    rig.configure([virtualServer(members, { exclusive: "detected", haSuspend: true })]);
    held(rig, VIP);
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    held(rig);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
    rig.run(seconds(5));
    primary = 4;
    held(rig, VIP);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(rig.view()[0]?.holder).toBe("10.0.2.4:5432");
  });
});

test("a check that another service asks, too, goes on, and tells the suspended one nothing", () => {
  const rig = new HealthRig({ respond: () => connected });
  const other = virtualServer([realServer(3, [tcpCheck(3)])], targetAt("10.0.2.11"));
  rig.configure([readers, other]);
  rig.run(seconds(5));
  expect(rig.askedTimes(3).length).toBeGreaterThan(3);
  expect(rig.askedTimes(4)).toEqual([]);
  expect([rig.weights(0), rig.weights(1)]).toEqual([{ 3: 0, 4: 0 }, { 3: 50 }]);
});

test("a reload takes the keyword away or brings it", () => {
  const rig = new HealthRig({ respond: () => connected });
  rig.configure([readers]);
  rig.run(seconds(1));
  rig.configure([{ ...readers, haSuspend: false }]);
  rig.run(seconds(1));
  expect(rig.weights()).toEqual({ 3: 50, 4: 50 });
  rig.configure([readers]);
  expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
});

describe("what is open when an address goes, or a reload takes it away, is told as ended", () => {
  const members = [3, 4].map((host) => realServer(host, [httpCheck(host, "/primary")]));
  const service = virtualServer(members, { exclusive: "detected", haSuspend: true });
  const phases = (rig: HealthRig): string[] => rig.eventsOf("hunt").map(({ phase }) => phase);
  const holders = (rig: HealthRig): string[] => rig.eventsOf("holder").map(({ from, to }) => `${from} -> ${to}`);

  test("a conflict, its hunt and the holder", () => {
    let rival = false;
    const rig = new HealthRig({ respond: (check) => (hostOf(check) === 3 || rival ? leads() : follows()) });
    rig.configure([service]);
    held(rig, VIP);
    rig.run(seconds(2));
    rival = true;
    rig.run(seconds(2));
    expect(rig.eventsOf("conflict")).toHaveLength(1);
    held(rig);
    expect(rig.eventsOf("conflictEnded")).toHaveLength(1);
    expect(phases(rig)).toEqual(["started", "ended"]);
    expect(rig.eventsOf("hunt").at(-1)?.reason).toMatch(/does not hold the address/);
    expect(holders(rig)).toEqual(["undefined -> 10.0.2.3:5432", "10.0.2.3:5432 -> undefined"]);
  });

  /** A rig with a second claimant: hunting, and in a conflict that was told. */
  function inConflict(): HealthRig {
    let rival = false;
    const rig = new HealthRig({ respond: (check) => (hostOf(check) === 3 || rival ? leads() : follows()) });
    rig.configure([{ ...service, haSuspend: false }]);
    rig.run(seconds(2));
    rival = true;
    rig.run(seconds(2));
    expect(phases(rig)).toEqual(["started"]);
    return rig;
  }

  test("a conflict, its hunt and the holder, by a reload without the service", () => {
    const rig = inConflict();
    rig.configure([]);
    expect(rig.eventsOf("conflictEnded")).toHaveLength(1);
    expect(phases(rig)).toEqual(["started", "ended"]);
    expect(rig.eventsOf("hunt").at(-1)?.reason).toMatch(/not configured any more/);
    expect(holders(rig)).toEqual(["undefined -> 10.0.2.3:5432", "10.0.2.3:5432 -> undefined"]);
  });

  test("a conflict, its hunt and the holder by a reload that makes the service one of many servers, and so is the way back", () => {
    const rig = inConflict();
    rig.configure([{ ...service, exclusive: "off", haSuspend: false }]);
    expect(rig.eventsOf("conflictEnded")).toHaveLength(1);
    expect(phases(rig)).toEqual(["started", "ended"]);
    expect(rig.eventsOf("hunt").at(-1)?.reason).toMatch(/not exclusive any more/);
    const before = ["undefined -> 10.0.2.3:5432", "10.0.2.3:5432 -> undefined"];
    expect(holders(rig)).toEqual(before);
    const told = (): string[] => rig.eventsOf("holder").map(describeHealthEvent);
    expect(told().at(-1)).toContain(
      "go to all servers that are up (before: 10.0.2.3:5432): the service is not exclusive",
    );
    expect(rig.weights()).toEqual({ 3: 50, 4: 50 });
    const target = { address: ip("10.0.2.4"), port: undefined, service: undefined };
    rig.feed({ kind: "overrides", overrides: [{ target, weight: 0, until: undefined }] });
    rig.configure([{ ...service, haSuspend: false }]);
    expect(holders(rig)).toEqual([...before, "undefined -> 10.0.2.3:5432"]);
    expect(told().at(-1)).toContain("go to 10.0.2.3:5432 (before: all servers that are up): had weight before");
  });

  test("the same by a reload that brings ha_suspend", () => {
    const rig = new HealthRig({ respond: (check) => (hostOf(check) === 3 ? leads() : follows()) });
    rig.configure([{ ...service, haSuspend: false }]);
    rig.run(seconds(2));
    rig.configure([service]);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
    expect(holders(rig)).toEqual(["undefined -> 10.0.2.3:5432", "10.0.2.3:5432 -> undefined"]);
  });

  test("a second tier", () => {
    const rig = new HealthRig({ respond: () => ({ outcome: leads().outcome, after: milliseconds(1) }) });
    const reader = { ...realServer(3, [patroniCheck(3, "replica")]), fallback: patroniCheck(3, "primary") };
    rig.configure([virtualServer([reader], { haSuspend: true, fallbackAfter: seconds(1) })]);
    held(rig, VIP);
    rig.run(seconds(3));
    expect(rig.eventsOf("fallback").map(({ phase }) => phase)).toEqual(["began"]);
    held(rig);
    expect(rig.eventsOf("fallback").map(({ phase }) => phase)).toEqual(["began", "ended"]);
  });
});

test("a firewall mark has no address and is always checked", () => {
  const rig = new HealthRig({ respond: () => connected });
  rig.configure([{ ...readers, name: "FWM 7", targets: [{ protocol: "FWM", mark: 7, family: 4 }] }]);
  rig.run(seconds(1));
  expect(rig.weights()).toEqual({ 3: 50, 4: 50 });
});
