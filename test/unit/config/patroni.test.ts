import { describe, expect, it } from "vitest";
import type { PatroniCheckConfig } from "../../../src/config/check.types.ts";
import { parseConfig, serviceTiming } from "../../../src/config/index.ts";
import type { VirtualServerConfig } from "../../../src/config/types.ts";
import { milliseconds, seconds } from "../../../src/core/units.ts";

/** A virtual server with lines of its own and two real servers with theirs. */
function parsed(outer: string, first = "", second = ""): VirtualServerConfig {
  const servers = [first, second].map((lines, index) => `real_server 10.0.2.${index + 3} 5432 {\n${lines}\n}\n`);
  const text = `virtual_server 10.0.2.10 5432 {\nlvs_method DR\nprotocol TCP\n${outer}\n${servers.join("")}}\n`;
  const { config, diagnostics } = parseConfig(text, "t.conf");
  const [service] = config?.virtualServers ?? [];
  if (service === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return service;
}
const block = (lines: string): string => `patroni {\n${lines}\n}\n`;

function checkOf({ realServers }: VirtualServerConfig, index = 0): PatroniCheckConfig {
  const check = realServers[index]?.checks.find(({ kind }) => kind === "patroni");
  if (check?.kind !== "patroni") throw new Error("no patroni check");
  return check;
}

describe("patroni_cluster", () => {
  const service = (outer: string): VirtualServerConfig => {
    const text = `virtual_server 10.0.2.10 5432 {\nlvs_method DR\nprotocol TCP\n${outer}\n}\n`;
    const { config, diagnostics } = parseConfig(text, "t.conf");
    const [found] = config?.virtualServers ?? [];
    if (found === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
    return found;
  };

  it("needs no real_server, and makes of a member what an empty one would be", () => {
    const lines = `weight 7\ninhibit_on_failure\nquorum 3\n${block("role primary\nport 8010")}`;
    const { discovery, realServers, exclusive, quorum } = service(`${lines}patroni_cluster 10.0.2.3 10.0.2.4:8011\n`);
    expect({ realServers, exclusive, quorum }).toEqual({ realServers: [], exclusive: "detected", quorum: 3 });
    expect(discovery).toMatchObject({
      sources: [
        { address: "10.0.2.3", port: 8010 },
        { address: "10.0.2.4", port: 8011 },
      ],
      scope: undefined,
      interval: seconds(10),
    });
    const written = service(`${lines}real_server 10.0.2.3 5432 {\n}`).realServers[0];
    const [check] = written?.checks ?? [];
    const asTemplate = { ...written, address: "0.0.0.0", checks: [{ ...check, connectIp: "0.0.0.0" }] };
    expect(discovery?.template).toEqual(asTemplate);
  });

  it("has the times of its members, and their second role", () => {
    const found = service(`${block("role replica")}fallback primary\npatroni_cluster [2001:db8::3]:8008 2001:db8::4`);
    expect(serviceTiming(found)).toEqual(serviceTiming(parsed(`${block("role replica")}fallback primary`)));
    expect(found.discovery?.template.fallback?.role).toBe("primary");
    expect(found.discovery?.sources.map(({ address }) => address)).toEqual(["2001:db8::3", "2001:db8::4"]);
  });
});

describe("patroni", () => {
  it("once in a virtual server is a check of every real server, with defaults of its own", () => {
    const service = parsed(block("role replica"));
    expect(service.realServers.map(({ checks }) => checks.length)).toEqual([1, 1]);
    expect(checkOf(service)).toEqual({
      kind: "patroni",
      connectIp: "10.0.2.3",
      connectPort: 8008,
      role: "replica",
      maxLagBytes: undefined,
      respectsNoLoadBalance: true,
      unknownHold: seconds(30),
      tls: undefined,
      credentials: undefined,
      timing: {
        ...{ delayLoop: seconds(1), connectTimeout: seconds(2), retry: 1 },
        ...{ delayBeforeRetry: seconds(1), warmup: seconds(1) },
      },
    });
    expect(checkOf(service, 1).connectIp).toBe("10.0.2.4");
  });

  it("of a real server wins keyword by keyword, and inherits the rest", () => {
    const outer = block(
      "role replica\nport 8010\nmax_lag 16MB\nuser u\npassword p\ntls {\nca /ca.pem\nserver_name a.example\n}",
    );
    const service = parsed(outer, block("max_lag 1GB\nconnect_ip 10.0.9.3\ntls {\nserver_name b.example\n}"));
    expect(checkOf(service)).toMatchObject({
      ...{ connectIp: "10.0.9.3", connectPort: 8010, role: "replica", maxLagBytes: 2 ** 30 },
      credentials: { user: "u", password: "p" },
      tls: { caFile: "/ca.pem", serverName: "b.example" },
    });
    expect(checkOf(service, 1)).toMatchObject({ maxLagBytes: 2 ** 24, tls: { serverName: "a.example" } });
  });

  it("has its own times, else those around it", () => {
    const around = "delay_loop 7\nconnect_timeout 4\nretry 3";
    expect(checkOf(parsed(`${around}\n${block("role any")}`)).timing).toMatchObject({
      ...{ delayLoop: seconds(7), connectTimeout: seconds(4), retry: 3, warmup: seconds(7) },
    });
    const own = parsed(`${around}\n${block("role any\ninterval 0.5\ntimeout 1.5")}`, "retry 0");
    expect(checkOf(own).timing).toMatchObject({
      ...{ delayLoop: milliseconds(500), connectTimeout: milliseconds(1_500), retry: 0 },
    });
  });

  it.each([
    ["drop", 0],
    ["hold 2.5", seconds(2.5)],
  ])("on_unknown %s", (written, hold) => {
    expect(checkOf(parsed(block(`role any\non_unknown ${written}`))).unknownHold).toBe(hold);
  });

  it.each([
    ["0", 0],
    ["1000", 1_000],
    ["3B", 3],
    ["16kB", 2 ** 14],
    ["2TB", 2 ** 41],
  ])("max_lag %s", (written, bytes) => {
    expect(checkOf(parsed(block(`role async\nmax_lag ${written}`))).maxLagBytes).toBe(bytes);
  });

  it("stands beside other checks of a server", () => {
    const { realServers } = parsed(block("role any"), "TCP_CHECK {\n}");
    expect(realServers.map(({ checks }) => checks.map(({ kind }) => kind))).toEqual([
      ["patroni", "TCP_CHECK"],
      ["patroni"],
    ]);
  });
});

describe("fallback", () => {
  it.each([
    ["primary", seconds(1)],
    ["primary after 2.5", seconds(2.5)],
    ["read_only after 0", 0],
  ])("%s is a second role of every server, asked by the same question", (written, after) => {
    const service = parsed(`fallback ${written}\n${block("role replica\nmax_lag 1MB\nport 8010")}`);
    expect(service.fallbackAfter).toBe(after);
    const { role } = checkOf(service);
    expect(service.realServers.map(({ fallback }) => fallback)).toEqual(
      service.realServers.map((_, index) => ({
        ...checkOf(service, index),
        ...{ role: written.split(" ")[0], maxLagBytes: undefined },
      })),
    );
    expect(role).toBe("replica");
  });
});

describe("a service is exclusive by its patroni checks", () => {
  const setting = (outer: string, first = "", second = "") => parsed(outer, first, second).exclusive;
  const byPath = "HTTP_GET {\nconnect_port 8008\nurl {\npath /primary\n}\n}";

  it.each(["primary", "read_write", "standby_leader"])("role %s", (role) => {
    expect(setting(block(`role ${role}`))).toBe("detected");
    expect(setting(`${block(`role ${role}`)}exclusive off`)).toBe("off");
  });

  it.each(["replica", "sync", "async", "quorum", "read_only", "any"])("role %s", (role) => {
    expect(setting(block(`role ${role}`))).toBe("no");
    expect(setting(`${block(`role ${role}`)}exclusive on`)).toBe("on");
  });

  it("when every server is asked, by either kind of check", () => {
    expect(setting("", block("role primary"), byPath)).toBe("detected");
    expect(setting("", block("role primary"), block("role replica"))).toBe("no");
    expect(setting("", block("role primary"))).toBe("no");
  });
});

describe("worst-case times", () => {
  it("of a leader's role are those of a role check", () => {
    expect(serviceTiming(parsed(block("role primary\ntimeout 1\nretry 0")))).toEqual({
      detection: seconds(0.2 + 1 + 1),
      silence: seconds(0.2 + 1 + 1 + 30),
      roleLoss: seconds(1.2),
      open: undefined,
      recovery: seconds(2),
    });
  });

  it("of a replica's role tell when a role that is lost, and one that stays open, is noticed", () => {
    const times = (lines: string) => serviceTiming(parsed(block(`role replica\ntimeout 1\nretry 0\n${lines}`)));
    expect(times("on_unknown hold 10")).toEqual({
      detection: seconds(2),
      silence: undefined,
      roleLoss: seconds(2),
      open: seconds(2 + 10 + 2),
      recovery: seconds(2),
    });
    expect(times("on_unknown drop")).toMatchObject({ open: seconds(2) });
  });
});
