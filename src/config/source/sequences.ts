/**
 * `~SEQ(var, start, step, end)`, `~SEQx`, `~LST(var, value, ...)` and `~LST({a, b}, {1, 2}, ...)` at the beginning of a line
 * (keepalived.conf(5), Sequence blocks, List blocks).
 */
export interface Sequence {
  /** What each round sets. */
  readonly rounds: readonly Readonly<Record<string, string>>[];
  /** Characters up to the closing bracket, included. */
  readonly length: number;
}

/** A line repeated more often than this is a mistake. */
export const ROUNDS_MAX = 65_536;
const NAME = /^[A-Za-z_]\w*$/;

/** Undefined where the text does not begin with one; in words where what is between its brackets cannot be. */
export function readSequence(text: string): Sequence | string | undefined {
  const [head, kind] = /^~(SEQx?|LST)\(/.exec(text) ?? [];
  if (head === undefined) return undefined;
  const end = text.indexOf(")", head.length);
  if (end < 0) return "its bracket is not closed on the line";
  const words = splitWords(text.slice(head.length, end));
  const rounds = kind === "LST" ? list(words) : numbers(words, kind === "SEQx");
  return typeof rounds === "string" ? rounds : { rounds, length: end + 1 };
}

/** By commas outside of braces. */
function splitWords(text: string): string[] {
  return (text.match(/\{[^{}]*\}|[^,{}]+|,(?=\s*(?:,|$))/g) ?? [])
    .map((word) => word.trim())
    .filter((word) => word !== "" || text.trim() === "");
}

function numbers(words: readonly string[], hexadecimal: boolean): Sequence["rounds"] | string {
  const [name = "", ...rest] = words;
  if (!NAME.test(name)) return `${name || "nothing"} is no name of a parameter`;
  const values = rest.map((word) => (/^-?(?:0x[0-9a-fA-F]+|\d+)$/.test(word) ? toNumber(word) : Number.NaN));
  if (values.length < 1 || values.length > 3 || values.some(Number.isNaN))
    return "it takes a name and numbers: ~SEQ(NAME, START, STEP, END), START and STEP may be left out";
  const end = values.at(-1) ?? 0;
  const start = values.length === 1 ? (end < 0 ? -1 : 1) : (values[0] ?? 0);
  const step = values.length === 3 ? (values[1] ?? 0) : end < start ? -1 : 1;
  if (step === 0 || (end - start) * step < 0) return `from ${start} by ${step} it never comes to ${end}`;
  const count = Math.floor((end - start) / step) + 1;
  if (count > ROUNDS_MAX) return `it repeats the line ${count} times, more than ${ROUNDS_MAX}`;
  return Array.from({ length: count }, (_, index) => ({
    [name]: (start + index * step).toString(hexadecimal ? 16 : 10),
  }));
}

const toNumber = (word: string): number => (word.startsWith("-") ? -Number(word.slice(1)) : Number(word));

function list(words: readonly string[]): Sequence["rounds"] | string {
  const [head = "", ...values] = words;
  const names = parts(head);
  const strange = names.find((name) => !NAME.test(name));
  if (strange !== undefined || names.length === 0) return `${strange ?? "nothing"} is no name of a parameter`;
  if (values.length === 0) return "it has no values";
  const rounds: Record<string, string>[] = [];
  for (const value of values) {
    const each = head.startsWith("{") ? parts(value) : [value];
    if (each.length !== names.length) return `${value} has not as many values as there are names`;
    rounds.push(Object.fromEntries(names.map((name, index) => [name, each[index] ?? ""])));
  }
  return rounds;
}

const parts = (word: string): string[] =>
  word.startsWith("{")
    ? word
        .slice(1, -1)
        .split(",")
        .map((each) => each.trim())
    : [word];
