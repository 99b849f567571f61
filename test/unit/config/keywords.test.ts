import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Diagnostic, parseConfig, referencePage } from "../../../src/config/index.ts";
import { keywordIndex } from "../../../src/config/keywords/keywordIndex.ts";
import { allBlocks, type FoundBlock } from "../../../src/config/keywords/registry.ts";
import type { Row } from "../../../src/config/keywords/row.ts";

/** What opens each block that has more before it than its name, or a beginning of its lines. */
const OPENERS: Readonly<Record<string, string>> = {
  vrrp_instance: "vrrp_instance A {",
  vrrp_sync_group: "vrrp_sync_group G {",
  track_group: "track_group T {",
  vrrp_script: "vrrp_script S {",
  vrrp_track_process: "vrrp_track_process P {",
  track_file: "track_file F {",
  virtual_server_group: "virtual_server_group W {",
  virtual_server: "virtual_server 10.0.0.1 80 {",
  real_server: "real_server 10.0.0.3 80 {",
};
/** The beginnings of lines whose options are a table too. */
const LINE_BEGINNINGS: Readonly<Record<string, string>> = {
  virtual_ipaddress: "10.0.0.1",
  virtual_ipaddress_excluded: "10.0.0.1",
  static_ipaddress: "10.0.0.1",
  virtual_routes: "10.0.0.0/24",
  static_routes: "10.0.0.0/24",
  virtual_rules: "from 10.0.0.1",
  static_rules: "from 10.0.0.1",
  unicast_peer: "10.0.0.2",
  track_interface: "eth1",
  track_script: "S",
  "vrrp_instance track_file": "F",
  "vrrp_sync_group track_file": "F",
  track_process: "P",
  linkbeat_interfaces: "eth0",
};
const lineBeginning = (path: readonly string[]): string | undefined =>
  LINE_BEGINNINGS[path.join(" ")] ?? LINE_BEGINNINGS[path.at(-1) ?? ""];

/** The findings of a statement in a block; the outer blocks' other keywords do not matter. */
function diagnosticsOf(path: readonly string[], statement: string): readonly Diagnostic[] {
  const opened = path.map((keyword) => OPENERS[keyword] ?? `${keyword} {`);
  const line = isOptionOfLine(path) ? `${lineBeginning(path)} ${statement}` : statement;
  return parseConfig([...opened, line, ...path.map(() => "}")].join("\n"), "t.conf").diagnostics;
}

const isOptionOfLine = (path: readonly string[]): boolean =>
  !(path.length === 1 && path[0] === "track_file") && lineBeginning(path) !== undefined;
const readBlocks = allBlocks().filter(({ read }) => read);
const rowsOf = (blocks: readonly FoundBlock[], wanted: (row: Row) => boolean) =>
  blocks.flatMap(({ path, table }) =>
    Object.entries(table.rows)
      .filter(([, row]) => wanted(row))
      .flatMap(([keyword, row]) => [keyword, ...(row.aliases ?? [])].map((spelling) => ({ path, spelling, row }))),
  );
/** Words that the text is made of, not words of a line: they have no misspelling. */
const isDirective = (spelling: string): boolean => /^[@$~]/.test(spelling);

describe("keywords of keepalived.conf(5)", () => {
  const captured = readFileSync(new URL("./keepalivedConf5.txt", import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [block = "", keyword = ""] = line.split(": ");
      return { block: block === "-" ? "" : block, keyword };
    });

  it("are all rows of their block", () => {
    expect(captured.length).toBeGreaterThan(400);
    const tables = new Map(allBlocks().map(({ path, table }) => [path.join(" "), keywordIndex(table)]));
    const unknown = captured.filter(({ block, keyword }) => tables.get(block)?.has(keyword) !== true);
    expect(unknown).toEqual([]);
  });

  it("are never unknown to the parser where their block is read", () => {
    const unknown = captured
      .filter(({ block }) => readBlocks.some(({ path }) => path.join(" ") === block))
      .filter(({ block, keyword }) =>
        diagnosticsOf(block === "" ? [] : block.split(" "), `${keyword} x`).some(
          ({ code, message }) => code === "unknown-keyword" && message.includes(`${keyword} is no `),
        ),
      );
    expect(unknown).toEqual([]);
  });
});

describe("a keyword that is left out with its block", () => {
  it("is refused once with the whole of it", () => {
    const found = parseConfig("bfd_instance A { min_rx 10\n nonsense }\n", "t.conf");
    expect(found.diagnostics.map(({ code, at }) => [code, at.line])).toEqual([["left-out", 1]]);
  });
});

describe("a keyword that is left out", () => {
  const rows = rowsOf(readBlocks, ({ shape }) => shape === "leftOut");

  it("is refused by name with its reason, and with what to do instead", () => {
    expect(rows.length).toBeGreaterThan(40);
    for (const { path, spelling, row } of rows) {
      if (row.shape !== "leftOut") continue;
      const [refusal, ...more] = diagnosticsOf(path, `${spelling} x`).filter(({ code }) => code === "left-out");
      expect(more, spelling).toEqual([]);
      expect(refusal?.message, spelling).toContain(spelling);
      expect(refusal?.message, spelling).toContain(row.reason);
      expect(refusal?.remedy, spelling).toBe(row.remedy);
    }
  });

  it("is refused once with its whole block", () => {
    const found = parseConfig("bfd_instance b {\n neighbor_ip 10.0.0.1\n nonsense\n}\n", "t.conf").diagnostics;
    expect(found.map(({ code, at }) => [code, at.line])).toEqual([["left-out", 1]]);
  });

  it("has its reason in the reference", () => {
    const page = referencePage();
    for (const { row, spelling } of rows) {
      if (row.shape === "leftOut") expect(page, spelling).toContain(`Left out: ${row.reason}. Instead: ${row.remedy}.`);
    }
  });
});

describe("a keyword without effect", () => {
  const rows = rowsOf(readBlocks, (row) => "status" in row && row.status === "noEffect");

  it("has a reason, which the reference shows, and is taken without a word", () => {
    expect(rows.length).toBeGreaterThan(5);
    const page = referencePage();
    for (const { path, spelling, row } of rows) {
      if (row.shape !== "value") throw new Error(`${spelling} is no value`);
      expect(row.reason, spelling).toBeDefined();
      expect(page, spelling).toContain(`No effect: ${row.reason}.`);
      const statement = isOptionOfLine(path) ? spelling : row.example;
      expect(diagnosticsOf(path, statement).filter(({ message }) => message.includes(spelling))).toEqual([]);
    }
  });
});

describe("an implemented keyword", () => {
  const rows = rowsOf(readBlocks, ({ shape }) => shape !== "leftOut").filter(({ spelling }) => !isDirective(spelling));

  it("misspelt is refused with itself as suggestion", () => {
    expect(rows.length).toBeGreaterThan(50);
    for (const { path, spelling } of rows) {
      const misspelt = `${spelling.slice(0, 2)}x${spelling.slice(2)}`;
      const [refusal] = diagnosticsOf(path, `${misspelt} 1`).filter(({ code }) => code === "unknown-keyword");
      expect(refusal?.remedy, misspelt).toBe(`did you mean ${spelling}?`);
    }
  });

  it("has an example in its row that the parser takes", () => {
    for (const { path, spelling, row } of rows) {
      if (row.shape === "leftOut") continue;
      if (isOptionOfLine(path)) continue;
      expect(row.example.startsWith(spelling) || row.aliases?.includes(spelling), spelling).toBe(true);
      const wrong = diagnosticsOf(path, row.example).filter(({ code }) =>
        ["invalid-value", "out-of-range", "unknown-keyword", "missing-value", "too-many-values", "left-out"].includes(
          code,
        ),
      );
      expect(wrong, row.example).toEqual([]);
    }
  });

  it("has a default that its own kind writes and reads back", () => {
    for (const { row, spelling } of rows) {
      if (row.shape !== "value" || row.default === undefined) continue;
      const words = row.kind.format(row.default).split(" ");
      const at = { file: "", line: 1, column: 1, length: 1 };
      const back = row.kind.parse(words.map((text) => ({ text, quoted: false, at })));
      expect(back, spelling).toEqual({ ok: true, value: row.default });
    }
  });

  it("is known by one spelling only once in its block", () => {
    for (const { table } of allBlocks()) {
      const spellings = Object.entries(table.rows).flatMap(([keyword, row]) => [keyword, ...(row.aliases ?? [])]);
      expect(new Set(spellings).size, table.name).toBe(spellings.length);
    }
  });

  it("in the wrong block is told where it belongs", () => {
    const [refusal] = diagnosticsOf(["vrrp_instance"], "lvs_sched rr").filter(({ code }) => code === "unknown-keyword");
    expect(refusal).toMatchObject({
      code: "unknown-keyword",
      remedy: expect.stringContaining("it belongs to virtual_server"),
    });
  });
});
