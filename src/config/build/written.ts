import type { WrittenOrDefault } from "../keywords/row.ts";
import type { SourceSpan } from "../types.ts";

/** The innermost written value, else the default of the row that has one. */
export function firstWritten<Value>(
  candidates: readonly (WrittenOrDefault<Value> | undefined)[],
  fallback: WrittenOrDefault<Value>,
): Value {
  return (candidates.find((each) => each?.written === true) ?? fallback).value;
}

/** Where a value was written; a default is of its block. */
export const placeOf = (value: WrittenOrDefault<unknown>, block: SourceSpan): SourceSpan =>
  value.written ? value.at : block;

export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const each of Object.values(value)) deepFreeze(each);
    Object.freeze(value);
  }
  return value;
}
