import { buildConfig } from "./build/config.ts";
import type { ParsedFile } from "./build/parsed.ts";
import { DiagnosticList } from "./diagnostics.ts";
import { globalDefsTable } from "./keywords/globalDefs.ts";
import { topLevelTable } from "./keywords/topLevel.ts";
import { parseBlock } from "./parser.ts";
import { placesOf } from "./places.ts";
import { checkKickRules } from "./rules/kick.ts";
import { checkLvsRules } from "./rules/lvs.ts";
import { checkLvsGlobalRules } from "./rules/lvsGlobal.ts";
import { checkVrrpRules } from "./rules/vrrp.ts";
import { expand } from "./source/expand.ts";
import { ALONE, type SourceEnvironment } from "./source/types.ts";
import { warnOfTraps } from "./traps.ts";
import { buildTree, type Statement } from "./tree.ts";
import type { ParseOutcome, SourceSpan } from "./types.ts";

/**
 * The configuration that a text means, with everything that is wrong with it and every trap in it. Pure; never throws.
 * `file` is its name for messages and for what is relative to it. Without a configuration there is at least one error.
 */
export function parseConfig(text: string, file: string, environment: SourceEnvironment = ALONE): ParseOutcome {
  const found = new DiagnosticList();
  const start: SourceSpan = { file, line: 1, column: 1, length: 0 };
  const { lines, texts } = expand(text, file, environment, found);
  const statements = joinGlobalDefs(buildTree(lines, found));
  if (statements.length === 0 && !found.hasErrors) {
    found.error(
      "empty-file",
      start,
      "the file has no configuration in it",
      "write at least one vrrp_instance or virtual_server",
    );
  }
  const parsed: ParsedFile = parseBlock(topLevelTable, statements, found).values;
  const global = parsed.global_defs[0]?.values ?? parseBlock(globalDefsTable, [], found).values;
  checkVrrpRules({ file: parsed, global }, found);
  checkLvsRules(parsed, found);
  checkLvsGlobalRules({ file: parsed, global }, found);
  checkKickRules({ file: parsed, global }, found);
  const places = placesOf(parsed, global);
  if (found.hasErrors) return { config: undefined, diagnostics: found.sorted(), places, texts };
  const config = buildConfig(parsed, global);
  warnOfTraps({ file: parsed, global, config }, found);
  return { config, diagnostics: found.sorted(), places, texts };
}

/** Several global_defs blocks are one block, as for keepalived: a keyword written again counts for the last time. */
function joinGlobalDefs(statements: readonly Statement[]): readonly Statement[] {
  const isGlobal = ({ keyword, block }: Statement): boolean => keyword.text === "global_defs" && block !== undefined;
  const blocks = statements.filter(isGlobal);
  const [first] = blocks;
  if (first === undefined || blocks.length === 1) return statements;
  const joined: Statement = {
    keyword: first.keyword,
    values: blocks.flatMap(({ values }) => values),
    block: blocks.flatMap(({ block }) => block ?? []),
  };
  return statements.flatMap((statement) => (statement === first ? [joined] : isGlobal(statement) ? [] : [statement]));
}
