import { beforeEach, describe, expect, test } from "vitest";
import { instantUs, seconds } from "../../src/core/units.ts";
import type { HealthEvent, ServerHealth, ServiceHealth } from "../../src/health/types.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import { type DesiredService, NO_STATISTICS, type Operation, type ServiceKey } from "../../src/plan/types.ts";
import { PLAIN_ROW, PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { Dice } from "../sim/dice.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";
import { HealthReasons } from "../sim/healthReasons.ts";
import { HealthRig, hostIp, writeService } from "../sim/healthRig.ts";
import { Invariants } from "../sim/invariants.ts";
import { OperatorWords } from "../sim/operatorWords.ts";
import { follows, leads } from "../sim/patroniAnswers.ts";
import { type CutFacts, checkSessionsAtRest, Sessions } from "../sim/sessions.ts";
import { checkTable, type TableFacts } from "../sim/tableFunction.ts";
import { Witness } from "../sim/witness.ts";

/** Each invariant of the health simulation is shown a history that is right and one that is wrong. */

const service = writeService();
const key = service.targets[0] as ServiceKey;
const id = serviceId(key);
const serverOf = (host: number) => destinationId({ address: hostIp(host), port: 5432 });
const NOW = instantUs(1_000_000);

const row = (kind: "addDestination" | "editDestination", host: number, weight: number): Operation => ({
  kind,
  service: key,
  destination: { address: hostIp(host), port: 5432 },
  attributes: { ...PLAIN_ROW, weight },
});
const gone = (host: number): Operation => ({
  kind: "deleteDestination",
  service: key,
  destination: { address: hostIp(host), port: 5432 },
});

/** A rig whose node 3 is primary, its first verdicts in. */
function settledRig(): HealthRig {
  const rig = new HealthRig({
    respond: (check) => (check.connectIp === hostIp(3) ? leads() : follows()),
  });
  rig.configure([service]);
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
  return rig;
}

describe("the kernel's table", () => {
  let kernel: FakeKernel;
  let invariants: Invariants;
  beforeEach(() => {
    kernel = new FakeKernel();
    invariants = new Invariants(kernel, true);
    kernel.afterChange = (cause) => invariants.check(cause);
    kernel.put({ ...PLAIN_SERVICE, key, statistics: NO_STATISTICS, destinations: [] });
    invariants.expectExclusive(settledRig().desired());
    for (const host of [3, 4]) {
      invariants.proven.add(`${id} ${serverOf(host)}`);
      invariants.latestClaim.set(`${id} ${serverOf(host)}`, true);
    }
  });

  test("a second writer is seen, one after the other is not taken for it", () => {
    kernel.apply([row("addDestination", 3, 50), row("editDestination", 3, 0), row("addDestination", 4, 50)]);
    expect(() => kernel.apply([row("editDestination", 3, 50)])).toThrow(/two writers/);
  });

  test("who shared a service when it becomes exclusive is lowered one by one, and nobody is raised beside them", () => {
    invariants.expectExclusive([]);
    kernel.apply([row("addDestination", 3, 50), row("addDestination", 4, 50), row("addDestination", 5, 0)]);
    invariants.proven.add(`${id} ${serverOf(5)}`);
    invariants.expectExclusive(settledRig().desired());
    kernel.apply([row("editDestination", 5, 0)]);
    expect(() => kernel.apply([row("editDestination", 3, 60)])).toThrow(/two writers/);
    kernel.apply([row("editDestination", 3, 0)]);
    expect(() => kernel.apply([row("editDestination", 3, 50)])).toThrow(/two writers/);
  });

  test("a server that was never checked is seen when it is raised", () => {
    kernel.apply([row("addDestination", 5, 0)]);
    expect(() => kernel.apply([row("editDestination", 5, 50)])).toThrow(/never checked/);
  });

  test("a writer is seen whose latest answer is no confirmed claim", () => {
    invariants.latestClaim.set(`${id} ${serverOf(4)}`, false);
    expect(() => kernel.apply([row("addDestination", 4, 50)])).toThrow(/no confirmed claim/);
  });

  test("what was there before a life is proven, nothing else", () => {
    kernel.apply([row("addDestination", 3, 50), row("editDestination", 3, 0)]);
    invariants.adopt([id]);
    expect(() => kernel.apply([row("editDestination", 3, 50)])).toThrow(/never checked/);
  });
});

describe("what is wanted", () => {
  function facts(
    change: (desired: DesiredService) => DesiredService,
    words = new OperatorWords(new Dice(1)),
  ): TableFacts {
    const rig = settledRig();
    const claims = new Map([[`${id} ${serverOf(3)}`, true]]);
    return { config: [service], view: rig.view(), words, claims, desired: rig.desired().map(change) };
  }
  const weight =
    (host: number, to: number) =>
    (desired: DesiredService): DesiredService => ({
      ...desired,
      destinations: desired.destinations.map((each) =>
        each.address === hostIp(host) ? { ...each, weight: to } : each,
      ),
    });
  const without =
    (host: number) =>
    (desired: DesiredService): DesiredService => ({
      ...desired,
      destinations: desired.destinations.filter((each) => each.address !== hostIp(host)),
    });

  test("the product's own table is right", () => {
    expect(() =>
      checkTable(
        facts((desired) => desired),
        NOW,
      ),
    ).not.toThrow();
  });

  test.each([
    ["a weight that nobody configured", weight(3, 49), /is up and due 50/],
    ["a holder without its row", without(3), /no row, but is up/],
    ["weight at a server that is not the holder", weight(4, 50), /but is not the holder/],
  ])("%s is seen", (_, change, words) => {
    expect(() => checkTable(facts(change), NOW)).toThrow(words);
  });

  test("a word of an operator that does not count is seen", () => {
    const words = new OperatorWords(new Dice(1));
    let said = words.say([3], [id], NOW);
    while (said.every((each) => each.weight !== 7)) said = words.say([3], [id], NOW);
    const due = words.weightFor(id, hostIp(3), NOW);
    expect(due).toBeDefined();
    expect(() => checkTable(facts(weight(3, due ?? 0), words), NOW)).not.toThrow();
    expect(() => checkTable(facts(weight(3, 50), words), NOW)).toThrow(/is up and due/);
  });

  test("a service that is left out is seen", () => {
    expect(() => checkTable({ ...facts((desired) => desired), desired: [] }, NOW)).toThrow(/not wanted/);
  });

  test("two writers and one that said no are seen", () => {
    const witness = new Witness(new Invariants(new FakeKernel(), true), new OperatorWords(new Dice(1)));
    const wanted = settledRig().desired();
    expect(() => witness.checkWanted(wanted, NOW)).not.toThrow();
    expect(() => witness.checkWanted(wanted.map(weight(4, 50)), NOW)).toThrow(/two writers wanted/);
    const [check] = service.realServers[0]?.checks ?? [];
    if (check?.kind !== "HTTP_GET") throw new Error("the write service asks by HTTP");
    witness.learn([service], { key: "probe", check }, follows().outcome);
    expect(() => witness.checkWanted(wanted, NOW)).toThrow(/although it said no/);
  });
});

describe("every transition has a reason", () => {
  const verdict = (change: Partial<Extract<HealthEvent, { kind: "verdict" }>> = {}): HealthEvent => ({
    ...{ kind: "verdict", service: id, server: serverOf(3), from: "unknown", to: "up", reason: "HTTP 200" },
    ...change,
  });
  const holder = (from: string | undefined, to: string | undefined): HealthEvent => ({
    ...{ kind: "holder", service: id, from, to, reason: "HTTP 200" },
  });

  test("a change without words, without a change, or from what was not told is seen", () => {
    const reasons = new HealthReasons();
    reasons.told(verdict());
    expect(() => reasons.told(verdict({ from: "up", to: "down", reason: " " }))).toThrow(/without a reason/);
    expect(() => reasons.told(verdict({ from: "up", to: "up" }))).toThrow(/no change/);
    expect(() => reasons.told(verdict({ from: "down", to: "up" }))).toThrow(/told was up/);
    reasons.told(holder(undefined, serverOf(3)));
    expect(() => reasons.told(holder(serverOf(4), serverOf(5)))).toThrow(/told was 10.0.2.3/);
    expect(() => reasons.told({ kind: "hunt", service: id, phase: "ended", reason: "all is well" })).toThrow(/hunt/);
  });

  test("a change that nobody told is seen", () => {
    const rig = settledRig();
    const reasons = new HealthReasons();
    for (const { event } of rig.events) reasons.told(event);
    expect(() => reasons.compare(rig.view())).not.toThrow();
    const changed = rig.view().map((health) => ({ ...health, holder: serverOf(4) }));
    expect(() => reasons.compare(changed)).toThrow(/told was 10.0.2.3/);
    reasons.newLife();
    expect(() => reasons.compare(rig.view())).toThrow(/told was undefined/);
  });
});

describe("what becomes of sessions", () => {
  const server: ServerHealth = settledRig().view()[0]?.servers[1] as ServerHealth;
  const health = (holder: number | undefined): ServiceHealth => ({
    ...(settledRig().view()[0] as ServiceHealth),
    holder: holder === undefined ? undefined : serverOf(holder),
  });
  /** As it is once this server is up and holds the service. */
  const withHolder = (host: number): ServiceHealth => ({
    ...health(host),
    servers: health(host).servers.map((each) => ({ ...each, verdict: each.server === serverOf(host) ? "up" : "down" })),
  });
  function cut(
    policy: CutFacts["config"]["roleLoss"],
    holder: number | undefined,
    operations: readonly Operation[],
    { exact = true, took = [] as readonly number[] } = {},
  ) {
    const kernel = new FakeKernel();
    const sessions = new Sessions(kernel, new Dice(1));
    const config = { ...service, roleLoss: policy };
    kernel.put({
      ...PLAIN_SERVICE,
      key,
      statistics: NO_STATISTICS,
      destinations: [],
    });
    kernel.apply([row("addDestination", 4, 50)]);
    while (sessions.count(id, serverOf(4)) === 0) {
      sessions.stir([{ ...(settledRig().desired()[0] as DesiredService), destinations: [wantedRow(4)] }]);
    }
    const facts: CutFacts = { config, health: health(holder), now: NOW, deaf: () => false, exact };
    for (const host of took) sessions.judge({ ...facts, health: withHolder(host) });
    kernel.afterChange = (cause) => sessions.changed(cause, NOW, () => facts);
    kernel.apply(operations);
    return { config, kernel, sessions, facts };
  }
  const wantedRow = (host: number) => ({
    ...(settledRig().desired()[0]?.destinations[0] as DesiredService["destinations"][number]),
    ...{ address: hostIp(host), weight: 50 },
  });

  test.each([
    ["under role_loss keep", { policy: "keep" } as const, 3, /role_loss keep/],
    ["without a successor", undefined, undefined, /no successor/],
    ["while they drain without a deadline", { policy: "drain", deadline: undefined } as const, 3, /without a deadline/],
    ["before the deadline", { policy: "drain", deadline: seconds(5) } as const, 3, /drained for 0 µs only/],
  ])("a cut %s is seen", (_, policy, holder, words) => {
    expect(() => cut(policy, holder, [row("editDestination", 4, 0), gone(4)])).toThrow(words);
  });

  test("a cut behind a successor may come late where the kernel refused it first; one without any successor is seen", () => {
    const lowered = [row("editDestination", 4, 0), gone(4)];
    const late = (...took: number[]) => cut({ policy: "cut" }, undefined, lowered, { exact: false, took });
    expect(() => late(5)).not.toThrow();
    expect(() => late(5, 4)).toThrow(/no successor/);
    expect(() => late()).toThrow(/no successor/);
  });

  test("a row is seen that is put back before its sessions have ended", () => {
    const lowered = [row("editDestination", 4, 0), gone(4)];
    expect(() => cut({ policy: "cut" }, 3, lowered)).not.toThrow();
    expect(() => cut({ policy: "cut" }, 3, [...lowered, row("addDestination", 4, 0)])).toThrow(/live on/);
  });

  test("but not one that served again meanwhile, where the kernel refused to have it back at once (seed 387781444 of the simulation)", () => {
    const { kernel, sessions, facts } = cut({ policy: "cut" }, 3, [row("editDestination", 4, 0), gone(4)]);
    sessions.judge({ ...facts, health: withHolder(4) });
    expect(() => kernel.apply([row("addDestination", 4, 0)])).not.toThrow();
  });

  test.each([
    { served: true, seen: /live on/ },
    { served: false, seen: undefined },
  ])(
    "where every server serves, of one that has served in this life: $served (seed 258298361 of the simulation)",
    ({ served, seen }) => {
      const { kernel, sessions, facts } = cut({ policy: "cut" }, 3, [row("editDestination", 4, 0)]);
      const shared = (holder: number): CutFacts => ({ ...facts, health: { ...withHolder(holder), exclusive: false } });
      if (served) sessions.judge(shared(4));
      kernel.afterChange = (cause) => sessions.changed(cause, NOW, () => shared(3));
      const putBack = (): unknown => kernel.apply([gone(4), row("addDestination", 4, 0)]);
      if (seen === undefined) expect(putBack).not.toThrow();
      else expect(putBack).toThrow(seen);
    },
  );

  test("sessions are seen that live on although they should be cut", () => {
    const { config, kernel, sessions, facts } = cut({ policy: "cut" }, 3, [row("editDestination", 4, 0)]);
    expect(checkSessionsAtRest(config, facts.health, kernel, sessions)).toMatch(/live on under role_loss cut/);
    expect(server.verdict).toBe("down");
  });
});
