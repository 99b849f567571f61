import type { DiagnosticList } from "./diagnostics.ts";
import type { Token, Word } from "./lexer.ts";
import type { SourceSpan } from "./types.ts";

/** A line of the language: a keyword, its values, and the block in braces that may belong to it. */
export interface Statement {
  readonly keyword: Word;
  readonly values: readonly Word[];
  readonly block: readonly Statement[] | undefined;
}

/** keepalived.conf(5) needs five levels; more than this is no configuration. */
export const NESTING_LIMIT = 32;

interface OpenBlock {
  readonly statements: MutableStatement[];
  readonly openedBy: Word | undefined;
}

interface MutableStatement {
  readonly keyword: Word;
  readonly values: Word[];
  block: MutableStatement[] | undefined;
}

/** Statements with their blocks; an opening brace may stand on the line of its keyword or on a following one. */
export function buildTree(tokens: readonly Token[], diagnostics: DiagnosticList): readonly Statement[] {
  const root: OpenBlock = { statements: [], openedBy: undefined };
  const stack: OpenBlock[] = [root];
  let current = root;
  let line: MutableStatement | undefined;
  for (const token of tokens) {
    switch (token.kind) {
      case "word":
        if (line === undefined) {
          line = { keyword: token.word, values: [], block: undefined };
          current.statements.push(line);
        } else line.values.push(token.word);
        break;
      case "lineEnd":
        line = undefined;
        break;
      case "open": {
        const owner = current.statements.at(-1);
        if (stack.length > NESTING_LIMIT) {
          diagnostics.error(
            "too-deep",
            token.at,
            `blocks are nested more than ${NESTING_LIMIT} deep`,
            "close the blocks above with }; nothing else of the file was checked",
          );
          return [];
        }
        const owned = owner !== undefined && owner.block === undefined;
        if (!owned) reportOwnerless(token.at, diagnostics);
        const statements: MutableStatement[] = [];
        if (owned) owner.block = statements;
        current = { statements, openedBy: owned ? owner.keyword : undefined };
        stack.push(current);
        line = undefined;
        break;
      }
      case "close":
        line = undefined;
        if (stack.length === 1) reportExtraClose(token.at, diagnostics);
        else {
          stack.pop();
          current = stack.at(-1) ?? root;
        }
        break;
    }
  }
  reportUnclosed(stack, diagnostics);
  return root.statements;
}

function reportOwnerless(at: SourceSpan, diagnostics: DiagnosticList): void {
  diagnostics.error(
    "unexpected-brace",
    at,
    "{ does not follow a keyword",
    "remove it, or write the block's keyword before it",
  );
}

function reportExtraClose(at: SourceSpan, diagnostics: DiagnosticList): void {
  diagnostics.error("unexpected-brace", at, "} closes nothing", "remove it, or look for a missing { above");
}

function reportUnclosed(stack: readonly OpenBlock[], diagnostics: DiagnosticList): void {
  for (const { openedBy } of stack.slice(1)) {
    if (openedBy === undefined) continue;
    diagnostics.error(
      "unclosed-block",
      openedBy.at,
      `the block of ${openedBy.text} is not closed before the end of the file`,
      "add the missing } behind its last line",
    );
  }
}
