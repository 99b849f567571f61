import type { DiagnosticList } from "./diagnostics.ts";
import { LITERAL_BANG, LITERAL_HASH } from "./source/expand.ts";
import { type SourceLine, spanOf } from "./source/lines.ts";
import type { SourceSpan } from "./types.ts";

/**
 * The words of keepalived's language, as keepalived.conf(5) tells and keepalived 2.2.7 does where the page is silent:
 * - a statement ends with its line; `{` and `}` stand for themselves also inside a word (`eth0{`);
 * - `#` and `!` begin a comment anywhere but in quotes, also inside a word;
 * - `"` or `'` quote whitespace, braces and comment characters; quoted and unquoted parts join to one word;
 *   backslash escapes count inside quotes only; a quote ends on its line;
 * - there is no line continuation outside multi-line definitions (`$NAME= \`), which are none any more here (source/expand.ts).
 */
export interface Word {
  readonly text: string;
  readonly quoted: boolean;
  readonly at: SourceSpan;
}

export type Token =
  | { readonly kind: "word"; readonly word: Word }
  | { readonly kind: "open" | "close"; readonly at: SourceSpan };

const BLANK = new Set([" ", "\t", "\f", "\v"]);
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  E: "\x1b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const PARAMETER = /\$\{[A-Za-z_][^{}\r\n]*\}/y;
const ORDINARY = /[\w.:/@%+=,-]+/y;
const LITERALS = new RegExp(`[${LITERAL_HASH}${LITERAL_BANG}]`);
/** Looks like a space or like nothing, comes with text pasted from a web page, and is part of a word to keepalived. */
const INVISIBLE = /[\u00a0\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]/;

/** The tokens of a line; faults are reported and the reading goes on behind them. */
export function lexLine(line: SourceLine, diagnostics: DiagnosticList): readonly Token[] {
  return line.text === "" ? [] : new LineLexer(line, diagnostics).run();
}

class LineLexer {
  readonly #line: SourceLine;
  readonly #text: string;
  readonly #diagnostics: DiagnosticList;
  readonly #tokens: Token[] = [];
  #position = 0;

  constructor(line: SourceLine, diagnostics: DiagnosticList) {
    this.#line = line;
    this.#text = line.text;
    this.#diagnostics = diagnostics;
  }

  run(): readonly Token[] {
    while (this.#position < this.#text.length) this.#next();
    return this.#tokens;
  }

  #next(): void {
    const character = this.#peek();
    if (BLANK.has(character)) this.#position++;
    else if (isComment(character)) this.#position = this.#text.length;
    else if (character === "{" || character === "}") {
      this.#tokens.push({ kind: character === "{" ? "open" : "close", at: this.#span(this.#position, 1) });
      this.#position++;
    } else if (INVISIBLE.test(character)) this.#skipInvisible(character);
    else this.#word();
  }

  #word(): void {
    const start = this.#position;
    let text = "";
    let quoted = false;
    for (;;) {
      text += this.#ordinaryPart();
      const character = this.#peek();
      if (character === '"' || character === "'") {
        quoted = true;
        text += this.#quotedPart(character);
      } else if (character === "$") {
        text += this.#parameter();
      } else if (character === "" || BLANK.has(character) || isSpecial(character) || INVISIBLE.test(character)) {
        break;
      } else {
        text += character;
        this.#position++;
      }
    }
    const at = this.#span(start, this.#position - start);
    this.#tokens.push({ kind: "word", word: { text: withComments(text), quoted, at } });
  }

  /** What nearly every word has alone, taken at once. */
  #ordinaryPart(): string {
    ORDINARY.lastIndex = this.#position;
    const part = ORDINARY.exec(this.#text)?.[0] ?? "";
    this.#position += part.length;
    return part;
  }

  /** `$`, or the whole of `${NAME ...}`: its braces are no block. */
  #parameter(): string {
    PARAMETER.lastIndex = this.#position;
    const parameter = PARAMETER.exec(this.#text)?.[0] ?? "$";
    this.#position += parameter.length;
    return parameter;
  }

  /** From an opening quote to its end on the same line. */
  #quotedPart(quote: string): string {
    const start = this.#position++;
    let text = "";
    for (;;) {
      const character = this.#peek();
      if (character === "") {
        this.#diagnostics.error(
          "unterminated-quote",
          this.#span(start, this.#position - start),
          `the quote ${quote} is not closed on its line`,
          `close it with ${quote}; a quoted string cannot go on in the next line`,
        );
        return text;
      }
      this.#position++;
      if (character === quote) return text;
      text += character === "\\" ? this.#escape() : character;
    }
  }

  /** Behind a backslash in quotes: \a \b \E \f \n \r \t \v \nnn \xXX \cC, and any other character as itself. */
  #escape(): string {
    const start = this.#position - 1;
    const rest = this.#text.slice(this.#position, this.#position + 8);
    const octal = /^[0-7]{1,3}/.exec(rest)?.[0];
    const hex = /^x([0-9a-fA-F]+)/.exec(rest);
    const control = /^c([@-_a-z])/.exec(rest)?.[1];
    let text: string;
    if (octal !== undefined) {
      this.#position += octal.length;
      text = String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    } else if (hex?.[1] !== undefined) {
      this.#position += hex[0].length;
      text = String.fromCharCode(Number.parseInt(hex[1], 16) & 0xff);
    } else if (control !== undefined) {
      this.#position += 2;
      text = String.fromCharCode(control.charCodeAt(0) & 0x1f);
    } else {
      const character = this.#peek();
      if (character === "") return "";
      this.#position++;
      text = SIMPLE_ESCAPES[character] ?? character;
    }
    if (text === "\0") {
      const at = this.#span(start, this.#position - start);
      this.#diagnostics.error("invalid-value", at, "a NUL character in a string", "remove the escape");
    }
    return text;
  }

  /** Reported, then taken for the space that it looks like, so that no more faults follow from it. */
  #skipInvisible(character: string): void {
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    this.#diagnostics.error(
      "invisible-character",
      this.#span(this.#position, 1),
      `an invisible character (U+${code}) that is no space to this language`,
      "replace it with an ordinary space; it usually comes from a copied web page",
    );
    this.#position++;
  }

  #peek(): string {
    return this.#text.charAt(this.#position);
  }

  #span(start: number, length: number): SourceSpan {
    return spanOf(this.#line, start, length);
  }
}

/** What stood for `#` and `!` that begin no comment is no longer needed. */
const withComments = (text: string): string =>
  LITERALS.test(text) ? text.replaceAll(LITERAL_HASH, "#").replaceAll(LITERAL_BANG, "!") : text;
const isComment = (character: string): boolean => character === "#" || character === "!";
const isSpecial = (character: string): boolean => isComment(character) || character === "{" || character === "}";
