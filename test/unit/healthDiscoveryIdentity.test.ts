import { expect, test } from "vitest";
import { seconds } from "../../src/core/units.ts";
import { fails, follows, leads, patroniBody } from "../sim/patroniAnswers.ts";
import { answered, following, listing, member, SERVICE, SOURCE, world } from "./discoveryRig.ts";

/** Whose members a service with `patroni_cluster` takes: the scope and system identifier that were learnt, until an operator says otherwise. */

const NEW = "9";
const forget = { kind: "forgetCluster", services: new Set([SERVICE]) } as const;
const newListing = answered({ members: [member(3), member(4)], scope: "demo" }, patroniBody({ system: NEW }));

/** The cluster is initialized anew under the same addresses: everybody tells another system identifier. */
function rebuilt() {
  const it = world();
  it.answers.set(3, leads({ system: NEW }));
  it.answers.set(4, follows({ system: NEW }));
  it.rig.run(seconds(5));
  expect(it.rig.weights()).toEqual({ 3: 0, 4: 0 });
  return it;
}

test("a cluster that was initialized anew is refused, with the way out, until an operator lets the next list decide", () => {
  const { rig, told, words } = rebuilt();
  told(newListing);
  told(newListing);
  rig.run(seconds(60));
  expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
  const remedy = `holdfast forget "${SERVICE}"`;
  expect(rig.view()[0]?.members?.problem).toContain(remedy);
  expect(words().filter((each) => each.includes(remedy))).toHaveLength(1);

  rig.feed(forget);
  expect(words().at(-1)).toBe("the next list decides whose cluster it is: an operator says so");
  // Until a list has come, what was learnt counts: a stranger among the members gets nothing by it.
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
  told({ kind: "timedOut", detail: "" });
  expect(rig.view()[0]?.members).toMatchObject({ learnsAnew: true, problem: "timedOut: " });
  told(newListing);
  expect(rig.view()[0]?.members?.learnsAnew).toBe(false);
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  expect(words().at(-1)).toBe(
    `it follows the cluster demo, database system ${NEW} now, as ${SOURCE} tells; before: demo, database system 7301`,
  );
  expect(rig.view()[0]?.members).toMatchObject({ known: 2, scope: "demo", problem: undefined });
  const remembered = rig.effects.findLast(({ effect }) => effect.kind === "rememberMembers")?.effect;
  expect(remembered?.kind === "rememberMembers" && remembered.services.get(SERVICE)?.system).toBe(NEW);

  // It is learnt again, and nothing else is believed.
  told(listing(3, 4));
  expect(rig.view()[0]?.members?.problem).toContain("the database system 7301, not of 9");
});

test("a list without a system identifier decides nothing", () => {
  const { rig, told } = rebuilt();
  rig.feed(forget);
  told(answered({ members: [member(3), member(4)], scope: "demo" }, ""));
  rig.run(seconds(5));
  expect(rig.view()[0]?.members?.problem).toBe("it tells no database system, which is to be learnt anew");
  expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
  told(newListing);
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
});

test("one word is for one list: what an old one has taught again stays", () => {
  const { rig, told } = rebuilt();
  rig.feed(forget);
  told(listing(3, 4));
  told(newListing);
  rig.run(seconds(5));
  expect(rig.view()[0]?.members?.problem).toContain("the database system 9, not of 7301");
  expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
});

test("a written scope stays the cluster's, and another one than the learnt lets the next list decide", () => {
  const { rig, told } = world({ scope: "demo" });
  rig.feed(forget);
  const other = answered({ members: [member(3)], scope: "other" }, patroniBody({ scope: "other", system: NEW }));
  told(other);
  expect(rig.view()[0]?.members?.problem).toBe("it tells of the cluster other, not of demo");
  rig.configure([following(true, "other")]);
  told(other);
  rig.run(seconds(1));
  expect(rig.view()[0]?.members).toMatchObject({ scope: "other", problem: undefined });
});

test("a word about a service that follows no cluster, or knows of none, changes nothing", () => {
  const { rig, told, answers } = world({ start: false });
  rig.feed(forget);
  told({ kind: "timedOut", detail: "" });
  told(listing(3, 4));
  rig.run(seconds(2));
  expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  answers.set(4, fails("refused"));
  rig.feed({ kind: "forgetCluster", services: new Set(["TCP 10.0.2.99:5432"]) });
  told(newListing);
  expect(rig.view()[0]?.members?.problem).toContain("the database system 9, not of 7301");
});

test("an answer that counts is taken at a start, too, when a stranger was asked before, who is told", () => {
  const { rig, words, told } = world({ start: false, scope: "demo", others: [8, 9] });
  const other = answered({ members: [member(9)], scope: "other" }, patroniBody({ scope: "other" }));
  const stranger = { source: "10.0.2.9:8008", outcome: other };
  const silent = { source: "10.0.2.8:8008", outcome: { kind: "refused", detail: "" } } as const;
  const passedOver = [stranger, silent];
  rig.feed({ kind: "cluster", service: SERVICE, source: SOURCE, outcome: listing(3, 4), passedOver });
  rig.run(seconds(1));
  expect(rig.weights()).toEqual({ 3: 50, 4: 0 });
  expect(words()[0]).toBe(
    `10.0.2.9:8008 does not count, ${SOURCE} was asked instead: it tells of the cluster other, not of demo`,
  );
  expect(words().filter((each) => each.includes("does not count"))).toHaveLength(1);
  expect(rig.view()[0]?.members?.problem).toBeUndefined();
  told(listing(3, 4));
  expect(words()).toHaveLength(3);
  // It is not asked any more while the other one answers, so status goes on to say so.
  const unbelieved = { source: "10.0.2.9:8008", problem: "it tells of the cluster other, not of demo" };
  expect(rig.view()[0]?.members?.wrongSources).toEqual([unbelieved]);
  rig.feed({ kind: "cluster", service: SERVICE, source: stranger.source, outcome: listing(3, 4) });
  expect(rig.view()[0]?.members?.wrongSources).toEqual([]);
});

test("a source that did not count is forgotten with the line that names it, and where another cluster may be learnt", () => {
  const { rig, told } = world({ start: false, scope: "demo", others: [9] });
  const other = answered({ members: [member(9)], scope: "other" }, patroniBody({ scope: "other" }));
  const wrongly = (source: string): void => {
    const passedOver = [{ source, outcome: other }];
    rig.feed({ kind: "cluster", service: SERVICE, source: SOURCE, outcome: listing(3, 4), passedOver });
  };
  const wrong = (): unknown => rig.view()[0]?.members?.wrongSources.map(({ source }) => source);
  wrongly("10.0.2.9:8008");
  expect(wrong()).toEqual(["10.0.2.9:8008"]);
  rig.configure([following(true, "demo")]);
  expect(wrong()).toEqual([]);
  rig.configure([following(true, "demo", [9])]);
  wrongly("10.0.2.9:8008");
  expect(wrong()).toEqual(["10.0.2.9:8008"]);
  rig.feed(forget);
  told(listing(3, 4));
  expect(wrong()).toEqual([]);
});

const nameless = answered({ members: [member(3), member(4)] }, "");

test("a list that tells neither scope nor system decides nothing where a scope was learnt", () => {
  const { rig, told, answers } = world({ start: false, exclusive: false });
  told(answered({ members: [member(3), member(4)], scope: "demo" }, ""));
  rig.feed(forget);
  answers.set(4, follows({ scope: "other" }));
  told(nameless);
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
  expect(rig.view()[0]?.members).toMatchObject({
    ...{ scope: "demo", learnsAnew: true },
    problem: "it tells neither scope nor database system, which are to be learnt anew",
  });
  told(newListing);
  expect(rig.view()[0]?.members).toMatchObject({ scope: "demo", learnsAnew: false, problem: undefined });
});

test("a written scope counts for members whatever a list leaves out, and after a word that lets the next one decide", () => {
  const { rig, told, answers } = world({ start: false, exclusive: false, scope: "demo" });
  answers.set(4, follows({ scope: "other" }));
  for (const say of [() => undefined, () => rig.feed(forget)]) {
    say();
    told(nameless);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
    expect(rig.view()[0]?.members).toMatchObject({ scope: "demo", learnsAnew: false, problem: undefined });
  }
});

test("a scope that is written after a list that told none counts for members at once", () => {
  const { rig, told, answers } = world({ start: false, exclusive: false });
  told(nameless);
  answers.set(4, follows({ scope: "other" }));
  rig.configure([following(false, "demo")]);
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 0, 4: 0 });
});
