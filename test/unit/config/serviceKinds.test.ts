import { describe, expect, it } from "vitest";
import { parseConfig, type VirtualServerConfig } from "../../../src/config/index.ts";

/** What a virtual server may answer to, its schedulers and its ways of forwarding. */

function services(text: string): readonly VirtualServerConfig[] {
  const { config, diagnostics } = parseConfig(text, "t.conf");
  if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return config.virtualServers;
}

const service = (lines: string, header = "10.0.2.20 80", servers = "real_server 10.0.2.3 {\n}\n") => {
  const [first] = services(`virtual_server ${header} {\n${lines}\n${servers}}\n`);
  if (first === undefined) throw new Error("no service");
  return first;
};

describe("schedulers", () => {
  it.each(["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "fo", "ovf", "sed", "nq", "twos"])(
    "%s",
    (name) => {
      expect(service(`lvs_sched ${name}`).scheduler).toBe(name);
    },
  );

  it.each([
    ["lvs_sched sh\nsh-fallback", 1],
    ["lvs_sched sh\nsh-port", 2],
    ["lvs_sched mh\nmh-fallback\nmh-port", 3],
    ["flag-3", 4],
    ["flag-1\nflag-2\nflag-3", 7],
    ["", 0],
  ])("flags %j are the bits of ipvsadm's -b", (lines, bits) => {
    expect(service(lines).schedulerFlags).toBe(bits);
  });
});

describe("affinity", () => {
  it("has a netmask in IPv4, a prefix length in IPv6, and an engine", () => {
    const four = service("persistence_timeout 60\npersistence_granularity 255.255.240.0\npersistence_engine sip");
    expect(four).toMatchObject({ persistencePrefix: 20, persistenceEngine: "sip", persistenceTimeoutSec: 60 });
    const six = service(
      "persistence_timeout\npersistence_granularity 64",
      "2001:db8::1 53",
      "real_server 2001:db8::3 {\n}\n",
    );
    expect(six).toMatchObject({ persistencePrefix: 64, persistenceEngine: "", persistenceTimeoutSec: 360 });
    expect(service("persistence_timeout\npersistence_granularity 255.255.255.255").persistencePrefix).toBe(32);
  });

  it("is switched on by its granularity alone, as by keepalived 2.2.7", () => {
    expect(service("persistence_granularity 255.255.0.0").persistenceTimeoutSec).toBe(360);
    expect(service("persistence_timeout 0\npersistence_granularity 255.255.0.0").persistenceTimeoutSec).toBe(0);
  });
});

describe("forwarding", () => {
  const of = (method: string, inner = "") =>
    service(method, undefined, `real_server 10.0.2.3 {\n${inner}\n}\n`).realServers[0]?.forwarding;

  it.each([
    ["", { method: "NAT" }],
    ["lvs_method DR", { method: "DR" }],
    ["lvs_method TUN", { method: "TUN", type: "ipip", port: 0, checksum: "nocsum" }],
    ["lb_kind TUN type gue port 6080 remcsum", { method: "TUN", type: "gue", port: 6080, checksum: "remcsum" }],
    ["lvs_method TUN csum type gre", { method: "TUN", type: "gre", port: 0, checksum: "csum" }],
  ])("%j", (written, meant) => {
    expect(of(written)).toEqual(meant);
  });

  it("of a real server is its own, else the virtual server's", () => {
    expect(of("lvs_method DR", "lvs_method TUN")).toMatchObject({ method: "TUN", type: "ipip" });
  });

  it("has thresholds, and by NAT another port", () => {
    const [server] = service(
      "lvs_method NAT",
      undefined,
      "real_server 10.0.2.3 8080 {\nuthreshold 100\nlthreshold 40\n}\n",
    ).realServers;
    expect(server).toMatchObject({ port: 8080, upperThreshold: 100, lowerThreshold: 40 });
  });
});

describe("quorum and sorry server", () => {
  const two = "real_server 10.0.2.3 {\n}\nreal_server 10.0.2.4 {\nweight 2\n}\n";

  it("has keepalived's defaults", () => {
    expect(service("")).toMatchObject({ quorum: 1, hysteresis: 0, sorryServer: undefined });
  });

  it("is at most what all servers weigh together; weight of the virtual server is its servers' default", () => {
    expect(service("quorum 3\nhysteresis 1", undefined, two)).toMatchObject({ quorum: 3, hysteresis: 1 });
    expect(service("quorum 4", undefined, two).quorum).toBe(3);
    const weighted = service("quorum 99\nweight 40", undefined, two);
    expect(weighted.quorum).toBe(42);
    expect(weighted.realServers.map(({ weight }) => weight)).toEqual([40, 2]);
  });

  it("the sorry server forwards as its service where it does not say how", () => {
    const sorry = { address: "10.0.2.9", port: 80, inhibit: false };
    expect(service("lvs_method DR\nsorry_server 10.0.2.9").sorryServer).toEqual({
      ...sorry,
      forwarding: { method: "DR" },
    });
    const own = service("lvs_method DR\nsorry_server 10.0.2.9 8080\nsorry_server_inhibit\nsorry_server_lvs_method NAT");
    expect(own.sorryServer).toEqual({ ...sorry, port: 8080, inhibit: true, forwarding: { method: "NAT" } });
  });
});

describe("what a service answers to", () => {
  it("is every port without one, with persistence", () => {
    expect(service("persistence_timeout\nprotocol TCP", "10.0.2.20")).toMatchObject({
      name: "TCP 10.0.2.20:0",
      targets: [{ protocol: "TCP", address: "10.0.2.20", port: 0 }],
      realServers: [{ port: 0 }],
    });
  });

  it.each([
    ["", "10.0.2.3", 4],
    ["", "2001:db8::3", 6],
    ["lvs_method TUN", "2001:db8::3", 6],
    ["lvs_method TUN\nip_family inet", "2001:db8::3", 4],
    ["lvs_method TUN\npersistence_timeout\npersistence_granularity 64", "10.0.2.3", 6],
    ["lvs_method TUN", "10.0.2.3", 4],
  ])("is a mark; its family with %j and %s is %i", (lines, address, family) => {
    const { targets, name } = service(lines, "fwmark 7", `real_server ${address} {\n}\n`);
    expect(targets).toEqual([{ protocol: "FWM", mark: 7, family }]);
    expect(name).toBe(family === 6 ? "FWM 7 IPv6" : "FWM 7");
  });

  it("is a group: addresses, ranges of three forms, marks, from several blocks", () => {
    const text = `virtual_server_group W {
      10.0.2.20 80
      10.0.2.30-32 443
      10.0.2.254-10.0.3.1 80
      10.0.4.6/29 80
      fwmark 8
    }
    virtual_server_group W {
      10.0.5.1 80
    }
    virtual_server group W {
      lvs_method NAT
      protocol TCP
      real_server 10.0.9.3 8080 {
      }
    }`;
    const [group] = services(text);
    expect(group?.name).toBe("TCP group W");
    expect(
      group?.targets.map((target) => (target.protocol === "FWM" ? target.mark : `${target.address} ${target.port}`)),
    ).toEqual([
      ...["10.0.2.20 80", "10.0.2.30 443", "10.0.2.31 443", "10.0.2.32 443"],
      ...["10.0.2.254 80", "10.0.2.255 80", "10.0.3.0 80", "10.0.3.1 80"],
      ...["10.0.4.6 80", "10.0.4.7 80", 8, "10.0.5.1 80"],
    ]);
  });

  it("is a group of both families where all is tunnelled", () => {
    const text =
      "virtual_server_group W {\n10.0.2.20 80\n2001:db8::20-22 80\nfwmark 8 inet6\n}\nvirtual_server group W {\nlvs_method TUN\nreal_server 10.0.9.3 80 {\n}\n}\n";
    expect(services(text)[0]?.targets).toHaveLength(5);
    expect(services(text)[0]?.targets.at(-1)).toEqual({ protocol: "FWM", mark: 8, family: 6 });
    expect(services(text)[0]?.targets.at(-2)).toMatchObject({ address: "2001:db8::22" });
    expect(() => services(text.replace("TUN", "NAT"))).toThrow("address family");
  });
});
