import { buildConfig } from "./build/config.ts";
import type { ParsedFile } from "./build/parsed.ts";
import { DiagnosticList } from "./diagnostics.ts";
import { globalDefsTable } from "./keywords/globalDefs.ts";
import { topLevelTable } from "./keywords/topLevel.ts";
import { lex } from "./lexer.ts";
import { parseBlock } from "./parser.ts";
import { placesOf } from "./places.ts";
import { checkKickRules } from "./rules/kick.ts";
import { checkLvsRules } from "./rules/lvs.ts";
import { checkLvsGlobalRules } from "./rules/lvsGlobal.ts";
import { checkVrrpRules } from "./rules/vrrp.ts";
import { warnOfTraps } from "./traps.ts";
import { buildTree, type Statement } from "./tree.ts";
import type { ConfigPlaces, ParseOutcome, SourceSpan } from "./types.ts";

/** Larger is no configuration: 500 services with 10 servers each are 700 KiB. */
export const CONFIG_LIMIT_BYTES = 1_048_576;

/**
 * The configuration that a text means, with everything that is wrong with it and every trap in it. Pure; never throws.
 * `file` is its name for messages. Without a configuration there is at least one error.
 */
export function parseConfig(text: string, file: string): ParseOutcome {
  const found = new DiagnosticList();
  const start: SourceSpan = { file, line: 1, column: 1, length: 0 };
  if (refuseNonText(text, start, found)) return { config: undefined, diagnostics: found.sorted(), places: NO_PLACES };
  const statements = joinGlobalDefs(buildTree(lex(text, file, found), found));
  if (statements.length === 0 && !found.hasErrors) {
    found.error(
      "empty-file",
      start,
      "the file has no configuration in it",
      "write at least one vrrp_instance or virtual_server",
    );
  }
  const parsed: ParsedFile = parseBlock(topLevelTable, statements, start, found).values;
  const global = parsed.global_defs[0]?.values ?? parseBlock(globalDefsTable, [], start, found).values;
  checkVrrpRules({ file: parsed, global }, found);
  checkLvsRules(parsed, found);
  checkLvsGlobalRules({ file: parsed, global }, found);
  checkKickRules({ file: parsed, global }, found);
  const places = placesOf(parsed, global);
  if (found.hasErrors) return { config: undefined, diagnostics: found.sorted(), places };
  const config = buildConfig(parsed, global);
  warnOfTraps({ file: parsed, global, config }, found);
  return { config, diagnostics: found.sorted(), places };
}

const NO_PLACES: ConfigPlaces = { vrrpInstances: new Map(), interfaces: [] };

/** Whitespace and printable characters; everything else below a space, and DEL, is not text. */
const CONTROL = /(?![\t\n\v\f\r])\p{Cc}/u;

function refuseNonText(text: string, start: SourceSpan, found: DiagnosticList): boolean {
  if (text.length > CONFIG_LIMIT_BYTES) {
    found.error(
      "too-large",
      start,
      `the file is larger than ${CONFIG_LIMIT_BYTES} bytes`,
      "check that this is the configuration",
    );
    return true;
  }
  const match = CONTROL.exec(text);
  if (match === null) return false;
  const before = text.slice(0, match.index).split(/\r\n|\n|\r/);
  const at = { ...start, line: before.length, column: (before.at(-1)?.length ?? 0) + 1, length: 1 };
  const code = match[0].charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
  found.error(
    "binary-file",
    at,
    `the byte 0x${code} is not text`,
    "check that this is the configuration; remove the byte",
  );
  return true;
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
