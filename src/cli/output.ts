import { HoldfastError } from "../core/errors.ts";

/** Where a command writes; tests give their own. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** An error as an operator reads it: what is wrong, and on the next line what to do. */
export function errorText(error: unknown): string {
  if (error instanceof HoldfastError)
    return `holdfast: ${error.message}${error.remedy === undefined ? "" : `\n  remedy: ${error.remedy}`}\n`;
  return `holdfast: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}
