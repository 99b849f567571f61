import { describe, expect, test } from "vitest";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { HealthRig, httpCheck, type Reply, realServer, virtualServer } from "../sim/healthRig.ts";
import { follows, leads } from "../sim/patroniAnswers.ts";

/** Nobody is asked by itself for a minute: what is played begins with a kick. */
const SLOW = { delayLoop: seconds(60) };
const QUICK: Reply["after"] = milliseconds(1);

describe("a conflict that is reduced to one claim", () => {
  test("does not end with a claim that a third, newer one may have ended", () => {
    const replies: Record<number, Reply[]> = { 3: [leads()], 4: [follows()], 5: [follows()] };
    const rig = new HealthRig({
      respond: ({ connectIp }) => {
        const left = replies[Number(connectIp.split(".").at(-1))] ?? [];
        return left.length > 1 ? left.shift() : left[0];
      },
    });
    const members = [3, 4, 5].map((host) => realServer(host, [httpCheck(host, "/primary", SLOW)]));
    rig.configure([virtualServer(members, { exclusive: "detected", roleWatch: seconds(0) })]);
    rig.run(seconds(2));
    // 4 is primary for a moment; before anybody hears so again 5 is, and then nobody.
    replies[3] = [{ ...follows(), after: milliseconds(100) }];
    replies[4] = [
      { ...leads(), after: QUICK },
      { ...follows(), after: milliseconds(400) },
    ];
    replies[5] = [{ ...follows(), after: QUICK }, { ...leads(), after: QUICK }, follows()];
    rig.feed({ kind: "kick", services: undefined, source: "a test" });
    rig.run(milliseconds(250));
    expect(rig.askedTimes(5, 2_000).length).toBeGreaterThan(2);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.run(seconds(2));
    expect(rig.eventsOf("holder").map(({ to }) => to)).toEqual(["10.0.2.3:5432", undefined]);
  });

  test("ends after a reload that takes away a server which claims for ever", () => {
    const rig = new HealthRig({ respond: () => leads() });
    const checked = realServer(3, [httpCheck(3, "/primary")]);
    rig.configure([virtualServer([checked, realServer(5, [])], { exclusive: "on" })]);
    rig.run(seconds(3));
    expect(rig.view()[0]).toMatchObject({ hunting: true });
    rig.configure([virtualServer([checked], { exclusive: "on" })]);
    rig.run(seconds(3));
    expect(rig.view()[0]).toMatchObject({ hunting: false, conflict: false, holder: "10.0.2.3:5432" });
  });
});
