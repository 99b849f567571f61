import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DIAGNOSTICS_LIMIT } from "../../../src/config/diagnostics.ts";
import { formatDiagnostic, type ParseOutcome, parseConfig } from "../../../src/config/index.ts";
import { allBlocks } from "../../../src/config/keywords/registry.ts";

const article = ["kad1.conf", "kad2.conf"].map((name) =>
  readFileSync(new URL(`../../lab/article/${name}`, import.meta.url), "utf8"),
);
const keywords = [...new Set(allBlocks().flatMap(({ table }) => Object.keys(table.rows)))];

/** Never throws; a configuration or at least one error, never both; every place is in the text; everything prints. */
function holds(text: string): ParseOutcome {
  const outcome = parseConfig(text, "fuzz.conf");
  const errors = outcome.diagnostics.filter(({ severity }) => severity === "error");
  expect(outcome.config === undefined).toBe(errors.length > 0);
  expect(outcome.diagnostics.length).toBeLessThanOrEqual(2 * (DIAGNOSTICS_LIMIT + 1));
  const lines = text.split(/\r\n|\n|\r/);
  for (const diagnostic of outcome.diagnostics.slice(0, 10)) {
    const { line, column, length } = diagnostic.at;
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines.length);
    expect(column - 1 + length).toBeLessThanOrEqual(lines[line - 1]?.length ?? 0);
    expect(diagnostic.message).not.toMatch(/undefined|NaN|\[object/);
    expect(formatDiagnostic(diagnostic, text)).toContain(`fuzz.conf:${line}:${column}: `);
  }
  return outcome;
}

describe("any text gives a configuration or an error", () => {
  it("random strings", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 100 }), (text) => void holds(text)),
      { numRuns: 500 },
    );
  });

  it("random bytes read as text", () => {
    const bytes = fc.uint8Array({ maxLength: 400 }).map((each) => Buffer.from(each).toString("latin1"));
    fc.assert(
      fc.property(bytes, (text) => void holds(text)),
      { numRuns: 500 },
    );
  });

  it("keywords, values and braces in any order", () => {
    const word = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...keywords) },
      fc.constantFrom(
        "{",
        "}",
        "\n",
        "\n",
        '"',
        "'",
        "#",
        "!",
        "\\",
        "$A=1",
        "@x",
        "10.0.0.1",
        "10.0.0.1/24",
        "5432",
        "1",
        "0",
        "-1",
        "1.5",
        "on",
        "MASTER",
        "DR",
        "TCP",
        "eth0",
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 80 }), (words) => void holds(words.join(" "))),
      { numRuns: 400 },
    );
  });

  it("the article's files with pieces removed, doubled, moved and replaced", () => {
    const edit = fc.record({
      from: fc.nat(4000),
      length: fc.nat(60),
      insert: fc.oneof(
        fc.constant(""),
        fc.string({ maxLength: 8 }),
        fc.constantFrom("{", "}", "\n", '"', "retry", "url {"),
      ),
    });
    fc.assert(
      fc.property(fc.constantFrom(...article), fc.array(edit, { minLength: 1, maxLength: 4 }), (text, edits) => {
        let changed = text;
        for (const { from, length, insert } of edits)
          changed = changed.slice(0, from) + insert + changed.slice(from + length);
        holds(changed);
      }),
      { numRuns: 400 },
    );
  });

  it("the article's files cut off anywhere", () => {
    for (const text of article) for (let end = 0; end < text.length; end += 7) holds(text.slice(0, end));
  });

  it("what a configuration prints of itself as words is read back the same whatever the spacing", () => {
    const spacing = fc.constantFrom(" ", "\t", "  ", " \t ");
    const lineEnd = fc.constantFrom("\n", "\r\n", "\n\n", " # x\n", " ! x\r\n");
    fc.assert(
      fc.property(spacing, lineEnd, fc.boolean(), (space, end, braceBelow) => {
        const text = (article[0] ?? "")
          .replace(/ *#.*/g, "")
          .replace(/\n/g, end)
          .replace(/ +/g, space)
          .replace(/\{/g, braceBelow ? `${end}{` : "{");
        const places = /"at":\{[^}]*\}/g;
        expect(JSON.stringify(holds(text).config).replace(places, "")).toBe(
          JSON.stringify(parseConfig(article[0] ?? "", "fuzz.conf").config).replace(places, ""),
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe("hostile sizes", () => {
  it("nesting a hundred thousand deep is refused at the limit", () => {
    const { diagnostics } = holds("vrrp_instance A {\n".repeat(50_000));
    expect(diagnostics.map(({ code }) => code)).toContain("too-deep");
    expect(holds("{".repeat(100_000)).config).toBeUndefined();
    expect(holds("}".repeat(100_000)).diagnostics.at(-1)?.code).toBe("too-many-errors");
  });

  it("a text above the limit is refused without being read", () => {
    const { diagnostics } = holds("# a comment\n".repeat(900_000));
    expect(diagnostics.map(({ code }) => code)).toEqual(["too-large"]);
  });

  it("one line of a megabyte is refused in a readable message", () => {
    const text = `${"x".repeat(1_000_000)} {\n}\n`;
    const [diagnostic] = holds(text).diagnostics;
    if (diagnostic === undefined) throw new Error("no diagnostic");
    expect(formatDiagnostic(diagnostic, text).length).toBeLessThan(1000);
  });

  it("500 services with 10 servers each are read within a second or two", () => {
    const servers = Array.from(
      { length: 10 },
      (_, i) => `real_server 10.1.0.${i + 1} 80 {\nweight 1\nTCP_CHECK {\nconnect_timeout 1\n}\n}\n`,
    ).join("");
    const text = Array.from(
      { length: 500 },
      (_, i) => `virtual_server 10.2.${i >> 8}.${i & 255} 80 {\nlvs_method DR\nprotocol TCP\n${servers}}\n`,
    ).join("");
    const started = performance.now();
    expect(holds(text).config?.virtualServers.length).toBe(500);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
