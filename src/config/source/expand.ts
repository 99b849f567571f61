import type { DiagnosticList } from "../diagnostics.ts";
import { commentStart, join, linesOf, type SourceLine, slice, spanOf, valueAt } from "./lines.ts";
import { refuseNonText } from "./nonText.ts";
import { ALTERNATIVES_MAX, braceAlternatives, folderOf, hasWildcard, patternFault } from "./patterns.ts";
import { readSequence } from "./sequences.ts";
import { MATCHES_MAX, type SourceEnvironment } from "./types.ts";

/**
 * keepalived.conf(5), include and ADVANCED CONFIGURATION: the lines of a file with those of the files it includes,
 * conditional lines taken or left out, parameters replaced, sequences and lists written out. What stands in a line is
 * replaced when the line is read, so the definitions before it count.
 */

const INCLUDE_DEPTH_MAX = 16;
const VALUE_DEPTH_MAX = 64;
const REPLACEMENTS_MAX = 1_000;
const LINE_MAX = 65_536;
/** All lines together: a configuration of thousands of services has some megabytes. */
const TEXT_MAX = 8 * 2 ** 20;
const READS_MAX = 500_000;

/** Stand for `#` and `!` that begin no comment (`${_HASH}`, `${_BANG}`), until the lexer has made its words. */
export const LITERAL_HASH = "\ue000";
export const LITERAL_BANG = "\ue001";

const CHECKS = ["readable", "match", "wildcard_match", "brace_match"] as const;
type Check = (typeof CHECKS)[number];
const VARIANTS: Readonly<Record<string, readonly Check[]>> = {
  "": [],
  r: ["readable"],
  m: ["match"],
  w: ["wildcard_match"],
  b: ["brace_match"],
  a: CHECKS,
};

const DEFINITION = /^\$([A-Za-z_]\w*)=/;
const PARAMETER = /\$\{([A-Za-z_]\w*)[^{}]*\}|\$([A-Za-z_]\w*)(?=\s|$)/g;

export interface ExpandedSource {
  readonly lines: readonly SourceLine[];
  /** Of every file that was read, by its name. */
  readonly texts: ReadonlyMap<string, string>;
}

export function expand(
  text: string,
  file: string,
  environment: SourceEnvironment,
  found: DiagnosticList,
): ExpandedSource {
  const expander = new Expander(environment, found);
  expander.file(text, file);
  return { lines: expander.lines, texts: expander.texts };
}

class Expander {
  readonly lines: SourceLine[] = [];
  readonly texts = new Map<string, string>();
  readonly #environment: SourceEnvironment;
  readonly #found: DiagnosticList;
  /** A value of several lines where it was defined so. */
  readonly #parameters = new Map<string, readonly SourceLine[]>();
  /** Files that are being read, the innermost last. */
  readonly #open: string[] = [];
  #checks: ReadonlySet<Check> = new Set();
  #length = 0;
  /** Lines looked at: a sequence of sequences may take none of them, and takes its time all the same. */
  #reads = 0;
  /** More than fits: said once, and nothing more is read. */
  #full = false;

  constructor(environment: SourceEnvironment, found: DiagnosticList) {
    this.#environment = environment;
    this.#found = found;
  }

  file(text: string, file: string): void {
    this.texts.set(file, text);
    if (refuseNonText(text, file, this.#found)) return;
    this.#open.push(file);
    const checks = this.#checks;
    this.#all(linesOf(text, file), 0);
    this.#checks = checks;
    this.#open.pop();
  }

  #all(lines: readonly SourceLine[], depth: number): void {
    for (let index = 0; index < lines.length && !this.#full; ) {
      const line = lines[index];
      if (line !== undefined && ++this.#reads > READS_MAX) this.#tooLarge(line, `${READS_MAX} lines`);
      else index = this.#read(lines, index, depth);
    }
  }

  /** Reads one line, and those that a definition goes on over; answers which one is next. */
  #read(lines: readonly SourceLine[], index: number, depth: number): number {
    const whole = lines[index];
    if (whole === undefined) return lines.length;
    let line = trimmed(whole);
    let wanted = true;
    for (let id = conditionOf(line.text); id !== undefined; id = conditionOf(line.text)) {
      wanted &&= (id.name === this.#environment.configId) !== id.negated;
      line = trimmed(slice(line, id.length));
    }
    const definition = DEFINITION.exec(line.text);
    if (definition !== null) {
      const value = definedValue(lines, index, slice(line, definition[0].length));
      if (wanted) this.#define(definition[1] ?? "", value.lines, line);
      return value.next;
    }
    if (wanted) this.#statement(line, depth);
    return index + 1;
  }

  #define(name: string, value: readonly SourceLine[], line: SourceLine): void {
    if (!name.startsWith("_")) {
      this.#parameters.set(name, value);
      return;
    }
    const remedy = "choose a name that begins with a letter";
    this.#found.error(
      "invalid-value",
      spanOf(line, 0, name.length + 1),
      `$${name}: names with _ are keepalived's own`,
      remedy,
    );
  }

  #statement(line: SourceLine, depth: number): void {
    const include = /^(include)([rmwba]?)(?=\s|$)/.exec(line.text);
    if (include !== null) {
      this.#include(line, include[0].length, VARIANTS[include[2] ?? ""] ?? []);
      return;
    }
    if (/^include_check(?=\s|$)/.test(line.text)) {
      this.#setChecks(line);
      return;
    }
    const sequence = readSequence(line.text);
    if (typeof sequence === "string") {
      const remedy = "write it as keepalived.conf(5) has it: ~SEQ(NAME, 1, 3) or ~LST(NAME, a, b)";
      this.#found.error(
        "invalid-value",
        spanOf(line, 0, line.text.length),
        `${line.text.slice(0, 5)}: ${sequence}`,
        remedy,
      );
    } else if (sequence === undefined) this.#emit(line, depth);
    else {
      const rest = slice(line, sequence.length);
      for (const round of sequence.rounds) {
        for (const [name, value] of Object.entries(round))
          this.#parameters.set(name, [valueAt(value, line, 0, sequence.length)]);
        if (this.#tooDeep(line, depth)) return;
        this.#all([rest], depth + 1);
      }
    }
  }

  /** Replaces parameters; a value that is more than a part of a line is read again, line by line. */
  #emit(line: SourceLine, depth: number): void {
    let rest = line;
    let changed = false;
    let from = 0;
    for (let count = 0; ; count++) {
      const parameter = this.#next(rest.text, from);
      if (parameter === undefined) break;
      if (count > REPLACEMENTS_MAX || rest.text.length > LINE_MAX) {
        this.#found.error(
          "too-deep",
          spanOf(rest, parameter.start, 1),
          `$${parameter.name} stands for itself, without an end`,
          "define it without itself",
        );
        return;
      }
      const { start, end, value } = parameter;
      const [first = EMPTY, ...others] = value;
      if (others.length > 0) {
        const last = join(others.at(-1) ?? EMPTY, slice(rest, end));
        if (!this.#tooDeep(rest, depth))
          this.#all([join(slice(rest, 0, start), first), ...others.slice(0, -1), last], depth + 1);
        return;
      }
      rest = join(slice(rest, 0, start), valueAt(first.text, rest, start, end), slice(rest, end));
      changed = true;
      from = start;
    }
    if (changed && /^\s*[@$~]|^\s*include/.test(rest.text)) {
      if (!this.#tooDeep(rest, depth)) this.#all([rest], depth + 1);
      return;
    }
    this.#take(rest);
  }

  /** The next parameter with a value, from an offset on; others stand for themselves. */
  #next(text: string, from: number) {
    const end = commentStart(text);
    PARAMETER.lastIndex = from;
    for (let match = PARAMETER.exec(text); match !== null && match.index < end; match = PARAMETER.exec(text)) {
      const name = match[1] ?? match[2] ?? "";
      const value = this.#valueOf(name);
      if (value !== undefined) return { name, value, start: match.index, end: match.index + match[0].length };
    }
    return undefined;
  }

  #valueOf(name: string): readonly SourceLine[] | undefined {
    const predefined = new Map([
      ["_PWD", folderOf(this.#open.at(-1) ?? "").replace(/\/$/, "") || "."],
      ["_INSTANCE", this.#environment.configId],
      ["_HASH", LITERAL_HASH],
      ["_BANG", LITERAL_BANG],
    ]);
    const text = predefined.get(name);
    return text === undefined ? this.#parameters.get(name) : [{ ...EMPTY, text }];
  }

  #take(line: SourceLine): void {
    this.#length += line.text.length + 1;
    if (this.#length > TEXT_MAX) this.#tooLarge(line, `${TEXT_MAX} bytes`);
    else this.lines.push(line);
  }

  #tooLarge(line: SourceLine, limit: string): void {
    if (this.#full) return;
    this.#full = true;
    this.#found.error(
      "too-large",
      spanOf(line, 0, 1),
      `the configuration is larger than ${limit} with everything written out`,
      "check sequences and included files",
    );
  }

  #tooDeep(line: SourceLine, depth: number): boolean {
    if (depth < VALUE_DEPTH_MAX) return false;
    this.#found.error(
      "too-deep",
      spanOf(line, 0, line.text.length),
      `parameters are nested more than ${VALUE_DEPTH_MAX} deep`,
      "look for one that stands for itself",
    );
    this.#full = true;
    return true;
  }

  #setChecks(line: SourceLine): void {
    const words = line.text.slice(0, commentStart(line.text)).trim().split(/\s+/).slice(1);
    if (words.length === 0) this.#checks = new Set(CHECKS);
    else if (words.every((word) => !/^[+-]/.test(word))) this.#checks = new Set();
    const checks = new Set(this.#checks);
    for (const word of words) {
      const check = CHECKS.find((each) => each === word.replace(/^[+-]/, ""));
      if (check === undefined) {
        const at = spanOf(line, line.text.indexOf(word), word.length);
        this.#found.error(
          "invalid-value",
          at,
          `include_check: ${word} is no check`,
          `write ${CHECKS.join(", ")}, or - before one`,
        );
      } else if (word.startsWith("-")) checks.delete(check);
      else checks.add(check);
    }
    this.#checks = checks;
  }

  #include(line: SourceLine, keywordLength: number, more: readonly Check[]): void {
    const checks = new Set([...this.#checks, ...more]);
    const written = line.text.slice(keywordLength, commentStart(line.text));
    const name = written.trim().replace(/^(["'])(.*)\1$/, "$2");
    const at = spanOf(line, keywordLength + written.length - written.trimStart().length, written.trim().length);
    if (name === "") {
      this.#found.error(
        "missing-value",
        spanOf(line, 0, keywordLength),
        "include has no file",
        "write it so: include conf.d/*.conf",
      );
      return;
    }
    const folder = folderOf(this.#open.at(-1) ?? "");
    let matched = 0;
    const alternatives = braceAlternatives(name);
    if (alternatives === undefined) {
      this.#tooMany(at, `${name} means more than ${ALTERNATIVES_MAX} names`);
      return;
    }
    const fault = alternatives.map(patternFault).find((each) => each !== undefined);
    if (fault !== undefined) {
      this.#found.error("invalid-value", at, `include: ${fault}`, "write the set's characters out, for example: [0-9]");
      return;
    }
    for (const alternative of alternatives) {
      const files = this.#environment.match(alternative.startsWith("/") ? alternative : folder + alternative);
      if (files === undefined) {
        this.#tooMany(at, `${alternative} means more than ${MATCHES_MAX} paths, or as many are on the way to them`);
        return;
      }
      matched += files.length;
      if (files.length === 0 && alternatives.length > 1 && checks.has("brace_match"))
        this.#missing("error", at, `${alternative} of ${name}`);
      for (const file of files) this.#includeFile(file, at);
    }
    if (matched > 0) return;
    const isWild = alternatives.some(hasWildcard);
    if (checks.has("wildcard_match") || (!isWild && checks.has("match"))) this.#missing("error", at, name);
    else if (!isWild) this.#missing("warning", at, name);
  }

  #tooMany(at: ReturnType<typeof spanOf>, message: string): void {
    this.#found.error("invalid-value", at, `include: ${message}`, "write it with fewer alternatives or wildcards");
  }

  #missing(severity: "error" | "warning", at: ReturnType<typeof spanOf>, name: string): void {
    const remedy = "create it, correct the name (it is relative to this file), or remove the line";
    this.#found.add({ severity, code: "include-missing", at, message: `include: there is no file ${name}`, remedy });
  }

  #includeFile(file: string, at: ReturnType<typeof spanOf>): void {
    if (this.#open.includes(file)) {
      this.#found.error("include-loop", at, `include: ${file} includes itself`, "remove one of the lines");
      return;
    }
    if (this.#open.length >= INCLUDE_DEPTH_MAX) {
      this.#found.error(
        "too-deep",
        at,
        `files are included more than ${INCLUDE_DEPTH_MAX} deep`,
        "include them from fewer files",
      );
      return;
    }
    const read = this.#environment.read(file);
    if (read.ok) this.file(read.value, file);
    else this.#found.error(read.error.code, at, `include: ${file}: ${read.error.message}`, read.error.remedy);
  }
}

const EMPTY: SourceLine = { text: "", fragments: [] };

const trimmed = (line: SourceLine): SourceLine => slice(line, line.text.length - line.text.trimStart().length);

/** `@name`, `@^name` with the whitespace behind it. */
function conditionOf(
  text: string,
): { readonly name: string; readonly negated: boolean; readonly length: number } | undefined {
  const [whole, negated, name] = /^@(\^?)(\w[^\s{}]*)(?:\s+|$)/.exec(text) ?? [];
  return whole === undefined ? undefined : { name: name ?? "", negated: negated === "^", length: whole.length };
}

/** The value of a definition, and the line behind it. Lines with nothing in them do not end one of several lines. */
function definedValue(
  lines: readonly SourceLine[],
  index: number,
  value: SourceLine,
): { readonly lines: readonly SourceLine[]; readonly next: number } {
  if (!/^\s*\\\s*$/.test(value.text)) {
    const text = slice(value, 0, commentStart(value.text));
    return { lines: [slice(text, 0, text.text.trimEnd().length)], next: index + 1 };
  }
  const taken: SourceLine[] = [];
  let next = index + 1;
  for (let goesOn = true; goesOn && next < lines.length; next++) {
    const line = lines[next] ?? EMPTY;
    const text = line.text.slice(0, commentStart(line.text)).trimEnd();
    if (text === "") continue;
    goesOn = text.endsWith("\\");
    taken.push(slice(line, 0, goesOn ? text.length - 1 : text.length));
  }
  return { lines: taken.length === 0 ? [slice(value, 0, 0)] : taken, next };
}
