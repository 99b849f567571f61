import { describe, expect, it } from "vitest";
import { NetlinkError } from "../../src/io/netlinkSocket.ts";
import { vrrpConfig } from "../lab/vrrpConfig.ts";
import { advert, instance, SECOND, setUp, vip } from "./vrrpDriverLab.ts";

describe("the driver of VRRP instances, on a fake host", () => {
  it("sends the advert, then adds the lease, then announces; refreshes behind each advert", () => {
    const { host, begin } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    begin();
    host.calls.length = 0;
    host.advance(3.7 * SECOND);
    expect(host.calls).toEqual([
      "advert eth0 10.0.2.1 vrid=1 priority=100",
      "set 10.0.2.10/32 eth0 2",
      "announce eth0 10.0.2.10",
      "announce eth0 10.0.2.10",
    ]);
    host.calls.length = 0;
    host.advance(SECOND);
    expect(host.calls).toEqual(["advert eth0 10.0.2.1 vrid=1 priority=100", "set 10.0.2.10/32 eth0 2"]);
  });

  it("vip_lease off: sets addresses that outlive it, renews nothing, puts back, removes, and sweeps them in the next life", () => {
    const { host, driver, becomeMaster } = setUp(instance({ vipLease: false }));
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    const addressCalls = (): string[] => host.calls.filter((call) => /^(set|delete) /.test(call));
    host.advance(5 * SECOND);
    expect(addressCalls()).toEqual([]);
    expect(driver.status().instances[0]).toMatchObject({ leaseLifetimeSec: undefined, addresses: [{ held: true }] });
    host.removeAddress("eth0", "10.0.2.10");
    host.advance(SECOND);
    expect(addressCalls()).toEqual(["set 10.0.2.10/32 eth0 4294967294"]);
    host.calls.length = 0;
    driver.stop();
    expect(addressCalls()).toEqual(["delete 10.0.2.10/32 eth0"]);
    const next = setUp();
    next.host.addLink("eth0", "10.0.2.1/24");
    next.host.addAddress("eth0", "10.0.2.10/32", 4_294_967_294);
    next.driver.start(vrrpConfig([instance({ vipLease: false })]), undefined, []);
    expect(next.host.addressesOf("eth0")).toEqual(["10.0.2.1/24"]);
  });

  it("sends and holds nothing before the election is released", () => {
    const { host, driver } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    driver.start(vrrpConfig([instance()]), undefined, []);
    host.advance(20 * SECOND);
    expect(host.calls).toEqual(["listen eth0 224.0.0.18"]);
    expect(driver.status().instances[0]?.state).toBe("INIT");
  });

  it("releases before it resigns, when it is stopped", () => {
    const { host, driver, becomeMaster, transitions } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    driver.stop();
    expect(host.calls).toEqual(["delete 10.0.2.10/32 eth0", "advert eth0 10.0.2.1 vrid=1 priority=0"]);
    expect(transitions()).toEqual(["stopped"]);
    // Timer, receiver, sender, announcer, frame watch, netlink.
    expect(host.closed).toBe(6);
  });

  it("sweeps leftovers of an earlier life, and resigns for it, before anything else", () => {
    const { host, driver } = setUp();
    host.addLink("eth0", "10.0.2.1/24");
    host.addAddress("eth0", "10.0.2.10/32", 2);
    host.addAddress("eth0", "10.0.2.11/32", 2);
    host.addAddress("eth0", "10.0.2.12/32");
    const configs = [instance({ virtualAddresses: [vip("10.0.2.10"), vip("10.0.2.12")] })];
    driver.start(vrrpConfig(configs), undefined, ["RW"]);
    expect(host.calls).toEqual([
      "listen eth0 224.0.0.18",
      "delete 10.0.2.10/32 eth0",
      "advert eth0 10.0.2.1 vrid=1 priority=0",
    ]);
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24", "10.0.2.11/32", "10.0.2.12/32"]);
  });

  it("a first dump that never holds still is made again: then leftovers are swept, sockets opened, and elections begin", () => {
    const { host, driver, reports, state } = setUp(instance({ priority: 255 }));
    host.addLink("eth0", "10.0.2.1/24");
    host.addAddress("eth0", "10.0.2.10/32", 30);
    host.viewError = new NetlinkError("netlinkDumpInterrupted", "changes all the time");
    driver.start(vrrpConfig([instance({ priority: 255 })]), undefined, []);
    driver.releaseElection();
    host.advance(1 * SECOND);
    expect(host.addressesOf("eth0")).toContain("10.0.2.10/32");
    expect(state()?.state).toBe("INIT");
    expect(reports).toMatchObject([{ kind: "log", level: "warn" }]);
    host.calls.length = 0;
    host.viewError = undefined;
    host.advance(0.1 * SECOND);
    // The owner: it does not listen first.
    expect(state()).toMatchObject({ state: "MASTER", last: { from: "INIT", reason: "startedAsOwner" } });
    expect(host.calls.slice(0, 4)).toEqual([
      "listen eth0 224.0.0.18",
      "delete 10.0.2.10/32 eth0",
      "advert eth0 10.0.2.1 vrid=1 priority=255",
      "set 10.0.2.10/32 eth0 2",
    ]);
  });

  it("leftovers on an interface that comes late are swept when it comes", () => {
    const { host, begin } = setUp(instance());
    begin();
    host.viewError = new NetlinkError("netlinkDumpInterrupted", "changes all the time");
    host.addLink("eth0", "10.0.2.1/24");
    host.addAddress("eth0", "10.0.2.10/32", 30);
    host.viewError = undefined;
    host.advance(0.1 * SECOND);
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24"]);
  });

  it("never leases, refreshes or removes an address that the host has for ever", () => {
    const { host, driver, becomeMaster } = setUp(instance({ virtualAddresses: [vip("10.0.2.10"), vip("10.0.2.11")] }));
    host.addLink("eth0", "10.0.2.1/24", "10.0.2.10/24");
    becomeMaster();
    expect(driver.status().instances[0]?.addresses).toMatchObject([
      { address: "10.0.2.10", permanent: true, held: true, prefixProgrammed: 24 },
      { address: "10.0.2.11", permanent: false, held: true, prefixConfigured: 24, prefixProgrammed: 32 },
    ]);
    host.advance(SECOND);
    driver.stop();
    expect(host.calls.filter((call) => call.includes("10.0.2.10"))).toEqual([]);
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24", "10.0.2.10/24"]);
  });

  it("an address that becomes permanent under us is let go without removing it", () => {
    const { host, driver, becomeMaster } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.addAddress("eth0", "10.0.2.10/32");
    host.advance(3 * SECOND);
    driver.stop();
    expect(host.addressesOf("eth0")).toContain("10.0.2.10/32");
  });

  it("after a pause it releases and listens: no advert, no refresh", () => {
    const { host, becomeMaster, transitions, alarms } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.pause(6 * SECOND);
    expect(host.calls).toEqual(["delete 10.0.2.10/32 eth0"]);
    expect(transitions()).toEqual(["pausedTooLong"]);
    expect(alarms()).toEqual([]);
    host.calls.length = 0;
    host.advance(3.5 * SECOND);
    expect(host.calls).toEqual([]);
  });

  it("after a pause the notification of the lapse may come first: no alarm, no address put back", () => {
    const { host, becomeMaster, alarms, transitions } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.jump(6 * SECOND);
    host.notify();
    expect(host.calls.filter((call) => !call.startsWith("delete"))).toEqual([]);
    expect(transitions()).toEqual(["pausedTooLong"]);
    expect(alarms()).toEqual([]);
  });

  it("a BACKUP reads its sockets before it handles a late deadline", () => {
    const { host, driver, begin } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    begin();
    host.jump(4 * SECOND);
    host.waiting.set("eth0 4", [advert(150)]);
    host.pause(0);
    expect(driver.status().instances[0]).toMatchObject({ state: "BACKUP", master: { priority: 150 } });
  });

  it("a stall between the advert and the refresh leaves the addresses to the next beat", () => {
    const { host, becomeMaster } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.sendTakesUs = 0.4 * SECOND;
    host.advance(SECOND);
    expect(host.calls).toEqual(["advert eth0 10.0.2.1 vrid=1 priority=100"]);
    host.sendTakesUs = 0;
    host.calls.length = 0;
    host.advance(SECOND);
    expect(host.calls).toEqual([
      "advert eth0 10.0.2.1 vrid=1 priority=100",
      "set 10.0.2.10/32 eth0 2",
      "announce eth0 10.0.2.10",
      "announce eth0 10.0.2.10",
    ]);
  });

  it("does not refresh behind an advert that was refused", () => {
    const { host, driver, becomeMaster, alarms } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.sendError = new Error("EPERM");
    host.advance(2 * SECOND);
    expect(host.calls).toEqual([]);
    expect(alarms()).toContain("sendFailed");
    expect(alarms().filter((kind) => kind === "sendFailed")).toHaveLength(1);
    host.advance(SECOND);
    expect(driver.status().instances[0]).toMatchObject({ state: "FAULT", last: { reason: "advertsNotSent" } });
  });

  it("puts back and announces at once what others removed, with an alarm", () => {
    const { host, becomeMaster, alarms } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.advance(0.2 * SECOND);
    host.removeAddress("eth0", "10.0.2.10");
    expect(alarms()).toEqual(["addressRemovedByOthers"]);
    // The first announcement at once, the second behind it.
    host.advance(2_000);
    expect(host.calls).toEqual([
      "advert eth0 10.0.2.1 vrid=1 priority=100",
      "set 10.0.2.10/32 eth0 2",
      "announce eth0 10.0.2.10",
      "announce eth0 10.0.2.10",
    ]);
  });

  it("neither a lapse nor a release takes an address of the host along that came into the VIP's subnet later", () => {
    const { host, driver, becomeMaster } = setUp(instance({ virtualAddresses: [vip("10.0.9.10")] }));
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24", "10.0.9.10/24"]);
    host.addAddress("eth0", "10.0.9.1/24");
    host.advance(SECOND);
    // Narrower now, and the host's own address is put back behind the removal.
    expect(host.calls.slice(-3)).toEqual([
      "set 10.0.9.10/32 eth0 2",
      "delete 10.0.9.10/24 eth0",
      "set 10.0.9.1/24 eth0 forever",
    ]);
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24", "10.0.9.10/32", "10.0.9.1/24"]);
    driver.stop();
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24", "10.0.9.1/24"]);
  });

  it("resigns when the kernel refuses the addresses", () => {
    const { host, driver, begin, alarms } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    begin();
    host.calls.length = 0;
    host.addressAnswer = { code: "ENOMEM", made: false };
    host.advance(3.7 * SECOND);
    expect(host.calls).toEqual([
      "advert eth0 10.0.2.1 vrid=1 priority=100",
      "set 10.0.2.10/32 eth0 2",
      "advert eth0 10.0.2.1 vrid=1 priority=0",
    ]);
    expect(driver.status().instances[0]).toMatchObject({ state: "FAULT", last: { reason: "addressesNotAdded" } });
    expect(alarms()).toEqual(["addressOperationFailed"]);
  });

  it("looks again when the kernel's answer was lost", () => {
    const { host, driver, begin, alarms } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    begin();
    host.addressAnswer = { code: "unknown", made: true };
    host.advance(3.7 * SECOND);
    expect(driver.status().instances[0]).toMatchObject({ state: "MASTER", addresses: [{ held: true }] });
    expect(alarms()).toEqual([]);
  });

  it("an answer that was lost while the table never holds still is a failure: what may be there is removed", () => {
    const { host, driver, begin } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    begin();
    host.addressAnswer = { code: "unknown", made: true };
    host.viewError = new NetlinkError("netlinkDumpInterrupted", "changes all the time");
    host.advance(3.7 * SECOND);
    expect(driver.status().instances[0]).toMatchObject({ state: "FAULT", last: { reason: "addressesNotAdded" } });
    expect(host.addressesOf("eth0")).toEqual(["10.0.2.1/24"]);
  });

  it("a missing interface is a FAULT at the start, and recovers when it appears", () => {
    const { host, driver, begin } = setUp(instance());
    begin();
    expect(driver.status().instances[0]).toMatchObject({ state: "FAULT", last: { reason: "interfaceMissing" } });
    host.addLink("eth0", "10.0.2.1/24");
    host.advance(0.1 * SECOND);
    expect(driver.status().instances[0]).toMatchObject({ state: "BACKUP", last: { reason: "interfaceRecovered" } });
    expect(host.receivers.has("eth0 4")).toBe(true);
  });

  it("an interface deleted and created again between two dumps was missing all the same", () => {
    const { host, becomeMaster, transitions } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.addLink("other");
    host.removeLink("eth0");
    host.addLink("eth0", "10.0.2.1/24");
    host.advance(0.1 * SECOND);
    expect(transitions()).toEqual(["interfaceMissing", "interfaceRecovered"]);
  });

  it("many notifications are one dump, an overrun is a dump and an alarm", () => {
    const { host, becomeMaster, alarms, driver } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    const before = host.dumps;
    for (let i = 0; i < 500; i++) host.notify();
    host.notify({ kind: "overrun" });
    host.advance(0.1 * SECOND);
    expect(host.dumps - before).toBeLessThanOrEqual(2);
    expect(alarms()).toEqual(["netlinkOverrun"]);
    expect(driver.status().instances[0]?.state).toBe("MASTER");
  });

  it("a dump that never holds still is tried again, and what was true before stands meanwhile", () => {
    const { host, driver, becomeMaster } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.advance(0.1 * SECOND);
    host.viewError = new NetlinkError("netlinkDumpInterrupted", "changes all the time");
    host.setUp("eth0", false);
    expect(driver.status().instances[0]?.state).toBe("MASTER");
    host.viewError = undefined;
    host.advance(0.1 * SECOND);
    expect(driver.status().instances[0]).toMatchObject({ state: "FAULT", last: { reason: "interfaceDown" } });
  });

  // Seed 1001 of the simulation: it yielded as if others had taken its addresses, and kept them until their leases ended.
  it("a dump made before its own addresses were set is no evidence that others took them", () => {
    const { host, driver, begin, alarms } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    begin();
    host.advance(1 * SECOND);
    host.viewError = new NetlinkError("netlinkDumpInterrupted", "changes all the time");
    host.advance(2.7 * SECOND);
    host.addLink("other");
    host.advance(1 * SECOND);
    expect(driver.status().instances[0]).toMatchObject({ state: "MASTER", addresses: [{ held: true }] });
    expect(alarms()).toEqual([]);
    host.removeAddress("eth0", "10.0.2.10");
    host.viewError = undefined;
    host.advance(0.1 * SECOND);
    expect(alarms()).toEqual(["addressRemovedByOthers"]);
    expect(host.addressesOf("eth0")).toContain("10.0.2.10/32");
  });

  it("announces again in the very moment in which a lower priority is heard: it drew the neighbours to itself", () => {
    const { host, becomeMaster } = setUp(instance({ priority: 100 }));
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    host.receive("eth0", advert(50));
    expect(host.calls.filter((call) => call.startsWith("announce"))).not.toEqual([]);
  });

  it("counts what is not acted on, by reason", () => {
    const { host, driver, becomeMaster } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    const spoiled = advert(255);
    spoiled.bytes.fill(0x99, 27, 28);
    host.receive("eth0", spoiled, advert(255, { virtualRouterId: 9 }));
    host.receive("eth0", advert(255, { advertIntervalCs: 300 }));
    expect(driver.status().discarded).toEqual({ badChecksum: 1, unknownVrid: 1, advertIntervalMismatch: 1 });
    expect(driver.status().instances[0]?.state).toBe("MASTER");
  });

  it("measures how late its timers are", () => {
    const { host, driver, begin } = setUp(instance());
    host.addLink("eth0", "10.0.2.1/24");
    begin();
    host.jump(3.609375 * SECOND + 1_500);
    host.pause(0);
    const { boundsUs, counts, maxUs, sumUs } = driver.status().timerLateness;
    expect(counts[boundsUs.indexOf(2_000)]).toBe(1);
    expect(counts.reduce((sum, count) => sum + count)).toBe(1);
    expect(maxUs).toBe(1_500);
    expect(sumUs).toBe(1_500);
  });

  it("real-time scheduling that is refused is a warning", () => {
    const { host, driver, reports } = setUp();
    host.addLink("eth0", "10.0.2.1/24");
    driver.start(vrrpConfig([instance()]), 50, []);
    expect(host.calls).toContain("realtime 50");
    expect(reports).toMatchObject([{ kind: "log", level: "warn" }]);
    expect(driver.status().realtime).toBe(false);
  });

  it("a start without the right to open raw sockets, or to change addresses, names the capability", () => {
    const raw = setUp();
    raw.host.addLink("eth0", "10.0.2.1/24");
    raw.host.receiverError = Object.assign(new Error("EPERM"), { code: "EPERM" });
    expect(() => raw.driver.start(vrrpConfig([instance()]), undefined, [])).toThrow(/CAP_NET_RAW/);
    const admin = setUp();
    admin.host.addLink("eth0", "10.0.2.1/24");
    admin.host.addressAnswer = { code: "EPERM", made: false };
    expect(() => admin.driver.start(vrrpConfig([instance()]), undefined, [])).toThrow(/CAP_NET_ADMIN/);
  });
});
