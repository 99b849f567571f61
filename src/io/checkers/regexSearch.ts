import { createContext, Script } from "node:vm";
import type { HttpRegexConfig } from "../../config/check.types.ts";
import { type DurationUs, milliseconds, toMilliseconds } from "../../core/units.ts";
import type { RegexMatch } from "../../health/types.ts";

/** A longer answer is not searched: every page that a check is meant for is shorter. */
export const REGEX_LIMIT_BYTES = 1_048_576;
/** An expression that backtracks without end over what a server sends must not stop all other checks. */
const SEARCH_LIMIT: DurationUs = milliseconds(100);

const context = createContext({ regex: /x/, text: "" });
const search = new Script("regex.exec(text)");

/**
 * Where a regex matches first in an answer. Without the flag `u` expression and answer are bytes, as in PCRE2, so that offsets
 * count bytes and what is no UTF-8 can be searched too; with it they are characters.
 */
export function searchRegex(
  { written, source, flags, minOffset, maxOffset }: HttpRegexConfig,
  received: Buffer,
): RegexMatch {
  if (received.length > REGEX_LIMIT_BYTES) {
    return { kind: "gaveUp", why: `it is longer than the ${REGEX_LIMIT_BYTES} bytes that a regex searches` };
  }
  const characters = flags.includes("u");
  const text = received.toString(characters ? "utf8" : "latin1");
  const pattern = characters ? source : Buffer.from(source, "utf8").toString("latin1");
  const regex = new RegExp(pattern, `${flags}g`);
  regex.lastIndex = minOffset;
  const found = run(regex, text);
  if (found === "tooSlow") {
    return {
      kind: "gaveUp",
      why: `the search for ${written} took longer than ${toMilliseconds(SEARCH_LIMIT)} ms`,
    };
  }
  if (found === undefined || (maxOffset !== undefined && found > maxOffset)) return { kind: "none" };
  return { kind: "found", offset: found };
}

/** By node:vm, whose time limit also ends a search that is under way. */
function run(regex: RegExp, text: string): number | undefined | "tooSlow" {
  Object.assign(context, { regex, text });
  try {
    const before = process.cpuUsage();
    const first = runOnce();
    if (first !== "tooSlow") return first;
    // The limit is wall time: one that passed without a processor says nothing about the expression.
    const { user, system } = process.cpuUsage(before);
    return user + system < SEARCH_LIMIT / 2 ? runOnce() : first;
  } finally {
    Object.assign(context, { text: "" });
  }
}

function runOnce(): number | undefined | "tooSlow" {
  try {
    const match = search.runInContext(context, { timeout: toMilliseconds(SEARCH_LIMIT) }) as RegExpExecArray | null;
    return match?.index;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return "tooSlow";
    throw error;
  }
}
