import { keywordIndex } from "./keywordIndex.ts";
import type { BlockTable, Rows } from "./row.ts";
import { topLevelTable } from "./topLevel.ts";

/** Every table, found from the top level. */

/** Every block with the path of keywords that leads to it, outermost first. */
export interface FoundBlock {
  readonly path: readonly string[];
  readonly table: BlockTable<Rows>;
  /** False inside a block that is refused as a whole. */
  readonly read: boolean;
}

export function allBlocks(): readonly FoundBlock[] {
  const found: FoundBlock[] = [];
  const visit = (path: readonly string[], table: BlockTable<Rows>, read: boolean): void => {
    found.push({ path, table, read });
    for (const [keyword, row] of Object.entries(table.rows)) {
      if (row.shape === "block") visit([...path, keyword], row.table, read);
      else if (row.shape === "leftOut" && row.table !== undefined) visit([...path, keyword], row.table, false);
      else if (row.shape === "lines" && row.lineTable !== undefined) visit([...path, keyword], row.lineTable, read);
    }
  };
  visit([], topLevelTable, true);
  return found;
}

let blocksByKeyword: ReadonlyMap<string, readonly string[]> | undefined;

/** The blocks that have a keyword, for the hint that it is in the wrong one. */
export function blocksOf(word: string): readonly string[] {
  if (blocksByKeyword === undefined) {
    const collected = new Map<string, Set<string>>();
    for (const { table, read } of allBlocks()) {
      if (!read) continue;
      for (const spelling of keywordIndex(table).keys()) {
        const names = collected.get(spelling) ?? new Set();
        collected.set(spelling, names.add(table.name));
      }
    }
    blocksByKeyword = new Map([...collected].map(([keyword, names]) => [keyword, [...names]]));
  }
  return blocksByKeyword.get(word) ?? [];
}
