import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { barePath, isLeaderPath } from "../../src/config/leaderPaths.ts";
import { parsePatroniBody, readRole } from "../../src/health/patroni.ts";
import type { HttpAnswer } from "../../src/health/types.ts";
import { patroniBody } from "../sim/patroniAnswers.ts";

const answerOf = (path: string, body: string, bodyTruncated = false): HttpAnswer => ({
  path,
  status: 200,
  body,
  bodyTruncated,
});

describe("Patroni's body", () => {
  test("every field that is used", () => {
    expect(parsePatroniBody(patroniBody({ pause: true, unlocked: true, timeline: 7 }))).toEqual({
      role: "primary",
      state: "running",
      timeline: 7,
      databaseSystemIdentifier: "7301",
      pause: true,
      clusterUnlocked: true,
      scope: "demo",
      name: undefined,
      dcsLastSeen: 1795478400,
      version: "3.0.2",
      location: 67108960,
      receivedLocation: undefined,
      replayedLocation: undefined,
      syncStandby: false,
      quorumStandby: false,
      noLoadBalance: false,
    });
  });

  test.each([
    "",
    "hello",
    "[]",
    "null",
    "42",
    "{}",
    '{"role":"primary"}',
    '{"status":"ok","state":"running"}',
    '{"role":"primary","state":"running"',
    '{"patroni":7}',
  ])("%s is none", (text) => expect(parsePatroniBody(text)).toBeUndefined());

  test("fields of a wrong type are as absent", () => {
    expect(parsePatroniBody('{"patroni":{"scope":1},"role":[],"timeline":"5","pause":"yes"}')).toMatchObject({
      role: undefined,
      scope: undefined,
      timeline: undefined,
      pause: false,
    });
  });

  test("any text is read without throwing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        readRole(answerOf("/primary", text));
      }),
    );
  });
});

describe("paths", () => {
  test("query string, fragment and trailing slash do not count", () => {
    expect(["/primary?tag_x=1", "/primary/", "/primary#a", "/"].map(barePath)).toEqual([
      "/primary",
      "/primary",
      "/primary",
      "/",
    ]);
  });

  test("leader paths are Patroni's, spelt exactly", () => {
    const asked = ["/primary", "/master", "/read-write", "/leader?x", "/standby-leader", "/standby_leader"];
    expect(asked.every(isLeaderPath)).toBe(true);
    expect(["/", "/replica", "/read-only", "/primaryx", "/Primary", "/health"].some(isLeaderPath)).toBe(false);
  });
});

describe("a 200 is confirmed by the role that its path asks for", () => {
  test.each([
    ["/primary", "primary", true],
    ["/primary", "master", true],
    ["/master", "primary", true],
    ["/read-write", "master", true],
    ["/leader", "primary", true],
    ["/leader", "standby_leader", true],
    ["/standby-leader", "standby_leader", true],
    ["/", "primary", true],
    ["/primary", "replica", false],
    ["/primary", "standby_leader", false],
    ["/standby-leader", "replica", false],
    ["/standby-leader", "primary", false],
    ["/leader", "replica", false],
    ["/", "replica", false],
    ["/replica", "replica", true],
    ["/health", "replica", true],
  ])("%s with role %s: %s", (path, role, confirmed) => {
    const reading = readRole(answerOf(path, patroniBody({ role })));
    expect(reading.objection === undefined).toBe(confirmed);
  });

  test("only while running", () => {
    for (const state of ["stopping", "starting", "unknown", "stopped", "restarting"]) {
      expect(readRole(answerOf("/primary", patroniBody({ state }))).objection).toBe(`the body says state ${state}`);
    }
    expect(readRole(answerOf("/primary", '{"patroni":{"scope":"a"},"state":"running"}')).objection).toMatch(
      /role unknown/,
    );
  });

  test("a body that is not Patroni's does not matter, one cut short or too long does", () => {
    expect(readRole(answerOf("/primary", "")).objection).toBeUndefined();
    expect(readRole(answerOf("/primary", "OK")).objection).toBeUndefined();
    expect(readRole(answerOf("/primary", patroniBody({}).slice(0, -9))).objection).toMatch(/cannot be read/);
    expect(readRole(answerOf("/primary", "x", true)).objection).toMatch(/too long/);
    expect(readRole(answerOf("/index.html", "{", true)).objection).toBeUndefined();
  });

  test("a status on a path that only Patroni has is a role answer, elsewhere only with its body", () => {
    expect(readRole(answerOf("/replica", "")).roleAnswer).toBe(true);
    expect(readRole(answerOf("/health", "")).roleAnswer).toBe(false);
    expect(readRole(answerOf("/health", patroniBody({}))).roleAnswer).toBe(true);
    expect(readRole(answerOf("/", "<html>")).roleAnswer).toBe(false);
  });
});
