import type { DiagnosticList } from "./diagnostics.ts";
import { lexLine, type Token, type Word } from "./lexer.ts";
import type { SourceLine } from "./source/lines.ts";
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
export function buildTree(lines: readonly SourceLine[], diagnostics: DiagnosticList): readonly Statement[] {
  const tree = new TreeBuilder(diagnostics);
  for (const line of lines) if (!tree.add(lexLine(line, diagnostics))) return [];
  return tree.finished();
}

class TreeBuilder {
  readonly #diagnostics: DiagnosticList;
  readonly #root: OpenBlock = { statements: [], openedBy: undefined };
  readonly #stack: OpenBlock[] = [this.#root];
  #current = this.#root;

  constructor(diagnostics: DiagnosticList) {
    this.#diagnostics = diagnostics;
  }

  /** The tokens of one line; false where nothing more can be made of the text. */
  add(tokens: readonly Token[]): boolean {
    let line: MutableStatement | undefined;
    for (const token of tokens) {
      if (token.kind === "word") {
        if (line === undefined) {
          line = { keyword: token.word, values: [], block: undefined };
          this.#current.statements.push(line);
        } else line.values.push(token.word);
        continue;
      }
      line = undefined;
      if (token.kind === "close") this.#close(token.at);
      else if (!this.#open(token.at)) return false;
    }
    return true;
  }

  finished(): readonly Statement[] {
    reportUnclosed(this.#stack, this.#diagnostics);
    return this.#root.statements;
  }

  #open(at: SourceSpan): boolean {
    if (this.#stack.length > NESTING_LIMIT) {
      const message = `blocks are nested more than ${NESTING_LIMIT} deep`;
      const remedy = "close the blocks above with }; nothing else of the file was checked";
      this.#diagnostics.error("too-deep", at, message, remedy);
      return false;
    }
    const owner = this.#current.statements.at(-1);
    const owned = owner !== undefined && owner.block === undefined;
    if (!owned) reportOwnerless(at, this.#diagnostics);
    const statements: MutableStatement[] = [];
    if (owned) owner.block = statements;
    this.#current = { statements, openedBy: owned ? owner.keyword : undefined };
    this.#stack.push(this.#current);
    return true;
  }

  #close(at: SourceSpan): void {
    if (this.#stack.length === 1) {
      reportExtraClose(at, this.#diagnostics);
      return;
    }
    this.#stack.pop();
    this.#current = this.#stack.at(-1) ?? this.#root;
  }
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
