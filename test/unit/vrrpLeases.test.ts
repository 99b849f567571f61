import { describe, expect, it } from "vitest";
import type { VirtualAddressConfig, VrrpInstanceConfig } from "../../src/config/vrrp.types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { type HostAddress, type HostView, linkFacts } from "../../src/workers/vrrp/hostView.ts";
import { leaseLifetimeSec, leftovers, planLeases, takenAlong } from "../../src/workers/vrrp/leases.ts";
import { instanceConfig, vipConfig } from "../lab/vrrpConfig.ts";

function own(cidr: string, changes: Partial<HostAddress> = {}): HostAddress {
  const [address = "", prefix = ""] = cidr.split("/");
  return {
    ip: ip(address),
    prefixLength: Number(prefix),
    permanent: true,
    secondary: false,
    label: undefined,
    scope: "global",
    validSec: undefined,
    ...changes,
  };
}

function host(...addresses: HostAddress[]): HostView {
  return { interfaces: [{ name: "eth0", index: 2, up: true, hardwareAddress: undefined, addresses }] };
}

function vip(cidr: string, device = "eth0"): VirtualAddressConfig {
  return vipConfig(cidr, { device });
}

function instance(name: string, ...virtualAddresses: VirtualAddressConfig[]): VrrpInstanceConfig {
  return instanceConfig({ name, virtualAddresses });
}

describe("the lifetime of a lease", () => {
  it.each([
    [milliseconds(10), 2],
    [milliseconds(900), 2],
    [seconds(1), 2],
    [seconds(2), 5],
    [seconds(10), 29],
    [seconds(255), 764],
  ])(
    "at an advert interval of %i us is %i s: whole seconds, at least 2, and 0.9 s below three intervals",
    (interval, expected) => {
      expect(leaseLifetimeSec(interval)).toBe(expected);
    },
  );
});

describe("the prefix that is programmed", () => {
  it.each([
    ["inside the subnet of an address of its device", "10.0.2.10/24", ["10.0.2.1/24"], 32],
    ["inside a wider subnet", "10.0.2.10/24", ["10.0.0.1/16"], 32],
    ["inside a narrower subnet than its own", "10.0.2.10/16", ["10.0.2.1/24"], 32],
    ["beside the host's subnet", "10.0.9.10/24", ["10.0.2.1/24"], 24],
    ["on a device without addresses", "10.0.2.10/24", [], 24],
    ["IPv6 inside", "2001:db8::10/64", ["2001:db8::1/64"], 128],
    ["IPv6 beside", "2001:db8:1::10/64", ["2001:db8::1/64"], 64],
  ])("%s: %s with %j is /%i", (_, written, addresses, expected) => {
    const config = instance("A", vip(written));
    const [plan] = planLeases(config, [config], host(...addresses.map((cidr) => own(cidr))));
    expect(plan).toMatchObject({ kind: "lease", lease: { prefixLength: expected } });
  });

  it("of two VIPs in one foreign subnet only the first has it: else the second would go with the first", () => {
    const a = instance("A", vip("10.0.9.10/24"));
    const b = instance("B", vip("10.0.9.11/24"), vip("10.0.8.11/24"));
    const prefixes = [a, b].flatMap((one) => planLeases(one, [a, b], host(own("10.0.2.1/24"))));
    expect(prefixes).toMatchObject([
      { lease: { prefixLength: 24 } },
      { lease: { prefixLength: 32 } },
      { lease: { prefixLength: 24 } },
    ]);
  });

  it("a lease that is there is no address of the host's own", () => {
    const config = instance("A", vip("10.0.9.10/24"));
    const view = host(own("10.0.2.1/24"), own("10.0.9.10/24", { permanent: false, validSec: 2 }));
    expect(planLeases(config, [config], view)).toMatchObject([{ kind: "lease", lease: { prefixLength: 24 } }]);
  });

  it("an address by DHCP is the host's own, although it has an end", () => {
    const config = instance("A", vip("10.0.2.10/24"));
    const view = host(own("10.0.2.1/24", { permanent: false, validSec: 3600 }));
    expect(planLeases(config, [config], view)).toMatchObject([{ lease: { prefixLength: 32 } }]);
  });

  it("a VIP that the host has for ever is left to it; one on a missing device cannot be had", () => {
    const config = instance("A", vip("10.0.2.10/24"), vip("10.0.3.10/24", "eth9"));
    expect(planLeases(config, [config], host(own("10.0.2.10/24")))).toEqual([
      { kind: "permanent", address: "10.0.2.10", device: "eth0", prefixLength: 24 },
      { kind: "deviceMissing", address: "10.0.3.10", device: "eth9" },
    ]);
  });
});

describe("leftovers", () => {
  it("are configured addresses with an end, whatever their prefix, on their own device", () => {
    const ended = { permanent: false, validSec: 1 };
    const view: HostView = {
      interfaces: [
        {
          name: "eth0",
          index: 2,
          up: true,
          hardwareAddress: undefined,
          addresses: [
            own("10.0.2.1/24", ended),
            own("10.0.2.10/32", ended),
            own("10.0.2.10/24", ended),
            own("10.0.2.11/24"),
          ],
        },
        { name: "eth1", index: 3, up: true, hardwareAddress: undefined, addresses: [own("10.0.2.10/32", ended)] },
      ],
    };
    const found = leftovers([instance("A", vip("10.0.2.10/24"), vip("10.0.2.11/24"))], view);
    expect(found.map((lease) => `${lease.address}/${lease.prefixLength} ${lease.device}`)).toEqual([
      "10.0.2.10/32 eth0",
      "10.0.2.10/24 eth0",
    ]);
  });
});

describe("what the kernel takes along with an address", () => {
  const lease = {
    address: ip("10.0.2.10"),
    device: "eth0",
    linkIndex: 2,
    prefixLength: 24,
    label: undefined,
    scope: "global" as const,
  };

  it("are the secondary addresses of its subnet and prefix", () => {
    const later = own("10.0.2.1/24", { secondary: true });
    const view = host(own("10.0.2.10/24"), later, own("10.0.2.2/25"), own("10.0.3.1/24"), own("10.0.2.3/32"));
    expect(takenAlong(lease, view.interfaces[0])).toEqual([later]);
  });

  it("is nothing where it is secondary itself, is not there, or on a missing link", () => {
    const view = host(
      own("10.0.2.1/24"),
      own("10.0.2.10/24", { secondary: true }),
      own("10.0.2.9/24", { secondary: true }),
    );
    expect(takenAlong(lease, view.interfaces[0])).toEqual([]);
    expect(takenAlong({ ...lease, prefixLength: 32 }, view.interfaces[0])).toEqual([]);
    expect(takenAlong(lease, undefined)).toEqual([]);
  });
});

describe("the primary address", () => {
  const vips = new Set([ip("10.0.2.10")]);

  it("is the first IPv4 address that is no VIP", () => {
    const view = host(
      own("2001:db8::1/64"),
      own("10.0.2.10/32", { permanent: false }),
      own("10.0.2.1/24"),
      own("10.0.2.2/24"),
    );
    expect(linkFacts(view, "eth0", vips)).toMatchObject({ present: true, up: true, primaryAddress: "10.0.2.1" });
  });

  it("is the VIP where the host owns nothing else, and none where it is only a lease", () => {
    expect(linkFacts(host(own("10.0.2.10/24")), "eth0", vips).primaryAddress).toBe("10.0.2.10");
    expect(linkFacts(host(own("10.0.2.10/24", { permanent: false })), "eth0", vips).primaryAddress).toBeUndefined();
  });

  it("of a missing interface is none", () => {
    expect(linkFacts(host(), "eth9", vips)).toMatchObject({ present: false, up: false, primaryAddress: undefined });
  });
});
