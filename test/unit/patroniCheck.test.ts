import { describe, expect, test } from "vitest";
import type { PatroniCheckConfig, PatroniRole } from "../../src/config/check.types.ts";
import { seconds } from "../../src/core/units.ts";
import type { Finding } from "../../src/health/findings.ts";
import {
  interpretPatroni,
  type LeaderPosition,
  lagOf,
  leaderPosition,
  type PatroniReading,
  readPatroni,
} from "../../src/health/patroniCheck.ts";
import { patroniCheck } from "../sim/healthRig.ts";
import { answer, type BodyFields, fails, patroniBody } from "../sim/patroniAnswers.ts";

const MB = 2 ** 20;
const LEADER: LeaderPosition = { timeline: 5, location: 67_108_960 };

function readingOf(status: number, body: string): PatroniReading {
  const reading = readPatroni(answer(status, body, "/leader").outcome);
  if (reading === undefined) throw new Error("no answer of Patroni's");
  return reading;
}

/** `yes`; `kept` = a weight stays and none is raised; `no` acts at once; `open` is neither. */
function verdict(
  role: PatroniRole,
  reading: PatroniReading,
  change: Partial<PatroniCheckConfig> = {},
  leader: LeaderPosition | "none" = LEADER,
): string {
  const finding: Finding = interpretPatroni(
    { ...patroniCheck(3, role), ...change },
    reading,
    leader === "none" ? undefined : leader,
  );
  switch (finding.kind) {
    case "pass":
      return finding.objection === undefined ? "yes" : "kept";
    case "wrongAnswer":
      expect(finding.roleAnswer).toBe(true);
      return "no";
    default:
      return finding.kind;
  }
}

const ROLES = ["primary", "standby_leader", "replica", "sync", "async", "quorum", "read_only", "any"] as const;
const verdicts = (reading: PatroniReading): string => ROLES.map((role) => verdict(role, reading)).join(" ");

describe("what an answer means to each role, by phase", () => {
  // In the order of ROLES.
  test.each<[phase: string, status: number, fields: BodyFields, expected: string]>([
    ["a primary (Patroni 4)", 200, {}, "yes no no no no no yes yes"],
    ["a primary (Patroni 2 and 3: master)", 200, { role: "master" }, "yes no no no no no yes yes"],
    ["a replica", 503, { role: "replica" }, "no no yes no yes no yes yes"],
    ["a synchronous replica", 503, { role: "replica", more: { sync_standby: true } }, "no no yes yes no no yes yes"],
    ["a quorum replica (4)", 503, { role: "replica", more: { quorum_standby: true } }, "no no yes no no yes yes yes"],
    ["the key before the promotion has ended", 200, { role: "replica" }, "kept kept yes no yes no yes yes"],
    ["an old primary that shuts down", 200, { state: "stopping" }, "kept no no no no no no no"],
    ["an old primary without the key", 503, { state: "stopping" }, "no no no no no no no no"],
    ["demoted, still starting", 503, { role: "replica", state: "starting" }, "no no no no no no no no"],
    ["demoted, stopped", 503, { role: "demoted", state: "stopped" }, "no no no no no no no no"],
    ["a primary whose query fails", 200, { state: "unknown" }, "kept no open open open open open open"],
    ["a replica whose query fails", 503, { role: "replica", state: "unknown" }, "no no open open open open open open"],
    ["no leader in the store", 503, { role: "replica", unlocked: true }, "no no yes open open open yes yes"],
    [
      "no leader in the store, marked synchronous",
      503,
      { role: "replica", unlocked: true, more: { sync_standby: true } },
      "no no yes yes no no yes yes",
    ],
    [
      "a writable one without the key (a split, a pause)",
      503,
      { role: "primary", pause: true },
      "no no no no no no no yes",
    ],
    ["a claim in a paused and unlocked cluster", 200, { pause: true, unlocked: true }, "yes no no no no no yes yes"],
    ["the leader of a standby cluster", 200, { role: "standby_leader" }, "no yes no no no no yes yes"],
    ["a standby leader that lost the key", 503, { role: "standby_leader" }, "no no no no no no no yes"],
  ])("%s", (_, status, fields, expected) => {
    expect(verdicts(readingOf(status, patroniBody(fields)))).toBe(expected);
  });

  test("read_write is another word for primary", () => {
    expect(verdict("read_write", readingOf(200, patroniBody({})))).toBe("yes");
    expect(verdict("read_write", readingOf(503, patroniBody({ role: "replica" })))).toBe("no");
  });

  test("before 2.1 /leader knows no standby cluster: there the body's role tells its leader", () => {
    const body = (version: string, unlocked = false) =>
      readingOf(503, patroniBody({ role: "standby_leader", unlocked, more: { patroni: { version, scope: "demo" } } }));
    expect(verdict("standby_leader", body("2.0.2"))).toBe("yes");
    expect(verdict("standby_leader", body("2.0.2", true))).toBe("no");
    expect(verdict("standby_leader", body("2.1.0"))).toBe("no");
    expect(verdict("standby_leader", body("4.0.4"))).toBe("no");
    expect(verdict("primary", body("2.0.2"))).toBe("no");
  });

  test("without a readable body the key alone keeps a leader, and for a replica everything is open", () => {
    for (const body of ["", "OK", patroniBody({}).slice(0, -9)]) {
      expect(verdict("primary", readingOf(200, body))).toBe("kept");
      expect(verdict("primary", readingOf(503, body))).toBe("no");
      expect(verdict("replica", readingOf(503, body))).toBe("open");
    }
  });

  test("silence and other answers are none of Patroni's", () => {
    expect(readPatroni(fails("timedOut").outcome)).toBeUndefined();
    for (const status of [301, 401, 404, 500, 502])
      expect(readPatroni(answer(status, patroniBody({}), "/leader").outcome)).toBeUndefined();
    expect(readPatroni(answer(200, patroniBody({}), "/replica").outcome)).toBeUndefined();
  });
});

describe("the tag noloadbalance", () => {
  const tagged = (value: unknown, status = 503, role = "replica") =>
    readingOf(status, patroniBody({ role, more: { tags: { noloadbalance: value } } }));

  test("takes a replica out, whatever kind of replica is wanted, but not a leader", () => {
    for (const role of ["replica", "async", "read_only", "any"] as const) {
      expect(verdict(role, tagged(true))).toBe("no");
      expect(verdict(role, tagged(true), { respectsNoLoadBalance: false })).toBe("yes");
    }
    expect(verdict("read_only", tagged(true, 200, "primary"))).toBe("yes");
    expect(verdict("primary", tagged(true, 200, "primary"))).toBe("yes");
  });

  test("counts as Patroni takes it", () => {
    expect(["yes", 1, "false"].map((value) => verdict("replica", tagged(value)))).toEqual(["no", "no", "no"]);
    expect([false, "", null].map((value) => verdict("replica", tagged(value)))).toEqual(["yes", "yes", "yes"]);
  });
});

describe("lag", () => {
  const replica = (position: number, fields: BodyFields = {}) =>
    readingOf(503, patroniBody({ role: "replica", position, ...fields }));
  const limit = { maxLagBytes: 16 * MB };

  test("is what the leader's position is ahead of what the replica has replayed", () => {
    expect(verdict("replica", replica(LEADER.location - 16 * MB), limit)).toBe("yes");
    expect(verdict("replica", replica(LEADER.location - 16 * MB - 1), limit)).toBe("no");
    expect(verdict("read_only", replica(LEADER.location - 16 * MB - 1), limit)).toBe("no");
    // Its answer may be newer than the leader's.
    expect(verdict("replica", replica(LEADER.location + MB), limit)).toBe("yes");
    expect(verdict("replica", replica(0))).toBe("yes");
  });

  test("received but not replayed does not count", () => {
    const xlog = { received_location: LEADER.location, replayed_location: LEADER.location - 17 * MB };
    expect(verdict("replica", replica(0, { more: { xlog } }), limit)).toBe("no");
  });

  test("without a leader, without a position, or behind its timeline it is open, never ok", () => {
    expect(verdict("replica", replica(LEADER.location), limit, "none")).toBe("open");
    expect(verdict("replica", replica(LEADER.location, { more: { xlog: {} } }), limit)).toBe("open");
    expect(verdict("replica", replica(LEADER.location, { timeline: 4 }), limit)).toBe("open");
    expect(verdict("replica", replica(LEADER.location, { timeline: 6 }), limit)).toBe("yes");
  });

  test("whoever tells no timeline and is farther ahead than the limit may be on another branch", () => {
    // What Patroni 3.0.2 says of an old primary that runs on what nobody else has, until pg_rewind.
    const untold = (position: number, limits = limit) =>
      verdict("replica", replica(position, { more: { timeline: null } }), limits);
    expect(untold(LEADER.location + 16 * MB + 1)).toBe("open");
    expect(untold(LEADER.location + 12 * MB, { maxLagBytes: MB })).toBe("open");
    expect(untold(LEADER.location + 12 * MB)).toBe("yes");
    expect(untold(LEADER.location - MB)).toBe("yes");
  });

  test("a leader has none", () => {
    expect(verdict("read_only", readingOf(200, patroniBody({ position: 5 })), limit)).toBe("yes");
    const { body } = readingOf(200, patroniBody({}));
    expect(body && lagOf(body, LEADER).bytes).toBeUndefined();
  });

  test("a leader's position: where a primary writes, what a standby leader has received; of nobody else", () => {
    const position = (status: number, fields: BodyFields) => leaderPosition(readingOf(status, patroniBody(fields)));
    expect(position(200, { position: 7 })).toEqual({ timeline: 5, location: 7 });
    expect(position(200, { role: "master", position: 7 })).toEqual({ timeline: 5, location: 7 });
    expect(position(200, { role: "standby_leader", position: 8 })).toEqual({ timeline: 5, location: 8 });
    // Since its start it has received nothing: Patroni 3.0.2 tells the beginning of a segment then.
    const xlog = { received_location: 67_108_864, replayed_location: 72_596_184 };
    expect(position(200, { role: "standby_leader", more: { xlog } })).toEqual({ timeline: 5, location: 72_596_184 });
    expect(position(503, { position: 7 })).toBeUndefined();
    expect(position(200, { state: "stopping" })).toBeUndefined();
    expect(position(200, { role: "replica" })).toBeUndefined();
  });
});

test("reasons tell the role, the lag and the limit", () => {
  const reason = (role: PatroniRole, status: number, fields: BodyFields, change: Partial<PatroniCheckConfig> = {}) =>
    interpretPatroni({ ...patroniCheck(3, role), ...change }, readingOf(status, patroniBody(fields)), LEADER).reason;
  const limit = { maxLagBytes: MB, unknownHold: seconds(3) };
  expect(reason("primary", 200, {})).toBe("leader key, role primary");
  expect(reason("primary", 503, { role: "replica" })).toBe("no leader key (HTTP 503, role replica)");
  expect(reason("primary", 200, { role: "replica" })).toBe("leader key, but the body says role replica");
  expect(reason("primary", 200, { role: "standby_leader" })).toBe("leader key, but role standby_leader");
  expect(reason("replica", 200, {})).toBe("role primary");
  expect(reason("async", 503, { role: "replica" })).toBe("role replica, asynchronous");
  expect(reason("sync", 503, { role: "replica" })).toBe("asynchronous");
  expect(reason("replica", 503, { role: "replica", position: LEADER.location - 3_000 }, limit)).toBe(
    "role replica, lag 2.9 kB",
  );
  expect(reason("replica", 503, { role: "replica", position: LEADER.location - 3 * MB }, limit)).toBe(
    "lag 3 MB, more than max_lag 1 MB",
  );
  expect(reason("replica", 503, { role: "replica", timeline: 4 }, limit)).toBe(
    "lag unknown: it is on timeline 4, the leader on 5",
  );
});
