import { describe, expect, it } from "vitest";
import type { VrrpInstanceConfig } from "../../src/config/vrrp.types.ts";
import { ip } from "../../src/core/ip.ts";
import { instantUs, milliseconds, seconds, type Us } from "../../src/core/units.ts";
import { VrrpDriver } from "../../src/workers/vrrp/driver.ts";
import type { GuardHost } from "../../src/workers/vrrp/ports.ts";
import { TakeoverRehearsal } from "../../src/workers/vrrp/rehearsal.ts";
import { vipConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import { FakeVrrpHost } from "./fakeVrrpHost.ts";
import { advert, instance, SECOND, vip } from "./vrrpDriverLab.ts";

/** Encodes nothing; whatever is opened here would be a guard in earnest. */
const codecs: GuardHost = {
  open: () => {
    throw new Error("a rehearsal has a guard of its own");
  },
  encodeAddresses: (changes) => changes.map(() => new Uint8Array(4)),
  readyMade: () => ({ kind: "ipv4", address: new Uint8Array(), control: new Uint8Array(), data: new Uint8Array(4) }),
};

/** Time that passes by a fixed step at each look, as a play takes it. */
function rehearsalAt(stepUs: number) {
  let now = 0;
  const failures: unknown[] = [];
  const clock = {
    nowUs: (): Us => {
      now += stepUs;
      return instantUs(now);
    },
  };
  const rehearsal = new TakeoverRehearsal({ clock, guardHost: codecs, failed: (error) => failures.push(error) });
  return { rehearsal, failures, now: () => now };
}

describe("a takeover on paper comes to pass", () => {
  const six = [vipConfig("fe80::10/64"), vipConfig("2001:db8::10/64")];
  it.each<[string, Partial<VrrpInstanceConfig>]>([
    ["version 2", {}],
    ["version 3 at 10 ms", { version: 3, advertInterval: milliseconds(10) }],
    ["IPv6", { version: 3, family: 6, transport: { kind: "multicast", group: ip("ff02::12") }, virtualAddresses: six }],
    ["the owner", { priority: 255 }],
    ["unicast from an address of this host's own", unicast()],
    ["with trackers, nopreempt and a delay", tracked()],
    ["on a device of its own", { virtualAddresses: [vip("10.0.2.10", { device: "vrrp.1" })] }],
  ])("of %s", (_, changes) => {
    const { rehearsal, failures } = rehearsalAt(10);
    rehearsal.configure(vrrpConfig([instance(changes)]));
    expect(rehearsal.begin()).toBe(3);
    expect(failures).toEqual([]);
  });

  it("of nobody where there is no instance", () => {
    const { rehearsal } = rehearsalAt(10);
    rehearsal.configure(vrrpConfig([]));
    expect(rehearsal.begin()).toBe(0);
    rehearsal.playUntil(instantUs(1_000_000));
  });
});

it("plays until the last play would not end in time, and never beyond", () => {
  const { rehearsal, now } = rehearsalAt(2_000);
  rehearsal.configure(vrrpConfig([instance()]));
  rehearsal.playUntil(instantUs(40_000));
  expect(now()).toBeGreaterThan(30_000);
  expect(now()).toBeLessThan(40_000);
  const before = now();
  rehearsal.playUntil(instantUs(before + 2_500));
  expect(now()).toBe(before + 2_000);
});

it("a failure is told once and ends the playing alone", () => {
  const failures: unknown[] = [];
  const guardHost = {
    ...codecs,
    encodeAddresses: () => {
      throw new Error("no codec");
    },
  };
  const clock = { nowUs: () => instantUs(1) };
  const rehearsal = new TakeoverRehearsal({ clock, guardHost, failed: (error) => failures.push(error) });
  rehearsal.configure(vrrpConfig([instance()]));
  expect(rehearsal.begin()).toBe(0);
  rehearsal.playUntil(instantUs(1_000_000));
  expect(failures.map(String)).toEqual(["Error: no codec"]);
});

describe("a driver with a rehearsal", () => {
  function setUp(...instances: VrrpInstanceConfig[]) {
    const host = new FakeVrrpHost();
    host.addLink("eth0", "10.0.2.1/24");
    const played: { at: number; until: number; sent: number }[] = [];
    const rehearsal = {
      playUntil: (until: Us) => played.push({ at: host.clock.nowUs(), until, sent: host.sent.length }),
    };
    const driver = new VrrpDriver({ host, wallMs: () => 0, report: () => undefined, rehearsal });
    driver.start(vrrpConfig(instances), undefined, []);
    driver.releaseElection();
    return { host, driver, played };
  }
  const state = (driver: VrrpDriver) => driver.status().instances[0]?.state;

  it("plays in the 40 ms before it gives a silent master up, once, and then takes over on time", () => {
    const { host, driver, played } = setUp(instance());
    host.advance(3.6 * SECOND);
    const due = Math.round(3.609375 * SECOND);
    expect(played).toEqual([{ at: due - 40_000, until: due, sent: 0 }]);
    expect(state(driver)).toBe("BACKUP");
    host.advance(due - 1 - 3.6 * SECOND);
    expect(state(driver)).toBe("BACKUP");
    host.advance(1);
    expect(state(driver)).toBe("MASTER");
    expect(played).toHaveLength(1);
  });

  it("never while the master is heard, nor as MASTER", () => {
    const { host, played } = setUp(instance());
    for (let second = 0; second < 20; second++) {
      host.receive("eth0", advert(200));
      host.advance(SECOND);
    }
    expect(played).toEqual([]);
    host.advance(2.7 * SECOND);
    expect(played).toHaveLength(1);
    host.advance(20 * SECOND);
    expect(played).toHaveLength(1);
  });

  it("ends before the next deadline of any other instance", () => {
    const beating = { version: 3, advertInterval: milliseconds(360), priority: 255 } as const;
    const other = instance({ ...beating, name: "RO", virtualRouterId: 2, virtualAddresses: [vip("10.0.2.20")] });
    const { host, played } = setUp(instance(), other);
    host.advance(3.58 * SECOND);
    expect(played.map(({ until }) => until)).toEqual([3.6 * SECOND]);
  });

  it("not where an interval is so short that the thread is awake anyway", () => {
    const { host, driver, played } = setUp(instance({ version: 3, advertInterval: milliseconds(100) }));
    host.advance(SECOND);
    expect(state(driver)).toBe("MASTER");
    expect(played).toEqual([]);
  });
});

function unicast(): Partial<VrrpInstanceConfig> {
  const peer = { address: ip("10.0.2.2"), timeToLiveMin: undefined, timeToLiveMax: undefined };
  const transport = { kind: "unicast", peers: [peer], timeToLive: 255, checkSource: false } as const;
  return { transport, sourceAddress: ip("10.0.2.1"), trackSourceAddress: true };
}

function tracked(): Partial<VrrpInstanceConfig> {
  const track = { interfaces: [], scripts: [{ name: "x", weight: 0, reverse: false }], files: [], processes: [] };
  return { track, nopreempt: true, preemptDelay: seconds(30) };
}
