import { type Ip, parseIp } from "../../core/ip.ts";
import { fail, ok, type Result } from "../../core/result.ts";
import { type DurationUs, seconds as secondsToDuration, toSeconds } from "../../core/units.ts";
import type { Word } from "../lexer.ts";
import type { ValueFault, ValueKind } from "./row.ts";

/** The kinds of values: each carries its syntax, unit and range, and says precisely what is wrong with a word. */

export type Parsed<Value> = Result<Value, ValueFault>;

export function invalid(word: Word, rule: string, remedy: string): { readonly ok: false; readonly error: ValueFault } {
  return fail({ code: "invalid-value", word, message: `${shown(word.text)} ${rule}`, remedy });
}

function outOfRange(word: Word, rule: string): { readonly ok: false; readonly error: ValueFault } {
  return fail({
    code: "out-of-range",
    word,
    message: `${shown(word.text)} ${rule}`,
    remedy: "choose a value in the range",
  });
}

/** A word in a message: readable however long or strange it is. */
export function shown(text: string): string {
  const printable = text.replace(/\p{C}/gu, "?");
  if (printable === "") return '""';
  return printable.length > 60 ? `${printable.slice(0, 57)}...` : printable;
}

/** A kind of exactly one word. */
export function oneWord<Value>(
  syntax: string,
  parse: (word: Word) => Parsed<Value>,
  format: (value: Value) => string = String,
): ValueKind<Value> {
  return {
    syntax,
    minimumWords: 1,
    maximumWords: 1,
    parse: ([word]) => (word === undefined ? fail(missing()) : parse(word)),
    format,
  };
}

const missing = (): ValueFault => ({
  code: "missing-value",
  message: "a value is missing",
  remedy: "write it behind the keyword",
});

/** A bare keyword: true where it is written. */
export const flag: ValueKind<true> = {
  syntax: "",
  minimumWords: 0,
  maximumWords: 0,
  parse: () => ok(true),
  format: () => "",
};

const TRUTH: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  yes: true,
  off: false,
  false: false,
  no: false,
};

/** `on|off|true|false|yes|no`; without a word: on. */
export const switchable: ValueKind<boolean> = {
  syntax: "[on|off|true|false|yes|no]",
  minimumWords: 0,
  maximumWords: 1,
  parse: ([word]) => (word === undefined ? ok(true) : parseTruth(word)),
  format: (value) => (value ? "on" : "off"),
};

/** `on|off|true|false|yes|no`, written. */
export const truth: ValueKind<boolean> = oneWord("on|off|true|false|yes|no", parseTruth, (value) =>
  value ? "on" : "off",
);

function parseTruth(word: Word): Parsed<boolean> {
  const value = Object.hasOwn(TRUTH, word.text) ? TRUTH[word.text] : undefined;
  return value === undefined ? invalid(word, "is neither on nor off", "write on or off") : ok(value);
}

export function integer(range: {
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}): ValueKind<number> {
  const { min, max, unit = "NUMBER" } = range;
  return oneWord(`<${unit} ${min}..${max}>`, (word) => {
    if (!/^-?\d+$/.test(word.text))
      return invalid(word, "is not a whole number", `write a whole number from ${min} to ${max}`);
    const value = Number(word.text);
    return value < min || value > max ? outOfRange(word, `is not from ${min} to ${max}`) : ok(value);
  });
}

/** keepalived.conf(5) TIMER: seconds with a fraction down to microseconds. */
export function timer(range: { readonly minSec: number; readonly maxSec: number }): ValueKind<DurationUs> {
  const { minSec, maxSec } = range;
  return oneWord(
    `<SECONDS ${minSec}..${maxSec}>`,
    (word) => {
      if (!/^-?(\d+\.?\d*|\.\d+)$/.test(word.text)) {
        return invalid(word, "is not a number of seconds", "write seconds as digits, with a point for fractions: 0.5");
      }
      const value = Number(word.text);
      return value < minSec || value > maxSec
        ? outOfRange(word, `is not from ${minSec} to ${maxSec} seconds`)
        : ok(secondsToDuration(value));
    },
    (value) => String(toSeconds(value)),
  );
}

/** One of some words. */
export function choice<const Value extends string | number>(what: string, words: readonly Value[]): ValueKind<Value> {
  const list = words.join("|");
  return oneWord(list, (word) => {
    const value = words.find((each) => String(each) === word.text);
    if (value !== undefined) return ok(value);
    return invalid(word, `is no ${what}`, `write ${words.join(" or ")}, exactly so`);
  });
}

/** A string of printable characters. */
export function text(what: string, maxBytes: number): ValueKind<string> {
  return oneWord(`<${what}>`, (word) => {
    if (word.text === "") return invalid(word, "is empty", `write a ${what.toLowerCase()}`);
    if (/\p{C}/u.test(word.text)) return invalid(word, "has a control character", "use printable characters");
    if (utf8Bytes(word.text) > maxBytes) return invalid(word, `is longer than ${maxBytes} bytes`, "shorten it");
    return ok(word.text);
  });
}

/** PATH_MAX (linux/limits.h) is 4096 with its closing NUL. */
const PATH_BYTES = 4_095;

export const absolutePath = (example: string): ValueKind<string> =>
  oneWord("<PATH>", (word) =>
    word.text.startsWith("/")
      ? text("PATH", PATH_BYTES).parse([word])
      : invalid(word, "is no absolute path", `write the file with its leading /: ${example}`),
  );

/** IFNAMSIZ (linux/if.h) is 16 with its closing NUL. */
export const INTERFACE_NAME_BYTES = 15;

export const interfaceName: ValueKind<string> = oneWord("<INTERFACE>", (word) => {
  const rule = interfaceNameFault(word.text);
  return rule === undefined
    ? ok(word.text)
    : invalid(word, rule, "write the name as ip link shows it, for example eth0");
});

function interfaceNameFault(name: string): string | undefined {
  if (name === "" || name === "." || name === "..") return "is no name of an interface";
  if (/[\s/:\p{C}]/u.test(name)) return "has a character that no interface name has";
  if (utf8Bytes(name) > INTERFACE_NAME_BYTES)
    return `is longer than the ${INTERFACE_NAME_BYTES} bytes of an interface name`;
  return undefined;
}

export function utf8Bytes(value: string): number {
  return new TextEncoder().encode(value).length;
}

export const ipAddress: ValueKind<Ip> = oneWord("<IPADDR>", parseAddress);

export function parseAddress(word: Word): Parsed<Ip> {
  const address = parseIp(word.text);
  return address === undefined
    ? invalid(
        word,
        "is no IP address",
        "write an IPv4 address as four decimal numbers without leading zeros, or an IPv6 address",
      )
    : ok(address);
}

export const port: ValueKind<number> = integer({ min: 1, max: 65_535, unit: "PORT" });

/** `username [groupname]` */
export const userAndGroup: ValueKind<{ readonly user: string; readonly group: string | undefined }> = {
  syntax: "<USER> [<GROUP>]",
  minimumWords: 1,
  maximumWords: 2,
  parse: (words) => {
    const strange = words.find(({ text: name }) => name === "" || /[\s:\p{C}]/u.test(name));
    if (strange !== undefined)
      return invalid(strange, "is no name of a user or group", "write a name from /etc/passwd");
    return ok({ user: words[0]?.text ?? "", group: words[1]?.text });
  },
  format: ({ user, group }) => (group === undefined ? user : `${user} ${group}`),
};

export interface CodeRange {
  readonly from: number;
  readonly to: number;
}

/** RFC 9110 15: status codes have three digits from 100 to 599. */
const STATUS_MIN = 100;
const STATUS_MAX = 599;

/** `200 299 400-499`: inclusive ranges. */
export const statusCodes: ValueKind<readonly CodeRange[]> = {
  syntax: `<CODE ${STATUS_MIN}..${STATUS_MAX}>[-<CODE>] ...`,
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: (words) => {
    const ranges: CodeRange[] = [];
    for (const word of words) {
      const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(word.text);
      if (match === null) return invalid(word, "is no status code", "write codes and ranges: 200 or 200-299");
      const from = Number(match[1]);
      const to = match[2] === undefined ? from : Number(match[2]);
      if (from < STATUS_MIN || to > STATUS_MAX || from > STATUS_MAX || to < STATUS_MIN) {
        return outOfRange(word, `is not from ${STATUS_MIN} to ${STATUS_MAX}`);
      }
      if (from > to) return outOfRange(word, "is a range whose end is below its beginning");
      ranges.push({ from, to });
    }
    return ok(ranges);
  },
  format: (ranges) => ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(" "),
};

/** An HTTP request target in origin form (RFC 9112 3.2.1): what stands in the request line, so nothing that would break it. */
export const requestPath: ValueKind<string> = oneWord("<PATH>", (word) => {
  if (!word.text.startsWith("/"))
    return invalid(word, "does not begin with /", "write the path with its leading /: path /primary");
  if (!/^[\x21-\x7e]*$/.test(word.text) || word.text.includes("#")) {
    return invalid(word, "has a character that no request path has", "write it percent-encoded");
  }
  return ok(word.text);
});
