import { describe, expect, test } from "vitest";
import type { VirtualServerConfig } from "../../src/config/types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { type ExistingTable, httpCheck, patroniCheck, realServer, virtualServer } from "../sim/healthRig.ts";
import { fails, patroniBody } from "../sim/patroniAnswers.ts";
import { answered, following, listing, member, SERVICE, SOURCE, world } from "./discoveryRig.ts";

/** A service that begins to follow a cluster keeps what it has until a list has come. */

const written = (path?: string): VirtualServerConfig =>
  virtualServer(
    [3, 4].map((host) =>
      realServer(host, [path === undefined ? patroniCheck(host, "primary") : httpCheck(host, path)]),
    ),
    { exclusive: "detected" },
  );

/** Written servers that have been checked, and then the file follows their cluster. */
function moved(before = written()) {
  const it = world({ start: false });
  it.rig.configure([before]);
  it.rig.run(seconds(3));
  expect(it.rig.weights()).toEqual({ 3: 50, 4: 0 });
  it.rig.configure([following()]);
  expect(it.rig.weights()).toEqual({ 3: 50, 4: 0 });
  return it;
}

describe("a reload from real_server to patroni_cluster", () => {
  test.each([undefined, "/primary"])("keeps servers, weights and holder until a list has come (path %s)", (path) => {
    const { rig, told, words } = moved(written(path));
    for (let ms = 0; ms < 3_000; ms += 10) {
      rig.run(milliseconds(10));
      expect(rig.weights(), `after ${ms} ms`).toEqual({ 3: 50, 4: 0 });
    }
    told(listing(3, 4, 5));
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.eventsOf("holder")).toHaveLength(1);
    expect(words()).toEqual([
      "until a list has come it keeps what it has: 10.0.2.3, 10.0.2.4",
      `member pg5 (10.0.2.5 port 5432) has joined, says ${SOURCE}; no weight before its own check has passed`,
    ]);
  });

  test("who is not listed goes when its own check fails", () => {
    const { rig, told, answers, words } = moved();
    answers.set(4, fails("refused"));
    rig.run(seconds(5));
    told(listing(3));
    expect(rig.weights()).toEqual({ 3: 50 });
    expect(words().at(-1)).toContain("member 10.0.2.4 (10.0.2.4 port 5432) has left");
  });

  test("the cluster is that of its servers, whoever answers first", () => {
    const { rig, told } = moved();
    told(answered({ members: [member(9)], scope: "demo" }, patroniBody({ system: "9" })));
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    expect(rig.view()[0]?.members?.problem).toContain("the database system 9, not of 7301");
  });

  test("a scope that is written is another cluster's: then the list decides", () => {
    const { rig, told } = moved();
    rig.configure([following(true, "other")]);
    const other = { scope: "other", system: "9" };
    told(answered({ members: [member(9)], scope: "other" }, patroniBody(other)));
    expect(rig.view()[0]?.members).toMatchObject({ scope: "other", problem: undefined });
    rig.run(seconds(2));
    expect(rig.weights()).toMatchObject({ 3: 0 });
  });

  test("servers that stay written are not adopted", () => {
    const it = world({ start: false });
    it.rig.configure([written()]);
    it.rig.run(seconds(3));
    it.rig.configure([{ ...following(), realServers: written().realServers }]);
    expect(it.words()).toEqual([]);
    expect(it.rig.view()[0]?.members?.known).toBe(0);
  });
});

describe("a start over a table of which nothing is remembered", () => {
  const SORRY = { address: ip("10.0.2.8"), port: 5432, forwarding: { method: "DR" }, inhibit: false } as const;
  const rows: ExistingTable = new Map([
    [
      SERVICE,
      new Map([
        ["10.0.2.3:5432", 50],
        ["10.0.2.4:5432", 0],
        ["10.0.2.8:5432", 1],
      ]),
    ],
  ]);
  function started(config: VirtualServerConfig) {
    const it = world({ start: false });
    it.rig.restart(3);
    it.rig.configure([config], rows);
    return it;
  }

  test("keeps its rows until a list has come", () => {
    const { rig, told } = started({ ...following(), sorryServer: SORRY });
    for (let ms = 0; ms < 2_400; ms += 10) {
      expect(rig.weights(), `after ${ms} ms`).toMatchObject({ 3: 50, 4: 0 });
      rig.run(milliseconds(10));
    }
    told(listing(3, 4));
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    expect(rig.view()[0]?.holder).toBe("10.0.2.3:5432");
  });

  test("the sorry server's row is no member's", () => {
    const { words } = started({ ...following(), sorryServer: SORRY });
    expect(words()).toEqual(["until a list has come it keeps what it has: 10.0.2.3, 10.0.2.4"]);
  });
});
