import { deserialize, serialize } from "node:v8";
import { describe, expect, it } from "vitest";
import type { VrrpInstanceConfig } from "../../src/config/vrrp.types.ts";
import { VrrpDriver } from "../../src/workers/vrrp/driver.ts";
import type { Surrender } from "../../src/workers/vrrp/surrender.ts";
import { vrrpConfig } from "../lab/vrrpConfig.ts";
import { instance, setUp, vip } from "./vrrpDriverLab.ts";

const IGNORE = "ipv4/conf/eth0/arp_ignore";
const ANNOUNCE = "ipv4/conf/eth0/arp_announce";
const FILTERS = ["all", "default", "eth0"].map((name) => `ipv4/conf/${name}/rp_filter`);

function withDevice(virtualRouterId: number): VrrpInstanceConfig {
  const device = `vrrp.${virtualRouterId}`;
  return instance({
    name: device,
    virtualRouterId,
    virtualMac: {
      kind: "macvlan",
      name: device,
      hardwareAddress: [0, 0, 0x5e, 0, 1, virtualRouterId],
      ipvlanMode: undefined,
      ipvlanAddress: undefined,
      transmitFromBase: false,
    },
    virtualAddresses: [vip(`10.0.2.${virtualRouterId}`, { device, baseInterface: undefined })],
  });
}

function started(...configs: VrrpInstanceConfig[]) {
  const made = setUp(...configs);
  const { host } = made;
  host.addLink("eth0", "10.0.2.1/24");
  const before = { [IGNORE]: "0", [ANNOUNCE]: "0", [FILTERS[0] ?? ""]: "2", [FILTERS[1] ?? ""]: "0" };
  for (const [path, value] of Object.entries({ ...before, [FILTERS[2] ?? ""]: "1" })) host.sysctls.set(path, value);
  made.begin();
  const settings = (): (string | undefined)[] => [IGNORE, ANNOUNCE, ...FILTERS].map((path) => host.sysctls.get(path));
  return { ...made, settings };
}

const BEFORE = ["0", "0", "2", "0", "1"];
const MEANWHILE = ["1", "2", "0", "2", "2"];

describe("settings of the host that a virtual MAC device needs", () => {
  it("are as they were before, when holdfast has stopped", () => {
    const { driver, settings } = started(withDevice(1));
    expect(settings()).toEqual(MEANWHILE);
    driver.stop();
    expect(settings()).toEqual(BEFORE);
  });

  it("are left to whoever has changed them meanwhile", () => {
    const { driver, host, settings } = started(withDevice(1));
    host.sysctls.set(IGNORE, "8");
    driver.stop();
    expect(settings()).toEqual(["8", ...BEFORE.slice(1)]);
  });

  it("a stricter arp_ignore stays all the time", () => {
    const made = setUp(withDevice(1));
    made.host.addLink("eth0", "10.0.2.1/24");
    made.host.sysctls.set(IGNORE, "2");
    made.begin();
    expect(made.host.sysctls.get(IGNORE)).toBe("2");
    made.driver.stop();
    expect(made.host.sysctls.get(IGNORE)).toBe("2");
  });

  it("are given back at the reload that removes the last device of an interface", () => {
    const { driver, settings } = started(withDevice(1), withDevice(2));
    driver.configure(vrrpConfig([withDevice(2)]));
    expect(settings()).toEqual(MEANWHILE);
    driver.configure(vrrpConfig([instance()]));
    expect(settings()).toEqual(BEFORE);
  });

  it("are given back by the worker that takes the place of a dead one, which found them changed already", () => {
    const { host, reports, settings } = started(withDevice(1));
    const told = reports.flatMap((message) => (message.kind === "borrowed" ? [message.settings] : []));
    // All at once: a host may have thousands of interfaces.
    expect(told).toHaveLength(1);
    const borrowed = deserialize(serialize(told.at(-1))) as Surrender["settings"];
    const next = new VrrpDriver({ host, wallMs: () => 0, report: () => undefined, borrowed });
    next.start(vrrpConfig([withDevice(1)]), undefined, []);
    expect(settings()).toEqual(MEANWHILE);
    next.stop();
    expect(settings()).toEqual(BEFORE);
  });

  it("are told to the main thread when a predecessor leaves them, and when they are given back", () => {
    const { driver, reports } = started(withDevice(1));
    const { host, reports: later, driver: successor } = setUp(withDevice(1));
    host.addLink("eth0", "10.0.2.1/24");
    successor.standBy(vrrpConfig([withDevice(1)]), undefined);
    const { settings } = driver.surrender();
    successor.adopt({ instances: [], groups: [], settings }, undefined);
    expect(later.filter(({ kind }) => kind === "borrowed").at(-1)).toEqual({ kind: "borrowed", settings });
    expect(reports.filter(({ kind }) => kind === "borrowed")).toHaveLength(1);
    successor.configure(vrrpConfig([instance()]));
    expect(later.filter(({ kind }) => kind === "borrowed").at(-1)).toEqual({ kind: "borrowed", settings: [] });
  });

  it("are given back by a successor, which found them changed already", () => {
    const { driver, host, settings } = started(withDevice(1));
    const successor = new VrrpDriver({ host, wallMs: () => 0, report: () => undefined });
    successor.standBy(vrrpConfig([withDevice(1)]), undefined);
    const surrender = deserialize(serialize(driver.surrender())) as Surrender;
    successor.adopt(surrender, undefined);
    expect(settings()).toEqual(MEANWHILE);
    successor.stop();
    expect(settings()).toEqual(BEFORE);
  });
});

it("promote_secondaries is set when its device comes, and given back at the reload that wants it no more", () => {
  const path = "ipv4/conf/eth0/promote_secondaries";
  const { host, driver, begin } = setUp(instance({ promoteSecondaries: true }));
  begin();
  host.sysctls.set(path, "0");
  host.addLink("eth0", "10.0.2.1/24");
  host.notify();
  host.advance(1_000_000);
  expect(host.sysctls.get(path)).toBe("1");
  driver.configure(vrrpConfig([instance()]));
  expect(host.sysctls.get(path)).toBe("0");
});

it("promote_secondaries is given back at the end", () => {
  const path = "ipv4/conf/eth0/promote_secondaries";
  const { host, driver, begin } = setUp(instance({ promoteSecondaries: true }));
  host.addLink("eth0", "10.0.2.1/24");
  host.sysctls.set(path, "0");
  begin();
  expect(host.sysctls.get(path)).toBe("1");
  driver.stop();
  expect(host.sysctls.get(path)).toBe("0");
});
