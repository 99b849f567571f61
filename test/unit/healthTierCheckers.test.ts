import { expect, test } from "vitest";
import { after, milliseconds, seconds, type Us } from "../../src/core/units.ts";
import { destinationId } from "../../src/plan/keys.ts";
import { Dice } from "../sim/dice.ts";
import { HealthRig, hostIp, patroniCheck, type Reply, realServer, virtualServer } from "../sim/healthRig.ts";
import { OperatorWords } from "../sim/operatorWords.ts";
import { fails, follows, leads } from "../sim/patroniAnswers.ts";
import { type TierFacts, Tiers, wrongShared } from "../sim/tiers.ts";

/** The simulation's rules of readers in tiers are shown histories that are right and ones that are wrong. */

const AFTER = seconds(2);
const service = virtualServer(
  [3, 4, 5].map((host) => ({
    ...realServer(host, [patroniCheck(host, "replica")]),
    fallback: patroniCheck(host, "primary"),
  })),
  { fallbackAfter: AFTER },
);
const serverOf = (host: number) => destinationId({ address: hostIp(host), port: 5432 });
const idOf = (host: number): string => `${service.name} ${serverOf(host)}`;

/** Node 3 leads; with `replicas` the others follow, else they are gone, and the primary serves. */
function facts(replicas: boolean): { readonly right: TierFacts; readonly now: Us } {
  const reply = (host: number): Reply => (host === 3 ? leads() : replicas ? follows() : fails("refused"));
  const rig = new HealthRig({ respond: ({ connectIp }) => reply(Number(connectIp.split(".").at(-1))) });
  rig.configure([service]);
  rig.run(seconds(10));
  expect(rig.weights()).toEqual(replicas ? { 3: 0, 4: 50, 5: 50 } : { 3: 50, 4: 0, 5: 0 });
  const right: TierFacts = {
    ...{ config: [service], view: rig.view(), desired: rig.desired(), words: new OperatorWords(new Dice(1)) },
    denied: new Set([idOf(4), idOf(5)]),
    claims: new Map([[idOf(3), true]]),
  };
  return { right, now: rig.now };
}

const weighing = (right: TierFacts, host: number, weight: number): TierFacts => ({
  ...right,
  desired: right.desired.map((each) => ({
    ...each,
    destinations: each.destinations.map((row) => (row.address === hostIp(host) ? { ...row, weight } : row)),
  })),
});
const fallenBack = (right: TierFacts): TierFacts => ({
  ...right,
  view: right.view.map((each) => ({ ...each, fallback: true })),
});

test("a second tier that serves while the first has nobody is right, one beside it is not", () => {
  const alone = facts(false);
  new Tiers().look(alone.right, alone.now);
  const both = facts(true);
  new Tiers().look(both.right, both.now);
  expect(() => new Tiers().look(fallenBack(both.right), both.now)).toThrow(/has fallen back, and 10\.0\.2\.4 is up/);
});

test("who serves as second tier has said so, with the weight that is due", () => {
  const { right, now } = facts(false);
  const look = (wrong: TierFacts) => () => new Tiers().look(wrong, now);
  expect(look(weighing(right, 4, 50))).toThrow(/10\.0\.2\.4:5432 serves as second tier although it said no/);
  expect(look(weighing(right, 3, 7))).toThrow(/has weight 7 as second tier, due 50/);
  expect(look(weighing(right, 3, 0))).toThrow(/has weight 0, and is due 50/);
});

test("it begins after its time, and only where there is one", () => {
  const { right, now } = facts(true);
  const gone: TierFacts = {
    ...right,
    view: right.view.map((each) => ({ ...each, servers: each.servers.map((one) => ({ ...one, verdict: "down" })) })),
  };
  const began = { kind: "fallback", service: service.name, phase: "began", reason: "nobody is left" } as const;
  const tiers = new Tiers();
  tiers.look(right, now);
  tiers.look(gone, now);
  expect(() => tiers.told(began, [service], after(now, milliseconds(1_900)))).toThrow(/after 1900000 µs, not 2000000/);
  tiers.told(began, [service], after(now, AFTER));
  expect(tiers.begun).toBe(2);
  expect(() => tiers.told(began, [virtualServer([])], now)).toThrow(/has no second tier/);
});

test("at rest everybody with the role has weight, and nobody else", () => {
  const { right, now } = facts(true);
  const [health] = right.view;
  if (health === undefined) throw new Error("one service is given");
  const wrong = (weights: Readonly<Record<number, number>>) =>
    wrongShared(service, health, {
      ...{ leader: serverOf(3), words: right.words, now },
      weights: new Map(Object.entries(weights).map(([host, weight]) => [serverOf(Number(host)), weight])),
    });
  expect(wrong({ 4: 50, 5: 50 })).toBeUndefined();
  expect(wrong({ 3: 50, 4: 50, 5: 50 })).toContain("10.0.2.3:5432 has weight 50, wanted 0");
  expect(wrong({ 4: 50 })).toContain("10.0.2.5:5432 has weight 0, wanted 50");
});
