import type { Written } from "../keywords/row.ts";

/** The innermost written value, else the default of the row that has one. */
export function firstWritten<Value>(
  candidates: readonly (Written<Value> | undefined)[],
  fallback: Written<Value>,
): Value {
  return (candidates.find((each) => each?.written === true) ?? fallback).value;
}

export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const each of Object.values(value)) deepFreeze(each);
    Object.freeze(value);
  }
  return value;
}
