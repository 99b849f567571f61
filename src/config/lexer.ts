import type { DiagnosticList } from "./diagnostics.ts";
import type { SourceSpan } from "./types.ts";

/**
 * The words of keepalived's language, as keepalived.conf(5) tells and keepalived 2.2.7 does where the page is silent:
 * - a statement ends with its line; `{` and `}` stand for themselves also inside a word (`eth0{`);
 * - `#` and `!` begin a comment anywhere but in quotes, also inside a word;
 * - `"` or `'` quote whitespace, braces and comment characters; quoted and unquoted parts join to one word;
 *   backslash escapes count inside quotes only; a quote ends on its line;
 * - there is no line continuation outside multi-line definitions (`$NAME= \`).
 */
export interface Word {
  readonly text: string;
  readonly quoted: boolean;
  readonly at: SourceSpan;
}

export type Token =
  | { readonly kind: "word"; readonly word: Word }
  | { readonly kind: "open" | "close"; readonly at: SourceSpan }
  | { readonly kind: "lineEnd" };

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
const MULTI_LINE_DEFINITION = /^\s*(?:@\S+\s+)?\$[A-Za-z_]\w*=\s*\\$/;
const PARAMETER = /\$\{[A-Za-z_][^{}\r\n]*\}/y;
/** Looks like a space or like nothing, comes with text pasted from a web page, and is part of a word to keepalived. */
const INVISIBLE = /[\u00a0\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]/;

/** Turns text into tokens; faults are reported and the reading goes on behind them. */
export function lex(text: string, file: string, diagnostics: DiagnosticList): Token[] {
  return new Lexer(text, file, diagnostics).run();
}

class Lexer {
  readonly #text: string;
  readonly #file: string;
  readonly #diagnostics: DiagnosticList;
  readonly #tokens: Token[] = [];
  #position = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, file: string, diagnostics: DiagnosticList) {
    this.#text = text;
    this.#file = file;
    this.#diagnostics = diagnostics;
  }

  run(): Token[] {
    if (this.#text.startsWith("\ufeff")) this.#position = 1;
    while (this.#position < this.#text.length) this.#next();
    this.#tokens.push({ kind: "lineEnd" });
    return this.#tokens;
  }

  #next(): void {
    const character = this.#peek();
    if (isLineEnd(character)) this.#endLine();
    else if (BLANK.has(character)) this.#position++;
    else if (isComment(character)) this.#skipLine();
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
      const character = this.#peek();
      if (character === '"' || character === "'") {
        quoted = true;
        text += this.#quotedPart(character);
      } else if (character === "$") {
        text += this.#parameter();
      } else if (
        character === "" ||
        BLANK.has(character) ||
        isLineEnd(character) ||
        isSpecial(character) ||
        INVISIBLE.test(character)
      ) {
        break;
      } else {
        text += character;
        this.#position++;
      }
    }
    const at = this.#span(start, this.#position - start);
    this.#tokens.push({ kind: "word", word: { text, quoted, at } });
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
      if (character === "" || isLineEnd(character)) {
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
      if (character === "" || isLineEnd(character)) return "";
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

  #endLine(): void {
    const ended = this.#text.slice(this.#lineStart, this.#position);
    this.#tokens.push({ kind: "lineEnd" });
    this.#startNextLine();
    // A multi-line definition is refused at its first line; its other lines are text for elsewhere.
    if (MULTI_LINE_DEFINITION.test(ended)) while (this.#skipContinuedLine());
  }

  /** Skips a line; true when it ends with a backslash, so that the definition goes on. */
  #skipContinuedLine(): boolean {
    this.#skipLine();
    const continued = this.#text[this.#position - 1] === "\\" && this.#position > this.#lineStart;
    if (this.#position < this.#text.length) this.#startNextLine();
    return continued && this.#position < this.#text.length;
  }

  #startNextLine(): void {
    this.#position += this.#text.startsWith("\r\n", this.#position) ? 2 : 1;
    this.#line++;
    this.#lineStart = this.#position;
  }

  #skipLine(): void {
    while (this.#position < this.#text.length && !isLineEnd(this.#peek())) this.#position++;
  }

  #peek(): string {
    return this.#text.charAt(this.#position);
  }

  #span(start: number, length: number): SourceSpan {
    return { file: this.#file, line: this.#line, column: start - this.#lineStart + 1, length };
  }
}

const isLineEnd = (character: string): boolean => character === "\n" || character === "\r";
const isComment = (character: string): boolean => character === "#" || character === "!";
const isSpecial = (character: string): boolean => isComment(character) || character === "{" || character === "}";
