import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { PatroniRole } from "../../src/config/check.types.ts";
import { isLeaderPath } from "../../src/config/leaderPaths.ts";
import type { Finding } from "../../src/health/findings.ts";
import { readCluster } from "../../src/health/members.ts";
import { parsePatroniBody, readRole } from "../../src/health/patroni.ts";
import {
  interpretPatroni,
  type LeaderPosition,
  lagOf,
  leaderPosition,
  readPatroni,
} from "../../src/health/patroniCheck.ts";
import type { HttpAnswer } from "../../src/health/types.ts";
import { patroniCheck, realServer, targetAt, virtualServer } from "../sim/healthRig.ts";

/**
 * What a real Patroni said (test/golden/patroni/NAME.http, recorded by test/golden/capture/patroni.ts), and what the product's
 * readers make of it (NAME.json, stated by hand).
 */
const FOLDER = join(import.meta.dirname, "patroni");
const ROLES: readonly PatroniRole[] = [
  "primary",
  "standby_leader",
  "replica",
  "sync",
  "async",
  "quorum",
  "read_only",
  "any",
];
const MAX_LAG_BYTES = 2 ** 20;

interface Recorded {
  readonly answers: ReadonlyMap<string, number>;
  readonly leader: LeaderPosition | undefined;
  readonly body: string;
}

function recorded(name: string): Recorded {
  const lines = readFileSync(join(FOLDER, `${name}.http`), "utf8")
    .trimEnd()
    .split("\n");
  const header = (key: string): string | undefined =>
    lines.find((line) => line.startsWith(`# ${key}: `))?.slice(`# ${key}: `.length);
  const answers = (header("answers") ?? "").split(", ").map((each) => each.split(" "));
  const [, timeline, location] = /^timeline (\d+), location (\d+)$/.exec(header("leader") ?? "") ?? [];
  return {
    answers: new Map(answers.map(([path = "", status = ""]) => [path, Number(status)])),
    leader: location === undefined ? undefined : { timeline: Number(timeline), location: Number(location) },
    body: lines.filter((line) => !line.startsWith("# ")).join("\n"),
  };
}

/** All that the product reads out of it, in the words of JSON. */
function readingOf({ answers, leader, body }: Recorded): object {
  const said = [...answers].map(([path, status]): HttpAnswer => ({ path, status, body, bodyTruncated: false }));
  const list = said.find(({ path }) => path === "/cluster");
  return withoutUndefined(list === undefined ? statusReading(said, leader) : clusterReading(list));
}

function statusReading(said: readonly HttpAnswer[], leader: LeaderPosition | undefined): object {
  const body = parsePatroniBody(said[0]?.body ?? "");
  const key = said.find(({ path }) => path === "/leader");
  const reading = key && readPatroni({ kind: "answered", answers: [key] });
  const { clusterUnlocked, pause, syncStandby, quorumStandby, noLoadBalance, ...rest } = body ?? {};
  const flags = { clusterUnlocked, pause, syncStandby, quorumStandby, noLoadBalance };
  const lag = body && lagOf(body, leader, MAX_LAG_BYTES);
  return {
    ...rest,
    flags: Object.entries(flags).flatMap(([flag, set]) => (set === true ? [flag] : [])),
    holdsKey: reading?.holdsKey,
    tellsPosition: reading && leaderPosition(reading),
    // Of one that does not lead.
    lag: lag?.bytes ?? (reading?.holdsKey === true ? undefined : lag && "why" in lag ? lag.why : undefined),
    verdicts: reading && {
      ...Object.fromEntries(
        ROLES.map((role) => [role, verdict(interpretPatroni(patroniCheck(3, role), reading, leader))]),
      ),
      "replica, max_lag 1MB": verdict(
        interpretPatroni(patroniCheck(3, "replica", { maxLagBytes: MAX_LAG_BYTES }), reading, leader),
      ),
    },
    // What keeps a 200 on a leader's path from raising a weight: HTTP_GET.
    objections: Object.fromEntries(
      said
        .filter(({ path, status }) => status === 200 && isLeaderPath(path))
        .map((answer) => [answer.path, readRole(answer).objection ?? "none"]),
    ),
    rolePaths: said.filter((answer) => readRole(answer).roleAnswer).length === said.length ? "all" : "not all",
  };
}

/** `kept`: a weight stays and none is raised; `open`: for the time of on_unknown. */
function verdict(finding: Finding): string {
  if (finding.kind === "pass") return finding.objection === undefined ? "yes" : "kept";
  return finding.kind === "wrongAnswer" ? "no" : finding.kind;
}

function clusterReading(list: HttpAnswer): object {
  const check = patroniCheck(9, "replica");
  const discovery = {
    ...{ sources: [], scope: undefined, interval: check.timing.delayLoop },
    template: realServer(9, [check]),
  };
  const service = virtualServer([], { ...targetAt("10.0.2.11"), discovery });
  const read = readCluster({ kind: "answered", answers: [list] }, service);
  return read.ok ? read.value : { refused: read.error };
}

function withoutUndefined(value: object): object {
  return JSON.parse(JSON.stringify(value)) as object;
}

const namesOf = (ending: string): string[] =>
  readdirSync(FOLDER)
    .filter((file) => file.endsWith(ending))
    .map((file) => file.slice(0, -ending.length));
const names = namesOf(".http");

describe("what a real Patroni said", () => {
  test("is there of every phase, each with its reading", () => {
    const phases = names.map(
      (name) => /^# phase: ([^,]+)/m.exec(readFileSync(join(FOLDER, `${name}.http`), "utf8"))?.[1],
    );
    const asked = ["bootstrap", "switchover", "failover", "restart", "store-lost", "failsafe", "paused", "resumed"];
    expect(phases).toEqual(expect.arrayContaining(asked));
    expect(namesOf(".json").toSorted()).toEqual(names.toSorted());
  });

  test.each(names)("%s", (name) => {
    expect(readingOf(recorded(name))).toEqual(JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8")));
  });
});
