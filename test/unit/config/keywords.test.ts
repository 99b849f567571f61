import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Diagnostic, parseConfig } from "../../../src/config/index.ts";
import { allBlocks, type FoundBlock, keywordIndex } from "../../../src/config/keywords/registry.ts";
import type { Row } from "../../../src/config/keywords/row.ts";

/** The text before and behind a statement that brings it into a block; the outer blocks' other keywords do not matter. */
const WRAPPERS: Readonly<Record<string, readonly [before: string, after: string]>> = {
  "": ["", ""],
  global_defs: ["global_defs {\n", "\n}"],
  vrrp_instance: ["vrrp_instance A {\n", "\n}"],
  "vrrp_instance virtual_ipaddress": ["vrrp_instance A {\nvirtual_ipaddress {\n10.0.0.1 ", "\n}\n}"],
  virtual_server: ["virtual_server 10.0.0.1 80 {\n", "\n}"],
  "virtual_server real_server": ["virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.3 80 {\n", "\n}\n}"],
  "virtual_server real_server HTTP_GET": [
    "virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.3 80 {\nHTTP_GET {\n",
    "\n}\n}\n}",
  ],
  "virtual_server real_server HTTP_GET url": [
    "virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.3 80 {\nHTTP_GET {\nurl {\n",
    "\n}\n}\n}\n}",
  ],
  "virtual_server real_server TCP_CHECK": [
    "virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.3 80 {\nTCP_CHECK {\n",
    "\n}\n}\n}",
  ],
};

function diagnosticsOf(path: readonly string[], statement: string): readonly Diagnostic[] {
  const wrapper = WRAPPERS[path.join(" ")];
  if (wrapper === undefined) throw new Error(`no wrapper for the block ${path.join(" ")}`);
  return parseConfig(`${wrapper[0]}${statement}${wrapper[1]}`, "t.conf").diagnostics;
}

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
      .filter(({ block }) => block in WRAPPERS)
      .filter(({ block, keyword }) =>
        diagnosticsOf(block === "" ? [] : block.split(" "), `${keyword} x`).some(
          ({ code }) => code === "unknown-keyword",
        ),
      );
    expect(unknown).toEqual([]);
  });
});

describe("a keyword that is not implemented yet", () => {
  const rows = rowsOf(readBlocks, ({ shape }) => shape === "notYet").filter(({ spelling }) => !isDirective(spelling));

  it("is refused by name with its own code", () => {
    expect(rows.length).toBeGreaterThan(200);
    for (const { path, spelling } of rows) {
      const refusals = diagnosticsOf(path, `${spelling} x`).filter(({ code }) => code === "not-implemented");
      expect(
        refusals.map(({ message }) => message),
        spelling,
      ).toEqual([expect.stringContaining(spelling)]);
      expect(refusals[0]?.at.length).toBe(spelling.length);
    }
  });

  it("is refused once with its whole block", () => {
    const found = parseConfig(
      "vrrp_script s {\n script foo\n nonsense\n}\nvrrp_sync_group g { group { A\n B } }\n",
      "t.conf",
    );
    expect(found.diagnostics.map(({ code, at }) => [code, at.line])).toEqual([
      ["not-implemented", 1],
      ["not-implemented", 5],
    ]);
  });

  it.each([
    "include x",
    "includea /etc/*.conf",
    "@main router_id A",
    "@^main router_id A",
    "$A=1",
    "~SEQ(N, 1, 3) foo",
    "~SEQx(N, 1) foo",
    "~LST(N, 1, 2) foo",
  ])("is refused as a directive in any block: %s", (line) => {
    for (const path of [[], ["global_defs"], ["virtual_server", "real_server"]]) {
      expect(diagnosticsOf(path, line).map(({ code }) => code)).toContain("not-implemented");
      expect(diagnosticsOf(path, line).map(({ code }) => code)).not.toContain("unknown-keyword");
    }
  });

  it("covers parameters within values and skips the lines of a multi-line definition", () => {
    for (const parameter of ["$P", "$".concat("{P}"), "1$".concat("{_RANDOM 1 5}0")]) {
      const refused = diagnosticsOf(["vrrp_instance"], `priority ${parameter}`).filter(
        ({ code }) => code === "not-implemented",
      );
      expect(refused.map(({ message }) => message)).toEqual([expect.stringContaining("the parameter $")]);
    }
    const text = "$I= \\\nvrrp_instance X { \\\n nonsense \\\n}\nglobal_defs {\n router_id A\n}\n";
    expect(parseConfig(text, "t.conf").diagnostics.map(({ code, at }) => [code, at.line])).toEqual([
      ["not-implemented", 1],
    ]);
  });
});

describe("an implemented keyword", () => {
  const rows = rowsOf(readBlocks, ({ shape }) => shape !== "notYet");

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
      if (row.shape === "notYet" || path.at(-1) === "virtual_ipaddress") continue;
      expect(row.example.startsWith(spelling) || row.aliases?.includes(spelling), spelling).toBe(true);
      const wrong = diagnosticsOf(path, row.example).filter(({ code }) =>
        [
          "invalid-value",
          "out-of-range",
          "not-implemented",
          "unknown-keyword",
          "missing-value",
          "too-many-values",
        ].includes(code),
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
