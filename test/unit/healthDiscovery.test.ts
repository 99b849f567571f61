import { describe, expect, test } from "vitest";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { readCluster } from "../../src/health/members.ts";
import type { RememberedMembers } from "../../src/health/types.ts";
import { HealthRig, patroniCheck, realServer, virtualServer } from "../sim/healthRig.ts";
import { fails, follows, leads, patroniBody } from "../sim/patroniAnswers.ts";
import { answered, following, listing, member, SERVICE, SOURCE, world } from "./discoveryRig.ts";

/** `patroni_cluster`: the list proposes, each member's own check decides. */

describe("the servers of a service", () => {
  test("are the members, without weight before their own checks have passed", () => {
    const { rig, told, words } = world({ start: false });
    expect(rig.desired()[0]?.destinations).toEqual([]);
    told(listing(3, 4, 5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(words()[0]).toBe(
      "member pg3 (10.0.2.3 port 5432) has joined, says 10.0.2.3:8008; no weight before its own check has passed",
    );
    expect(rig.view()[0]?.members).toMatchObject({ known: 3, scope: "demo", source: SOURCE, problem: undefined });
  });

  test("the first programming waits for the list and for the answers of who is on it", () => {
    const { rig, told } = world({ start: false });
    rig.run(milliseconds(300));
    expect(rig.timesOf("firstVerdicts")).toEqual([]);
    told(listing(3, 4));
    expect(rig.timesOf("firstVerdicts")).toEqual([]);
    rig.run(milliseconds(10));
    expect(rig.timesOf("firstVerdicts")).toEqual([302]);
    const nobody = world({ start: false });
    nobody.rig.run(seconds(5));
    expect(nobody.rig.timesOf("firstVerdicts")).toEqual([2_500]);
  });

  test("a list that a reload during the start asks for no more is not waited for", () => {
    const { rig } = world({ start: false });
    rig.run(milliseconds(300));
    rig.configure([virtualServer([realServer(3, [patroniCheck(3, "primary")])], { exclusive: "detected" })]);
    rig.run(milliseconds(10));
    expect(rig.timesOf("firstVerdicts")).toEqual([302]);
  });

  test("a member that joins is added, and nothing else changes", () => {
    const { rig, told, answers } = world({ exclusive: false });
    answers.set(3, leads());
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    told(listing(3, 4, 5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 50 });
  });

  test("a member that is listed no longer goes when it does not answer either, and its policy is done with it", () => {
    const { rig, told, answers, words } = world({ exclusive: false });
    told(listing(3, 4, 5));
    rig.run(seconds(1));
    rig.connections.set(5, 2);
    answers.set(5, fails("refused"));
    rig.run(seconds(5));
    told(listing(3, 4));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    expect(words().at(-1)).toContain(
      "member pg5 (10.0.2.5 port 5432) is no longer listed by 10.0.2.3:8008; it stays: its connections",
    );
    rig.connections.set(5, 0);
    rig.run(seconds(3));
    told(listing(3, 4));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(words().at(-1)).toContain("has left");
    rig.run(seconds(30));
    expect(rig.askedTimes(5, rig.elapsedMs() - 20_000)).toEqual([]);
  });

  test("a member that answers for itself stays, whatever a list says of it", () => {
    const { rig, told, words } = world();
    told(listing(4));
    rig.run(seconds(20));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    expect(words().at(-1)).toContain("it stays: its own check passes");
    told(listing(4));
    told(listing(3, 4));
    expect(words().filter((each) => each.includes("stays"))).toHaveLength(1);
  });

  test("written servers stay, and win over a member at the same place", () => {
    const { rig, told } = world({ start: false });
    const written = { ...realServer(3, [patroniCheck(3, "primary")]), weight: 7 };
    rig.configure([{ ...following(), realServers: [written] }]);
    told(listing(3, 4));
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 7, 4: 0 });
  });
});

describe("no answer about others takes a server away", () => {
  test.each([
    ["nobody answers", { kind: "timedOut", detail: "10.0.2.3" } as const, "timedOut: 10.0.2.3"],
    ["no members", answered({ members: [] }), "/cluster lists no member"],
    ["no list", answered({ members: "pg3" }), "the answer to /cluster has no list of members"],
    ["no JSON", answered("<html>bad gateway</html>"), "HTTP 200 from /cluster, which is no list of members"],
    ["an error", answered({}, undefined, 503), "HTTP 503 from /cluster"],
    ["members without an address", answered({ members: [{ name: "pg9" }] }), "member pg9 tells no address"],
    [
      "a cut body",
      { kind: "answered", answers: [{ path: "/cluster", status: 200, body: "{", bodyTruncated: true }] } as const,
      "no list of members",
    ],
    [
      "another scope",
      answered({ members: [member(9)], scope: "other" }, patroniBody({ scope: "other" })),
      "the cluster other, not of demo",
    ],
    [
      "another system",
      answered({ members: [member(9)] }, patroniBody({ system: "9" })),
      "the database system 9, not of 7301",
    ],
    [
      "itself at odds",
      answered({ members: [member(9)], scope: "demo" }, patroniBody({ scope: "other" })),
      "tells of scope demo, /patroni of other",
    ],
    [
      "65 members",
      answered({ members: Array.from({ length: 65 }, (_, i) => member(i + 20)) }),
      "65 members, more than 64",
    ],
  ])("%s", (_, outcome, why) => {
    const { rig, told, words, answers } = world();
    answers.set(4, fails("refused"));
    rig.run(seconds(5));
    const before = rig.desired();
    told(outcome);
    told(outcome);
    expect(rig.desired()).toEqual(before);
    expect(words().filter((each) => each.includes("stays as it is (2 known)"))).toHaveLength(1);
    expect(words().at(-1)).toContain(why);
    expect(rig.view()[0]?.members).toMatchObject({ known: 2, problem: expect.stringContaining(why) });
    told(listing(3, 4));
    expect(words().at(-1)).toContain("is taken again");
    expect(rig.view()[0]?.members?.problem).toBeUndefined();
  });

  test("a list with a member that tells no address adds, and removes nobody", () => {
    const { rig, told, words, answers } = world();
    answers.set(4, fails("refused"));
    rig.run(seconds(5));
    told(answered({ members: [member(3), member(5), { name: "pg6", role: "replica", state: "creating replica" }] }));
    expect(Object.keys(rig.weights())).toEqual(["3", "4", "5"]);
    expect(words().at(-1)).toContain("member pg6 tells no address: nobody is taken from the list meanwhile");
  });

  test("a scope that is written counts from the first answer on", () => {
    const { rig, told, words } = world({ start: false, scope: "mine" });
    told(listing(3, 4));
    expect(rig.desired()[0]?.destinations).toEqual([]);
    expect(words()).toEqual([
      "its list of members stays as it is (0 known): 10.0.2.3:8008: it tells of the cluster demo, not of mine",
    ]);
  });
});

test("a member that is of another cluster by its own word gets nothing, though a list names it", () => {
  const { rig, told, answers } = world({ exclusive: false });
  answers.set(5, follows({ scope: "other" }));
  answers.set(6, follows({ system: "9" }));
  told(listing(3, 4, 5, 6));
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0, 6: 0 });
  expect(
    rig
      .view()[0]
      ?.servers.map(({ reason }) => reason)
      .slice(2),
  ).toEqual(["it is of the cluster other, not of demo", "it is of the database system 9, not of 7301"]);
});

/** A second life over the table of the first one, with what that has remembered; nobody has answered yet. */
function restarted(): ReturnType<typeof world>["rig"] {
  const { rig } = world();
  const remembered = rig.effects.findLast(({ effect }) => effect.kind === "rememberMembers")?.effect;
  if (remembered?.kind !== "rememberMembers") throw new Error("nothing was remembered");
  const services: RememberedMembers = structuredClone(remembered.services);
  rig.restart(7);
  rig.feed({ kind: "membersRemembered", services });
  rig.configure(
    [following()],
    new Map([
      [
        SERVICE,
        new Map([
          ["10.0.2.3:5432", 50],
          ["10.0.2.4:5432", 0],
        ]),
      ],
    ]),
  );
  expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  return rig;
}

test("a restart over a working table keeps it, by what was remembered, until somebody answers", () => {
  const rig = restarted();
  rig.feed({ kind: "cluster", service: SERVICE, source: SOURCE, outcome: { kind: "refused", detail: "" } });
  // Not for a moment another table: neither before the first answers nor when the list comes again.
  for (let ms = 0; ms < 5_000; ms += 1) {
    rig.run(milliseconds(1));
    if (ms === 3_000) rig.feed({ kind: "cluster", service: SERVICE, source: SOURCE, outcome: listing(3, 4) });
    expect(rig.weights(), `after ${ms} ms`).toEqual({ 3: 50, 4: 0 });
  }
  expect(rig.view()[0]?.holder).toBe("10.0.2.3:5432");
});

test("a restart whose first list lacks a member, before any check has answered, keeps that member while it answers for itself", () => {
  const rig = restarted();
  rig.feed({ kind: "cluster", service: SERVICE, source: SOURCE, outcome: listing(4) });
  expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
});

test("a reload without patroni_cluster forgets its members", () => {
  const { rig } = world();
  rig.configure([virtualServer([realServer(4, [patroniCheck(4, "primary")])], { exclusive: "detected" })]);
  rig.run(seconds(1));
  expect(Object.keys(rig.weights())).toEqual(["4"]);
  rig.configure([following()]);
  // The server that it had then, and nobody else.
  expect(Object.keys(rig.weights())).toEqual(["4"]);
});

describe("a member", () => {
  const read = (value: object, service = following()) => readCluster(answered({ members: [value] }), service);
  const only = (value: object, service = following()) => {
    const reading = read(value, service);
    return reading.ok ? reading.value.members[0] : reading.error;
  };

  test("is asked where its api_url says, else at its address on the port of patroni", () => {
    expect(only(member(4, { api_url: "https://10.0.9.4:8010/patroni" }))).toMatchObject({
      restAddress: "10.0.9.4",
      restPort: 8010,
    });
    expect(only(member(4, { api_url: "https://pg4.example.org:8010/patroni" }))).toMatchObject({
      restAddress: "10.0.2.4",
      restPort: 8010,
    });
    expect(only(member(4, { api_url: "http://127.0.0.1:8010/patroni" }))).toMatchObject({
      restAddress: "10.0.2.4",
      restPort: 8010,
    });
    for (const api_url of [undefined, 7, "ftp://x", "http://10.0.2.4"])
      expect(only(member(4, { api_url }))).toMatchObject({ restAddress: "10.0.2.4", restPort: 8008 });
  });

  test.each([
    [{ host: "pg4.example.org" }, "member pg4 tells the name pg4.example.org, not an address"],
    [{ host: "127.0.0.1" }, "member pg4 tells 127.0.0.1, which is the member itself"],
    [{ host: "224.0.0.1" }, "member pg4 tells 224.0.0.1, which is no server's"],
    [{ host: "10.0.2.10" }, "member pg4 tells 10.0.2.10, which is the service's own address"],
    [{ host: "2001:db8::4" }, "member pg4 tells 2001:db8::4, which is not of the service's address family"],
    [{ port: 0 }, "member pg4 tells no port that there is"],
    [{ port: "5432" }, "member pg4 tells no port that there is"],
    [{ name: 4 }, "a member has no name"],
    [{ name: "pg\n4", host: "a\u001bb" }, "member pg?4 tells the name a?b, not an address"],
  ])("with %j is none", (more, why) => {
    expect(only(member(4, more))).toBe(why);
  });

  test("has the service's port but under NAT, which leads to its own", () => {
    for (const [method, id] of [
      ["DR", "10.0.2.4:5432"],
      ["NAT", "10.0.2.4:5433"],
    ] as const) {
      const service = following();
      const template = { ...service.discovery?.template, forwarding: { method } } as NonNullable<
        typeof service.discovery
      >["template"];
      const rig = new HealthRig({ respond: () => follows() });
      rig.configure([{ ...service, ...(service.discovery && { discovery: { ...service.discovery, template } }) }]);
      const outcome = answered({ members: [member(4, { port: 5433 })] });
      rig.feed({ kind: "cluster", service: SERVICE, source: SOURCE, outcome });
      expect(rig.view()[0]?.servers.map(({ server }) => server)).toEqual([id]);
    }
  });
});
