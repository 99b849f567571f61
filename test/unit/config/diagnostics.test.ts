import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatDiagnostic, parseConfig, validate } from "../../../src/config/index.ts";
import { ip } from "../../../src/core/ip.ts";

/** A VRRP instance that is right, with lines added. */
const vrrp = (lines: string, { name = "A", vrid = 1, address = "10.0.2.10/24" } = {}): string =>
  `vrrp_instance ${name} {\n  interface eth0\n  virtual_router_id ${vrid}\n  virtual_ipaddress {\n    ${address}\n  }\n${lines}\n}\n`;
const CHECK = "HTTP_GET {\n connect_port 8008\n url {\n path /replica\n}\n}";
const server = (lines: string, header = "10.0.2.3 80"): string => `  real_server ${header} {\n${lines}\n  }\n`;
const lvs = (lines: string, servers = server(CHECK), header = "10.0.2.20 80"): string =>
  `virtual_server ${header} {\n  lvs_method DR\n  protocol TCP\n${lines}\n${servers}}\n`;

/** Every code with a text that earns exactly it, and nothing else. */
const CASES: readonly (readonly [code: string, what: string, text: string])[] = [
  ["binary-file", "a NUL byte", "global_defs {\n  router\0id A\n}\n"],
  ["too-large", "a megabyte and one", " ".repeat(1_048_577)],
  ["empty-file", "comments only", "# nothing\n! here\n"],
  [
    "invisible-character",
    "a no-break space",
    "global_defs {\n  router_id\u00a0KAD1\n}\nvrrp_instance A {\n  interface eth0\n  virtual_router_id 1\n  virtual_ipaddress {\n 10.0.2.10\n}\n}\n",
  ],
  ["unterminated-quote", "a quote over the line", vrrp('  priority "100')],
  ["unexpected-brace", "a brace too many", `${vrrp("")}}\n`],
  ["unexpected-brace", "a brace after nothing", "{\n}\n"],
  ["unclosed-block", "a block without end", vrrp("").replace(/\}\n$/, "")],
  ["too-deep", "nesting", "garp_group {\n".repeat(40)],
  ["unexpected-block", "braces behind a scalar", vrrp("  priority 100 {\n  }")],
  ["missing-block", "a block without braces", "vrrp_instance A\n"],
  ["unknown-keyword", "a misspelt keyword", vrrp("  prioritty 100")],
  ["unknown-keyword", "a keyword in the wrong block", vrrp("  lvs_sched rr")],
  ["unknown-keyword", "nothing like a keyword", vrrp("  frobnicate 100")],
  ["unknown-keyword", "a line continuation", vrrp("  priority\\\n")],
  ["unknown-keyword", "a misspelt option of an address", vrrp("", { address: "10.0.2.10/24 devv eth0" })],
  ["not-implemented", "a keyword", vrrp("  use_vmac")],
  ["not-implemented", "a block", "vrrp_script chk {\n  script /bin/true\n}\n"],
  ["not-implemented", "a version", vrrp("  version 3")],
  ["not-implemented", "a scheduler", lvs("  lvs_sched sh")],
  ["not-implemented", "a service by firewall mark", lvs("", server(CHECK), "fwmark 3")],
  ["not-implemented", "a service on all ports", lvs("", server(`${CHECK}`, "10.0.2.3 80"), "10.0.2.20")],
  ["not-implemented", "an IPv6 virtual router", vrrp("", { address: "2001:db8::10/64" })],
  ["not-implemented", "an option of an address", vrrp("", { address: "10.0.2.10/24 brd 10.0.2.255" })],
  ["not-implemented", "an include", "include other.conf\n"],
  ["not-implemented", "a parameter", vrrp("  priority $PRIORITY")],
  ["missing-value", "no value", vrrp("  priority")],
  ["missing-value", "an option of an address without value", vrrp("", { address: "10.0.2.10/24 dev" })],
  ["too-many-values", "a second value", vrrp("  priority 100 200")],
  ["invalid-value", "no number", vrrp("  priority high")],
  ["invalid-value", "no address", lvs("", server(CHECK, "10.0.2.300 80"))],
  ["invalid-value", "a word in the wrong case", vrrp("  state backup")],
  ["invalid-value", "a label too long", vrrp("", { address: "10.0.2.10/24 label eth0:too-long-name" })],
  ["invalid-value", "a status code", lvs("", server("HTTP_GET {\nurl {\npath /\nstatus_code OK\n}\n}"))],
  ["invalid-value", "a path", lvs("", server("HTTP_GET {\nurl {\npath primary\n}\n}"))],
  ["out-of-range", "a priority", vrrp("  priority 256")],
  ["out-of-range", "a fraction of a second in VRRPv2", vrrp("  advert_int 0.5")],
  ["out-of-range", "a prefix length", vrrp("", { address: "10.0.2.10/33" })],
  ["out-of-range", "milliseconds for seconds", lvs("  role_watch 200")],
  ["missing-keyword", "no interface", vrrp("").replace("  interface eth0\n", "")],
  ["missing-keyword", "no protocol", lvs("").replace("  protocol TCP\n", "")],
  ["missing-keyword", "no url", lvs("", server("HTTP_GET {\n}"))],
  ["missing-keyword", "no path", lvs("", server("HTTP_GET {\nurl {\n}\n}"))],
  ["duplicate-instance", "a name twice", vrrp("") + vrrp("", { vrid: 2, address: "10.0.2.11" })],
  ["duplicate-virtual-router-id", "a number twice", vrrp("") + vrrp("", { name: "B", address: "10.0.2.11" })],
  ["duplicate-address", "an address twice", vrrp("") + vrrp("", { name: "B", vrid: 2 })],
  ["duplicate-virtual-server", "a service twice", lvs("") + lvs("")],
  ["duplicate-real-server", "a server twice", lvs("", server(CHECK) + server(CHECK, "10.0.2.3"))],
  ["no-real-server", "a service without servers", lvs("", "")],
  ["family-mismatch", "families", lvs("", server(CHECK, "2001:db8::3 80"))],
  ["port-mismatch", "ports", lvs("", server(CHECK, "10.0.2.3 81"))],
  ["contradiction", "preempt and nopreempt", vrrp("  preempt\n  nopreempt")],
  ["exclusive-without-role", "exclusive by TCP_CHECK", lvs("  exclusive on", server("TCP_CHECK {\n}"))],
  [
    "too-many-addresses",
    "256 addresses",
    vrrp("", { address: Array.from({ length: 256 }, (_, i) => `10.3.0.${i}`).join("\n") }),
  ],
  ["strict-no-address", "strict without address", vrrp("  strict_mode", { address: "" })],
  ["strict-garp-refresh", "strict with refresh", vrrp("  strict_mode on\n  garp_master_refresh 60")],
  ["no-virtual-address", "no address", vrrp("", { address: "" })],
  ["duplicate-keyword", "a keyword twice", vrrp("  priority 100\n  priority 120")],
  ["label-not-of-device", "a label of another device", vrrp("", { address: "10.0.2.10/24 label eth1:1" })],
  ["nopreempt-ignored", "nopreempt of an owner", vrrp("  priority 255\n  nopreempt")],
  ["nopreempt-ignored", "nopreempt with state MASTER", vrrp("  state MASTER\n  priority 255\n  nopreempt")],
  ["owner-by-state", "MASTER without priority", vrrp("  state MASTER")],
  ["strict-state", "strict with MASTER below 255", vrrp("  strict_mode\n  state MASTER\n  priority 150")],
  ["strict-state", "strict with BACKUP at 255", vrrp("  strict_mode\n  priority 255")],
  ["role-watch-ignored", "role_watch without exclusive", lvs("  exclusive off\n  role_watch 0.1")],
  ["trap-vrrp-strict", "vrrp_strict", `global_defs {\n  vrrp_strict\n}\n${vrrp("")}`],
  ["trap-no-scripts", "script_user", `global_defs {\n  script_user nobody\n}\n${vrrp("")}`],
  ["trap-state-master", "MASTER below 255", vrrp("  state MASTER\n  priority 150")],
  ["trap-state-backup", "BACKUP at 255", vrrp("  state BACKUP\n  priority 255")],
  ["trap-persistence", "a second of affinity", lvs("  persistence_timeout 1")],
  [
    "trap-persistence-exclusive",
    "affinity where one server has weight",
    lvs("  exclusive on\n  persistence_timeout 60"),
  ],
  ["trap-address-not-held", "a service on nobody's address", vrrp("") + lvs("")],
  ["trap-no-check", "a server without check", lvs("", server("  weight 1"))],
  [
    "trap-weights-ignored",
    "weights for rr",
    lvs("  lvs_sched rr", server(`weight 1\n${CHECK}`) + server(`weight 2\n${CHECK}`, "10.0.2.4 80")),
  ],
  ["trap-nothing-to-do", "global_defs alone", "global_defs {\n  router_id A\n}\n"],
];

describe("each finding", () => {
  it.each(CASES)("%s: %s", (code, _what, text) => {
    const { diagnostics } = parseConfig(text, "holdfast.conf");
    expect([...new Set(diagnostics.map((each) => each.code))]).toEqual([code]);
  });

  it("prints its place, its line with a caret, and a remedy", async () => {
    const printed = CASES.map(([code, what, text]) => {
      const findings = parseConfig(text, "holdfast.conf").diagnostics.slice(0, 2);
      return `== ${code}: ${what}\n${findings.map((each) => formatDiagnostic(each, text)).join("\n")}\n`;
    });
    await expect(printed.join("\n")).toMatchFileSnapshot("./diagnostics.txt");
  });

  it("has a case here", () => {
    const folder = new URL("../../../src/config/", import.meta.url);
    const codes = new Set<string>();
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts")) continue;
      const text = readFileSync(new URL(name, folder), "utf8");
      for (const match of text.matchAll(/(?:\.error|\.warning)\(\s*"([a-z0-9-]+)"|code: "([a-z0-9-]+)"/g))
        codes.add(match[1] ?? match[2] ?? "");
    }
    const elsewhere = ["too-many-errors", "interface-missing", "interface-without-address"];
    expect([...codes].filter((code) => !elsewhere.includes(code)).sort()).toEqual(
      [...new Set(CASES.map(([code]) => code))].sort(),
    );
  });
});

describe("several findings", () => {
  it("of one file come in one run, in the order of the text, each where it is", () => {
    const text = [
      "global_defs {", //
      "  router_idd A",
      "}",
      "vrrp_instance A {",
      "  interface eth0",
      "  virtual_router_id 300",
      "  priority",
      "\tadvert_int x # not this one!",
      "}",
      "virtual_server 10.0.2.10 5432 {",
      "  lvs_method NAT",
      "  protocol TCP",
      "  real_server 10.0.2.3 5432 {",
      "    HTTP_GET { url { path / status_code 200 } }",
      "  }",
      "}",
      "virtual_servr 1.2.3.4 5 {",
      "  anything here",
      "}",
    ].join("\r\n");
    const found = parseConfig(text, "t.conf").diagnostics.filter(({ severity }) => severity === "error");
    expect(found.map(({ code, at }) => `${at.line}:${at.column}+${at.length} ${code}`)).toEqual([
      "2:3+10 unknown-keyword",
      "6:21+3 out-of-range",
      "7:3+8 missing-value",
      "8:13+1 invalid-value",
      "11:14+3 not-implemented",
      "14:29+11 too-many-values",
      "17:1+13 unknown-keyword",
    ]);
  });

  it("keeps tabs before the caret and shows a part of a very long line", () => {
    const text = vrrp(`\tpriority\t${"9".repeat(500)}`);
    const [diagnostic] = parseConfig(text, "t.conf").diagnostics;
    if (diagnostic === undefined) throw new Error("no diagnostic");
    const [, line = "", caret = ""] = formatDiagnostic(diagnostic, text).split("\n");
    expect(line.startsWith("  \tpriority\t999")).toBe(true);
    expect(caret.startsWith(`  \t${" ".repeat(8)}\t^^^`)).toBe(true);
    expect(line.length).toBeLessThan(130);
  });

  it("a file of nothing but faults stops at a hundred and says so", () => {
    const { diagnostics } = parseConfig("nonsense\n".repeat(500), "t.conf");
    expect(diagnostics.length).toBe(101);
    expect(diagnostics.at(-1)).toMatchObject({ code: "too-many-errors", message: "400 more findings are not shown" });
  });
});

describe("the host's facts", () => {
  const text = vrrp("", { address: "10.0.2.10/24 dev eth7" });
  const found = (interfaces: Parameters<typeof validate>[1]) => {
    const { config, places } = parseConfig(text, "t.conf");
    if (config === undefined) throw new Error("the configuration is valid");
    return validate(config, interfaces, places).map(({ code, severity, at }) => `${severity} ${code} ${at.line}`);
  };
  const address = { ip: ip("10.0.2.1"), prefixLength: 24 };

  it("are warnings where they contradict", () => {
    expect(found({ interfaces: [{ name: "lo", addresses: [address] }] })).toEqual([
      "warning interface-missing 2",
      "warning interface-missing 5",
    ]);
    expect(
      found({
        interfaces: [
          { name: "eth0", addresses: [{ ip: ip("fe80::1"), prefixLength: 64 }] },
          { name: "eth7", addresses: [] },
        ],
      }),
    ).toEqual(["warning interface-without-address 2"]);
  });

  it("are silent where they agree, and where there are none", () => {
    expect(
      found({
        interfaces: [
          { name: "eth0", addresses: [address] },
          { name: "eth7", addresses: [] },
        ],
      }),
    ).toEqual([]);
    expect(found(undefined)).toEqual([]);
  });
});
