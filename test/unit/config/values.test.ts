import { describe, expect, it } from "vitest";
import { type Config, type ExclusiveSetting, parseConfig, serviceTiming } from "../../../src/config/index.ts";
import { milliseconds, seconds } from "../../../src/core/units.ts";
import { instanceConfig, vipConfig } from "../../lab/vrrpConfig.ts";

function parsed(text: string): Config {
  const { config, diagnostics } = parseConfig(text, "t.conf");
  if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return config;
}

const service = (inside: string, outer = ""): string =>
  `virtual_server 10.0.2.20 80 {\nlvs_method DR\nprotocol TCP\n${outer}\nreal_server 10.0.2.3 80 {\n${inside}\n}\n}\n`;
const http = (lines = ""): string => `HTTP_GET {\n${lines}\nurl { path / }\n}\n`;
const firstService = (text: string) => {
  const [first] = parsed(text).virtualServers;
  if (first === undefined) throw new Error("no service");
  return first;
};
const firstCheck = (text: string) => {
  const [check] = firstService(text).realServers[0]?.checks ?? [];
  if (check === undefined) throw new Error("no check");
  return check;
};

describe("options of a checker's connection", () => {
  it("a url's own Host header wins over that of HTTP_GET", () => {
    const urls = "url {\npath /a\nvirtualhost b.example:81\n}\nurl {\npath /c\n}\nvirtualhost d.example\n";
    const check = firstCheck(service(`HTTP_GET {\nbindto 10.0.2.1\n${urls}}\n`));
    expect(check).toMatchObject({
      bindIp: "10.0.2.1",
      urls: [{ virtualHost: "b.example:81" }, { virtualHost: "d.example" }],
    });
  });

  it("without them nothing is bound and no host is named", () => {
    const check = firstCheck(service(http()));
    expect(check).not.toHaveProperty("bindIp");
    expect(check).toMatchObject({ urls: [{ path: "/" }] });
    expect(JSON.stringify(check)).not.toContain("virtualHost");
  });
});

describe("words of the language", () => {
  const routerId = (written: string) => parsed(`global_defs {\nrouter_id ${written}\n}\n`).global.routerId;

  it.each([
    ['"a b"', "a b"],
    ["'a b'", "a b"],
    ['"a } # ! { b"', "a } # ! { b"],
    ['ab" c "d', "ab c d"],
    ['"it\'s"', "it's"],
    ['"say \\"hi\\""', 'say "hi"'],
    ['"\\x41\\102\\\\"', "AB\\"],
    ['"$5"', "$5"],
    ["KAD1#comment", "KAD1"],
    ["KAD1!comment", "KAD1"],
    ["a\\b", "a\\b"],
    ["é", "é"],
  ])("router_id %s", (written, meant) => {
    expect(routerId(written)).toBe(meant);
  });

  it("a statement and its block may share a line, and the brace may come on a later one", () => {
    const one =
      "global_defs { router_id A }\nvrrp_instance A { interface eth0\nvirtual_router_id 1\nvirtual_ipaddress { 10.0.2.10 } }";
    const many =
      "global_defs\n\n# between\n{\nrouter_id A\n}\nvrrp_instance A\n{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress\n{\n10.0.2.10\n}\n}";
    expect(parsed(one)).toEqual(parsed(many));
  });

  it("lines may end as on any system, and a byte order mark is no word", () => {
    const text = "global_defs {\n router_id A\n}\n";
    for (const end of ["\r\n", "\r"]) expect(parsed(text.replaceAll("\n", end))).toEqual(parsed(text));
    expect(parsed(`\ufeff${text}`)).toEqual(parsed(text));
  });

  it("several global_defs are one, and the last of a repeated keyword counts", () => {
    const text = "global_defs { router_id A }\nglobal_defs { vrrp_strict\nrouter_id B\n }\n";
    expect(parsed(text).global).toMatchObject({ routerId: "B", vrrpStrict: true });
    expect(parseConfig(text, "t").diagnostics.map(({ code, at }) => [code, at.line])).toContainEqual([
      "duplicate-keyword",
      3,
    ]);
  });
});

describe("vrrp_instance", () => {
  const instance = (lines: string, global = "") =>
    parsed(`global_defs {\n${global}\n}\nvrrp_instance A {\ninterface eth0\nvirtual_router_id 7\n${lines}\n}\n`).vrrp
      .instances[0];

  it("has the defaults of keepalived.conf(5)", () => {
    expect(instance("virtual_ipaddress {\n 10.0.2.10\n }")).toEqual(
      instanceConfig({ name: "A", virtualRouterId: 7, virtualAddresses: [vipConfig("10.0.2.10/32")] }),
    );
  });

  it("takes its own garp values, else the global ones", () => {
    const global =
      "vrrp_garp_master_delay 10\nvrrp_garp_master_repeat 2\nvrrp_garp_master_refresh 60\nvrrp_garp_master_refresh_repeat 3";
    expect(instance("", global)).toMatchObject({
      garp: { masterDelay: seconds(10), masterRepeat: 2, masterRefresh: seconds(60), masterRefreshRepeat: 3 },
    });
    const own = "garp_master_delay 0\ngarp_master_repeat 4\ngarp_master_refresh 0\ngarp_master_refresh_repeat 1";
    expect(instance(own, global)).toMatchObject({
      garp: { masterDelay: seconds(0), masterRepeat: 4, masterRefresh: seconds(0), masterRefreshRepeat: 1 },
    });
  });

  it("takes strict mode from vrrp_strict unless strict_mode says otherwise", () => {
    const address = "virtual_ipaddress { 10.0.2.10 }";
    expect(instance(address, "vrrp_strict")?.strict).toBe(true);
    expect(instance(`${address}\nstrict_mode off`, "vrrp_strict")?.strict).toBe(false);
    expect(instance(`${address}\nstrict_mode`)?.strict).toBe(true);
  });

  it("reads addresses with device, label, scope in any order, from several blocks", () => {
    const text =
      "virtual_ipaddress {\n 10.0.2.10/24 scope link label eth1:1 dev eth1\n }\nvirtual_ipaddress {\n 10.0.2.11/16\n }";
    expect(instance(text)?.virtualAddresses).toEqual([
      vipConfig("10.0.2.10/24", { device: "eth1", label: "eth1:1", scope: "link" }),
      vipConfig("10.0.2.11/16"),
    ]);
  });

  it("follows keepalived where state MASTER changes other keywords", () => {
    expect(instance("state MASTER")?.priority).toBe(255);
    expect(instance("state MASTER\npriority 150\nnopreempt")?.nopreempt).toBe(false);
    expect(instance("priority 150\nnopreempt")?.nopreempt).toBe(true);
    expect(instance("priority 255\nnopreempt")?.nopreempt).toBe(false);
  });
});

describe("virtual_server", () => {
  it("has the defaults of keepalived.conf(5)", () => {
    expect(firstService(service("TCP_CHECK {\n}"))).toMatchObject({
      scheduler: "wlc",
      persistenceTimeoutSec: 0,
      exclusive: "no",
      roleWatch: milliseconds(200),
      roleHold: seconds(30),
      roleLoss: undefined,
      realServers: [{ weight: 1, inhibitOnFailure: false }],
    });
  });

  it.each([
    ["cut", { policy: "cut" }],
    ["drain", { policy: "drain", deadline: undefined }],
    ["drain 2.5", { policy: "drain", deadline: seconds(2.5) }],
    ["keep", { policy: "keep" }],
  ])("role_loss %s", (words, roleLoss) => {
    expect(firstService(service("TCP_CHECK {\n}", `role_loss ${words}`))).toMatchObject({ roleLoss });
  });

  it("persistence_timeout without a number is six minutes", () => {
    expect(firstService(service(http(), "persistence_timeout")).persistenceTimeoutSec).toBe(360);
  });

  it.each(["rr", "wrr", "lc", "wlc"])("lb_kind and lb_algo %s are other names", (scheduler) => {
    const text = service(http(), `lb_algo ${scheduler}`).replace("lvs_method", "lb_kind");
    expect(firstService(text)).toMatchObject({ scheduler, realServers: [{ forwarding: { method: "DR" } }] });
  });

  it("a real server's port is the service's where none is written", () => {
    const text = service(http()).replace("10.0.2.3 80", "10.0.2.3");
    expect(firstService(text).realServers[0]?.port).toBe(80);
    expect(firstCheck(text)).toMatchObject({ connectPort: 80 });
  });

  it("inhibit_on_failure of the virtual server is the default of its real servers", () => {
    const inhibit = (inner: string, outer: string) =>
      firstService(service(`${inner}\n${http()}`, outer)).realServers[0]?.inhibitOnFailure;
    expect(inhibit("", "inhibit_on_failure")).toBe(true);
    expect(inhibit("inhibit_on_failure off", "inhibit_on_failure")).toBe(false);
    expect(inhibit("inhibit_on_failure", "")).toBe(true);
  });
});

describe("checks", () => {
  it("have the defaults of keepalived.conf(5), by kind", () => {
    const common = { delayLoop: seconds(60), connectTimeout: seconds(5), retry: 1, warmup: seconds(60) };
    expect(firstCheck(service(http())).timing).toEqual({ ...common, delayBeforeRetry: seconds(3) });
    expect(firstCheck(service("TCP_CHECK {\n}")).timing).toEqual({ ...common, delayBeforeRetry: seconds(1) });
  });

  it("take each timing from themselves, else the real server, else the virtual server", () => {
    const keywords = [
      ["delay_loop", "delayLoop"],
      ["connect_timeout", "connectTimeout"],
      ["delay_before_retry", "delayBeforeRetry"],
      ["warmup", "warmup"],
    ] as const;
    for (const [keyword, field] of keywords) {
      const timing = (own: string, server: string, outer: string) =>
        firstCheck(service(`${server}\n${http(own)}`, outer)).timing[field];
      expect(timing(`${keyword} 2`, `${keyword} 3`, `${keyword} 4`), keyword).toBe(seconds(2));
      expect(timing("", `${keyword} 3`, `${keyword} 4`), keyword).toBe(seconds(3));
      expect(timing("", "", `${keyword} 0.5`), keyword).toBe(seconds(0.5));
    }
    expect(firstCheck(service(`retry 3\n${http()}`, "retry 4")).timing.retry).toBe(3);
    expect(firstCheck(service(http("nb_get_retry 0"), "retry 4")).timing.retry).toBe(0);
  });

  it("without warmup spread over delay_loop", () => {
    expect(firstCheck(service(http("delay_loop 2"))).timing.warmup).toBe(seconds(2));
  });

  it("come in the order of the text, with every url and range", () => {
    const text = service(
      `TCP_CHECK {\nconnect_ip 10.9.9.9\nconnect_port 22\n}\nHTTP_GET {\nurl {\npath /a?b=c\nstatus_code 200 202 400-499\n}\nurl {\npath /d\n}\n}\nTCP_CHECK {\n}\n`,
    );
    expect(firstService(text).realServers[0]?.checks).toEqual([
      expect.objectContaining({ kind: "TCP_CHECK", connectIp: "10.9.9.9", connectPort: 22 }),
      expect.objectContaining({
        kind: "HTTP_GET",
        urls: [
          {
            path: "/a?b=c",
            statusCodes: [
              { from: 200, to: 200 },
              { from: 202, to: 202 },
              { from: 400, to: 499 },
            ],
          },
          { path: "/d", statusCodes: [{ from: 200, to: 299 }] },
        ],
      }),
      expect.objectContaining({ kind: "TCP_CHECK", connectIp: "10.0.2.3", connectPort: 80 }),
    ]);
  });
});

describe("exclusive", () => {
  const setting = (urls: readonly string[], outer = ""): ExclusiveSetting => {
    const servers = urls
      .map((url, i) => `real_server 10.0.2.${i + 3} 80 {\nHTTP_GET {\nurl {\n${url}\n}\n}\n}\n`)
      .join("");
    return firstService(`virtual_server 10.0.2.20 80 {\nlvs_method DR\nprotocol TCP\n${outer}\n${servers}}\n`)
      .exclusive;
  };

  it.each(["/primary", "/master", "/read-write", "/leader", "/standby-leader", "/primary?x=1"])(
    "is detected by %s on all servers",
    (path) => {
      expect(setting([`path ${path}`, `path ${path}`])).toBe("detected");
      expect(setting([`path ${path}`, "path /replica"])).toBe("no");
    },
  );

  it.each(["/replica", "/read-only", "/health", "/primary//x", "/PRIMARY", "/primary-lag"])(
    "is not detected by %s",
    (path) => {
      expect(setting([`path ${path}`])).toBe("no");
    },
  );

  it("waits for Patroni's scope with /", () => {
    expect(setting(["path /", "path /?lag=1"])).toBe("onScope");
    expect(setting(["path /", "path /replica"])).toBe("no");
  });

  it("is not detected where the check wants the other answer", () => {
    expect(setting(["path /primary\nstatus_code 503"])).toBe("no");
    expect(setting(["path /primary\nstatus_code 200-599"])).toBe("no");
  });

  it("is what the keyword says", () => {
    expect(setting(["path /replica"], "exclusive on")).toBe("on");
    expect(setting(["path /primary"], "exclusive no")).toBe("off");
  });
});

describe("worst-case times", () => {
  const timing = (inside: string, outer = "") => serviceTiming(firstService(service(inside, outer)));
  const values = "delay_loop 2\nconnect_timeout 1\nretry 3\ndelay_before_retry 0.5";

  it("of a check with retries", () => {
    // A probe begins at most 2 s after the fault and takes 1 s; three more follow, each 0.5 s later and 1 s long.
    expect(timing(http(values))).toEqual({
      detection: seconds(2 + 1 + 3 * 1.5),
      silence: undefined,
      roleLoss: undefined,
      open: undefined,
      recovery: seconds(2 + 1),
    });
  });

  it("of several checks are those of the slowest", () => {
    expect(timing(`${http(values)}TCP_CHECK {\ndelay_loop 30\nconnect_timeout 2\nretry 0\n}`)).toEqual({
      detection: seconds(32),
      silence: undefined,
      roleLoss: undefined,
      open: undefined,
      recovery: seconds(32),
    });
  });

  it("of an exclusive service come from role_watch", () => {
    const primary = `HTTP_GET {\n${values}\nurl { path /primary }\n}`;
    expect(timing(primary)).toMatchObject({
      // The service port is asked from the first silence on, as often.
      detection: seconds(0.2 + 1 + 1 + 3 * (0.5 + 0.2 + 1)),
      silence: seconds(0.2 + 1 + 30 + 1),
      roleLoss: seconds(1.2),
    });
    expect(timing(primary, "role_hold 0")).toMatchObject({
      detection: seconds(0.2 + 1 + 3 * (0.5 + 0.2 + 1)),
      silence: undefined,
    });
    expect(timing(primary, "role_watch 0")).toMatchObject({ roleLoss: seconds(3) });
  });

  it("do not exist without checks", () => {
    expect(timing("weight 1")).toBeUndefined();
  });
});
