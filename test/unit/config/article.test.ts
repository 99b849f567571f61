import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { CheckConfig } from "../../../src/config/check.types.ts";
import { type Config, parseConfig } from "../../../src/config/index.ts";
import { ip } from "../../../src/core/ip.ts";
import { seconds } from "../../../src/core/units.ts";
import { instanceConfig, vipConfig, vrrpConfig } from "../../lab/vrrpConfig.ts";

/** The article's two files, as they are, and what its text shows around them. */
const article = (name: string): string => readFileSync(new URL(`../../lab/article/${name}`, import.meta.url), "utf8");

const timing = {
  delayLoop: seconds(1),
  connectTimeout: seconds(1),
  retry: 1,
  delayBeforeRetry: seconds(1),
  warmup: seconds(0),
};
const NODES = ["10.0.2.3", "10.0.2.4", "10.0.2.5"].map(ip);

function expectedConfig(host: "KAD1" | "KAD2"): Config {
  const instance = (name: string, virtualRouterId: number, initialState: "MASTER" | "BACKUP") =>
    instanceConfig({
      name,
      initialState,
      virtualRouterId,
      priority: initialState === "MASTER" ? 150 : 100,
      strict: true,
      lowerPrioNoAdvert: true,
      virtualAddresses: [vipConfig(`10.0.2.${9 + virtualRouterId}/24`, { label: `eth0:${virtualRouterId}` })],
    });
  const service = (
    address: string,
    exclusive: "detected" | "no",
    check: (node: (typeof NODES)[number]) => CheckConfig,
  ) => ({
    name: `TCP ${address}:5432`,
    targets: [{ protocol: "TCP" as const, address: ip(address), port: 5432 }],
    scheduler: "lc" as const,
    schedulerFlags: 0,
    onePacket: false,
    persistenceTimeoutSec: 1,
    persistencePrefix: undefined,
    persistenceEngine: "",
    quorum: 1,
    hysteresis: 0,
    sorryServer: undefined,
    notify: { quorumUp: undefined, quorumDown: undefined, smtpAlert: false, downAtEnd: false },
    haSuspend: false,
    exclusive,
    roleWatch: seconds(0.2),
    roleHold: seconds(30),
    roleLoss: undefined,
    realServers: NODES.map((node) => ({
      address: node,
      port: 5432,
      forwarding: { method: "DR" as const },
      notify: { up: undefined, down: undefined, smtpAlert: true },
      upperThreshold: 0,
      lowerThreshold: 0,
      weight: 50,
      inhibitOnFailure: true,
      checks: [check(node)],
    })),
    at: expect.objectContaining({ length: "virtual_server 10.0.2.10 5432".length }),
  });
  return {
    global: {
      routerId: host,
      vrrpStrict: true,
      enableScriptSecurity: true,
      scriptUser: { user: "root", group: undefined },
      fifos: [],
      mail: undefined,
      startupScript: undefined,
      shutdownScript: undefined,
      fifoWriteStatesOnReload: false,
      vrrpRealtimePriority: undefined,
      tellsFirstUp: false,
      kick: undefined,
    },
    vrrp: vrrpConfig([
      instance("PGRW", 1, host === "KAD1" ? "MASTER" : "BACKUP"),
      instance("PGRO", 2, host === "KAD1" ? "BACKUP" : "MASTER"),
    ]),
    scripts: [],
    trackProcesses: [],
    trackFiles: [],
    lvs: {
      syncDaemon: undefined,
      timeoutsSec: { tcp: undefined, tcpfin: undefined, udp: undefined },
      sloppyTcp: "auto",
      flushAtStart: false,
      flushAtEnd: "no",
      namespace: undefined,
    },
    virtualServers: [
      service("10.0.2.10", "detected", (node) => ({
        kind: "HTTP_GET",
        connectIp: node,
        connectPort: 8010,
        urls: [{ path: "/primary", statusCodes: [{ from: 200, to: 200 }] }],
        // The article writes delay_before_retry for the whole service, so HTTP_GET's own three seconds do not count.
        timing,
      })),
      service("10.0.2.11", "no", (node) => ({ kind: "TCP_CHECK", connectIp: node, connectPort: 5432, timing })),
    ],
  };
}

describe("the article's files", () => {
  it.each([
    ["kad1.conf", "KAD1"],
    ["kad2.conf", "KAD2"],
  ] as const)("%s is valid and means what the article says", (name, host) => {
    const { config, diagnostics } = parseConfig(article(name), name);
    expect(config).toEqual(expectedConfig(host));
    expect(diagnostics.every(({ severity }) => severity === "warning")).toBe(true);
    expect(diagnostics.map(({ code }) => code)).toEqual([
      "trap-vrrp-strict",
      ...(host === "KAD1"
        ? ["strict-state", "trap-persistence-exclusive"]
        : ["trap-persistence-exclusive", "strict-state"]),
      "trap-idle-limit",
      "trap-persistence",
    ]);
  });

  it("give a configuration that is frozen and plain data", () => {
    const { config } = parseConfig(article("kad1.conf"), "kad1.conf");
    expect(Object.isFrozen(config?.virtualServers[0]?.realServers[0]?.checks[0]?.timing)).toBe(true);
    expect(structuredClone(config)).toEqual(config);
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});

describe("the snippets of the article's text", () => {
  const codes = (text: string) =>
    parseConfig(text, "t.conf").diagnostics.map(({ code, severity }) => `${severity} ${code}`);

  it("global_defs", () => {
    const text = "global_defs {\n  router_id KAD1\n  vrrp_strict\n  enable_script_security\n  script_user root\n}\n";
    expect(parseConfig(text, "t.conf").config?.global).toEqual(expectedConfig("KAD1").global);
  });

  it("vrrp_instance PGRW of both hosts, without strict mode", () => {
    const text = (state: string, priority: number) =>
      `# KAD\nvrrp_instance PGRW {\n  state ${state}\n  interface eth0\n  virtual_router_id 1\n  priority ${priority}\n  advert_int 1\n  virtual_ipaddress {\n    10.0.2.10/24 dev eth0 label eth0:1\n  }\n}\n`;
    expect(codes(text("MASTER", 150))).toEqual(["warning trap-state-master"]);
    expect(codes(text("BACKUP", 100))).toEqual([]);
  });

  it("the write service with its placeholder address is refused at the placeholder", () => {
    const text = writeService("10.0.2.x");
    const { config, diagnostics } = parseConfig(text, "t.conf");
    expect(config).toBeUndefined();
    expect(diagnostics).toEqual([
      expect.objectContaining({ code: "invalid-value", at: { file: "t.conf", line: 11, column: 15, length: 8 } }),
    ]);
    expect(parseConfig(writeService("10.0.2.3"), "t.conf").config?.virtualServers[0]?.exclusive).toBe("detected");
  });

  it("the read service on /replica, with persistence_timeout 0, is not exclusive; idle sessions are warned about, nothing else", () => {
    const { config, diagnostics } = parseConfig(readService, "t.conf");
    expect(diagnostics.map(({ code }) => code)).toEqual(["trap-idle-limit"]);
    expect(config?.virtualServers[0]).toMatchObject({ persistenceTimeoutSec: 0, exclusive: "no" });
    expect(config?.virtualServers[0]?.realServers.map(({ checks }) => checks[0])).toEqual(
      NODES.map((node) => expect.objectContaining({ kind: "HTTP_GET", connectIp: node, connectPort: 8008 })),
    );
  });
});

const writeService = (address: string): string => `virtual_server 10.0.2.10 5432 {
  lvs_method DR
  lb_algo lc # least connected
  protocol TCP
  delay_loop 1
  delay_before_retry 1
  connect_timeout 1
  warmup 0
  persistence_timeout 0
  # Bloc à répéter pour chaque instance PostgreSQL
  real_server ${address} 5432 {
    weight 50
    inhibit_on_failure
    HTTP_GET {
      connect_port 8008
      url {
        path /primary
        status_code 200
      }
    }
  }
}
`;

const readService = `virtual_server 10.0.2.11 5432 {
  lvs_method DR
  lb_algo lc # least connected
  protocol TCP
  delay_loop 1
  delay_before_retry 1
  connect_timeout 1
  warmup 0
  persistence_timeout 0
${["10.0.2.3", "10.0.2.4", "10.0.2.5"].map((address) => `  real_server ${address} 5432 {\n    weight 50\n    inhibit_on_failure\n    HTTP_GET {\n      connect_port 8008\n      url {\n        path /replica\n        status_code 200\n      }\n    }\n  }`).join("\n  \n")}
}
`;
