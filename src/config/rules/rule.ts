import type { ParsedFile, ParsedGlobal, ParsedInstance } from "../build/parsed.ts";
import type { DiagnosticList } from "../diagnostics.ts";

/** Rules between keywords. Each is one function and one sentence. */

export interface Parsed {
  readonly file: ParsedFile;
  readonly global: ParsedGlobal;
}

export type InstanceRule = (instance: ParsedInstance, global: ParsedGlobal, found: DiagnosticList) => void;
export type FileRule = (parsed: Parsed, found: DiagnosticList) => void;

/** Calls `report` for every item whose key an earlier item has, with that first one. */
export function reportRepeated<Item>(
  items: readonly Item[],
  key: (item: Item) => string,
  report: (item: Item, first: Item) => void,
): void {
  const firsts = new Map<string, Item>();
  for (const item of items) {
    const first = firsts.get(key(item));
    if (first === undefined) firsts.set(key(item), item);
    else report(item, first);
  }
}
