import { describe, expect, it } from "vitest";
import type { WillItem } from "../../src/wire/guard.ts";
import { VrrpDriver } from "../../src/workers/vrrp/driver.ts";
import type { Report } from "../../src/workers/vrrp/instance.ts";
import type { GuardHost } from "../../src/workers/vrrp/ports.ts";
import { instanceConfig, vipConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import { FakeVrrpHost } from "./fakeVrrpHost.ts";

const SECOND = 1_000_000;
const COMMIT = 3;
const BEAT = 4;

/** A guard that notes in the host's own list of calls what its will says after each COMMIT. */
class FakeGuard implements GuardHost {
  readonly host: FakeVrrpHost;
  answers = true;
  beatsAtUs: number[] = [];
  limitMs = 0;
  /** For how long answers were waited for. */
  waitedMs: number[] = [];
  #sequence: number | undefined;

  constructor(host: FakeVrrpHost) {
    this.host = host;
  }

  encodeAddresses: GuardHost["encodeAddresses"] = (changes) =>
    changes.map((change) => Buffer.from(`${change.kind} ${change.lease.address}`));
  readyMade: GuardHost["readyMade"] = ({ source, destination, interfaceIndex, message }): WillItem => {
    const data = Buffer.from(`resign priority=${message[2]} ${source}>${destination}%${interfaceIndex}`);
    return { kind: "ipv4", address: new Uint8Array(), control: new Uint8Array(), data };
  };
  open: GuardHost["open"] = () => {
    let text = "";
    return {
      send: (frame) => {
        const view = new DataView(frame.buffer, frame.byteOffset);
        const type = view.getUint16(6, true);
        const payload = Buffer.from(frame.subarray(16));
        if (type === 1) {
          text = "";
          this.limitMs = payload.readUInt32LE(4);
        } else if (type === 2) text += payload.toString("latin1").replaceAll(/[^\x20-\x7e]+/g, "|");
        else if (type === BEAT) this.beatsAtUs.push(this.host.clock.nowUs());
        else if (type === COMMIT) {
          this.host.calls.push(
            `will ${text
              .split("|")
              .filter((part) => part.length > 3)
              .join(", ")}`.trim(),
          );
          this.#sequence = view.getUint32(8, true);
        }
      },
      receive: (timeoutMs) => {
        this.waitedMs.push(timeoutMs);
        if (!this.answers) return undefined;
        const sequence = this.#sequence;
        this.#sequence = undefined;
        return sequence === undefined ? undefined : { kind: "confirmed", sequence };
      },
      close: () => undefined,
    };
  };
}

function setUp(interval = SECOND) {
  const host = new FakeVrrpHost();
  host.addLink("eth0", "10.0.2.1/24");
  const guard = new FakeGuard(host);
  const reports: Report[] = [];
  const driver = new VrrpDriver({
    host,
    wallMs: () => 0,
    report: (message) => reports.push(message),
    guardHost: guard,
  });
  const config = instanceConfig({
    garp: { masterRepeat: 1 },
    advertInterval: interval as ReturnType<typeof instanceConfig>["advertInterval"],
    virtualAddresses: [vipConfig("10.0.2.10/24")],
  });
  driver.attachGuard(3);
  driver.start(vrrpConfig([config]), undefined, []);
  driver.releaseElection();
  const wills = (): string[] => host.calls.filter((call) => call.startsWith("will"));
  return { host, guard, driver, reports, config, wills };
}

const FULL = "will delete 10.0.2.10, resign priority=0 10.0.2.1>224.0.0.18%2";

describe("the last will", () => {
  it("is empty for a BACKUP, and names everything behind the first advert of a MASTER and before its addresses", () => {
    const { host, driver, wills } = setUp();
    expect(new Set(wills())).toEqual(new Set(["will"]));
    expect(driver.status().will).toMatchObject({ attached: true, armed: false });
    host.calls.length = 0;
    host.advance(3.7 * SECOND);
    const [first, second, third] = host.calls;
    expect(first).toMatch(/^advert /);
    expect(second).toBe(FULL);
    expect(third).toMatch(/^set 10\.0\.2\.10/);
    expect(driver.status().will).toMatchObject({ armed: true });
  });

  it("of a successor takes its predecessor's place without a wait, and is armed when the guard has answered", () => {
    const { host, guard, driver, config } = setUp();
    host.advance(3.7 * SECOND);
    const successor = new VrrpDriver({ host, wallMs: () => 0, report: () => undefined, guardHost: guard });
    successor.standBy(vrrpConfig([config]), undefined);
    host.calls.length = 0;
    guard.waitedMs = [];
    guard.answers = false;
    successor.adopt(driver.surrender(), 3);
    expect(host.calls).toContain(FULL);
    expect(guard.waitedMs.filter((ms) => ms > 0)).toEqual([]);
    expect(successor.status().will.armed).toBe(false);
    guard.answers = true;
    expect(successor.status().will.armed).toBe(true);
    host.calls.length = 0;
    host.advance(2 * SECOND);
    expect(host.calls.filter((call) => call.startsWith("will"))).toEqual([]);
  });

  it("shrinks after the addresses are gone, and is not sent anew while nothing changes", () => {
    const { host, driver } = setUp();
    host.advance(3.7 * SECOND);
    host.calls.length = 0;
    host.advance(5 * SECOND);
    expect(host.calls.filter((call) => call.startsWith("will"))).toEqual([]);
    driver.stop();
    const deleted = host.calls.findIndex((call) => call.startsWith("delete 10.0.2.10"));
    const empty = host.calls.indexOf("will");
    expect(deleted).toBeGreaterThanOrEqual(0);
    expect(empty).toBeGreaterThan(deleted);
  });

  it("grows before a reload adds an address", () => {
    const { host, driver, config } = setUp();
    host.advance(3.7 * SECOND);
    host.calls.length = 0;
    const virtualAddresses = [...config.virtualAddresses, vipConfig("10.0.2.11/24")];
    driver.configure(vrrpConfig([{ ...config, virtualAddresses }]));
    const grown = host.calls.findIndex((call) => call.startsWith("will") && call.includes("delete 10.0.2.11"));
    const added = host.calls.findIndex((call) => call.startsWith("set 10.0.2.11"));
    expect(grown).toBeGreaterThanOrEqual(0);
    expect(added).toBeGreaterThan(grown);
  });

  it("follows another address of the interface", () => {
    const { host, wills } = setUp();
    host.advance(3.7 * SECOND);
    host.removeAddress("eth0", "10.0.2.1");
    host.addAddress("eth0", "10.0.2.7/24");
    host.advance(10 * SECOND);
    expect(wills().at(-1)).toContain("10.0.2.7>224.0.0.18");
  });

  it.each([
    [SECOND, 2_000],
    [2 * SECOND, 4_000],
  ])(
    "at an interval of %i us a heartbeat may be missing for %i ms, and comes four times as often",
    (interval, limitMs) => {
      const { host, guard } = setUp(interval);
      host.advance(4 * interval);
      expect(guard.limitMs).toBe(limitMs);
      guard.beatsAtUs = [];
      host.advance(10 * limitMs * 1_000);
      expect(guard.beatsAtUs.length).toBeGreaterThanOrEqual(39);
    },
  );

  it("a heartbeat that is due soon goes with the advert, so that a processor at rest is not woken twice", () => {
    const { host, guard, driver } = setUp();
    host.advance(3.7 * SECOND);
    host.advance(0.6 * SECOND);
    // From here heartbeats are counted: the second of them would be 0.19 s behind an advert.
    driver.attachGuard(4);
    guard.beatsAtUs = [];
    const advertsAtUs: number[] = [];
    for (let step = 0; step < 400; step++) {
      host.calls.length = 0;
      host.advance(0.01 * SECOND);
      if (host.calls.some((call) => call.startsWith("advert "))) advertsAtUs.push(host.clock.nowUs());
    }
    const along = guard.beatsAtUs.filter((beatAtUs) =>
      advertsAtUs.some((atUs) => beatAtUs <= atUs && beatAtUs > atUs - 0.01 * SECOND),
    );
    expect(advertsAtUs).toHaveLength(4);
    expect(guard.beatsAtUs.length).toBeGreaterThanOrEqual(8);
    expect(along).toHaveLength(4);
    const gapsUs = guard.beatsAtUs.slice(1).map((atUs, index) => atUs - (guard.beatsAtUs[index] ?? 0));
    expect(Math.max(...gapsUs)).toBeLessThanOrEqual((guard.limitMs * 1_000) / 4);
  });

  it("another guard is told everything at once", () => {
    const { host, driver } = setUp();
    host.advance(3.7 * SECOND);
    host.calls.length = 0;
    driver.attachGuard(4);
    expect(host.calls).toEqual([FULL]);
  });

  it("a guard that does not confirm keeps nobody from being MASTER, and is an error in the log", () => {
    const { host, guard, driver, reports } = setUp();
    guard.answers = false;
    host.advance(3.7 * SECOND);
    expect(driver.status().instances[0]?.state).toBe("MASTER");
    expect(driver.status().will.armed).toBe(false);
    expect(reports).toContainEqual(expect.objectContaining({ kind: "log", level: "error" }));
  });
});
