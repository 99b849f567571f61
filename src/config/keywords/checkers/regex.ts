import { ok } from "../../../core/result.ts";
import { invalid } from "../kinds.ts";
import type { ValueKind } from "../row.ts";
import { leftOutValue } from "../words.ts";

/**
 * `regex` of HTTP_GET. keepalived's expressions are PCRE2's, ours are JavaScript's: the same language for all that pages are
 * searched for. What only PCRE2 has is refused, above all what JavaScript would silently read as something else.
 */

/** Options that become a flag of RegExp. */
const FLAGS: Readonly<Record<string, string>> = { caseless: "i", multiline: "m", dotall: "s", utf: "u" };

/** Options that change nothing here: JavaScript does what they ask anyway, or they are about speed, captures or callouts. */
const WITHOUT_EFFECT: readonly string[] = [
  "alt_bsux",
  "alt_circumflex",
  "auto_callout",
  "dupnames",
  "match_unset_backref",
  "never_backslash_c",
  "never_ucp",
  "never_utf",
  "no_auto_capture",
  "no_auto_possess",
  "no_dotstar_anchor",
  "no_start_optimize",
  "ungreedy",
  "use_offset_limit",
];

const LEFT_OUT: Readonly<Record<string, string>> = {
  alt_verbnames: "JavaScript's expressions have no verbs",
  extended: "white space in JavaScript's expressions is always a part of them",
  firstline: "JavaScript's expressions cannot be kept to a line",
  ucp: "\\d, \\s and \\w of JavaScript's expressions are always those of ASCII",
};

/** Options that change what an expression means without being a flag. */
const MEANINGS = ["allow_empty_class", "dollar_endonly"] as const;

const NAMES: readonly string[] = [...Object.keys(FLAGS), ...MEANINGS, ...WITHOUT_EFFECT].toSorted();

export interface RegexOptions {
  /** Of RegExp, in the alphabet's order. */
  readonly flags: string;
  readonly meanings: readonly (typeof MEANINGS)[number][];
}

export const NO_REGEX_OPTIONS: RegexOptions = { flags: "", meanings: [] };

/** `caseless dotall`, also in one pair of quotes. */
export const regexOptions: ValueKind<RegexOptions> = {
  syntax: "<OPTION> ...",
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: (words) => {
    const names: string[] = [];
    for (const word of words) {
      for (const name of word.text.split(/\s+/)) {
        const reason = LEFT_OUT[name];
        if (reason !== undefined)
          return leftOutValue(word, `the option ${name}`, reason, "write the expression without it");
        if (!NAMES.includes(name)) return invalid(word, "is no option of a regex", `write some of ${NAMES.join(", ")}`);
        names.push(name);
      }
    }
    const flags = Object.keys(FLAGS).flatMap((name) => (names.includes(name) ? (FLAGS[name] ?? "") : []));
    return ok({ flags: flags.join(""), meanings: MEANINGS.filter((name) => names.includes(name)) });
  },
  format: ({ flags, meanings }) =>
    [...Object.keys(FLAGS).filter((name) => flags.includes(FLAGS[name] ?? "?")), ...meanings].join(" "),
};

/** Letters behind a backslash that mean the same in both languages (p and P with the option utf only). */
const SAME_ESCAPES = /^[bBdDwWsSfnrtckxu]$/;

/** Why an expression is none of ours, in words; undefined where it is one. */
export function regexFault(written: string, options: RegexOptions): string | undefined {
  const foreign = foreignPart(written, options);
  if (foreign !== undefined) return `${foreign} is PCRE2's alone`;
  try {
    new RegExp(translateRegex(written, options), options.flags);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return message.replace(/^Invalid regular expression: /, "");
  }
}

/** An escape, a class in brackets, or any other character. */
const PARTS = /\\.|\[\^?\]?(?:\\.|\[[:.=][a-z^]*[:.=]\]|[^\]\\])*\]|./gs;

/** The first part that JavaScript takes for something else than PCRE2 does, without an error of its own. */
function foreignPart(written: string, { flags, meanings }: RegexOptions): string | undefined {
  for (const [part] of written.matchAll(PARTS)) {
    const empty = /^\[\^?\]/.exec(part)?.[0];
    if (empty !== undefined && !meanings.includes("allow_empty_class")) return `a class that begins with ${empty}`;
    const named = part.startsWith("[") ? /\[[:.=][a-z^]*[:.=]\]/.exec(part)?.[0] : undefined;
    if (named !== undefined) return named;
  }
  for (const [part, letter, brace] of written.matchAll(/\\([A-Za-z])(\{?)|\\./gs)) {
    if (letter === undefined) continue;
    if ((letter === "p" || letter === "P") && flags.includes("u")) continue;
    if (!SAME_ESCAPES.test(letter) || (letter === "x" && brace === "{")) return part;
  }
  return undefined;
}

/**
 * The same in JavaScript: PCRE2's dot leaves out the line feed alone, and its dollar stands also before a line feed at the end
 * (pcre2pattern(3), "Circumflex and dollar", "Full stop").
 */
export function translateRegex(written: string, { flags, meanings }: RegexOptions): string {
  return written.replace(PARTS, (part) => {
    if (part === "." && !flags.includes("s")) return "[^\\n]";
    if (part === "$" && !flags.includes("m") && !meanings.includes("dollar_endonly")) return "(?=\\n?$)";
    return part;
  });
}
