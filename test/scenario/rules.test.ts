import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RULES } from "./rules.ts";

/** The sections whose every sentence must be proved; a section without rules would otherwise go unnoticed. */
const SECTIONS = ["3768", "9568"].flatMap((rfc) =>
  ["6.4.1", "6.4.2", "6.4.3", "7.1", "7.2"].map((section) => `${rfc} ${section}`),
);
const tests = join(import.meta.dirname, "..");
const scenarios = join(import.meta.dirname, "vrrp");

describe("the rules of the RFCs", () => {
  it.each(SECTIONS)("RFC %s has rules", (section) => {
    expect(RULES.filter((rule) => rule.section === section).length).toBeGreaterThan(1);
  });

  it.each(RULES.map((rule) => [rule.section, rule.says, rule] as const))("RFC %s: %s", (_section, _says, rule) => {
    expect(rule.proof.length).toBeGreaterThan(0);
    for (const proof of rule.proof) {
      if (typeof proof === "string") {
        expect(existsSync(join(scenarios, `${proof}.txt`)), `scenario ${proof}`).toBe(true);
      } else {
        expect(proof.title).not.toBe("");
        expect(readFileSync(join(tests, proof.file), "utf8")).toContain(proof.title);
      }
    }
  });

  it("every scenario that is named after a section is in the table, or of a section that the table does not cover", () => {
    const listed = new Set(RULES.flatMap((rule) => rule.proof.filter((proof) => typeof proof === "string")));
    for (const file of readdirSync(scenarios)) {
      const match = /^(rfc(\d+)-([\d.]+)-.*)\.txt$/.exec(file);
      if (match === null || !SECTIONS.includes(`${match[2]} ${match[3]}`)) continue;
      expect(listed, `${match[1]} is in no rule`).toContain(match[1]);
    }
  });
});
