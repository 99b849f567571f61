import { describe, expect, it } from "vitest";
import { vrrpConfig } from "../lab/vrrpConfig.ts";
import { instance, SECOND, setUp, vip } from "./vrrpDriverLab.ts";

describe("a new configuration", () => {
  it("that is the same touches nothing", () => {
    const { host, driver, becomeMaster, transitions } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    driver.configure(vrrpConfig([instance()]));
    expect(host.calls).toEqual([]);
    expect(transitions()).toEqual([]);
  });

  // Seed 700000016 of the simulation: programmed anew with its own prefix, it went together with the first.
  it("that is the same leaves an address in the subnet of another one as narrow as it was", () => {
    const vips = () => [vip("10.0.2.10"), vip("10.0.2.11")];
    const { host, driver, becomeMaster } = setUp(instance({ virtualAddresses: vips() }));
    host.addLink("eth0", "10.9.9.1/24");
    becomeMaster();
    driver.configure(vrrpConfig([instance({ virtualAddresses: vips() })]));
    host.advance(2 * SECOND);
    expect(host.addressesOf("eth0")).toEqual(["10.9.9.1/24", "10.0.2.10/24", "10.0.2.11/32"]);
  });

  it("that turns the order of addresses of one subnet round loses none of them for a moment", () => {
    const both = [vip("10.0.9.10"), vip("10.0.9.11")];
    const { host, driver, becomeMaster, alarms } = setUp(instance({ virtualAddresses: both }));
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24", "10.0.9.10/24", "10.0.9.11/32"]);
    host.calls.length = 0;
    driver.configure(vrrpConfig([instance({ virtualAddresses: both.toReversed() })]));
    expect(host.calls.slice(-4)).toEqual([
      "delete 10.0.9.10/24 eth0",
      "set 10.0.9.11/24 eth0 2",
      "delete 10.0.9.11/32 eth0",
      "announce eth0 10.0.9.11 10.0.9.10",
    ]);
    // The new 10.0.9.11/24 came behind the old 10.0.9.10/24, and is put back behind the removal of that.
    expect(host.addressesOf("eth0").toSorted()).toEqual(["10.0.2.1/24", "10.0.9.10/32", "10.0.9.11/24"]);
    host.advance(2 * SECOND);
    expect(host.addressesOf("eth0").toSorted()).toEqual(["10.0.2.1/24", "10.0.9.10/32", "10.0.9.11/24"]);
    expect(alarms()).toEqual([]);
  });

  it("that turns leases off and on programs the lifetimes at once, and keeps the role", () => {
    const { host, driver, becomeMaster, transitions } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    const sets = (): string[] => host.calls.splice(0).filter((call) => call.startsWith("set"));
    driver.configure(vrrpConfig([instance({ vipLease: false })]));
    host.advance(3 * SECOND);
    expect(sets()).toEqual(["set 10.0.2.10/32 eth0 4294967294"]);
    driver.configure(vrrpConfig([instance()]));
    host.advance(3 * SECOND);
    // At once, and then behind each advert.
    expect(sets()).toEqual(Array(4).fill("set 10.0.2.10/32 eth0 2"));
    expect(transitions()).toEqual([]);
  });

  it("removes the addresses that left it, adds and announces the new ones, and keeps the role", () => {
    const { host, driver, becomeMaster, transitions } = setUp(
      instance({ virtualAddresses: [vip("10.0.2.10"), vip("10.0.2.11")] }),
    );
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    driver.configure(
      vrrpConfig([instance({ virtualAddresses: [vip("10.0.2.11"), vip("10.0.2.12", { label: "eth0:1" })] })]),
    );
    expect(host.calls.slice(0, 4)).toEqual([
      "delete 10.0.2.10/32 eth0",
      "advert eth0 10.0.2.1 vrid=1 priority=100",
      "set 10.0.2.11/32 eth0 2",
      "set 10.0.2.12/32 eth0 2",
    ]);
    expect(transitions()).toEqual([]);
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24", "10.0.2.11/32", "10.0.2.12/32"]);
  });

  it("stops instances that left it and starts those that are new, sweeping their addresses", () => {
    const { host, driver, becomeMaster } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.addAddress("eth0", "10.0.2.11/32", 2);
    driver.configure(vrrpConfig([instance({ name: "RO", virtualRouterId: 2, virtualAddresses: [vip("10.0.2.11")] })]));
    expect(host.calls).toEqual([
      "delete 10.0.2.10/32 eth0",
      "advert eth0 10.0.2.1 vrid=1 priority=0",
      "delete 10.0.2.11/32 eth0",
    ]);
    expect(driver.status().instances).toMatchObject([{ name: "RO", state: "BACKUP" }]);
  });
});
