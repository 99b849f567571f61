import type { DiagnosticList } from "./diagnostics.ts";
import { parametersIn, RANDOM_PARAMETER } from "./keywords/directives.ts";
import { keywordIndex } from "./keywords/keywordIndex.ts";
import { shown } from "./keywords/kinds.ts";
import { blocksOf } from "./keywords/registry.ts";
import type {
  BlockRow,
  BlockTable,
  BlockValues,
  Default,
  FreeLines,
  LeftOutRow,
  LinesRow,
  ParsedBlock,
  Row,
  Rows,
  ValueFault,
  ValueKind,
  ValueRow,
  Written,
  WrittenOrDefault,
} from "./keywords/row.ts";
import type { Word } from "./lexer.ts";
import { nearest } from "./suggest.ts";
import type { Statement } from "./tree.ts";
import type { SourceSpan } from "./types.ts";

/**
 * Reads statements by the rows of their block. Every fault is reported where it is and reading goes on behind it, so one run
 * shows them all. A block with a fault in it keeps what was readable; the caller makes no configuration of it.
 */
export function parseBlock<Inner extends Rows>(
  table: BlockTable<Inner>,
  statements: readonly Statement[],
  diagnostics: DiagnosticList,
): Pick<ParsedBlock<unknown, Inner>, "values" | "free" | "seen"> {
  const reader = new BlockReader(table, diagnostics);
  for (const statement of statements) reader.read(statement);
  // The reader fills the record row by row, each with what its shape says; RowValue in row.ts tells the same to the compiler.
  return { values: reader.values as BlockValues<Inner>, free: reader.free, seen: reader.seen };
}

const initialValuesOf = new WeakMap<BlockTable<Rows>, Readonly<Record<string, unknown>>>();
/** Of keywords that are read line by line or as blocks, before the first one. */
const NONE: readonly unknown[] = Object.freeze([]);

/** What the keywords that are not written have: no line or block, or a default. Found once for each table: a file may have thousands of one kind of block. */
function initialValues(table: BlockTable<Rows>): Readonly<Record<string, unknown>> {
  let found = initialValuesOf.get(table);
  if (found === undefined) {
    const values = Object.entries(table.rows).flatMap(([keyword, row]): [string, unknown][] => {
      if (row.shape === "lines" || row.shape === "block") return [[keyword, NONE]];
      if (row.shape !== "value" || !("default" in row)) return [];
      return [[keyword, Object.freeze({ value: row.default, written: false } satisfies Default<unknown>)]];
    });
    found = Object.fromEntries(values);
    initialValuesOf.set(table, found);
  }
  return found;
}

class BlockReader {
  readonly values: Record<string, unknown>;
  readonly free: Written<unknown>[] = [];
  readonly seen = new Set<string>();
  readonly #table: BlockTable<Rows>;
  readonly #diagnostics: DiagnosticList;

  constructor(table: BlockTable<Rows>, diagnostics: DiagnosticList) {
    this.#table = table;
    this.#diagnostics = diagnostics;
    this.values = { ...initialValues(table) };
  }

  read(statement: Statement): void {
    const { free } = this.#table;
    if (free?.isMeant(statement.keyword) === true) {
      this.#readFree(free, statement);
      return;
    }
    const found = keywordIndex(this.#table).get(statement.keyword.text);
    if (found === undefined) this.#reportUnknown(statement);
    else this.#readBy(found.keyword, found.row, statement);
  }

  #readBy(keyword: string, row: Row, statement: Statement): void {
    this.seen.add(keyword);
    switch (row.shape) {
      case "leftOut":
        this.#reportLeftOut(statement, row);
        break;
      case "value":
        this.#readValue(keyword, row, statement);
        break;
      case "lines":
        this.#readLines(keyword, row, statement);
        break;
      case "block":
        this.#readBlock(keyword, row, statement);
        break;
    }
  }

  #readFree({ line, example }: FreeLines<unknown>, statement: Statement): void {
    if (statement.block !== undefined) {
      const message = `a line of ${this.#table.name} takes no block in braces`;
      this.#diagnostics.error("unexpected-block", statement.keyword.at, message, "remove the braces");
      return;
    }
    const value = this.#parseWords(line, statement.keyword, [statement.keyword, ...statement.values], example);
    if (value !== undefined) this.free.push({ value: value.value, at: spanOf(statement), written: true });
  }

  #readValue(keyword: string, row: ValueRow<unknown>, statement: Statement): void {
    const { text, at } = statement.keyword;
    if (statement.block !== undefined) {
      this.#diagnostics.error(
        "unexpected-block",
        at,
        `${text} takes no block in braces`,
        `write it so: ${firstLine(row.example)}`,
      );
      return;
    }
    const value = this.#parseWords(row.kind, statement.keyword, statement.values, row.example);
    if (value === undefined) return;
    const earlier = this.values[keyword] as WrittenOrDefault<unknown> | undefined;
    if (earlier?.written === true) {
      const message = `${text} is written again in this ${this.#table.name}; the last one counts, not that of line ${earlier.at.line}`;
      this.#diagnostics.warning("duplicate-keyword", at, message, "keep one of them");
    }
    this.values[keyword] = { value: value.value, at: spanOf(statement), written: true } satisfies Written<unknown>;
  }

  #readLines(keyword: string, row: LinesRow<unknown>, statement: Statement): void {
    if (!this.#hasBlock(row, statement)) return;
    this.#refuseWordsBeforeBlock(keyword, statement);
    for (const line of statement.block ?? []) {
      if (line.block !== undefined) {
        this.#diagnostics.error(
          "unexpected-block",
          line.keyword.at,
          `a line of ${keyword} takes no block in braces`,
          "remove the braces",
        );
        continue;
      }
      const value = this.#parseWords(row.line, statement.keyword, [line.keyword, ...line.values], row.lineExample);
      if (value !== undefined) this.#push(keyword, { value: value.value, at: spanOf(line), written: true });
    }
  }

  /** `virtual_ipaddress 10.0.2.10 {`: the word would be lost, and keepalived does lose it. */
  #refuseWordsBeforeBlock(keyword: string, { values: [extra] }: Statement): void {
    if (extra === undefined) return;
    const message = `${keyword}: ${shown(extra.text)} stands before the block in braces`;
    this.#diagnostics.error("too-many-values", extra.at, message, "put it into the block, on a line of its own");
  }

  #readBlock(keyword: string, row: BlockRow<unknown, Rows>, statement: Statement): void {
    const header = this.#parseWords(row.header, statement.keyword, statement.values, row.example);
    if (!this.#hasBlock(row, statement)) return;
    // The inside is read also when the header is wrong: its faults belong to the same run.
    const inside = parseBlock(row.table, statement.block ?? [], this.#diagnostics);
    if (header !== undefined) this.#push(keyword, { header: header.value, at: spanOf(statement), ...inside });
  }

  #push(keyword: string, value: unknown): void {
    const list = this.values[keyword];
    if (list === NONE) this.values[keyword] = [value];
    else if (Array.isArray(list)) list.push(value);
  }

  #hasBlock(row: Row & { readonly example: string }, statement: Statement): boolean {
    if (statement.block !== undefined) return true;
    const { text, at } = statement.keyword;
    this.#diagnostics.error(
      "missing-block",
      at,
      `${text} needs a block in braces`,
      `write it so: ${oneLine(row.example)}`,
    );
    return false;
  }

  /** Checks the number of words, then lets the kind read them. Boxed, because a value may itself be undefined. */
  #parseWords<Value>(
    kind: ValueKind<Value>,
    keyword: Word,
    words: readonly Word[],
    example: string,
  ): { readonly value: Value } | undefined {
    const extra = words[kind.maximumWords];
    if (words.length < kind.minimumWords) {
      const message = `${keyword.text} lacks its value: ${keyword.text} ${kind.syntax}`;
      this.#diagnostics.error("missing-value", keyword.at, message, `write it so: ${firstLine(example)}`);
      return undefined;
    }
    if (this.#refuseParameters(words)) return undefined;
    if (extra !== undefined) {
      const takes = kind.maximumWords === 0 ? "no value" : `no more than ${kind.syntax}`;
      const remedy = "put what belongs to another keyword on a line of its own, remove the rest";
      this.#diagnostics.error(
        "too-many-values",
        extra.at,
        `${keyword.text} takes ${takes}: ${shown(extra.text)} is too much`,
        remedy,
      );
      return undefined;
    }
    const parsed = kind.parse(words);
    if (parsed.ok) return { value: parsed.value };
    this.#reportFault(keyword, parsed.error, example);
    return undefined;
  }

  #reportFault(keyword: Word, fault: ValueFault, example: string): void {
    const remedy = fault.code === "out-of-range" ? `${fault.remedy}, for example: ${firstLine(example)}` : fault.remedy;
    this.#diagnostics.error(fault.code, fault.word?.at ?? keyword.at, `${keyword.text}: ${fault.message}`, remedy);
  }

  /** keepalived.conf(5): "If a parameter is not defined, it will not be replaced at all". Outside of quotes nobody means that. */
  #refuseParameters(words: readonly Word[]): boolean {
    for (const word of words) {
      const names = parametersIn(word.text);
      if (names.includes(RANDOM_PARAMETER)) {
        const message = `the parameter $${RANDOM_PARAMETER} is left out of holdfast: every reload, and every host, would have another configuration than was checked`;
        this.#diagnostics.error("left-out", word.at, message, "write the number");
        return true;
      }
      const [name] = names;
      if (name === undefined || word.quoted) continue;
      const message = `the parameter $${name} is not defined before this line, so it stands for itself`;
      this.#diagnostics.error(
        "unknown-parameter",
        word.at,
        message,
        `define it above: $${name}=..., or write it in quotes where it is meant so`,
      );
      return true;
    }
    return false;
  }

  #reportLeftOut(statement: Statement, row: LeftOutRow): void {
    const { text, at } = statement.keyword;
    const message = `${text} in ${this.#table.name} (${lowerFirst(row.doc)}) is left out of holdfast: ${row.reason}`;
    this.#diagnostics.error("left-out", at, message, row.remedy);
  }

  #reportUnknown(statement: Statement): void {
    const { text, at } = statement.keyword;
    if (this.#refuseParameters([statement.keyword])) return;
    const index = keywordIndex(this.#table);
    const message = `${shown(text)} is no keyword of ${this.#table.name}`;
    const elsewhere = blocksOf(text).filter((name) => name !== this.#table.name);
    if (elsewhere.length > 0) {
      const remedy = `it belongs to ${elsewhere.join(" or ")}: move it there, or look for a misplaced } above`;
      this.#diagnostics.error("unknown-keyword", at, message, remedy);
      return;
    }
    if (text.endsWith("\\")) {
      this.#diagnostics.error(
        "unknown-keyword",
        at,
        message,
        "a line does not go on behind a backslash: write it in one line",
      );
      return;
    }
    const suggestion = nearest(text, index.keys());
    const known = `docs/keepalived.md lists the keywords of ${this.#table.name}`;
    this.#diagnostics.error(
      "unknown-keyword",
      at,
      message,
      suggestion === undefined ? known : `did you mean ${suggestion}?`,
    );
  }
}

/** From the keyword to the last of its values. */
function spanOf(statement: Statement): SourceSpan {
  const first = statement.keyword.at;
  const last = statement.values.at(-1)?.at ?? first;
  return last.line === first.line ? { ...first, length: last.column + last.length - first.column } : first;
}

const firstLine = (example: string): string => example.split("\n")[0] ?? "";
const oneLine = (example: string): string => example.replace(/\s+/g, " ");
const lowerFirst = (doc: string): string =>
  `${/^[A-Z][a-z ]/.test(doc) ? doc.charAt(0).toLowerCase() : doc.charAt(0)}${doc.slice(1).replace(/\.$/, "")}`;
