import { expect, test } from "vitest";
import { HoldfastError } from "../../src/core/errors.ts";
import { ip } from "../../src/core/ip.ts";
import { seconds } from "../../src/core/units.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { MemberFollower } from "../../src/daemon/memberFollower.ts";
import { MemberMemory } from "../../src/daemon/memberMemory.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { recordingLogger } from "../lab/recordingLogger.ts";
import { VirtualTime } from "../lab/virtualTime.ts";
import { patroniCheck, realServer, virtualServer } from "../sim/healthRig.ts";

const sources = [3, 4, 5].map((host) => ({ address: ip(`10.0.2.${host}`), port: 8008 }));
const template = realServer(0, [patroniCheck(0, "primary")]);
const service = (interval = 10) =>
  virtualServer([], { discovery: { sources, scope: undefined, interval: seconds(interval), template } });
const answer: ProbeOutcome = {
  kind: "answered",
  answers: [{ path: "/cluster", status: 200, body: "", bodyTruncated: false }],
};
const stranger: ProbeOutcome = {
  kind: "answered",
  answers: [{ path: "/cluster", status: 200, body: "another cluster's", bodyTruncated: false }],
};
const silence: ProbeOutcome = { kind: "timedOut", detail: "" };

function world() {
  const time = new VirtualTime();
  const asked: string[] = [];
  const told: string[] = [];
  const dead = new Set<string>();
  const strange = new Set<string>();
  const follower = new MemberFollower({
    ask: (_, { address }, done) => {
      asked.push(address);
      void Promise.resolve().then(() => done(dead.has(address) ? silence : strange.has(address) ? stranger : answer));
    },
    counts: (_, outcome) => outcome === answer,
    tell: (name, { source, outcome }, passedOver) => {
      const others = passedOver.map((each) => ` after ${each.source} ${each.outcome.kind}`);
      told.push(`${name} ${source} ${outcome.kind}${others.join("")}`);
    },
    ...{ clock: time, timers: time },
  });
  return { time, asked, told, dead, strange, follower };
}

test("asks at once and at its interval, the one that answered last first", async () => {
  const { time, asked, told, dead, follower } = world();
  dead.add("10.0.2.3");
  follower.configure([service(), virtualServer([], { name: "TCP 10.0.2.11:5432" })]);
  await time.pass(25_000);
  expect(asked).toEqual(["10.0.2.3", "10.0.2.4", "10.0.2.4", "10.0.2.4"]);
  const again = "TCP 10.0.2.10:5432 10.0.2.4:8008 answered";
  expect(told).toEqual([`${again} after 10.0.2.3:8008 timedOut`, again, again]);
  follower.stop();
  await time.pass(60_000);
  expect(asked).toHaveLength(4);
});

test("tells that nobody answers once a round, after having asked all", async () => {
  const { time, asked, told, dead, follower } = world();
  for (const { address } of sources) dead.add(address);
  follower.configure([service()]);
  await time.pass(15_000);
  expect(asked).toEqual(["10.0.2.3", "10.0.2.4", "10.0.2.5", "10.0.2.3", "10.0.2.4", "10.0.2.5"]);
  expect(told).toEqual(Array(2).fill("TCP 10.0.2.10:5432 10.0.2.5:8008 timedOut"));
});

test("an answer that does not count hides nobody else's, and is told alone only where nobody's counts", async () => {
  const { time, asked, told, dead, strange, follower } = world();
  strange.add("10.0.2.3");
  dead.add("10.0.2.4");
  follower.configure([service()]);
  await time.pass(15_000);
  expect(asked).toEqual(["10.0.2.3", "10.0.2.4", "10.0.2.5", "10.0.2.5"]);
  const right = "TCP 10.0.2.10:5432 10.0.2.5:8008 answered";
  expect(told).toEqual([`${right} after 10.0.2.3:8008 answered after 10.0.2.4:8008 timedOut`, right]);
  dead.add("10.0.2.5");
  await time.pass(20_000);
  expect(told.slice(2)).toEqual(Array(2).fill("TCP 10.0.2.10:5432 10.0.2.3:8008 answered"));
});

test("a reload that asks as before changes nothing; another one asks at once; one without ends it, also in flight", async () => {
  const { time, asked, told, follower } = world();
  follower.configure([service()]);
  await time.pass(5_000);
  follower.configure([service()]);
  await time.pass(1_000);
  expect(asked).toHaveLength(1);
  follower.configure([service(20)]);
  await time.pass(15_000);
  expect(asked).toHaveLength(2);
  follower.configure([service(30)]);
  follower.configure([]);
  await time.pass(60_000);
  expect(asked).toHaveLength(3);
  expect(told).toHaveLength(2);
});

test("asks again at once when it is told to, of the one that answered last, and goes on from there", async () => {
  const { time, asked, told, dead, follower } = world();
  dead.add("10.0.2.3");
  follower.configure([service()]);
  await time.pass(5_000);
  follower.askAgain(new Set(["TCP 10.0.2.11:5432"]));
  await time.pass(1_000);
  expect(asked).toHaveLength(2);
  follower.askAgain(new Set(["TCP 10.0.2.10:5432"]));
  follower.askAgain(new Set(["TCP 10.0.2.10:5432"]));
  await time.pass(9_000);
  // What was under way when it was told is not heard.
  expect(asked.slice(2)).toEqual(["10.0.2.4", "10.0.2.4"]);
  expect(told).toHaveLength(2);
  await time.pass(2_000);
  expect(asked).toHaveLength(5);
});

test("what is remembered is what was known; whatever else stands there is left out", () => {
  let stored: unknown;
  const { logger } = recordingLogger();
  const events = new EventLog({ logger, wallMs: () => 0 });
  const store = {
    readMembers: () => stored,
    writeMembers: (members: object) => {
      stored = JSON.parse(JSON.stringify(members));
    },
  };
  const memory = new MemberMemory({ store, events });
  expect(memory.read()).toEqual(new Map());
  const member = { name: "pg3", address: ip("10.0.2.3"), port: 5432, restAddress: ip("10.0.2.3"), restPort: 8008 };
  const known = new Map([["S", { members: [member], scope: "demo", system: undefined }]]);
  memory.write(known);
  expect(memory.read()).toEqual(known);
  const wrong = [7, { ...member, port: 0 }, { ...member, address: "x" }, { ...member, restPort: "1" }, member];
  stored = { S: { members: wrong, scope: 7 }, T: 5, U: { members: "x" } };
  expect(memory.read()).toEqual(new Map([["S", { members: [member], scope: undefined, system: undefined }]]));
  const full = {
    ...store,
    writeMembers: () => {
      throw new HoldfastError("runDirectoryUnusable", "ENOSPC");
    },
  };
  new MemberMemory({ store: full, events }).write(known);
  expect(events.latest().map(({ kind }) => kind)).toEqual(["membersNotKept"]);
});
