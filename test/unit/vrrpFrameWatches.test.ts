import { describe, expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { advert, instance, SECOND, setUp, vip } from "./vrrpDriverLab.ts";

const STRANGER = "02:00:00:00:00:99";

const kinds = [
  { kind: "foreignArpAnswer", own: "10.0.2.1/24", address: "10.0.2.10", other: "10.0.2.11", changes: {} },
  {
    kind: "foreignNeighborAdvertisement",
    own: "fe80::1/64",
    address: "fe80::10",
    other: "fe80::11",
    changes: {
      family: 6,
      version: 3,
      transport: { kind: "multicast", group: ip("ff02::12") },
      virtualAddresses: [vip("fe80::10")],
    },
  },
] as const;

describe.each(kinds)("claims of others: $kind", ({ kind, own, address, other, changes }) => {
  const master = () => {
    const made = setUp(instance(changes));
    made.host.addLink("eth0", own);
    made.becomeMaster();
    return made;
  };

  it("one for an address that we hold is an alarm with the hardware address, told once while it is repeated", () => {
    const { host, reports, driver } = master();
    const claim = { kind, address, hardwareAddress: STRANGER };
    for (let heard = 0; heard < 3; heard++) {
      host.claim("eth0", address, STRANGER);
      host.claim("eth0", other, STRANGER);
      host.advance(40 * SECOND);
    }
    expect(reports.filter((report) => report.kind === "alarm")).toEqual([
      expect.objectContaining({ instance: "RW", alarm: claim }),
    ]);
    expect(driver.status().instances[0]?.alarms).toEqual([claim]);
  });

  it("is over when nothing was heard of it for a minute, and then news again", () => {
    const { host, alarms, state } = master();
    host.claim("eth0", address, STRANGER);
    host.advance(61 * SECOND);
    expect(state()?.alarms).toEqual([]);
    host.claim("eth0", address, STRANGER);
    expect(alarms()).toEqual([kind, kind]);
  });

  it("our own hardware address is none, and neither is anything while we are BACKUP", () => {
    const { host, alarms, state } = master();
    host.claim("eth0", address, "02:00:00:00:00:02");
    const six = address.includes(":");
    const source = six ? "fe80::2" : "10.0.2.2";
    const datagram = advert(200, { source, addresses: [address] });
    if (six) host.receiveIpv6("eth0", datagram);
    else host.receive("eth0", datagram);
    expect(state()?.state).toBe("BACKUP");
    host.claim("eth0", address, STRANGER);
    expect(alarms()).toEqual([]);
  });
});
