import { describe, expect, it, test } from "vitest";
import type { CheckConfig } from "../../../src/config/check.types.ts";
import { parseConfig } from "../../../src/config/index.ts";
import { regexFault, translateRegex } from "../../../src/config/keywords/checkers/regex.ts";

/** What the text of a checker becomes. */

const textOf = (checks: string, { server = "", service = "", top = "" } = {}): string =>
  `${top}\nvirtual_server 10.0.2.20 80 {\nlvs_method DR\nprotocol TCP\n${service}\nreal_server 10.0.2.3 80 {\n${server}\n${checks}\n}\n}\n`;

function checksOf(checks: string, more: Parameters<typeof textOf>[1] = {}): readonly CheckConfig[] {
  const { config, diagnostics } = parseConfig(textOf(checks, more), "t.conf");
  if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return config.virtualServers[0]?.realServers[0]?.checks ?? [];
}

const faultsOf = (checks: string, more: Parameters<typeof textOf>[1] = {}): readonly string[] =>
  parseConfig(textOf(checks, more), "t.conf").diagnostics.flatMap(({ severity, message }) =>
    severity === "error" ? [message] : [],
  );

const get = (url = "", lines = "", keyword = "HTTP_GET"): string =>
  `${keyword} {\n${lines}\nurl {\npath /\n${url}\n}\n}\n`;

describe("where a check goes and comes from", () => {
  const PATH =
    "connect_ip 10.0.2.4\nconnect_port 81\nbindto 10.0.2.1\nbind_port 4000\nbind_if eth0\nfwmark 4294967295\n";

  it.each(["TCP_CHECK {\n", "HTTP_GET {\nurl { path / }\n", "SSL_GET {\nurl { path / }\n"])("%j", (head) => {
    expect(checksOf(`${head}${PATH}log_all_failures\n}`)[0]).toMatchObject({
      connectIp: "10.0.2.4",
      connectPort: 81,
      bindIp: "10.0.2.1",
      bindPort: 4000,
      bindInterface: "eth0",
      firewallMark: 4_294_967_295,
      logAllFailures: true,
    });
  });

  it("is the server's where nothing is written", () => {
    const [check] = checksOf("TCP_CHECK {\n}");
    expect(Object.keys(check ?? {}).toSorted()).toEqual(["connectIp", "connectPort", "kind", "timing"]);
    expect(check).toMatchObject({ connectIp: "10.0.2.3", connectPort: 80 });
  });

  it("has an interface where an address is a link-local one", () => {
    const check = (lines: string): string => `TCP_CHECK {\nconnect_ip fe80::3\n${lines}\n}`;
    expect(faultsOf(check(""))).toEqual(["fe80::3 is a link-local address, which says nothing without an interface"]);
    expect(faultsOf(check("bind_if eth0"))).toEqual([]);
    expect(faultsOf("TCP_CHECK {\nconnect_ip 2001:db8::3\nbindto fe80::1\n}")).toHaveLength(1);
  });
});

describe("HTTP_GET and SSL_GET", () => {
  const first = (url: string, lines = "", keyword = "HTTP_GET", more = {}) =>
    checksOf(get(url, lines, keyword), more)[0] as Extract<CheckConfig, { kind: "HTTP_GET" }>;

  it("the Host header of the url, the checker, the server, the service, in this order", () => {
    const outer = { server: "virtualhost c.example", service: "virtualhost d.example" };
    expect(first("virtualhost a.example", "virtualhost b.example", "SSL_GET", outer).urls[0]?.virtualHost).toBe(
      "a.example",
    );
    expect(first("", "virtualhost b.example", "SSL_GET", outer).urls[0]?.virtualHost).toBe("b.example");
    expect(first("", "", "HTTP_GET", outer).urls[0]?.virtualHost).toBe("c.example");
    expect(first("", "", "HTTP_GET", { service: outer.service }).urls[0]?.virtualHost).toBe("d.example");
  });

  it("the digest in small letters, and nothing that is no MD5", () => {
    expect(first(`digest ${"AB".repeat(16)}`).urls[0]?.digest).toBe("ab".repeat(16));
    expect(faultsOf(get("digest 12"))).toHaveLength(1);
  });

  it.each([
    ["1.0", "1.0"],
    ["1.0c", "1.0C"],
    ["1.0C", "1.0C"],
    ["1.1", undefined],
  ])("http_protocol %s", (written, meant) => {
    expect(first("", `http_protocol ${written}`).httpProtocol).toBe(meant);
  });

  it("TLS is SSL_GET's, with the files of SSL", () => {
    const top = "SSL {\nca /etc/ca.pem\ncertificate /etc/cert.pem\nkey /etc/key.pem\npassword secret\n}";
    expect(first("", "", "HTTP_GET", { top }).tls).toBeUndefined();
    expect(first("", "", "SSL_GET").tls).toEqual({ sendServerName: false });
    expect(first("", "enable_sni", "SSL_GET", { top }).tls).toEqual({
      sendServerName: true,
      ca: "/etc/ca.pem",
      certificate: "/etc/cert.pem",
      key: "/etc/key.pem",
      password: "secret",
    });
    expect(faultsOf(get("", "enable_sni"))).toEqual(["enable_sni is no keyword of HTTP_GET"]);
    expect(faultsOf(get("", "tls_compliant", "SSL_GET"))).toHaveLength(1);
  });

  it("a regex with what belongs to it", () => {
    const lines = 'regex "^a.$"\nregex_options caseless utf\nregex_no_match\nregex_min_offset 3\nregex_max_offset 9';
    expect(first(lines).urls[0]?.regex).toEqual({
      written: "^a.$",
      source: "^a[^\\n](?=\\n?$)",
      flags: "iu",
      noMatch: true,
      minOffset: 3,
      maxOffset: 9,
    });
    expect(first('regex a\nregex_options "dotall multiline"\nregex_stack 1 2').urls[0]?.regex?.flags).toBe("ms");
  });

  it.each([
    ["regex_no_match", "regex_no_match has no regex"],
    [
      "regex a\nregex_min_offset 4\nregex_max_offset 3",
      "regex_max_offset 3 is below regex_min_offset 4: nothing can match",
    ],
    ["regex a\nregex_options ucp", "regex_options: the option ucp is left out: "],
    ["regex a\nregex_options fast", "regex_options: fast is no option of a regex"],
    ["regex a(b", "regex a(b is no expression of JavaScript: "],
    ["regex [[:digit:]]", "regex [[:digit:]] is no expression of JavaScript: [:digit:] is PCRE2's alone"],
  ])("%j is refused", (lines, message) => {
    expect(faultsOf(get(lines))).toEqual([expect.stringContaining(message)]);
  });
});

describe("expressions of PCRE2 in JavaScript", () => {
  const NO_OPTIONS = { flags: "", meanings: [] } as const;
  const matches = (
    written: string,
    text: string,
    options: Parameters<typeof translateRegex>[1] = NO_OPTIONS,
  ): boolean => new RegExp(translateRegex(written, options), options.flags).test(text);

  test.each<[written: string, text: string, matches: boolean, options?: Parameters<typeof translateRegex>[1]]>([
    ["ok$", "ok\n", true],
    ["ok$", "ok\n\n", false],
    ["ok$", "ok\n", false, { flags: "", meanings: ["dollar_endonly"] }],
    ["ok$", "ok\nmore", true, { flags: "m", meanings: [] }],
    ["a.b", "a\rb", true],
    ["a.b", "a\nb", false],
    ["a.b", "a\nb", true, { flags: "s", meanings: [] }],
    ["a[.$]b", "a$b", true],
    ["a[.$]b", "axb", false],
    ["a\\.b\\$", "axb$", false],
    ["a\\.b\\$", "a.b$", true],
    ["[]a]", "]", false, { flags: "", meanings: ["allow_empty_class"] }],
  ])("%j of %j: %s", (written, text, expected, options) => {
    expect(matches(written, text, options)).toBe(expected);
  });

  test.each([
    "\\Aok",
    "ok\\z",
    "\\h",
    "[[:alpha:]]",
    "[^[:space:]]",
    "[]a]",
    "[^]a]",
    "\\x{41}",
    "\\pL",
    "\\Qa\\E",
    "\\v",
  ])("%s is PCRE2's alone", (written) => {
    expect(regexFault(written, NO_OPTIONS)).toContain("PCRE2's alone");
  });

  test.each(["a++", "(?>a)", "a(", "[a", "(?i)x{2,1}"])("%s is no expression", (written) => {
    expect(regexFault(written, NO_OPTIONS)).toBeDefined();
  });

  test.each(["\\d+\\s\\w\\b", "a\\\\A", "[\\]\\\\A]", "(?:a|b){2}(?=c)(?<n>d)\\k<n>", "\\x41\\u0041\\n", "[a-z[:]"])(
    "%s is one in both",
    (written) => {
      expect(regexFault(written, NO_OPTIONS)).toBeUndefined();
    },
  );

  test("a property of characters needs utf", () => {
    expect(regexFault("\\p{L}", { flags: "u", meanings: [] })).toBeUndefined();
  });
});

describe("SMTP_CHECK", () => {
  it("is one check, or one for each host, which has what it does not write from the checker", () => {
    expect(checksOf("SMTP_CHECK {\nhelo_name me.example\nconnect_port 25\n}")).toMatchObject([
      { kind: "SMTP_CHECK", connectIp: "10.0.2.3", connectPort: 25, heloName: "me.example" },
    ]);
    const hosts = "host {\nconnect_ip 10.0.2.5\n}\nhost {\nconnect_port 587\nbindto 10.0.2.1\n}\n";
    const checks = checksOf(`SMTP_CHECK {\nconnect_port 25\nretry 4\n${hosts}}`);
    expect(checks).toMatchObject([
      { connectIp: "10.0.2.5", connectPort: 25, timing: { retry: 4 } },
      { connectIp: "10.0.2.3", connectPort: 587, bindIp: "10.0.2.1", timing: { retry: 4 } },
    ]);
    expect(checks[0]).not.toHaveProperty("bindIp");
  });
});

describe("pgsql", () => {
  it("logs in to the server's port and database", () => {
    expect(checksOf("pgsql {\nuser holdfast\n}")).toMatchObject([
      { kind: "pgsql", connectIp: "10.0.2.3", user: "holdfast", database: "postgres", role: "any", tls: undefined },
    ]);
    const written =
      "pgsql {\nuser a\npassword b\ndbname c\nrole replica\nconnect_port 6432\ntls {\nca /x.pem\nserver_name pg1\n}\n}";
    expect(checksOf(written)).toMatchObject([
      {
        connectPort: 6432,
        password: "b",
        database: "c",
        role: "replica",
        tls: { caFile: "/x.pem", serverName: "pg1" },
      },
    ]);
  });

  it("needs a user, and a certificate with its key", () => {
    expect(faultsOf("pgsql {\nrole primary\n}")).toEqual(["pgsql has no user to log in as"]);
    const half = "pgsql {\nuser a\ntls {\ncertificate /c.pem\n}\n}";
    expect(faultsOf(half)).toEqual(["tls has no key to go with it"]);
  });
});

describe("DNS_CHECK", () => {
  it("asks for the root's SOA three times more, each a delay_loop later", () => {
    expect(checksOf("DNS_CHECK {\nconnect_port 53\n}", { service: "delay_loop 7" })).toMatchObject([
      { type: "SOA", name: ".", timing: { retry: 3, delayBeforeRetry: 7_000_000, delayLoop: 7_000_000 } },
    ]);
    const written = "DNS_CHECK {\ntype AAAA\nname www.example.org.\nretry 0\ndelay_before_retry 2\n}";
    expect(checksOf(written)).toMatchObject([
      { type: "AAAA", name: "www.example.org.", timing: { retry: 0, delayBeforeRetry: 2_000_000 } },
    ]);
    expect(checksOf("DNS_CHECK {\n}", { server: "delay_before_retry 3" })[0]?.timing.delayBeforeRetry).toBe(3_000_000);
  });

  it.each(["name a..b", `name ${"a".repeat(64)}.example`, "type ANY", 'name "a b"'])("%s is refused", (line) => {
    expect(faultsOf(`DNS_CHECK {\n${line}\n}`)).toHaveLength(1);
  });
});

describe("UDP_CHECK", () => {
  const udp = (lines: string) => checksOf(`UDP_CHECK {\n${lines}\n}`)[0];

  it.each([
    ["Ab12f 3 456", "ab120f034506"],
    ["00", "00"],
    ['"12 f"', "120f"],
  ])("payload %s", (written, bytes) => {
    expect(udp(`payload ${written}`)).toMatchObject({ payload: bytes, reply: undefined });
  });

  it("a reply with digits that do not count, and its lengths", () => {
    expect(udp("require_reply 4f Xx\nmin_reply_length 2\nmax_reply_length 9")).toMatchObject({
      reply: { pattern: "4fxx", lengthMin: 2, lengthMax: 9 },
    });
    expect(udp("require_reply")).toMatchObject({ reply: { pattern: "", lengthMin: 0, lengthMax: 255 } });
  });

  it.each([
    "payload 1g",
    "payload xx",
    "min_reply_length 2",
    "require_reply\nmin_reply_length 300",
    `payload ${"00".repeat(65_508)}`,
  ])("%#: is refused", (lines) => {
    expect(faultsOf(`UDP_CHECK {\n${lines}\n}`)).toHaveLength(1);
  });
});

describe("PING_CHECK", () => {
  it("needs no port and takes one without effect", () => {
    const service = "virtual_server fwmark 3 {\nlvs_method DR\nreal_server 10.0.2.3 {\n";
    const found = parseConfig(`${service}PING_CHECK {\nconnect_timeout 1\n}\n}\n}\n`, "t.conf");
    expect(found.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(faultsOf("PING_CHECK {\nconnect_port 4\n}")).toEqual([]);
  });
});

describe("MISC_CHECK", () => {
  it("a program with arguments, user, time and weight", () => {
    const lines = "misc_path \"/bin/check -p 'a b'\"\nmisc_timeout 2.5\nmisc_dynamic\nuser nobody nogroup\nalpha";
    expect(checksOf(`MISC_CHECK {\n${lines}\n}`)).toMatchObject([
      {
        kind: "MISC_CHECK",
        command: { arguments: ["/bin/check", "-p", "a b"], user: "nobody", group: "nogroup" },
        dynamic: true,
        timing: { connectTimeout: 2_500_000, retry: 0, delayBeforeRetry: 1_000_000 },
      },
    ]);
  });

  it("has delay_loop's time without misc_timeout, whatever connect_timeout says", () => {
    const outer = { service: "connect_timeout 1\ndelay_loop 9" };
    expect(checksOf("MISC_CHECK {\nmisc_path /bin/true\n}", outer)[0]?.timing.connectTimeout).toBe(9_000_000);
    const own = "MISC_CHECK {\nmisc_path /bin/true\nconnect_timeout 3\n}";
    expect(checksOf(own, outer)[0]?.timing.connectTimeout).toBe(9_000_000);
    expect(faultsOf("MISC_CHECK {\n}")).toEqual(["MISC_CHECK has no misc_path"]);
  });
});

describe("FILE_CHECK", () => {
  const file = (lines: string, ofFile = "") =>
    checksOf(`FILE_CHECK {\ntrack_file load\n${lines}\n}`, {
      top: `track_file load {\nfile /run/load\n${ofFile}\n}`,
    })[0];

  it.each([
    ["", "", 1],
    ["weight 3", "", 3],
    ["weight 3 reverse", "", -3],
    ["weight -1", "weight 5", -1],
    ["", "weight 5 reverse", -5],
    ["weight 0\ndynamic", "", 0],
  ])("%j over a file with %j: %i", (lines, ofFile, weight) => {
    expect(file(lines, ofFile)).toMatchObject({ kind: "FILE_CHECK", file: "load", weight });
  });

  it("names a file that is there", () => {
    expect(faultsOf("FILE_CHECK {\ntrack_file load\n}")).toEqual(["track_file: there is no track_file load"]);
    expect(faultsOf("FILE_CHECK {\n}")).toEqual(["FILE_CHECK has no track_file"]);
  });
});
