import type { Result } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import type { SourceSpan } from "../types.ts";

/**
 * One row a keyword is the only place that knows it: the parser, the messages, the typed values, docs/keepalived.md and
 * the suggestions for misspelt words all read these rows.
 */

/** What is wrong with a written value; `word` is where, the keyword itself when absent. */
export interface ValueFault {
  readonly code: "invalid-value" | "out-of-range" | "left-out" | "unknown-keyword" | "missing-value";
  readonly word?: Word;
  /** Follows the keyword and a colon: `300 is not from 1 to 255`. */
  readonly message: string;
  readonly remedy: string;
}

/** How the words behind a keyword become a value and how a value is written. */
export interface ValueKind<Value> {
  /** As keepalived.conf(5) writes it: `<SECONDS 0..1000>`. Carries unit and range. Empty for a bare keyword. */
  readonly syntax: string;
  readonly minimumWords: number;
  readonly maximumWords: number;
  /** Among the options of a line: how many of the words that follow its name are its own; without it `maximumWords`. */
  wordsTaken?(words: readonly Word[]): number;
  /** Called with a permitted number of words only. */
  parse(words: readonly Word[]): Result<Value, ValueFault>;
  format(value: Value): string;
}

/**
 * What a reload does with a changed value. `live`: taken over in place, no state is lost. `restart`: the block's object is
 * stopped and started again (for a VRRP instance: released, then a new election). `none`: it has no effect to change.
 */
export type ReloadBehaviour = "live" | "restart" | "none";

interface RowText {
  readonly aliases?: readonly string[];
  /** One sentence. */
  readonly doc: string;
  readonly reference: string;
}

interface KnownRow extends RowText {
  /**
   * `native`: an extension of holdfast that keepalived does not know. `noEffect`: read and checked, but nothing follows from
   * it, because holdfast does what it asks in any case; `reason` says how.
   */
  readonly status: "implemented" | "native" | "noEffect";
  readonly reason?: string;
  readonly reload: ReloadBehaviour;
  readonly example: string;
}

/** `keyword value...` */
export interface ValueRow<Value> extends KnownRow {
  readonly shape: "value";
  readonly kind: ValueKind<Value>;
  readonly default?: Value;
  /** Where a value comes from that is not written; another keyword of the block, or the same one of an outer block. */
  readonly defaultFrom?: string;
}

/** `keyword { value... (one a line) }`: lines of all such blocks of one parent are joined. */
export interface LinesRow<Value> extends KnownRow {
  readonly shape: "lines";
  readonly line: ValueKind<Value>;
  readonly lineExample: string;
  /** The options a line may carry, for the reference. */
  readonly lineTable?: BlockTable<Rows>;
}

/** `keyword header... { table }` */
export interface BlockRow<Header, Inner extends Rows> extends KnownRow {
  readonly shape: "block";
  readonly header: ValueKind<Header>;
  readonly table: BlockTable<Inner>;
}

/** A keyword of keepalived that is refused by name for good, with the reason and what to do instead. */
export interface LeftOutRow extends RowText {
  readonly shape: "leftOut";
  readonly status: "leftOut";
  /** Follows a colon: `it would touch the packet filter`. */
  readonly reason: string;
  readonly remedy: string;
  /** What is inside its braces, for names and the reference; nothing of it is read. */
  readonly table?: BlockTable<Rows>;
}

export type Row = ValueRow<unknown> | LinesRow<unknown> | BlockRow<unknown, Rows> | LeftOutRow;
export type Rows = { readonly [keyword: string]: Row };

export interface BlockTable<Inner extends Rows> {
  /** As an operator calls the block: `vrrp_instance`, `the file's top level`. */
  readonly name: string;
  readonly rows: Inner;
  /** Lines that begin with a value and no keyword, any number of them; asked before the rows. */
  readonly free?: FreeLines<unknown>;
}

export interface FreeLines<Value> {
  readonly line: ValueKind<Value>;
  readonly example: string;
  isMeant(keyword: Word): boolean;
}

/** A value with the place where it was written. */
export interface Written<Value> {
  readonly value: Value;
  readonly at: SourceSpan;
  readonly written: true;
}

/** The default of a row, which stands nowhere in the text. */
export interface Default<Value> {
  readonly value: Value;
  readonly written: false;
}

export type WrittenOrDefault<Value> = Written<Value> | Default<Value>;

/** A parsed block: its header and its keywords, typed from the rows. */
export interface ParsedBlock<Header, Inner extends Rows> {
  readonly header: Header;
  /** The keyword that opened it, with the header behind it. */
  readonly at: SourceSpan;
  readonly values: BlockValues<Inner>;
  /** What the table's `free` lines said. */
  readonly free: readonly Written<unknown>[];
  /** What was written, also where it was refused: no rule then says that it is missing. */
  readonly seen: ReadonlySet<string>;
}

/** The values of a block by keyword. A row with a default always has a value. */
export type BlockValues<Inner extends Rows> = {
  readonly [Keyword in keyof Inner as Inner[Keyword] extends LeftOutRow ? never : Keyword]: RowValue<Inner[Keyword]>;
};

type RowValue<Each> = Each extends { readonly shape: "value"; readonly kind: ValueKind<infer Value> }
  ? Each extends { readonly default: unknown }
    ? WrittenOrDefault<Value>
    : Written<Value> | undefined
  : Each extends { readonly shape: "lines"; readonly line: ValueKind<infer Value> }
    ? readonly Written<Value>[]
    : Each extends {
          readonly shape: "block";
          readonly header: ValueKind<infer Header>;
          readonly table: BlockTable<infer Inner>;
        }
      ? readonly ParsedBlock<Header, Inner>[]
      : never;

/** Keeps the exact type of the rows, which the parsed block's type comes from. */
export function blockTable<const Inner extends Rows>(
  name: string,
  rows: Inner,
  free?: FreeLines<unknown>,
): BlockTable<Inner> {
  return free === undefined ? { name, rows } : { name, rows, free };
}

export const MAN = "keepalived.conf(5)";

type LeftOutEntry = Pick<LeftOutRow, "doc" | "reason" | "remedy" | "aliases" | "table">;

/** Rows that are refused for good. */
export function leftOutRows<const Entries extends Readonly<Record<string, LeftOutEntry>>>(
  entries: Entries,
): { readonly [Keyword in keyof Entries]: LeftOutRow } {
  return Object.fromEntries(Object.entries(entries).map(([keyword, entry]) => [keyword, leftOut(entry)])) as {
    readonly [Keyword in keyof Entries]: LeftOutRow;
  };
}

function leftOut(entry: LeftOutEntry): LeftOutRow {
  return { shape: "leftOut", status: "leftOut", reference: MAN, ...entry };
}
