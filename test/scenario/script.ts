/**
 * A scenario file: prose lines (`#` or blank), then blocks of commands, a divider, the expected transcript and another
 * divider or a blank line:
 *
 *     # why
 *     command argument key=value
 *     ----
 *     expected output
 *
 * A block ends at the first blank line after its divider.
 */
export interface Block {
  readonly commands: readonly string[];
  /** Line of the first command, from 1. */
  readonly line: number;
  readonly expected: readonly string[];
}

export type Part = { readonly kind: "prose"; readonly lines: readonly string[] } | ({ readonly kind: "block" } & Block);

const DIVIDER = "----";

export function parseScript(text: string): Part[] {
  const lines = text.replace(/\n$/, "").split("\n");
  const parts: Part[] = [];
  let at = 0;
  const take = (wanted: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && wanted(lines[at] ?? "")) at++;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const prose = take((line) => line === "" || line.startsWith("#"));
    if (prose.length > 0) parts.push({ kind: "prose", lines: prose });
    if (at >= lines.length) break;
    const line = at + 1;
    const commands = take((text) => text !== DIVIDER && text !== "");
    if (lines[at] !== DIVIDER) throw new Error(`line ${at + 1}: a block needs a ${DIVIDER} line after its commands`);
    at++;
    parts.push({ kind: "block", commands, line, expected: take((text) => text !== "") });
  }
  return parts;
}

/** The same script with other transcripts, for the rewrite flag. */
export function formatScript(parts: readonly Part[], transcripts: readonly (readonly string[])[]): string {
  let block = 0;
  const lines = parts.flatMap((part) =>
    part.kind === "prose" ? part.lines : [...part.commands, DIVIDER, ...(transcripts[block++] ?? [])],
  );
  return `${lines.join("\n")}\n`;
}

export interface Command {
  readonly name: string;
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

export function parseCommand(text: string): Command {
  const [name = "", ...rest] = text.trim().split(/\s+/);
  const options = new Map<string, string>();
  const words: string[] = [];
  for (const word of rest) {
    const equals = word.indexOf("=");
    if (equals < 0) words.push(word);
    else options.set(word.slice(0, equals), word.slice(equals + 1));
  }
  return { name, words, options };
}
