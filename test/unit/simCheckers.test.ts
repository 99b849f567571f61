import { describe, expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { addressesOnlyWhereMaster } from "../sim/vrrp/checkers/addresses.ts";
import { advertsOnTime } from "../sim/vrrp/checkers/adverts.ts";
import { groupsTogether } from "../sim/vrrp/checkers/groups.ts";
import { oneHolder } from "../sim/vrrp/checkers/oneHolder.ts";
import { oneMaster } from "../sim/vrrp/checkers/oneMaster.ts";
import { listensAfterPause } from "../sim/vrrp/checkers/pauses.ts";
import { noForbiddenPreemption } from "../sim/vrrp/checkers/preemption.ts";
import { oneReasonEach } from "../sim/vrrp/checkers/reasons.ts";
import { someMaster } from "../sim/vrrp/checkers/someMaster.ts";
import { lifetimeSec, SentAdvert } from "../sim/vrrp/seat.ts";
import { configOf, packetFrom, SECOND, settled, vipOf } from "./simWorld.ts";

const evidence = { ownPriority: 100 };

describe("each checker of the simulation takes a right history and refuses a wrong one", () => {
  test("at most one master", () => {
    const { world, backup } = settled();
    const checker = oneMaster(world);
    checker.sweep?.();
    backup.state = "MASTER";
    backup.stateSinceUs = world.nowUs - 30 * SECOND;
    expect(() => checker.sweep?.()).not.toThrow();
    backup.stateSinceUs = 0;
    backup.disturbedAtUs = 0;
    world.nowUs += 240 * SECOND;
    expect(() => checker.sweep?.()).toThrow(/both MASTER/);
  });

  test("at most one master, of equal priorities: who has lost its own address sends from what it owns (seed 344150628)", () => {
    const { world, master, backup } = settled();
    const checker = oneMaster(world);
    const { link } = vipOf(master);
    const own = link.addresses.find(({ validUntilUs }) => validUntilUs === undefined);
    if (own === undefined) throw new Error("an interface has an address of its own");
    backup.priority = master.priority;
    const advert = new SentAdvert(backup, configOf(backup), master.priority, SECOND);
    const packet = packetFrom(backup);
    const hear = (source: string) => checker.advertTaken?.(master, { ...packet, source: ip(source) }, advert);
    master.stateSinceUs = 0;
    expect(() => hear("10.0.0.200")).toThrow(/stays MASTER/);
    link.addresses.splice(link.addresses.indexOf(own), 1, { ...own, ip: ip("172.16.0.99") });
    expect(() => hear("10.0.0.200")).not.toThrow();
    expect(() => hear("172.16.0.100")).toThrow(/stays MASTER/);
  });

  test("never without a master", () => {
    const { world, master } = settled();
    const checker = someMaster(world);
    checker.sweep?.();
    master.state = "BACKUP";
    master.stateSinceUs = world.nowUs;
    checker.sweep?.();
    master.stateSinceUs = 0;
    expect(() => checker.sweep?.()).toThrow(/should be MASTER/);
  });

  test("never without a master: a sync group is held after a brief term, for two master-down intervals at most", () => {
    const { world, master } = settled({ groups: 1 });
    const seats = master.groupMembers;
    const checker = someMaster(world);
    const since = world.nowUs;
    for (const seat of world.seats) if (!seats.includes(seat)) seat.state = "MASTER";
    for (const seat of seats) seat.stateSinceUs = since - SECOND;
    master.endTerm(since);
    for (const seat of seats) {
      seat.state = "BACKUP";
      seat.stateSinceUs = since;
    }
    const longest = Math.max(...seats.map((seat) => seat.masterDownUs));
    world.nowUs = since + 2 * longest + SECOND;
    checker.sweep?.();
    world.nowUs = since + 2 * longest + 3 * SECOND;
    expect(() => checker.sweep?.()).toThrow(/should be MASTER/);
    // By the router's own clock, which stands while the hypervisor pauses it (seed 378126707).
    const { router } = master;
    world.nowUs = since;
    router.freeze();
    world.nowUs = since + 10 * SECOND;
    router.thaw(true);
    router.disturbedAtUs = since;
    world.nowUs = since + 2 * longest + 11 * SECOND;
    checker.sweep?.();
    world.nowUs = since + 2 * longest + 13 * SECOND;
    expect(() => checker.sweep?.()).toThrow(/should be MASTER/);
    // A term that has lasted is followed by no hold.
    world.nowUs = since;
    for (const seat of seats) {
      seat.groupHeldUntilUs = Number.NEGATIVE_INFINITY;
      seat.stateSinceUs = since - 60 * SECOND;
    }
    master.endTerm(since);
    for (const seat of seats) seat.stateSinceUs = since;
    world.nowUs = since + longest + 3 * SECOND;
    expect(() => checker.sweep?.()).toThrow(/should be MASTER/);
  });

  test("one holder of each address", () => {
    const { world, master, backup } = settled();
    const checker = oneHolder(world);
    const { link, address } = vipOf(master);
    master.router.stopped = true;
    checker.addressChanged?.({ router: backup.router, link, address, event: "added", seat: backup });
    checker.sweep?.();
    // The kernel of the stopped one keeps the address for ever, against its promise.
    address.validUntilUs = Number.MAX_SAFE_INTEGER;
    address.goneAtUs = Number.MAX_SAFE_INTEGER;
    world.nowUs += 60 * SECOND;
    expect(() => checker.sweep?.()).toThrow(/which does not run/);
    // Seed 720000027: in the midst of a reload the two have other intervals, and version 2 does not listen to that.
    const strangers = oneHolder(world);
    const config = configOf(backup);
    backup.config = { ...config, advertInterval: (2 * config.advertInterval) as typeof config.advertInterval };
    strangers.addressChanged?.({ router: backup.router, link, address, event: "added", seat: backup });
    strangers.sweep?.();
  });

  test("addresses only where MASTER, with the promised lifetime", () => {
    const { master } = settled();
    const checker = addressesOnlyWhereMaster();
    const { link, address } = vipOf(master);
    checker.entryEnded?.(master.router);
    expect(() => checker.advertSent?.(master, 0)).toThrow(/resigns/);
    const change = { router: master.router, link, event: "refreshed", seat: master } as const;
    const validUntilUs = master.router.kernelNowUs() + lifetimeSec(configOf(master)) * SECOND;
    checker.addressChanged?.({ ...change, address: { ...address, validUntilUs } });
    checker.entryEnded?.(master.router);
    checker.addressChanged?.({ ...change, address: { ...address, validUntilUs } });
    master.state = "BACKUP";
    expect(() => checker.entryEnded?.(master.router)).toThrow(/is BACKUP/);
    const late = { ...address, validUntilUs: validUntilUs + SECOND };
    expect(() => checker.addressChanged?.({ ...change, address: late })).toThrow(/to live/);
  });

  test("an address whose removal the kernel refused is excused until it is set again, others are not (seed 531627587)", () => {
    const { world, master } = settled();
    const { link, address } = vipOf(master);
    const { router } = master;
    const checker = addressesOnlyWhereMaster();
    checker.entryEnded?.(router);
    const more = { cidr: "10.0.0.250/24", excluded: false };
    const instances = world.plan.instances.map((plan) => ({ ...plan, vips: [...plan.vips, more] }));
    world.learn({ ...world.plan, instances: instances.filter(({ name }) => name === master.name) });
    const other = { ...address, ip: ip("10.0.0.250") };
    const resigns = () => checker.advertSent?.(master, 0);
    world.addressRefused(router, address, true);
    expect(resigns).not.toThrow();
    const { host } = router.process as NonNullable<typeof router.process>;
    const refresh = (own: typeof address) => {
      host.changing = true;
      master.sentAtOwnUs = router.clockUs();
      const validUntilUs = router.kernelNowUs() + lifetimeSec(configOf(master)) * SECOND;
      world.addressChanged(router, link, { ...own, validUntilUs }, "refreshed");
      host.changing = false;
    };
    refresh(other);
    expect(resigns).not.toThrow();
    // The same address as a reload widened it is another one in the kernel (seed 266129224).
    refresh({ ...address, prefixLength: 16 });
    expect(resigns).not.toThrow();
    refresh(address);
    expect(resigns).toThrow(/resigns/);
  });

  test("nothing of an earlier life from the first dump on that was not interrupted", () => {
    const { world, master } = settled();
    const { link, address } = vipOf(master);
    const { router } = master;
    router.crash();
    router.start(0);
    world.runUntil(world.nowUs + 1);
    expect(link.addresses).not.toContain(address);
    const host = router.process?.host;
    if (host === undefined) throw new Error("it does not run");
    const checker = addressesOnlyWhereMaster();
    link.addresses.push(address);
    host.hasSeen = false;
    checker.entryEnded?.(router);
    host.hasSeen = true;
    expect(() => checker.entryEnded?.(router)).toThrow(/is (INIT|BACKUP)/);
  });

  test("sync groups together", () => {
    const { world } = settled({ groups: 1 });
    const router = world.routers[0];
    const name = router?.config.syncGroups[0]?.members[0];
    if (router === undefined || name === undefined) throw new Error("no sync group");
    const checker = groupsTogether();
    checker.entryEnded?.(router);
    const seat = router.seat(name);
    seat.state = seat.state === "MASTER" ? "BACKUP" : "MASTER";
    router.revision++;
    expect(() => checker.entryEnded?.(router)).toThrow(/is apart/);
  });

  test("no forbidden preemption: not too early, not with nopreempt, not before preempt_delay", () => {
    const { world, backup } = settled();
    const checker = noForbiddenPreemption(world);
    const becomes = (reason: "masterDown" | "lowerPriorityHeard") =>
      checker.transition?.(backup, { from: "BACKUP", to: "MASTER", reason, evidence });
    backup.countedAtUs = world.nowUs - 10 * SECOND;
    becomes("masterDown");
    backup.countedAtUs = world.nowUs - 2 * SECOND;
    expect(() => becomes("masterDown")).toThrow(/keeps it from it/);
    backup.countedAtUs = Number.NEGATIVE_INFINITY;
    becomes("lowerPriorityHeard");
    const { config } = backup;
    if (config === undefined) throw new Error("not configured");
    backup.config = { ...config, nopreempt: true };
    expect(() => becomes("lowerPriorityHeard")).toThrow(/has nopreempt/);
    backup.config = { ...config, preemptDelay: (world.nowUs + SECOND) as typeof config.preemptDelay };
    expect(() => becomes("lowerPriorityHeard")).toThrow(/preempt_delay/);
  });

  test("no forbidden preemption: a second resignation holds up who is alone, not a member of a group that claims by the first (seed 5)", () => {
    for (const groups of [0, 1]) {
      const { world, backup } = settled({ groups });
      const checker = noForbiddenPreemption(world);
      const detail = { ownPriority: 100, detail: "masterResigned" };
      const becomes = () =>
        checker.transition?.(backup, { from: "BACKUP", to: "MASTER", reason: "groupMaster", evidence: detail });
      backup.countedAtUs = world.nowUs - SECOND;
      backup.hearResignation(world.nowUs);
      expect(becomes).toThrow(/keeps it from it/);
      world.nowUs += SECOND;
      backup.hearResignation(world.nowUs);
      if (groups === 0) expect(becomes).toThrow(/keeps it from it/);
      else expect(becomes).not.toThrow();
      backup.countedAtUs = world.nowUs + 1;
      world.nowUs += 2;
      backup.hearResignation(world.nowUs);
      expect(becomes).toThrow(/keeps it from it/);
    }
  });

  test("adverts on time", () => {
    const { world, master } = settled();
    const checker = advertsOnTime(world);
    checker.sweep?.();
    master.sentAtUs -= 5 * SECOND;
    expect(() => checker.sweep?.()).toThrow(/has sent no advert/);
    expect(() => checker.advertSent?.(master, 100)).toThrow(/has sent no advert/);
  });

  test("every transition has one reason", () => {
    const { world, backup } = settled();
    const checker = oneReasonEach(world);
    checker.transition?.(backup, { from: "BACKUP", to: "MASTER", reason: "masterDown", evidence });
    const says =
      (from: "BACKUP" | "MASTER", to: "BACKUP" | "MASTER" | "FAULT", reason: "masterDown" | "started") => () =>
        checker.transition?.(backup, { from, to, reason, evidence });
    expect(says("MASTER", "BACKUP", "started")).toThrow(/leaves MASTER/);
    expect(says("BACKUP", "FAULT", "masterDown")).toThrow(/because of masterDown/);
    backup.state = "FAULT";
    expect(() => checker.sweep?.()).toThrow(/reported was FAULT/);
  });

  test("a paused router listens first", () => {
    const { master } = settled();
    const checker = listensAfterPause();
    master.router.calledAtOwnUs = master.sentAtOwnUs + SECOND;
    checker.advertSent?.(master, 100);
    master.router.calledAtOwnUs = master.sentAtOwnUs + 30 * SECOND;
    expect(() => checker.advertSent?.(master, 100)).toThrow(/of silence/);
    const change = { router: master.router, ...vipOf(master), event: "refreshed", seat: master } as const;
    master.sentAtOwnUs = master.router.clockUs();
    checker.addressChanged?.(change);
    master.sentAtOwnUs -= 30 * SECOND;
    expect(() => checker.addressChanged?.(change)).toThrow(/after its last advert/);
  });

  test("who reads an advert of a better master yields", () => {
    const { world, master, backup } = settled();
    const checker = oneMaster(world);
    if (backup.config === undefined || master.config === undefined) throw new Error("not configured");
    const advert = new SentAdvert(backup, backup.config, 255, SECOND);
    const source = packetFrom(backup);
    expect(() => checker.advertTaken?.(backup, source, advert)).not.toThrow();
    expect(() => checker.advertTaken?.(master, source, advert)).toThrow(/stays MASTER/);
  });
});
