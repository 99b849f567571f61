import { readFileSync } from "node:fs";
import { HoldfastError } from "../core/errors.ts";

/**
 * What `holdfast record` wrote, parsed and nothing more; `-` is standard input. Throws HoldfastError `fileUnreadable`
 * or `notJson`.
 */
export function readJsonFile(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new HoldfastError("fileUnreadable", `${file} cannot be read: ${detail}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new HoldfastError("notJson", `${file} is no JSON: ${detail}`, "give what `holdfast record` has written");
  }
}
