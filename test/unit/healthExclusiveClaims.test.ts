import { describe, expect, test } from "vitest";
import { durationUs, milliseconds, seconds } from "../../src/core/units.ts";
import { type HealthRig, type Reply, writeService } from "../sim/healthRig.ts";
import { answer, fails, follows, leads, patroniBody } from "../sim/patroniAnswers.ts";
import { ID, type Nodes, rigWith, server, settled } from "./exclusiveRig.ts";

describe("several claims", () => {
  test("within one database system the higher timeline wins, against the incumbent too, with an alarm", () => {
    const { rig, nodes } = settled();
    nodes[4] = leads({ timeline: 6 });
    rig.runUntil(milliseconds(1_100), "4 has the weight", () => rig.weights()[4] === 50);
    expect(rig.eventsOf("conflict")).toEqual([
      {
        kind: "conflict",
        service: ID,
        claimants: [server(3), server(4)],
        decision: "10.0.2.4:5432 gets the weight: timeline 6",
      },
    ]);
    expect(rig.view()[0]).toMatchObject({ conflict: true, hunting: true });
    rig.run(seconds(5));
    expect(rig.eventsOf("conflict")).toHaveLength(1);
    nodes[3] = follows();
    rig.run(milliseconds(200));
    expect(rig.eventsOf("conflictEnded")).toHaveLength(1);
    expect(rig.view()[0]).toMatchObject({ conflict: false, hunting: false, holder: server(4) });
  });

  test("is over when the older claim is denied: the newer one is not asked for again", () => {
    const { rig, nodes } = settled();
    // The role has moved: the holder's latest 200 is from before, and its next answer says so. There never was a conflict.
    nodes[4] = leads({ timeline: 6 });
    rig.respond = (check) => {
      const host = Number(check.connectIp.split(".").at(-1));
      const reply = nodes[host];
      if (host === 4) {
        nodes[3] = follows({ timeline: 6 });
        nodes[4] = { ...leads({ timeline: 6 }), after: milliseconds(500) };
      }
      return reply;
    };
    rig.runUntil(milliseconds(1_200), "a second claim", () => rig.view()[0]?.hunting === true);
    rig.runUntil(milliseconds(40), "4 has the weight", () => rig.weights()[4] === 50);
    expect(rig.eventsOf("hunt").at(-2)?.reason).toBe("more than one server claims the role");
    expect(rig.eventsOf("conflict")).toEqual([]);
    expect(rig.eventsOf("conflictEnded")).toEqual([]);
  });

  test.each([
    ["equal timelines", { timeline: 5 }],
    ["a lower timeline", { timeline: 4 }],
    ["another database system", { timeline: 9, system: "8888" }],
    ["a claim in a paused and unlocked cluster", { timeline: 6, pause: true, unlocked: true }],
    ["a claim that is not confirmed", { timeline: 6, role: "replica" }],
  ])("the incumbent stays against %s", (_, rival) => {
    const { rig, nodes } = settled();
    nodes[4] = leads(rival);
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.eventsOf("conflict")).toHaveLength(1);
    expect(rig.eventsOf("conflict")[0]?.decision).toMatch(/^10\.0\.2\.3:5432 stays/);
    expect(rig.eventsOf("holder")).toHaveLength(1);
  });

  test("a claim in a paused and unlocked cluster does not displace a silent incumbent either, but fills a vacancy", () => {
    const { rig, nodes } = settled({}, writeService({}, { retry: 3 }));
    nodes[3] = fails("refused");
    nodes[4] = leads({ timeline: 6, pause: true, unlocked: true });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    rig.runUntil(seconds(3), "4 has the weight", () => rig.weights()[4] === 50);
  });

  test("without an incumbent and without a newer timeline nobody gets weight", () => {
    const rig = rigWith({ 3: leads(), 4: leads(), 5: follows() });
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.eventsOf("conflict")[0]?.decision).toMatch(/^nobody gets weight/);
    expect(rig.eventsOf("holder")).toEqual([]);
  });

  test("of three, the two highest being equal, the incumbent stays", () => {
    const { rig, nodes } = settled();
    nodes[4] = leads({ timeline: 6 });
    nodes[5] = leads({ timeline: 6 });
    rig.run(seconds(5));
    // 4 and 5 claim within one another's gap or not: in no order may both have been raised, and the last word is one holder.
    expect(Object.values(rig.weights()).filter((weight) => weight > 0)).toHaveLength(1);
  });

  test("dcs_last_seen never decides", () => {
    const { rig, nodes } = settled();
    nodes[4] = answer(200, patroniBody({}).replace("1795478400", "1999999999"));
    rig.run(seconds(3));
    expect(rig.weights()[3]).toBe(50);
  });

  test("a claim that hangs is waited for, not judged on its old answer", () => {
    const { rig, nodes } = settled({}, writeService({ roleWatch: durationUs(0) }));
    rig.runUntil(seconds(2), "3 was asked and answered", () => rig.askedTimes(3, rig.elapsedMs() - 1).length > 0);
    rig.run(milliseconds(100));
    nodes[3] = leads({}, milliseconds(900));
    nodes[4] = leads({ timeline: 6 });
    rig.runUntil(seconds(1), "second claim", () => rig.view()[0]?.hunting === true);
    rig.run(milliseconds(500));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });
});

describe("a start", () => {
  test("an election waits until every member answered: being quick does not make an incumbent", () => {
    const rig = rigWith({
      3: leads({ timeline: 5 }, milliseconds(1)),
      4: leads({ timeline: 6 }, milliseconds(80)),
      5: follows(),
    });
    rig.run(seconds(2));
    expect(rig.eventsOf("holder").map((event) => event.to)).toEqual([server(4)]);
  });

  test("or until connect_timeout + 0.5 s: a dead node does not stop it for longer", () => {
    const rig = rigWith({ 3: leads(), 4: follows(), 5: undefined });
    rig.run(milliseconds(1_499));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.run(milliseconds(2));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.timesOf("firstVerdicts")).toEqual([1_500]);
  });

  test("the one row with weight is the incumbent and keeps it on 200 alone", () => {
    const rig = rigWith({ 3: leads({ state: "unknown" }), 4: follows(), 5: follows() }, writeService(), { 3: 7, 4: 0 });
    expect(rig.weights()).toEqual({ 3: 7, 4: 0, 5: 0 });
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.eventsOf("holder").map((event) => event.reason)).toEqual(["had weight before"]);
  });

  test("keepalived's rows with weight on all three: nobody until a claim is confirmed", () => {
    const rig = rigWith({ 3: follows(), 4: leads(), 5: follows() }, writeService(), { 3: 50, 4: 50, 5: 50 });
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.run(milliseconds(10));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });

  test("a confirmed claim takes over from an adopted row that does not answer", () => {
    const rig = rigWith({ 3: undefined, 4: leads(), 5: follows() }, writeService({}, { retry: 9 }), {
      3: 50,
      4: 0,
      5: 0,
    });
    rig.run(milliseconds(1_501));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });

  describe("an adopted holder whose REST API is silent, slower than the worst case of its check", () => {
    const slow = (port: () => Reply): HealthRig => {
      // Each timeout is told late, as on a host whose processors are busy: no verdict when the worst case is over.
      const nodes: Nodes = { 3: fails("timedOut", milliseconds(1_900)), 4: follows(), 5: follows() };
      const config = writeService({ roleHold: seconds(10) }, { retry: 1, delayBeforeRetry: seconds(1) });
      const rig = rigWith(nodes, config, { 3: 50, 4: 0, 5: 0 });
      const answers = rig.respond;
      rig.respond = (check, now) => (check.kind === "TCP_CHECK" ? port() : answers(check, now));
      return rig;
    };

    test("keeps its weight for role_hold while its service port accepts connections", () => {
      const rig = slow(() => ({ outcome: { kind: "connected" }, after: milliseconds(1) }));
      rig.run(seconds(9));
      expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
      expect(rig.eventsOf("holder").map(({ reason }) => reason)).toEqual(["had weight before"]);
      rig.runUntil(seconds(6), "3 is down", () => rig.weights()[3] === 0);
      expect(rig.eventsOf("holder").at(-1)?.reason).toMatch(/held for role_hold$/);
    });

    test("loses it when its port is silent too", () => {
      const rig = slow(() => fails("refused"));
      rig.runUntil(seconds(6), "3 is down", () => rig.weights()[3] === 0);
      expect(rig.eventsOf("holder").at(-1)?.to).toBeUndefined();
    });
  });

  test("an adopted holder that answers needs not wait for the others", () => {
    const rig = rigWith({ 3: leads(), 4: undefined, 5: undefined }, writeService(), { 3: 50, 4: 0, 5: 0 });
    rig.run(milliseconds(3));
    expect(rig.view()[0]).toMatchObject({ holder: server(3), hunting: false });
  });

  test("without a holder it hunts from the first answers on", () => {
    const nodes: Nodes = { 3: follows(), 4: follows(), 5: follows() };
    const rig = rigWith(nodes);
    rig.run(seconds(1));
    expect(rig.eventsOf("hunt").map((event) => [event.phase, event.reason])).toEqual([
      ["started", "no server has the role"],
    ]);
    nodes[5] = leads();
    rig.runUntil(milliseconds(40), "5 has weight", () => rig.weights()[5] === 50);
  });
});
