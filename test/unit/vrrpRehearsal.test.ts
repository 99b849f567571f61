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

const COLD = milliseconds(15);

/** Encodes nothing; whatever is opened here would be a guard in earnest. */
const codecs: GuardHost = {
  open: () => {
    throw new Error("a rehearsal has a guard of its own");
  },
  encodeAddresses: (changes) => changes.map(() => new Uint8Array(4)),
  readyMade: () => ({ kind: "ipv4", address: new Uint8Array(), control: new Uint8Array(), data: new Uint8Array(4) }),
};

/** A clock that stands still but for what a play takes: `tookUs`, the first after a rest `coldUs`. */
function rehearsalAt(tookUs = 0, coldUs = tookUs) {
  const failures: unknown[] = [];
  const waiting: (() => void)[] = [];
  const plays: number[] = [];
  const at = { now: 1_000_000, next: coldUs };
  const guardHost: GuardHost = {
    ...codecs,
    // Asked once in every play, with the will that names the address.
    encodeAddresses: (changes) => {
      if (changes.length > 0) {
        plays.push(at.now);
        at.now += at.next;
        at.next = tookUs;
      }
      return codecs.encodeAddresses(changes);
    },
  };
  const rehearsal = new TakeoverRehearsal({
    clock: { nowUs: () => instantUs(at.now) },
    guardHost,
    soon: (play) => waiting.push(play),
    failed: (error) => failures.push(error),
  });
  const turn = (): boolean => {
    const play = waiting.shift();
    play?.();
    return play !== undefined;
  };
  return { rehearsal, failures, plays, at, turn };
}

describe("a takeover on paper comes to pass", () => {
  const six = [vipConfig("fe80::10/64"), vipConfig("2001:db8::10/64")];
  it.each<[string, Partial<VrrpInstanceConfig>]>([
    ["version 2", {}],
    ["version 3 at 10 ms", { version: 3, advertInterval: milliseconds(10) }],
    ["IPv6", { version: 3, family: 6, transport: { kind: "multicast", group: ip("ff02::12") }, virtualAddresses: six }],
    ["IPv6 by unicast", { version: 3, family: 6, ...unicast("2001:db8::2"), virtualAddresses: six.slice(1) }],
    ["long intervals and many of them", { advertInterval: seconds(40), downTimerAdverts: 9 }],
    ["the owner", { priority: 255 }],
    ["unicast from an address of this host's own", unicast()],
    ["with trackers, nopreempt and a delay", tracked()],
    ["on a device of its own", { virtualAddresses: [vip("10.0.2.10", { device: "vrrp.1" })] }],
  ])("of %s", (_, changes) => {
    const { rehearsal, failures } = rehearsalAt();
    rehearsal.configure(vrrpConfig([instance(changes)]));
    expect(rehearsal.begin()).toBe(3);
    expect(failures).toEqual([]);
  });

  it("of nobody where there is no instance", () => {
    const { rehearsal } = rehearsalAt();
    rehearsal.configure(vrrpConfig([]));
    expect(rehearsal.begin()).toBe(0);
    rehearsal.playUntil(instantUs(1_000_000), COLD);
  });
});

describe("before a takeover", () => {
  function begun(tookUs: number, coldUs: number) {
    const it = rehearsalAt(tookUs, coldUs);
    it.rehearsal.configure(vrrpConfig([instance()]));
    it.rehearsal.begin();
    it.at.now += 60_000_000;
    it.at.next = coldUs;
    it.plays.length = 0;
    return it;
  }

  it("plays until the last play would not end in time, with a turn for all else between two of them", () => {
    const { rehearsal, plays, at, turn } = begun(2_000, 10_000);
    const from = at.now;
    rehearsal.playUntil(instantUs(from + 40_000), COLD);
    expect(plays).toHaveLength(1);
    while (turn()) expect(at.now).toBeLessThan(from + 40_000);
    expect(plays.map((each) => each - from)).toEqual([0, ...Array.from({ length: 14 }, (_, i) => 10_000 + 2_000 * i)]);
  });

  it("not at all where a first play, cold, would not end before what is due", () => {
    const { rehearsal, plays, at, turn } = begun(500, 10_000);
    rehearsal.playUntil(instantUs(at.now + 4_000), COLD);
    expect(turn()).toBe(false);
    expect(plays).toEqual([]);
  });

  it("not again within half a second, nor a second time at once", () => {
    const { rehearsal, plays, at, turn } = begun(2_000, 10_000);
    rehearsal.playUntil(instantUs(at.now + 40_000), COLD);
    rehearsal.playUntil(instantUs(at.now + 40_000), COLD);
    while (turn());
    const count = plays.length;
    rehearsal.playUntil(instantUs(at.now + 40_000), COLD);
    expect(turn()).toBe(false);
    expect(plays).toHaveLength(count);
    at.now += 600_000;
    rehearsal.playUntil(instantUs(at.now + 40_000), COLD);
    expect(plays).toHaveLength(count + 1);
  });

  it("a failure is told once and ends the playing alone", () => {
    const failures: unknown[] = [];
    const guardHost = {
      ...codecs,
      encodeAddresses: () => {
        throw new Error("no codec");
      },
    };
    const modules = { clock: { nowUs: () => instantUs(1) }, guardHost, soon: () => undefined };
    const rehearsal = new TakeoverRehearsal({ ...modules, failed: (error) => failures.push(error) });
    rehearsal.configure(vrrpConfig([instance()]));
    expect(rehearsal.begin()).toBe(0);
    rehearsal.playUntil(instantUs(1_000_000), COLD);
    expect(failures.map(String)).toEqual(["Error: no codec"]);
  });
});

describe("a driver with a rehearsal", () => {
  function setUp(...instances: VrrpInstanceConfig[]) {
    const host = new FakeVrrpHost();
    host.addLink("eth0", "10.0.2.1/24");
    const played: { at: number; until: number; cold: number; sent: number }[] = [];
    const rehearsal = {
      playUntil: (until: Us, cold: number) =>
        played.push({ at: host.clock.nowUs(), until, cold, sent: host.sent.length }),
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
    expect(played).toEqual([{ at: due - 40_000, until: due, cold: 15_000, sent: 0 }]);
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

  it("not where a live master's advert comes just before it is given up (down_timer_adverts 1)", () => {
    const { host, driver, played } = setUp(instance({ downTimerAdverts: 1, priority: 250 }));
    host.advance(3 * SECOND);
    expect(state(driver)).toBe("MASTER");
    expect(played).toEqual([]);
  });

  it("at short intervals after two adverts were missed, with as much shorter a lead", () => {
    const { host, driver, played } = setUp(instance({ version: 3, advertInterval: milliseconds(10) }));
    host.advance(SECOND);
    expect(state(driver)).toBe("MASTER");
    // 3 intervals and the skew time of priority 100.
    const [due, lead] = [36_094, 12_031];
    expect(played.map(({ at, until, cold }) => [at, until, cold])).toEqual([[due - lead, due, (lead * 3) / 8]]);
  });
});

function unicast(address = "10.0.2.2"): Partial<VrrpInstanceConfig> {
  const peer = { address: ip(address), timeToLiveMin: undefined, timeToLiveMax: undefined };
  const transport = { kind: "unicast", peers: [peer], timeToLive: 255, checkSource: false } as const;
  return { transport, sourceAddress: ip("10.0.2.1"), trackSourceAddress: true };
}

function tracked(): Partial<VrrpInstanceConfig> {
  const track = { interfaces: [], scripts: [{ name: "x", weight: 0, reverse: false }], files: [], processes: [] };
  return { track, nopreempt: true, preemptDelay: seconds(30) };
}
