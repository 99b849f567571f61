import { describe, expect, it } from "vitest";
import type { VirtualAddressConfig, VrrpInstanceConfig } from "../../src/config/vrrp.types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { removals } from "../../src/workers/vrrp/holder.ts";
import { type HostAddress, type HostInterface, IndexedView } from "../../src/workers/vrrp/hostView.ts";
import {
  asLease,
  leaseLifetimeSec,
  leftovers,
  planLeases,
  takenAlong,
  VipTable,
} from "../../src/workers/vrrp/leases.ts";
import { linkFacts } from "../../src/workers/vrrp/linkFacts.ts";
import { instanceConfig, vipConfig } from "../lab/vrrpConfig.ts";

function own(cidr: string, changes: Partial<HostAddress> = {}): HostAddress {
  const [address = "", prefix = ""] = cidr.split("/");
  return {
    ip: ip(address),
    prefixLength: Number(prefix),
    permanent: true,
    secondary: false,
    tentative: false,
    broadcast: undefined,
    peer: undefined,
    label: undefined,
    scope: "global",
    validSec: undefined,
    ...changes,
  };
}

function link(name: string, index: number, ...addresses: HostAddress[]): HostInterface {
  const bare = {
    administrativelyUp: true,
    hardwareAddress: undefined,
    kind: undefined,
    baseIndex: undefined,
    alias: undefined,
  };
  return { name, index, up: true, ...bare, addresses };
}

function host(...addresses: HostAddress[]): IndexedView {
  return new IndexedView({ interfaces: [link("eth0", 2, ...addresses)] });
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
    const [plan] = planLeases(config, new VipTable([config]), host(...addresses.map((cidr) => own(cidr))));
    expect(plan).toMatchObject({ kind: "lease", lease: { prefixLength: expected } });
  });

  it("of two VIPs in one foreign subnet only the first has it: else the second would go with the first", () => {
    const a = instance("A", vip("10.0.9.10/24"));
    const b = instance("B", vip("10.0.9.11/24"), vip("10.0.8.11/24"));
    const prefixes = [a, b].flatMap((one) => planLeases(one, new VipTable([a, b]), host(own("10.0.2.1/24"))));
    expect(prefixes).toMatchObject([
      { lease: { prefixLength: 24 } },
      { lease: { prefixLength: 32 } },
      { lease: { prefixLength: 24 } },
    ]);
  });

  it("a lease that is there is no address of the host's own", () => {
    const config = instance("A", vip("10.0.9.10/24"));
    const view = host(own("10.0.2.1/24"), own("10.0.9.10/24", { permanent: false, validSec: 2 }));
    expect(planLeases(config, new VipTable([config]), view)).toMatchObject([
      { kind: "lease", lease: { prefixLength: 24 } },
    ]);
  });

  it("an address by DHCP is the host's own, although it has an end", () => {
    const config = instance("A", vip("10.0.2.10/24"));
    const view = host(own("10.0.2.1/24", { permanent: false, validSec: 3600 }));
    expect(planLeases(config, new VipTable([config]), view)).toMatchObject([{ lease: { prefixLength: 32 } }]);
  });

  it("a VIP that the host has for ever is left to it; one on a missing device cannot be had", () => {
    const config = instance("A", vip("10.0.2.10/24"), vip("10.0.3.10/24", "eth9"));
    expect(planLeases(config, new VipTable([config]), host(own("10.0.2.10/24")))).toEqual([
      { kind: "permanent", address: "10.0.2.10", device: "eth0", prefixLength: 24 },
      { kind: "deviceMissing", address: "10.0.3.10", device: "eth9" },
    ]);
  });
});

describe("leftovers", () => {
  it("are configured addresses with an end, whatever their prefix, on their own device", () => {
    const ended = { permanent: false, validSec: 1 };
    const view = new IndexedView({
      interfaces: [
        link(
          "eth0",
          2,
          own("10.0.2.1/24", ended),
          own("10.0.2.10/32", ended),
          own("10.0.2.10/24", ended),
          own("10.0.2.11/24"),
        ),
        link("eth1", 3, own("10.0.2.10/32", ended)),
      ],
    });
    const found = leftovers([instance("A", vip("10.0.2.10/24"), vip("10.0.2.11/24"))], view);
    expect(found.map((lease) => `${lease.address}/${lease.prefixLength} ${lease.device}`)).toEqual([
      "10.0.2.10/32 eth0",
      "10.0.2.10/24 eth0",
    ]);
  });
});

describe("what the kernel takes along with an address", () => {
  const lease = asLease(own("10.0.2.10/24"), link("eth0", 2));

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

describe("what is put back behind a removal", () => {
  const secondary = own("10.0.2.11/24", { permanent: false, secondary: true, validSec: 2 });
  const first = asLease(own("10.0.2.10/24"), link("eth0", 2));
  const narrow = asLease(own("10.0.2.11/32"), link("eth0", 2));
  const wide = asLease(secondary, link("eth0", 2));
  const changes = (along: HostAddress, staying: Parameters<typeof removals>[2] = []) =>
    removals([first, narrow], host(own("10.0.2.10/24"), along, own("10.0.2.11/32")), staying);

  it("is ours where it stays with another prefix than it leaves with, and has its options", () => {
    const kept = { ...wide, options: { ...wide.options, noPrefixRoute: true } };
    expect(changes(secondary, [kept])[1]).toEqual({ kind: "set", lease: kept, validSec: 2, preferredSec: 2 });
  });

  it("is not what is left of ours, but the host's", () => {
    expect(changes(secondary).map(({ kind }) => kind)).toEqual(["delete", "delete"]);
    const hosts = own("10.0.2.11/24", { secondary: true });
    expect(changes(hosts)[1]).toEqual({ kind: "putBack", lease: wide, validSec: undefined });
  });
});

describe("what the machine is told of the host", () => {
  const vips = new Set([ip("10.0.2.10"), ip("2001:db8::10")]);
  const nothing = { sourceAddressMissing: false, noUnicastPeer: false };
  const facts = (view: IndexedView, changes: Parameters<typeof instanceConfig>[0] = {}) =>
    linkFacts(instanceConfig(changes), view, true, vips);

  it("the primary address is the first IPv4 address that is no VIP", () => {
    const view = host(
      own("2001:db8::1/64"),
      own("10.0.2.10/32", { permanent: false }),
      own("10.0.2.1/24"),
      own("10.0.2.2/24"),
    );
    expect(facts(view)).toEqual({ present: true, up: true, primaryAddress: "10.0.2.1", ...nothing });
  });

  it("is the VIP where the host owns nothing else, and none where it is only a lease", () => {
    expect(facts(host(own("10.0.2.10/24"))).primaryAddress).toBe("10.0.2.10");
    expect(facts(host(own("10.0.2.10/24", { permanent: false }))).primaryAddress).toBeUndefined();
  });

  it("of a missing interface is none", () => {
    const missing = { present: false, up: false, primaryAddress: undefined, ...nothing };
    expect(facts(host(), { interface: "eth9" })).toEqual(missing);
  });

  it("of IPv6 is the link-local one (RFC 9568 5.1.2.1), once duplicate address detection is over", () => {
    const local = own("fe80::1/64", { tentative: true });
    const view = (changes: Partial<HostAddress>) => host(own("2001:db8::1/64"), { ...local, ...changes });
    expect(facts(view({}), { family: 6 }).primaryAddress).toBeUndefined();
    expect(facts(view({ tentative: false }), { family: 6 }).primaryAddress).toBe("fe80::1");
  });

  it("of IPv6 unicast to peers beyond the link is a global one", () => {
    const peer = { address: ip("2001:db8:1::2"), timeToLiveMin: undefined, timeToLiveMax: undefined };
    const transport = { kind: "unicast", peers: [peer], timeToLive: 255, checkSource: true } as const;
    const view = host(own("fe80::1/64"), own("2001:db8::10/64", { permanent: false }), own("2001:db8::1/64"));
    expect(facts(view, { family: 6, transport }).primaryAddress).toBe("2001:db8::1");
  });

  it("is the configured source where the host has it; else the interface's, or a fault where it is tracked", () => {
    const sourceAddress = ip("10.0.2.2");
    const both = host(own("10.0.2.1/24"), own("10.0.2.2/24"));
    const one = host(own("10.0.2.1/24"));
    expect(facts(both, { sourceAddress }).primaryAddress).toBe("10.0.2.2");
    expect(facts(one, { sourceAddress })).toMatchObject({ primaryAddress: "10.0.2.1", sourceAddressMissing: false });
    expect(facts(one, { sourceAddress, trackSourceAddress: true }).sourceAddressMissing).toBe(true);
    expect(facts(both, { sourceAddress, trackSourceAddress: true }).sourceAddressMissing).toBe(false);
  });

  it("a unicast instance without peers has nobody to talk to", () => {
    const transport = { kind: "unicast", peers: [], timeToLive: 255, checkSource: true } as const;
    expect(facts(host(own("10.0.2.1/24")), { transport }).noUnicastPeer).toBe(true);
  });
});
