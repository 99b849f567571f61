import { describe, expect, test } from "vitest";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { Dice } from "../sim/dice.ts";
import { HealthRig, httpCheck, type Reply, realServer, virtualServer } from "../sim/healthRig.ts";

const answered = (status: number): Reply => ({
  outcome: { kind: "answered", answers: [{ path: "/health", status, body: "", bodyTruncated: false }] },
  after: milliseconds(5),
});
const REFUSED: Reply = { outcome: { kind: "refused", detail: "" }, after: milliseconds(1) };

describe("a result that says what the one before said", () => {
  test("costs its own check, not a look at every server of the service", () => {
    let looks = 0;
    const watched = realServer(4, [httpCheck(4, "/health")]);
    const looked = Object.defineProperty({ ...watched }, "weight", {
      enumerable: true,
      get: () => {
        looks += 1;
        return watched.weight;
      },
    });
    let status = 200;
    const rig = new HealthRig({ respond: ({ connectIp }) => answered(connectIp.endsWith(".3") ? status : 200) });
    rig.configure([virtualServer([realServer(3, [httpCheck(3, "/health")]), looked])]);
    rig.run(seconds(5));
    looks = 0;
    const askedBefore = rig.started.length;
    rig.run(seconds(10));
    expect(rig.started.length - askedBefore).toBeGreaterThanOrEqual(20);
    expect(looks).toBe(0);
    status = 500;
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
    expect(looks).toBeGreaterThan(0);
  });

  test.each([1, 2, 3, 4, 5])("leaves nothing undecided that deciding anew would find (seed %i)", (seed) => {
    const dice = new Dice(seed);
    const moods: Reply[] = [answered(200), answered(200), answered(503), REFUSED];
    const mood = new Map<string, Reply>();
    const rig = new HealthRig({
      respond: ({ connectIp }) => {
        if (!mood.has(connectIp) || dice.chance(0.15)) mood.set(connectIp, dice.pick(moods));
        return mood.get(connectIp);
      },
    });
    const timing = { retry: 2, delayBeforeRetry: milliseconds(300) };
    const servers = [3, 4, 5, 6].map((host) => realServer(host, [httpCheck(host, "/health", timing)], host % 2 === 0));
    const service = virtualServer(servers, {
      quorum: 100,
      hysteresis: 20,
      roleLoss: { policy: "drain", deadline: seconds(3) },
    });
    for (const { address } of servers) rig.connections.set(Number(address.split(".").at(-1)), 1);
    rig.configure([service]);
    for (let moment = 0; moment < 400; moment += 1) {
      rig.run(milliseconds(250));
      const [wanted, told] = [rig.weights(), rig.events.length];
      rig.configure([service]);
      expect(rig.weights()).toEqual(wanted);
      expect(rig.events.slice(told)).toEqual([]);
    }
    expect(rig.eventsOf("verdict").length).toBeGreaterThan(20);
  });
});
