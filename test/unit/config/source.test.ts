import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiagnosticList } from "../../../src/config/diagnostics.ts";
import { formatDiagnostic, parseConfig } from "../../../src/config/index.ts";
import { expand } from "../../../src/config/source/expand.ts";
import { braceAlternatives, matchesName } from "../../../src/config/source/patterns.ts";
import type { SourceEnvironment } from "../../../src/config/source/types.ts";
import { hostEnvironment } from "../../../src/io/sourceEnvironment.ts";

/** keepalived.conf(5), include and ADVANCED CONFIGURATION; the examples are the manual page's. */

/** `{X}` stands for the parameter in braces, which would be a template of TypeScript's. */
const braces = (text: string): string => text.replace(/\{(\w+)\}/g, "$".concat("{$1}"));

function environment(files: Readonly<Record<string, string>> = {}, configId = "kad1"): SourceEnvironment {
  return {
    configId,
    match: (pattern) => Object.keys(files).filter((name) => matches(pattern, name)),
    read: (file) => ({ ok: true, value: files[file] ?? "" }),
  };
}
const matches = (pattern: string, name: string): boolean => {
  const [wanted, parts] = [pattern.split("/"), name.split("/")];
  return wanted.length === parts.length && wanted.every((part, i) => matchesName(part, parts[i] ?? ""));
};

function written(text: string, of: SourceEnvironment = environment()): string[] {
  const found = new DiagnosticList();
  const { lines } = expand(text, "/etc/k.conf", of, found);
  expect(found.sorted()).toEqual([]);
  return lines.map((line) => line.text.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}
const faults = (text: string, of = environment()): string[] => {
  const found = new DiagnosticList();
  expand(text, "/etc/k.conf", of, found);
  return found.sorted().map(({ code, at, severity }) => `${at.file}:${at.line}:${at.column} ${severity} ${code}`);
};

describe("parameters", () => {
  it("stand for what they were defined as last, also within each other", () => {
    const text = "$BASE=10.2.{SUB}\n$SUB=0\n{BASE}.100/32\n$SUB=10\n{BASE}.100/32\npriority $SUB\n";
    expect(written(braces(text))).toEqual(["10.2.0.100/32", "10.2.10.100/32", "priority 10"]);
  });

  it("may be empty, stand in quotes, and end at their comment", () => {
    expect(written(braces('$A=\n$B=x y # not this\n"{A}{B}" z # {B}\n'))).toEqual(['"x y" z # '.concat("$", "{B}")]);
  });

  it("that nobody defined stand for themselves, and are an error outside of quotes", () => {
    expect(written(braces('"$5 {NO}" $x1\n'))).toEqual([braces('"$5 {NO}" $x1')]);
  });

  it("of several lines are read again where they are used, with definitions and conditions in them", () => {
    const text =
      "$RS= \\\nreal_server 192.168.{VS}.{RS_NUM} 80 { \\\n  weight 1 \\\n\n  @kad2 weight 9 \\\n}\n" +
      "$SERVICE= \\\nvirtual_server 10.0.{VS}.4 80 { \\\n  $RS_NUM=1 \\\n  $RS \\\n  $RS_NUM=2 \\\n  $RS \\\n}\n" +
      "$VS=7\n$SERVICE\n";
    expect(written(braces(text))).toEqual([
      "virtual_server 10.0.7.4 80 {",
      ...["real_server 192.168.7.1 80 {", "weight 1", "}", "real_server 192.168.7.2 80 {", "weight 1", "}"],
      "}",
    ]);
  });

  it("are keepalived's own: folder, configuration id, and what begins no comment", () => {
    const found = parseConfig(
      braces(
        "global_defs {\n  router_id {_INSTANCE}\n  startup_script {_PWD}/up{_HASH}{_BANG}.sh\n}\nvrrp_instance A {\n  interface eth0\n  virtual_router_id 1\n  virtual_ipaddress {\n    10.0.0.1\n  }\n}\n",
      ),
      "/etc/k.conf",
      environment(),
    );
    expect(found.config?.global).toMatchObject({
      routerId: "kad1",
      startupScript: { command: { arguments: ["/etc/up#!.sh"] } },
    });
  });

  it.each([
    ["one that stands for itself", "$A=x{A}\n{A}\n", "/etc/k.conf:2:1 error too-deep"],
    ["lines that stand for themselves", "$A= \\\nx \\\n$A\n$A\n", "/etc/k.conf:3:1 error too-deep"],
    ["a name of keepalived's", "$_A=1\n", "/etc/k.conf:1:1 error invalid-value"],
  ])("%s is an error and not an endless work", (_, text, fault) => {
    expect(faults(braces(text))[0]).toBe(fault);
  });
});

describe("conditional lines", () => {
  it("count for one id, or for all but one", () => {
    const text = "@kad1 a\n@kad2 b\n@^kad1 c\n@^kad2 d\n@^kad2 @^kad3 e\n@kad2 $A=1\n$A=0\n@kad1 $A=2\n$A x\n";
    expect(written(text)).toEqual(["a", "d", "e", "2 x"]);
  });

  it("may come of a parameter, and drop a definition of several lines as a whole", () => {
    expect(written("$IF=@kad1\n$IF a\n@kad2 $X= \\\n  b \\\n  c\nd\n")).toEqual(["a", "d"]);
  });
});

describe("sequences and lists", () => {
  it.each([
    ["~SEQ(SUBNET, 0, 3) 10.0.{SUBNET}.1", ["10.0.0.1", "10.0.1.1", "10.0.2.1", "10.0.3.1"]],
    ["~SEQ(N, 3) {N}", ["1", "2", "3"]],
    ["~SEQ(N, 3, 1) {N}", ["3", "2", "1"]],
    ["~SEQx(S, 0x90, 0x10, 0xc0) fe80::{S}", ["fe80::90", "fe80::a0", "fe80::b0", "fe80::c0"]],
    ["~SEQx(A, 0x12, -1, 0x10) {A}", ["12", "11", "10"]],
    ["~LST({IP, IP1}, {10,1},{20,4}) 192.168.{IP}.{IP1}", ["192.168.10.1", "192.168.20.4"]],
    ["~LST(A, 1, 2) ~SEQ(B,5,6) {A}.{B}", ["1.5", "1.6", "2.5", "2.6"]],
  ])("%s", (text, lines) => {
    expect(written(text.replace(/\{(SUBNET|N|S|A|B|IP|IP1)\}/g, "$".concat("{$1}")))).toEqual(lines);
  });

  it.each([
    "~SEQ(N, 1, 0, 3) x",
    "~SEQ(N) x",
    "~SEQ(1, 2) x",
    "~SEQ(N, a) x",
    "~SEQ(N, 1",
    "~LST(N) x",
    "~LST({A,B}, {1}) x",
    "~SEQ(N, 1, 99999) x",
  ])("%s is an error", (text) => {
    expect(faults(text)).toEqual(["/etc/k.conf:1:1 error invalid-value"]);
  });
});

describe("include", () => {
  it("reads files in the place of the line, relative to the file, with wildcards and braces", () => {
    const of = environment({
      "/etc/conf.d/b.conf": "b\ninclude sub/x\n",
      "/etc/conf.d/a.conf": "a\n$P=7\n",
      "/etc/conf.d/.hidden.conf": "h\n",
      "/etc/conf.d/sub/x": "x $P y\n",
      "/abs/q": "q\n",
    });
    expect(written('1\ninclude conf.d/{a,b}.conf # both\n2 $P\ninclude "/abs/?"\n', of)).toEqual([
      "1",
      "a",
      "b",
      "x 7 y",
      "2 7",
      "q",
    ]);
    expect(written("include conf.d/*.conf\n", of)).toEqual(["b", "x $P y", "a"]);
  });

  it("of nothing is a warning, with wildcards nothing; the variants and include_check say what is an error", () => {
    const missing = (text: string): string[] => faults(text).map((each) => each.split(" ").slice(1).join(" "));
    expect(missing("include no\ninclude no/*\ninclude {a,b}\n")).toEqual([
      "warning include-missing",
      "warning include-missing",
    ]);
    expect(missing("includem no\nincludem no/*\n")).toEqual(["error include-missing"]);
    expect(missing("includew no/*\nincludea no*\n")).toEqual(["error include-missing", "error include-missing"]);
    expect(missing("include_check match\ninclude no\ninclude_check -match\ninclude no\n")).toEqual([
      "error include-missing",
      "warning include-missing",
    ]);
    expect(faults("includeb {a,b}\n", environment({ "/etc/a": "" }))).toEqual([
      "/etc/k.conf:1:10 error include-missing",
    ]);
    const of = environment({ "/etc/a": "include_check match\n" });
    expect(faults("include a\ninclude no\n", of)).toEqual(["/etc/k.conf:2:9 warning include-missing"]);
  });

  it("of itself, and too deep, is an error at its line", () => {
    const of = environment({ "/etc/a": "\ninclude k.conf\n", "/etc/k.conf": "include a\n" });
    expect(faults("include a\n", of)).toEqual(["/etc/a:2:9 error include-loop"]);
  });
});

describe("a fault", () => {
  const of = environment({
    "/etc/conf.d/one.conf": "vrrp_instance A {\n  interface eth0\n  virtual_router_id 300\n}\n",
  });

  it("in an included file has its name, line and column, and shows its line", () => {
    const { diagnostics, texts } = parseConfig(
      "include conf.d/*.conf\nglobal_defs {\n  nonsense\n}\n",
      "/etc/k.conf",
      of,
    );
    const shown = diagnostics.map((each) => formatDiagnostic(each, texts).split("\n").slice(0, 2));
    expect(shown).toContainEqual([
      expect.stringMatching(/^\/etc\/conf\.d\/one\.conf:3:21: error: .*300/),
      "    virtual_router_id 300",
    ]);
    expect(shown).toContainEqual([expect.stringMatching(/^\/etc\/k\.conf:3:3: error: nonsense/), "    nonsense"]);
  });

  it("in a value is where the parameter is used, in a value of lines where it is written", () => {
    const text = braces("$ID=300\n$I= \\\nvrrp_instance A { \\\n  nonsense 1 \\\n  virtual_router_id {ID} \\\n}\n$I\n");
    const places = parseConfig(text, "/etc/k.conf").diagnostics.map(
      ({ code, at }) => `${code} ${at.line}:${at.column}+${at.length}`,
    );
    expect(places).toContain("unknown-keyword 4:3+8");
    expect(places).toContain("out-of-range 5:21+5");
  });
});

describe("files of the host", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hf-include-"));
    mkdirSync(join(folder, "conf.d"));
    for (const name of ["b.conf", "a.conf", ".c.conf", "d.txt"])
      writeFileSync(join(folder, "conf.d", name), `# ${name}\n`);
    mkdirSync(join(folder, "conf.d", "e.conf"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("an empty name of the configuration is none, as that of a variable which a drop-in takes back", () => {
    expect(hostEnvironment("x").configId).toBe("x");
    expect(hostEnvironment("").configId).toBe(hostEnvironment(undefined).configId);
    expect(hostEnvironment("").configId).not.toBe("");
  });

  it("match as glob(7) has it, sorted, without folders", () => {
    const { match } = hostEnvironment("x");
    const names = (pattern: string): string[] =>
      (match(join(folder, pattern)) ?? []).map((path) => path.slice(folder.length + 1));
    expect(names("conf.d/*.conf")).toEqual(["conf.d/a.conf", "conf.d/b.conf"]);
    expect(names("*/[!a].conf")).toEqual(["conf.d/b.conf"]);
    expect(names("conf.d/.*")).toEqual(["conf.d/.c.conf"]);
    expect(names("conf.d/d.txt")).toEqual(["conf.d/d.txt"]);
    expect(names("conf.d")).toEqual([]);
    expect(names("none/*")).toEqual([]);
  });

  it("that match and cannot be read are an error", () => {
    symlinkSync("/nonexistent", join(folder, "conf.d", "f.conf"));
    const found = parseConfig("include conf.d/*.conf\n", join(folder, "k.conf"), hostEnvironment("x")).diagnostics;
    expect(found.map(({ code }) => code)).toContain("file-missing");
  });
});

it("alternatives in braces are csh's", () => {
  expect(braceAlternatives("foo/{,cat,dog}/bar")).toEqual(["foo//bar", "foo/cat/bar", "foo/dog/bar"]);
  expect(braceAlternatives("{a,{b,c}d}")).toEqual(["a", "bd", "cd"]);
  expect(braceAlternatives("{foo/{,cat,dog},bar}")).toEqual(["foo/", "foo/cat", "foo/dog", "bar"]);
  expect(braceAlternatives("a{b")).toEqual(["a{b"]);
});

describe("what would not end, or not be read", () => {
  const messages = (text: string): string[] => {
    const found = new DiagnosticList();
    expand(text, "a.conf", environment(), found);
    return found.sorted().map(({ message }) => message);
  };

  it("a set whose range ends before it begins, and a class of characters, are refused where they stand", () => {
    expect(messages("include conf.d/[z-a]*.conf")).toEqual([
      "include: [z-a]*.conf has a set whose range ends before it begins",
    ]);
    expect(messages("include conf.d/[[:digit:]]*.conf")).toEqual([
      "include: [[:digit:]]*.conf has a class of characters ([:alpha:]), which is not understood",
    ]);
  });

  it("alternatives and wildcards that mean too much are refused, not cut short", () => {
    expect(messages(`include ${"{a,b}".repeat(11)}.conf`)).toEqual([
      `include: ${"{a,b}".repeat(11)}.conf means more than 1024 names`,
    ]);
    expect(braceAlternatives("{a,b}".repeat(10))).toHaveLength(1_024);
    const folder = mkdtempSync(join(tmpdir(), "holdfast-include-"));
    try {
      for (let i = 0; i < 4_097; i++) writeFileSync(join(folder, `${i}.conf`), "");
      expect(hostEnvironment("").match(`${folder}/*.conf`)).toBeUndefined();
      expect(hostEnvironment("").match(`${folder}/1*.conf`)).toHaveLength(1_111);
      const found = new DiagnosticList();
      expand(`include ${folder}/*.conf`, "a.conf", hostEnvironment(""), found);
      expect(found.sorted().map(({ message }) => message)).toEqual([
        `include: ${folder}/*.conf means more than 4096 paths, or as many are on the way to them`,
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("sequences of sequences that take no line", () => {
    expect(messages("~SEQ(a,1,65536)~SEQ(b,1,65536)@nothere x")).toEqual([
      "the configuration is larger than 500000 lines with everything written out",
    ]);
  });

  it("names that objects of JavaScript have are no parameters", () => {
    expect(written("$constructor=7\nx $constructor $toString")).toEqual(["x 7 $toString"]);
  });
});
