import { expect, test } from "vitest";
import { SECOND } from "./vrrpDriverLab.ts";
import { type FileText, hostOf } from "./vrrpKeywordLab.ts";

const PLAIN: FileText = { beside: "static_ipaddress {\n10.0.3.9/24 dev eth1\n}\n" };

test("static_ipaddress: there from the start, put back when somebody deletes it, and left at the end", () => {
  const { host, driver, begin } = hostOf(PLAIN);
  begin();
  expect(host.addressesOf("eth1")).toContain("10.0.3.9/24");
  host.removeAddress("eth1", "10.0.3.9");
  host.advance(0.1 * SECOND);
  expect(host.addressesOf("eth1")).toContain("10.0.3.9/24");
  driver.stop();
  expect(host.addressesOf("eth1")).toContain("10.0.3.9/24");
});

test("static_ipaddress on default_interface, and on one that comes late", () => {
  const { host, begin } = hostOf({
    global: "default_interface eth1",
    beside: "static_ipaddress {\n10.0.3.9/24\n10.0.4.9/24 dev eth2\n}\n",
  });
  begin();
  expect(host.addressesOf("eth1")).toContain("10.0.3.9/24");
  host.addLink("eth2");
  host.advance(0.1 * SECOND);
  expect(host.addressesOf("eth2")).toContain("10.0.4.9/24");
});

test("track_group: an instance of the group is in FAULT while a static address is missing", () => {
  const { host, becomeMaster, state } = hostOf({
    beside: "track_group G {\ngroup {\nRW\n}\n}\nstatic_ipaddress {\n10.0.3.9/24 dev eth1 track_group G\n}\n",
  });
  becomeMaster();
  host.removeLink("eth1");
  host.advance(0.1 * SECOND);
  expect(state()).toMatchObject({ state: "FAULT", last: { reason: "staticAddressLost" } });
  host.addLink("eth1", "10.0.3.1/24");
  host.advance(2 * SECOND);
  expect(state()).toMatchObject({ state: "BACKUP", last: { reason: "trackersRecovered" } });
});

test("no_track: a static address that somebody deletes stays away, and nothing follows from it", () => {
  const { host, becomeMaster, state } = hostOf({
    beside: "track_group G {\ngroup {\nRW\n}\n}\nstatic_ipaddress {\n10.0.3.9/24 dev eth1 no_track track_group G\n}\n",
  });
  becomeMaster();
  host.advance(0.1 * SECOND);
  expect(host.addressesOf("eth1")).toContain("10.0.3.9/24");
  host.removeAddress("eth1", "10.0.3.9");
  host.advance(3 * SECOND);
  expect(host.addressesOf("eth1")).not.toContain("10.0.3.9/24");
  expect(state()?.state).toBe("MASTER");
  // An interface that was made anew is not somebody's hand.
  host.removeLink("eth1");
  host.addLink("eth1");
  host.advance(2 * SECOND);
  expect(host.addressesOf("eth1")).toContain("10.0.3.9/24");
});

test.each([
  ["track_group: a static route", "static_routes {\n198.51.100.0/24 dev eth1 track_group G\n}\n"],
  ["track_group: a static rule", "static_rules {\nfrom 198.51.100.0/24 table 9 preference 9 track_group G\n}\n"],
])("%s that the kernel refuses is a FAULT of the group's instances", (_title, block) => {
  const { host, begin, state } = hostOf({ beside: `track_group G {\ngroup {\nRW\n}\n}\n${block}` });
  host.routingAnswer = "EINVAL";
  begin();
  host.advance(0.1 * SECOND);
  expect(state()).toMatchObject({ state: "FAULT", last: { reason: "staticAddressLost" } });
  host.routingAnswer = undefined;
  host.advance(2 * SECOND);
  expect(state()?.state).toBe("BACKUP");
});
