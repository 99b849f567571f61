import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { globalNotifyRows } from "../../src/config/keywords/globalNotify.ts";
import { globalVrrpRows } from "../../src/config/keywords/globalVrrp.ts";
import { allBlocks } from "../../src/config/keywords/registry.ts";
import { ELSEWHERE, PROOFS } from "./keywordProofs.ts";

/** Other halves add blocks of their own; a new one inside of these is asked for. */
const TOP_LEVEL = PROOFS["the top level"] ?? {};

const HEADING = `# Keywords of the VRRP half, and the tests that show them acting

Written from \`test/unit/keywordProofs.ts\`, which a test holds against the keyword tables and the files; do not edit. A proof is a file below
\`test\` and words of a title there, or of the row of a table: in \`unit/vrrpKeywords.test.ts\` and \`unit/vrrpStatics.test.ts\` from the text of a file to
what the router does on a fake host, in \`netns/keywordsInKernel.test.ts\` to what iproute2 shows of the kernel, in \`interop\` beside keepalived.
Keywords that are left out, or accepted without effect, have their reasons in [keepalived.md](../keepalived.md).
`;

/** Of the blocks of the VRRP half: implemented keywords by the name of their block. */
function implemented(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { path, table, read } of allBlocks()) {
    if (!read || (path[0] !== undefined && !(path[0] in TOP_LEVEL))) continue;
    const keywords = found.get(table.name) ?? new Set<string>();
    for (const [keyword, row] of Object.entries(table.rows)) {
      if ((row.status === "implemented" || row.status === "native") && isVrrp(path, keyword)) keywords.add(keyword);
    }
    if (keywords.size > 0) found.set(table.name, keywords);
  }
  return found;
}

/** Whether a keyword of a block that several halves share is one of ours. */
function isVrrp(path: readonly string[], keyword: string): boolean {
  if (path.length === 0) return keyword in TOP_LEVEL;
  if (ELSEWHERE.has(keyword)) return false;
  if (path[0] !== "global_defs") return true;
  return keyword === "router_id" || keyword in globalVrrpRows || keyword in globalNotifyRows;
}

it("every implemented keyword of the VRRP half has a test that shows it acting, and no other has", () => {
  const wanted = [...implemented()].flatMap(([block, keywords]) =>
    [...keywords].map((keyword) => `${block}: ${keyword}`),
  );
  const proven = Object.entries(PROOFS).flatMap(([block, proofs]) =>
    Object.keys(proofs).map((keyword) => `${block}: ${keyword}`),
  );
  expect(proven.toSorted()).toEqual(wanted.toSorted());
});

it("docs/proof/keywords-vrrp.md is this table (after a change: run this test with -u)", async () => {
  const line = ([keyword, proofs]: readonly [string, string | readonly string[]]): string =>
    `| \`${keyword}\` | ${[proofs]
      .flat()
      .map((proof) => `\`${proof}\``.replaceAll("|", "\\|"))
      .join("<br>")} |`;
  const blocks = Object.entries(PROOFS).map(
    ([block, proofs]) =>
      `## ${block}\n\n| Keyword | Test |\n|---|---|\n${Object.entries(proofs).map(line).join("\n")}\n`,
  );
  await expect(`${HEADING}\n${blocks.join("\n")}`).toMatchFileSnapshot("../../docs/proof/keywords-vrrp.md");
});

it("the tests that are named are there", () => {
  const missing = new Set<string>();
  for (const proof of Object.values(PROOFS).flatMap((block) => Object.values(block).flat())) {
    const at = proof.indexOf(": ");
    const text = readFileSync(new URL(`../${proof.slice(0, at)}`, import.meta.url), "utf8");
    const words = proof.slice(at + 2).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const bounded = /^\w+$/.test(words) ? new RegExp(`\\b${words}\\b`) : new RegExp(words);
    if (!bounded.test(text)) missing.add(proof);
  }
  expect([...missing]).toEqual([]);
});
