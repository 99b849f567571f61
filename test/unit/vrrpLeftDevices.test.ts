import { describe, expect, it } from "vitest";
import type { VrrpInstanceConfig } from "../../src/config/vrrp.types.ts";
import { NetlinkError } from "../../src/io/netlinkSocket.ts";
import { VrrpDriver } from "../../src/workers/vrrp/driver.ts";
import { vrrpConfig } from "../lab/vrrpConfig.ts";
import { instance, SECOND, setUp } from "./vrrpDriverLab.ts";

const DEVICE: VrrpInstanceConfig = instance({
  virtualMac: {
    kind: "macvlan",
    name: "vrrp.1",
    hardwareAddress: [0, 0, 0x5e, 0, 1, 1],
    ipvlanMode: undefined,
    ipvlanAddress: undefined,
    transmitFromBase: false,
  },
});
const PLAIN = instance();
const TOLD = "removed what an earlier life left behind";

/** A host with a device of each owner: of an earlier life of ours, and of others. */
function left(...configs: VrrpInstanceConfig[]) {
  const made = setUp(...configs);
  const { host, reports } = made;
  host.addLink("eth0", "10.0.2.1/24");
  const [base] = host.view().interfaces;
  const add = (name: string, kind: "macvlan" | "ipvlan", alias: string): void => {
    host.createDevice({
      kind,
      name,
      baseIndex: base?.index ?? 0,
      hardwareAddress: undefined,
      ipvlanMode: undefined,
      alias,
    });
  };
  add("vrrp.7", "macvlan", "holdfast:VRRP:GONE");
  add("ipv7", "ipvlan", "holdfast:VRRP:GONE");
  add("mine0", "macvlan", "the provider's");
  const told = (): unknown[] =>
    reports.flatMap((one) => (one.kind === "log" && one.message === TOLD ? [one.fields] : []));
  return { ...made, told };
}

describe("devices that an earlier life made and nobody asks for any more", () => {
  it.each([
    ["no instance", []],
    ["another instance", [PLAIN]],
  ])("are removed by a start with %s; those of others stay", (_, configs) => {
    const { host, driver, told } = left();
    driver.start(vrrpConfig(configs), undefined, []);
    expect(host.linkNames()).toEqual(["eth0", "mine0"]);
    expect(told()).toEqual([{ devices: ["vrrp.7", "ipv7"] }]);
  });

  it("are removed behind the first dump that holds still", () => {
    const { host, driver, told } = left();
    host.viewError = new NetlinkError("netlinkDumpInterrupted", "changes all the time");
    driver.start(vrrpConfig([PLAIN]), undefined, []);
    expect(host.linkNames()).toContain("vrrp.7");
    host.viewError = undefined;
    host.advance(0.1 * SECOND);
    expect(host.linkNames()).toEqual(["eth0", "mine0"]);
    expect(told()).toHaveLength(1);
  });

  it("are left to a predecessor that still runs", () => {
    const { host } = left();
    const successor = new VrrpDriver({ host, wallMs: () => 0, report: () => undefined });
    successor.standBy(vrrpConfig([PLAIN]), undefined);
    expect(host.linkNames()).toContain("vrrp.7");
  });

  it("are no others: the device of a reload that takes use_vmac away is removed once, as this life's", () => {
    const { host, driver, told } = left();
    driver.start(vrrpConfig([DEVICE]), undefined, []);
    expect(host.view().interfaces.find(({ name }) => name === "vrrp.1")?.alias).toBe("holdfast:VRRP:RW");
    expect(told()).toHaveLength(1);
    host.calls.length = 0;
    driver.configure(vrrpConfig([PLAIN]));
    expect(host.calls.filter((call) => call.startsWith("delete device"))).toEqual(["delete device vrrp.1"]);
    expect(told()).toHaveLength(1);
  });

  it("one that cannot be removed is told so once, and tried again behind the next dump; one that went by itself is gone", () => {
    const { host, driver, told, reports } = left();
    host.deleteErrors.set("vrrp.7", "EBUSY").set("ipv7", "ENODEV");
    driver.start(vrrpConfig([PLAIN]), undefined, []);
    expect(told()).toEqual([{ devices: ["ipv7"] }]);
    const refusals = (): unknown[] =>
      reports.filter((one) => one.kind === "log" && one.message.includes("cannot be removed: EBUSY"));
    expect(refusals()).toHaveLength(1);
    host.addLink("eth1", "10.0.3.1/24");
    host.advance(SECOND);
    expect(refusals()).toHaveLength(1);
    host.deleteErrors.clear();
    host.addLink("eth2", "10.0.4.1/24");
    host.advance(SECOND);
    expect(told().at(-1)).toMatchObject({ devices: expect.arrayContaining(["vrrp.7"]) });
    expect(host.linkNames()).not.toContain("vrrp.7");
  });

  it("a device whose instance has another name now carries that", () => {
    const { host, driver } = setUp();
    host.addLink("eth0", "10.0.2.1/24");
    driver.start(vrrpConfig([DEVICE]), undefined, []);
    driver.configure(vrrpConfig([{ ...DEVICE, name: "WRITE" }]));
    expect(host.calls.filter((call) => call.startsWith("create"))).toHaveLength(1);
    expect(host.view().interfaces.find(({ name }) => name === "vrrp.1")?.alias).toBe("holdfast:VRRP:WRITE");
  });

  it("a device without a word that is taken over gets our mark; another's words stay", () => {
    for (const [alias, expected] of [
      [undefined, "holdfast:VRRP:RW"],
      ["mine", "mine"],
    ] as const) {
      const { host, driver } = setUp();
      host.addLink("eth0", "10.0.2.1/24");
      const request = { kind: "macvlan", name: "vrrp.1", baseIndex: 2, ipvlanMode: undefined } as const;
      host.createDevice({
        ...request,
        hardwareAddress: Uint8Array.from(DEVICE.virtualMac?.hardwareAddress ?? []),
        ...({ alias } as { alias: string }),
      });
      driver.start(vrrpConfig([DEVICE]), undefined, []);
      expect(host.calls.filter((call) => call.startsWith("create"))).toHaveLength(1);
      expect(host.view().interfaces.find(({ name }) => name === "vrrp.1")?.alias).toBe(expected);
    }
  });
});
