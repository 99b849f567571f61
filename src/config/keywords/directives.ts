import { type NotYetRow, notYetRows } from "./row.ts";

/** Lines that stand in any block and change the text itself (keepalived.conf(5), ADVANCED CONFIGURATION): refused by name. */
export const directiveRows = notYetRows({
  include: "Reads other files.",
  includer: "Reads other files that must be readable.",
  includem: "Reads other files that must exist.",
  includew: "Reads other files, one at least for a wildcard.",
  includeb: "Reads other files, one at least for each brace.",
  includea: "Reads other files with all these conditions.",
  "@": "Conditional line for one configuration id.",
  "@^": "Conditional line for all other configuration ids.",
  $: "Definition of a parameter, or its value in a line.",
  "~SEQ": "Repeats a line for a sequence of numbers.",
  "~SEQx": "Repeats a line for a sequence of hexadecimal numbers.",
  "~LST": "Repeats a line for a list of values.",
});

/** The directive that a line's first word is, by the name of its row. */
export function directiveOf(word: string): { readonly name: string; readonly row: NotYetRow } | undefined {
  const name = directiveName(word);
  return name === undefined ? undefined : { name, row: directiveRows[name] };
}

function directiveName(word: string): keyof typeof directiveRows | undefined {
  if (/^include[rmwba]?$/.test(word)) return word as keyof typeof directiveRows;
  if (/^@\^\w/.test(word)) return "@^";
  if (/^@\w/.test(word)) return "@";
  if (/^\$\{?[A-Za-z_]/.test(word)) return "$";
  if (word.startsWith("~SEQx(")) return "~SEQx";
  if (word.startsWith("~SEQ(")) return "~SEQ";
  if (word.startsWith("~LST(")) return "~LST";
  return undefined;
}

/** `$NAME` or `${NAME...}` within a value: the names it would be replaced by, if they were defined. */
export function parametersIn(text: string): string[] {
  return [...text.matchAll(/\$(?:\{([A-Za-z_]\w*)|([A-Za-z_]\w*)$)/g)].map((match) => match[1] ?? match[2] ?? "");
}

/** keepalived's own parameters; others stand for themselves unless the file defines them. */
export const PREDEFINED_PARAMETERS: ReadonlySet<string> = new Set(["_PWD", "_INSTANCE", "_RANDOM", "_HASH", "_BANG"]);
