import { deserialize, serialize } from "node:v8";
import { describe, expect, it } from "vitest";
import { instantUs, milliseconds, seconds } from "../../src/core/units.ts";
import { routerKeys, sameRouters } from "../../src/daemon/handover/protocol.ts";
import { quietMoment } from "../../src/workers/vrrp/departure.ts";
import { VrrpDriver } from "../../src/workers/vrrp/driver.ts";
import type { Report } from "../../src/workers/vrrp/instance.ts";
import type { Surrender } from "../../src/workers/vrrp/surrender.ts";
import { instanceConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import { instance, SECOND, setUp } from "./vrrpDriverLab.ts";

/** As it travels between two processes. */
const travelled = (surrender: Surrender): Surrender => deserialize(serialize(surrender)) as Surrender;

/** A holder half an interval after its last advert, and a successor on the same host. */
function holderAndSuccessor(config = instance(), later = config) {
  const first = setUp(config);
  const { host } = first;
  host.addLink("eth0", "10.0.2.1/24");
  first.becomeMaster();
  host.advance(0.5 * SECOND);
  const reports: Report[] = [];
  const successor = new VrrpDriver({ host, wallMs: () => 0, report: (message) => reports.push(message) });
  return { ...first, successor, reports, later };
}

describe("a successor of the VRRP driver", () => {
  it("in standby it listens, and touches nothing of what its predecessor holds", () => {
    const { host, successor, later } = holderAndSuccessor();
    host.calls.length = 0;
    successor.standBy(vrrpConfig([later]), undefined);
    expect(host.calls.filter((call) => !call.startsWith("listen"))).toEqual([]);
    expect(successor.status().instances[0]?.state).toBe("INIT");
    expect(host.addressesOf("eth0")).toContain("10.0.2.10/32");
  });

  it("goes on at the very deadline, without a transition, an address removed or an advert of priority 0", () => {
    const { host, driver, successor, reports, later } = holderAndSuccessor();
    const before = driver.status().instances[0];
    const surrender = travelled(driver.surrender());
    host.calls.length = 0;
    successor.standBy(vrrpConfig([later]), undefined);
    successor.adopt(surrender, undefined);
    successor.releaseElection();
    expect(host.calls.filter((call) => !call.startsWith("listen"))).toEqual([]);
    const after = successor.status().instances[0];
    expect([after?.state, after?.last, after?.addresses]).toEqual([before?.state, before?.last, before?.addresses]);
    const role = surrender.instances[0]?.state.role;
    if (role?.name !== "MASTER") throw new Error("the holder is MASTER");
    const left = role.nextAdvertAt - host.clock.nowUs();
    expect(left).toBeGreaterThan(0);
    host.advance(left - 1);
    expect(host.calls.filter((call) => call.startsWith("advert"))).toEqual([]);
    host.advance(1);
    expect(host.calls.slice(-2)).toEqual(["advert eth0 10.0.2.1 vrid=1 priority=100", "set 10.0.2.10/32 eth0 2"]);
    expect(reports.filter(({ kind }) => kind === "transition")).toEqual([]);
  });

  it("a predecessor that has surrendered is silent for good", () => {
    const { host, driver } = holderAndSuccessor();
    driver.surrender();
    host.calls.length = 0;
    host.advance(10 * SECOND);
    expect(host.calls).toEqual([]);
  });

  it("falls silent when no advert is due for a while: here behind the next one, which is near", () => {
    const { host, driver, becomeMaster } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.advance(0.8 * SECOND);
    host.calls.length = 0;
    let surrender: Surrender | undefined;
    driver.whenQuiet(() => {
      surrender = driver.surrender();
    });
    host.advance(0.1 * SECOND);
    expect(surrender).toBeUndefined();
    host.advance(0.01 * SECOND);
    expect(surrender?.instances).toHaveLength(1);
    expect(host.calls).toContain("advert eth0 10.0.2.1 vrid=1 priority=100");
    host.calls.length = 0;
    host.advance(10 * SECOND);
    expect(host.calls).toEqual([]);
  });

  it("gives back what its predecessor has changed of the host", () => {
    const virtualMac = {
      kind: "macvlan",
      name: "vrrp.1",
      hardwareAddress: [0, 0, 0x5e, 0, 1, 1],
      ipvlanMode: undefined,
      ipvlanAddress: undefined,
      transmitFromBase: false,
    } as const;
    const config = instance({ virtualMac });
    const { host, driver } = setUp(config);
    host.addLink("eth0", "10.0.2.1/24");
    const filters = { all: "1", default: "0", eth0: "0" };
    const path = (name: string): string => `ipv4/conf/${name}/rp_filter`;
    for (const [name, value] of Object.entries(filters)) host.sysctls.set(path(name), value);
    driver.start(vrrpConfig([config]), undefined, []);
    expect(host.sysctls.get(path("all"))).toBe("0");
    const successor = new VrrpDriver({ host, wallMs: () => 0, report: () => undefined });
    successor.standBy(vrrpConfig([config]), undefined);
    successor.adopt(travelled(driver.surrender()), undefined);
    expect(host.sysctls.get(path("eth0"))).toBe("1");
    successor.stop();
    for (const [name, value] of Object.entries(filters)) expect(host.sysctls.get(path(name)), name).toBe(value);
  });

  it("follows what its file says otherwise: the new priority with the next advert", () => {
    const { host, driver, successor } = holderAndSuccessor();
    const surrender = travelled(driver.surrender());
    successor.standBy(vrrpConfig([instance({ priority: 120 })]), undefined);
    successor.adopt(surrender, undefined);
    host.calls.length = 0;
    host.advance(SECOND);
    expect(host.calls).toContain("advert eth0 10.0.2.1 vrid=1 priority=120");
    expect(successor.status().instances[0]?.state).toBe("MASTER");
  });

  it("one that had not begun begins as at a start", () => {
    const { host, driver } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    driver.start(vrrpConfig([instance()]), undefined, []);
    const successor = new VrrpDriver({ host, wallMs: () => 0, report: () => undefined });
    successor.standBy(vrrpConfig([instance()]), undefined);
    successor.adopt(travelled(driver.surrender()), undefined);
    expect(successor.status().instances[0]?.state).toBe("INIT");
    successor.releaseElection();
    expect(successor.status().instances[0]?.state).toBe("BACKUP");
  });

  it("a recording of it replays: the machine begins with the state that it was given", () => {
    const { driver, successor, later } = holderAndSuccessor();
    const surrender = travelled(driver.surrender());
    successor.standBy(vrrpConfig([later]), undefined);
    successor.adopt(surrender, undefined);
    const added = successor.record().entries.filter(({ kind }) => kind === "instanceAdded");
    expect(added.at(-1)).toMatchObject({ state: surrender.instances[0]?.state });
  });
});

describe("the moment of a switch", () => {
  const at = (ms: number) => instantUs(milliseconds(ms));
  const beat = (nextMs: number, intervalMs: number) => ({
    nextAdvertAt: at(nextMs),
    advertInterval: milliseconds(intervalMs),
  });

  it.each([
    ["nobody sends: now", [], 0],
    ["the next advert is far enough away: now", [beat(600, 1_000)], 0],
    ["it is near: behind it", [beat(249, 1_000)], 249],
    ["a short interval: behind the next advert, the rest of it is to come", [beat(20, 50)], 20],
    ["a short interval that has just begun: now", [beat(46, 50)], 0],
    ["two: behind the first after which both are quiet", [beat(100, 1_000), beat(300, 1_000)], 300],
    ["many without such a pause: the longest one", [beat(10, 50), beat(30, 50), beat(35, 50)], 35],
    ["a long interval: no longer than needed", [beat(200, 200_000)], 200],
  ])("%s", (_, beats, expected) => {
    expect(quietMoment(beats, at(0))).toBe(at(expected));
  });

  it("is at most a second away, whatever the interval", () => {
    const beats = Array.from({ length: 50 }, (_, index) => beat(100 * (index + 1), 5_000));
    expect(quietMoment(beats, at(0))).toBeLessThanOrEqual(seconds(1));
  });
});

it("virtual routers are compared by what one process must know of the other's", () => {
  const keys = routerKeys(vrrpConfig([instanceConfig({}), instanceConfig({ name: "RO", virtualRouterId: 2 })]));
  expect(sameRouters(keys, [...keys].reverse())).toBe(true);
  expect(sameRouters(keys, keys.slice(1))).toBe(false);
  expect(
    sameRouters(
      keys,
      keys.map((key) => ({ ...key, virtualRouterId: 9 })),
    ),
  ).toBe(false);
});
