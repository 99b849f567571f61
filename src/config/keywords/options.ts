import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { nearest } from "../suggest.ts";
import { keywordIndex } from "./keywordIndex.ts";
import { invalid, type Parsed, shown } from "./kinds.ts";
import type { BlockTable, LeftOutRow, Rows, ValueFault, ValueKind, ValueRow } from "./row.ts";

/** Options of one line (`dev eth0 label eth0:1`): named like keywords, in any order, each once. Their rows are a table too. */

/** A value with the word that a fault of it points at. */
export interface Option<Value> {
  readonly value: Value;
  readonly word: Word;
}

/** The options of a line by canonical name. */
export type Options<Inner extends Rows> = {
  readonly [Name in keyof Inner as Inner[Name] extends ValueRow<unknown> ? Name : never]?: Option<
    Inner[Name] extends { readonly kind: ValueKind<infer Value> } ? Value : never
  >;
};

/** An option whose name may be left out: `10.0.0.0/24` is `to 10.0.0.0/24`. */
export interface BareOption<Inner extends Rows> {
  readonly option: keyof Inner & string;
  isMeant(word: Word): boolean;
}

/** Reads `words` by the rows of `table`; `what` is what the options belong to, as a message says it: `an address`. */
export function parseOptions<Inner extends Rows>(
  table: BlockTable<Inner>,
  words: readonly Word[],
  what: string,
  bare?: BareOption<Inner>,
): Parsed<Options<Inner>> {
  const found: Record<string, Option<unknown>> = {};
  const index = keywordIndex(table);
  for (let position = 0; position < words.length; ) {
    const name = words[position];
    if (name === undefined) break;
    const written = index.get(name.text);
    const nameless = written === undefined && bare?.isMeant(name) === true;
    const known = nameless ? index.get(bare.option) : written;
    if (known === undefined) return fail(unknownOption(name, table, what));
    if (known.row.shape === "leftOut") return fail(refusedOption(name, known.row));
    if (known.row.shape !== "value") return fail(unknownOption(name, table, what));
    if (Object.hasOwn(found, known.keyword)) return invalid(name, `is written twice for ${what}`, "keep one of them");
    const rest = words.slice(position + (nameless ? 0 : 1));
    const option = parseOption(name, known.row, rest);
    if (!option.ok) return option;
    found[known.keyword] = option.value;
    position += (nameless ? 0 : 1) + option.value.taken;
  }
  // Filled name by name from the rows, as the type says.
  return ok(found as Options<Inner>);
}

function parseOption(
  name: Word,
  row: ValueRow<unknown>,
  rest: readonly Word[],
): Parsed<Option<unknown> & { readonly taken: number }> {
  const { kind } = row;
  const taken = Math.min(kind.wordsTaken?.(rest) ?? kind.maximumWords, rest.length);
  if (taken < kind.minimumWords) {
    return fail({
      code: "missing-value",
      word: name,
      message: `${name.text} has no value`,
      remedy: `write it so: ${row.example}`,
    });
  }
  const parsed = kind.parse(rest.slice(0, taken));
  if (parsed.ok) return ok({ value: parsed.value, word: rest[0] !== undefined && taken > 0 ? rest[0] : name, taken });
  return fail({ ...parsed.error, word: parsed.error.word ?? name });
}

function refusedOption(name: Word, { reason, remedy }: LeftOutRow): ValueFault {
  return { code: "left-out", word: name, message: `${name.text} is left out: ${reason}`, remedy };
}

function unknownOption(name: Word, table: BlockTable<Rows>, what: string): ValueFault {
  const names = [...keywordIndex(table).keys()];
  const suggestion = nearest(name.text, names);
  return {
    code: "unknown-keyword",
    word: name,
    message: `${shown(name.text)} is no option of ${what}`,
    remedy: suggestion === undefined ? `its options are ${names.join(", ")}` : `did you mean ${suggestion}?`,
  };
}
