import type { SourceSpan } from "../types.ts";

/**
 * A line as the language reads it, and where each part of it was written: what a parameter stands for was written
 * elsewhere than what stands beside it.
 */
export interface SourceLine {
  readonly text: string;
  /** In order, without gaps; at least one. */
  readonly fragments: readonly Fragment[];
}

interface Fragment {
  /** Offset in the line's text. */
  readonly start: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Undefined: written there character by character. Else it is a value, which so many characters there stand for. */
  readonly width: number | undefined;
}

/** The lines of a file, without their ends and without a byte order mark. */
export function linesOf(text: string, file: string): SourceLine[] {
  return text.split(/\r\n|\n|\r/).map((each, index) => {
    const mark = index === 0 && each.startsWith("\ufeff") ? 1 : 0;
    return {
      text: each.slice(mark),
      fragments: [{ start: 0, file, line: index + 1, column: 1 + mark, width: undefined }],
    };
  });
}

export function slice(line: SourceLine, from: number, to = line.text.length): SourceLine {
  if (from === 0 && to >= line.text.length) return line;
  const [only] = line.fragments;
  if (only !== undefined && line.fragments.length === 1)
    return { text: line.text.slice(from, to), fragments: [moved(only, from)] };
  const kept = line.fragments.filter(({ start }, index) => {
    const end = line.fragments[index + 1]?.start ?? line.text.length;
    return end > from && start < to;
  });
  const fragments = kept.map((fragment) => moved(fragment, from));
  return {
    text: line.text.slice(from, to),
    fragments: fragments.length > 0 ? fragments : [moved(fragmentAt(line, from), from)],
  };
}

/** As seen from `from` on. */
function moved(fragment: Fragment, from: number): Fragment {
  const cut = Math.max(0, from - fragment.start);
  const column = fragment.width === undefined ? fragment.column + cut : fragment.column;
  const { file, line, width } = fragment;
  return { start: Math.max(0, fragment.start - from), file, line, column, width };
}

export function join(...lines: readonly SourceLine[]): SourceLine {
  let text = "";
  const fragments: Fragment[] = [];
  for (const line of lines) {
    if (line.text === "") continue;
    for (const fragment of line.fragments) fragments.push({ ...fragment, start: fragment.start + text.length });
    text += line.text;
  }
  const [first] = lines;
  return { text, fragments: fragments.length > 0 ? fragments : (first?.fragments ?? []) };
}

/** A value that stands for the characters of `line` from `from` to `to`. */
export function valueAt(text: string, line: SourceLine, from: number, to: number): SourceLine {
  const { file, line: number, column, length } = spanOf(line, from, to - from);
  return { text, fragments: [{ start: 0, file, line: number, column, width: length }] };
}

/** Where a part of a line was written; of what goes over several places, the first. */
export function spanOf(line: SourceLine, start: number, length: number): SourceSpan {
  const fragment = fragmentAt(line, start);
  const { file, line: number, column, width } = fragment;
  if (width !== undefined) return { file, line: number, column, length: width };
  const index = line.fragments.indexOf(fragment);
  const end = line.fragments[index + 1]?.start ?? line.text.length;
  const visible = Math.max(0, Math.min(length, end - start));
  return { file, line: number, column: column + start - fragment.start, length: visible };
}

function fragmentAt(line: SourceLine, offset: number): Fragment {
  const [first] = line.fragments;
  const found =
    line.fragments.length === 1 ? first : (line.fragments.findLast(({ start }) => start <= offset) ?? first);
  if (found === undefined) throw new Error("a line without a place");
  return found;
}

/** Where a comment begins: `#` or `!` anywhere but in quotes; the line's length without one. */
export function commentStart(text: string): number {
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (quote !== "") {
      if (character === "\\") i++;
      else if (character === quote) quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === "#" || character === "!") return i;
  }
  return text.length;
}
