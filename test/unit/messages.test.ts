import { expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { seconds } from "../../src/core/units.ts";
import {
  describeGroupTransition,
  describeTransition,
  describeVrrpAlarm,
  REASON_WORDS,
} from "../../src/daemon/messages.ts";
import type { VrrpAlarm } from "../../src/vrrp/types.ts";
import type { WorkerAlarm } from "../../src/workers/vrrp/protocol.ts";

type Alarm = VrrpAlarm | WorkerAlarm;
const peer = ip("10.0.2.9");
const address = ip("10.0.2.10");

/** One of every kind, and what of it an operator must read. */
const ALARMS: { readonly [Kind in Alarm["kind"]]: readonly [Extract<Alarm, { kind: Kind }>, readonly string[]] } = {
  addressListMismatch: [{ kind: "addressListMismatch", peer, addresses: [address] }, ["10.0.2.9", "10.0.2.10"]],
  advertIntervalMismatch: [
    { kind: "advertIntervalMismatch", peer, advertInterval: seconds(2) },
    ["10.0.2.9", "every 2 s"],
  ],
  versionMismatch: [{ kind: "versionMismatch", peer, version: 3 }, ["10.0.2.9", "version 3"]],
  secondOwner: [{ kind: "secondOwner", peer }, ["10.0.2.9", "255"]],
  addressRemovedByOthers: [{ kind: "addressRemovedByOthers", address, device: "eth0" }, ["10.0.2.10", "eth0"]],
  addressOperationFailed: [
    { kind: "addressOperationFailed", address, device: "eth0", detail: "EPERM" },
    ["10.0.2.10", "eth0", "EPERM"],
  ],
  sendFailed: [{ kind: "sendFailed", detail: "ENETDOWN" }, ["ENETDOWN"]],
  netlinkOverrun: [{ kind: "netlinkOverrun" }, ["read again"]],
  ownSourceHeard: [
    { kind: "ownSourceHeard", source: peer, hardwareAddress: "02:00:00:00:00:01" },
    ["10.0.2.9", "02:00:00:00:00:01"],
  ],
  foreignArpAnswer: [
    { kind: "foreignArpAnswer", address, hardwareAddress: "02:00:00:00:00:01" },
    ["10.0.2.10", "02:00:00:00:00:01"],
  ],
  foreignNeighborAdvertisement: [
    { kind: "foreignNeighborAdvertisement", address: ip("2001:db8::10"), hardwareAddress: "02:00:00:00:00:01" },
    ["2001:db8::10", "02:00:00:00:00:01"],
  ],
  hostOperationFailed: [{ kind: "hostOperationFailed", what: "vrrp.1", detail: "EBUSY" }, ["vrrp.1", "EBUSY"]],
};

test.each(Object.entries(ALARMS))("the alarm %s names its instance and what it is about", (_kind, [alarm, words]) => {
  const text = describeVrrpAlarm("PGRW", alarm);
  expect(text).toMatch(/^PGRW: /);
  for (const each of words) expect(text).toContain(each);
});

test("every reason has words of its own, and a transition tells its evidence", () => {
  expect(new Set(Object.values(REASON_WORDS)).size).toBe(Object.keys(REASON_WORDS).length);
  const evidence = { ownPriority: 100, peer, peerPriority: 200, detail: "check", latenessUs: 1_500 };
  const text = describeTransition("PGRW", { from: "MASTER", to: "BACKUP", reason: "higherPriorityHeard", evidence });
  expect(text).toBe(
    "PGRW: MASTER -> BACKUP: a master with higher priority was heard (own priority 100, peer 10.0.2.9, its priority 200, check, 1.5 ms late)",
  );
  expect(describeGroupTransition("G", { from: "BACKUP", to: "FAULT", reason: "groupFault" })).toBe(
    "G: BACKUP -> FAULT: another member of its sync group is in FAULT",
  );
});
