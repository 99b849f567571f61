import { deserialize, serialize } from "node:v8";
import { describe, expect, it } from "vitest";
import { routerKeys, sameRouters } from "../../src/daemon/handover/protocol.ts";
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
