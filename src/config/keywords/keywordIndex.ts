import type { BlockTable, Row, Rows } from "./row.ts";

/** The spellings of one block. */

export interface FoundKeyword {
  /** The canonical spelling. */
  readonly keyword: string;
  readonly row: Row;
}

const indexes = new Map<BlockTable<Rows>, ReadonlyMap<string, FoundKeyword>>();

/** The spellings of a block, aliases included. */
export function keywordIndex(table: BlockTable<Rows>): ReadonlyMap<string, FoundKeyword> {
  const known = indexes.get(table);
  if (known !== undefined) return known;
  const index = new Map<string, FoundKeyword>();
  for (const [keyword, row] of Object.entries(table.rows)) {
    for (const spelling of [keyword, ...(row.aliases ?? [])]) index.set(spelling, { keyword, row });
  }
  indexes.set(table, index);
  return index;
}
