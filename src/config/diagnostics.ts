import type { Diagnostic, SourceSpan } from "./types.ts";

/** Width of the window in which a long line is shown around its fault. */
const SHOWN_LINE_CHARACTERS = 120;
/** Of either severity. A binary file or a missing brace can make every line a fault; nobody reads more than this. */
export const DIAGNOSTICS_LIMIT = 100;

export const LINE_END = /\r\n|\n|\r/;

/**
 * Collects what is wrong with one file, in the order found: at most `DIAGNOSTICS_LIMIT` errors, and as many warnings, which never
 * take an error's place. What is beyond is counted.
 */
export class DiagnosticList {
  readonly #found: Diagnostic[] = [];
  readonly #counts = { error: 0, warning: 0 };

  error(code: string, at: SourceSpan, message: string, remedy: string): void {
    this.add({ severity: "error", code, at, message, remedy });
  }

  warning(code: string, at: SourceSpan, message: string, remedy: string): void {
    this.add({ severity: "warning", code, at, message, remedy });
  }

  add(diagnostic: Diagnostic): void {
    this.#counts[diagnostic.severity] += 1;
    if (this.#counts[diagnostic.severity] <= DIAGNOSTICS_LIMIT) this.#found.push(diagnostic);
  }

  get hasErrors(): boolean {
    return this.#counts.error > 0;
  }

  /** In the order of the text; files in the order in which something was found in them. */
  sorted(): readonly Diagnostic[] {
    const files = [...new Set(this.#found.map(({ at }) => at.file))];
    const ordered = this.#found.toSorted(
      ({ at: a }, { at: b }) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
    );
    return [...ordered, ...this.#beyond(ordered, "error"), ...this.#beyond(ordered, "warning")];
  }

  /** How many of a severity are not shown, at the place of the last one that is. */
  #beyond(shown: readonly Diagnostic[], severity: Diagnostic["severity"]): readonly Diagnostic[] {
    const dropped = this.#counts[severity] - DIAGNOSTICS_LIMIT;
    const last = shown.findLast((each) => each.severity === severity);
    if (dropped <= 0 || last === undefined) return [];
    const { at } = last;
    const message = `${dropped} more ${severity}s are not shown`;
    const remedy = "correct the first ones: later ones often follow from them";
    if (severity === "error") return [{ severity, code: "too-many-errors", at, message, remedy }];
    return [{ severity, code: "too-many-warnings", at, message, remedy }];
  }
}

/**
 * A diagnostic as an operator reads it, without a newline at its end:
 * `file:line:column: error: message [code]`, the line of the text, a caret underline, the remedy.
 * `texts` are the texts of files by name, or that of the only one; where the line is lacking (the file could not be read), only the words are printed.
 */
export function formatDiagnostic(diagnostic: Diagnostic, texts: ReadonlyMap<string, string> | string): string {
  return diagnosticFormatter(texts)(diagnostic);
}

/** As `formatDiagnostic`, for many of the same texts: each is divided into its lines once. */
export function diagnosticFormatter(texts: ReadonlyMap<string, string> | string): (diagnostic: Diagnostic) => string {
  const divided = new Map<string, readonly string[]>();
  const linesOf = (file: string): readonly string[] => {
    const known = divided.get(file);
    if (known !== undefined) return known;
    const text = typeof texts === "string" ? texts : (texts.get(file) ?? "");
    const lines = text === "" ? [] : text.split(LINE_END);
    divided.set(file, lines);
    return lines;
  };
  return ({ at, severity, message, code, remedy }) => {
    const head = `${at.file}:${at.line}:${at.column}: ${severity}: ${message} [${code}]`;
    const line = linesOf(at.file)[at.line - 1];
    const lines = line === undefined ? [head] : [head, ...underline(line, at)];
    return [...lines, `  remedy: ${remedy}`].join("\n");
  };
}

function underline(line: string, at: SourceSpan): string[] {
  const start = at.column - 1;
  const from = line.length <= SHOWN_LINE_CHARACTERS ? 0 : Math.max(0, start - SHOWN_LINE_CHARACTERS / 2);
  const shown = line.slice(from, from + SHOWN_LINE_CHARACTERS).replace(/[^\P{C}\t]/gu, "?");
  // Tabs are kept, so that the caret stands under its word however wide the terminal makes them.
  const indent = shown.slice(0, start - from).replace(/[^\t]/g, " ");
  const length = Math.max(1, Math.min(at.length, shown.length - (start - from)));
  return [`  ${shown}`, `  ${indent}${"^".repeat(length)}`];
}
