import { describe, expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { seconds } from "../../src/core/units.ts";
import type { RememberedMembers } from "../../src/health/types.ts";
import { patroniCheck, realServer, virtualServer } from "../sim/healthRig.ts";
import { follows, leads } from "../sim/patroniAnswers.ts";
import { answered, following, member, SERVICE, world } from "./discoveryRig.ts";

/** A REST API speaks for one server of a service, and a node that moves takes its own along. */

const at = (host: number, rest: number, name = `pg${host}`) =>
  member(host, { name, api_url: `http://10.0.2.${rest}:8008/patroni` });
const listing = (...members: object[]) => answered({ members, scope: "demo" });
const forget = { kind: "forgetCluster", services: new Set([SERVICE]) } as const;
/** What Patroni says of itself since it tells names. */
const named = (name: string) => ({ more: { patroni: { version: "4.0.0", scope: "demo", name } } });

describe("a REST API speaks for one member", () => {
  test("two of one answer that tell the same are not taken, told once, and change nobody who is known", () => {
    const { rig, told, words, answers } = world({ exclusive: false });
    answers.set(6, follows());
    answers.set(7, follows());
    for (let times = 0; times < 2; times++) {
      told(listing(at(3, 3), at(6, 4), at(4, 4), at(7, 7)));
      rig.run(seconds(5));
      expect(rig.weights()).toEqual({ 3: 0, 4: 50, 7: 50 });
    }
    const problem =
      "members pg6 and pg4 tell the same REST API, 10.0.2.4:8008: neither is taken; each must tell its own (restapi.connect_address of Patroni)";
    expect(rig.view()[0]?.members?.problem).toBe(problem);
    expect(words().filter((each) => each.includes(problem))).toHaveLength(1);
    told(listing(at(3, 3), at(4, 4), at(6, 6), at(7, 7)));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 6: 50, 7: 50 });
    expect(rig.view()[0]?.members?.problem).toBeUndefined();
  });

  test("a write service has no second writer by it", () => {
    const { rig, told } = world({ start: false });
    told(listing(at(4, 3), at(3, 3)));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({});
  });

  test("who has that of one who stays by its own word is not taken, until an operator lets the next list decide", () => {
    const { rig, told, words } = world();
    const moved = listing(at(9, 3), at(4, 4));
    told(moved);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    expect(rig.view()[0]?.members?.problem).toBe(
      `member pg9 (10.0.2.9 port 5432) tells the REST API of member pg3 (10.0.2.3 port 5432), which stays: it is not taken; if that is right, because the REST API is its now: holdfast forget "${SERVICE}"`,
    );
    rig.feed(forget);
    told(moved);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 9: 50, 4: 0 });
    expect(rig.view()[0]?.members?.problem).toBeUndefined();
    told(moved);
    expect(rig.weights()).toEqual({ 9: 50, 4: 0 });
    expect(words().at(-1)).toContain("member pg3 (10.0.2.3 port 5432) has left");
  });

  test("nor does a known member take it over", () => {
    const { rig, told } = world();
    told(listing(at(4, 3)));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    expect(rig.view()[0]?.members?.problem).toContain("which stays: it is not taken");
  });

  test("nor does a third one get that of a member whose move is refused", () => {
    const { rig, told, answers } = world({ exclusive: false });
    told(listing(at(4, 4), at(5, 5)));
    answers.set(3, follows());
    rig.run(seconds(5));
    told(listing(at(9, 4), at(4, 5)));
    rig.run(seconds(5));
    expect(rig.weights()).toMatchObject({ 4: 50, 5: 50 });
    expect(rig.weights()).not.toHaveProperty("9");
    expect(rig.askedTimes(4, rig.elapsedMs() - 2_000)).not.toEqual([]);
  });

  test("nor who is remembered: the next list decides who has it", () => {
    const { rig, told } = world({ start: false });
    const of = (host: number, rest: number) => ({
      ...{ name: `pg${host}`, address: ip(`10.0.2.${host}`), port: 5432 },
      ...{ restAddress: ip(`10.0.2.${rest}`), restPort: 8008 },
    });
    const services: RememberedMembers = new Map([
      [SERVICE, { members: [of(3, 3), of(9, 3), of(4, 4)], scope: "demo", system: "7301" }],
    ]);
    rig.restart(7);
    rig.feed({ kind: "membersRemembered", services });
    rig.configure([following()]);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 4: 0 });
    told(listing(at(3, 3), at(4, 4)));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  });
});

describe("the REST API that a written server is asked at speaks for that server", () => {
  const written = { ...realServer(6, [{ ...patroniCheck(6, "replica"), connectIp: ip("10.0.2.4") }]) };

  test("and for no member of a list, with the way out", () => {
    const { rig, told } = world({ start: false, exclusive: false });
    rig.configure([{ ...following(false), realServers: [written] }]);
    told(listing(at(3, 3), at(4, 4)));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 6: 50 });
    expect(rig.view()[0]?.members?.problem).toBe(
      "member pg4 (10.0.2.4 port 5432) tells the REST API that real_server 10.0.2.6:5432 is asked at: it is not taken; take that real_server out of the file, or have it asked at its own",
    );
    rig.configure([following(false)]);
    told(listing(at(3, 3), at(4, 4)));
    rig.run(seconds(5));
    expect(rig.weights()).toMatchObject({ 3: 0, 4: 50 });
  });

  test("and from the reload that writes it on for no known member", () => {
    const { rig, told } = world({ exclusive: false });
    told(listing(at(3, 3), at(4, 4)));
    rig.run(seconds(2));
    rig.configure([{ ...following(false), realServers: [written] }]);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 6: 50 });
    told(listing(at(3, 3), at(4, 4)));
    expect(rig.view()[0]?.members?.problem).toContain("is asked at: it is not taken");
  });
});

describe("a node that moves and keeps its REST API", () => {
  test("has its new place at once, and its old one until its connections have ended", () => {
    const { rig, told, words } = world({ exclusive: false });
    rig.connections.set(4, 2);
    const moved = listing(at(3, 3), at(9, 4, "pg4"));
    for (let times = 0; times < 2; times++) {
      told(moved);
      rig.run(seconds(5));
      expect(rig.weights()).toEqual({ 3: 0, 4: 0, 9: 50 });
    }
    const what =
      "member pg4 (10.0.2.4 port 5432) is member pg4 (10.0.2.9 port 5432) now, says 10.0.2.3:8008; the place before goes when its connections do";
    expect(words().filter((each) => each === what)).toHaveLength(1);
    expect(rig.view()[0]?.members?.problem).toBeUndefined();
    expect(rig.view()[0]?.servers.find(({ server }) => server === "10.0.2.4:5432")?.reason).toBe(
      "its REST API is that of member pg4 (10.0.2.9 port 5432) now",
    );
    rig.connections.set(4, 0);
    rig.run(seconds(5));
    told(moved);
    expect(rig.weights()).toEqual({ 3: 0, 9: 50 });
    // And back.
    told(listing(at(3, 3), at(4, 4)));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 9: 0 });
  });

  test("is not two writers for a moment, nor remembered twice", () => {
    const { rig, told } = world();
    told(listing(at(9, 3, "pg3"), at(4, 4)));
    for (let ms = 0; ms < 3_000; ms += 10) {
      rig.run(seconds(0.01));
      const weights = rig.weights();
      expect([weights[3], weights[9]].filter((weight) => weight === 50).length).toBeLessThanOrEqual(1);
    }
    const remembered = rig.effects.findLast(({ effect }) => effect.kind === "rememberMembers")?.effect;
    if (remembered?.kind !== "rememberMembers") throw new Error("nothing was remembered");
    expect(remembered.services.get(SERVICE)?.members.map(({ address }) => address)).toEqual(["10.0.2.4", "10.0.2.9"]);
  });

  test("may be listed beside one that tells no address", () => {
    const { rig, told } = world();
    told(listing(at(9, 3, "pg3"), at(4, 4), { name: "pg6" }));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 9: 50, 4: 0 });
  });

  test("is known by what its REST API says of itself, where that says anything", () => {
    const { rig, told, answers } = world();
    answers.set(3, leads(named("pg9")));
    rig.run(seconds(2));
    told(listing(at(9, 3, "pg3"), at(4, 4)));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    told(listing(at(9, 3, "pg9"), at(4, 4)));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 9: 50, 4: 0 });
  });

  test.each([
    ["that tells its name", named("pg3"), { 3: 0, 4: 0, 9: 50 }],
    ["that tells none", {}, { 3: 50, 4: 0 }],
  ])("by a list after real_server blocks, with connect_ip elsewhere, %s", (_, body, weights) => {
    const { rig, told, answers } = world({ start: false });
    answers.set(7, leads(body));
    const elsewhere = { ...realServer(3, [{ ...patroniCheck(3, "primary"), connectIp: ip("10.0.2.7") }]) };
    rig.configure([virtualServer([elsewhere, realServer(4, [patroniCheck(4, "primary")])], { exclusive: "detected" })]);
    rig.run(seconds(3));
    rig.configure([following()]);
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
    const moved = listing(at(9, 7, "pg3"), at(4, 4));
    told(moved);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual(weights);
    rig.feed(forget);
    told(moved);
    rig.run(seconds(5));
    expect(rig.weights()).toMatchObject({ 4: 0, 9: 50 });
    expect(rig.weights()[3] ?? 0).toBe(0);
  });
});
