/** Names of files to include: `{a,b}` as csh has it, and what glob(7) calls wildcards. */

/** More of them than this are no configuration; their number doubles with every brace. */
export const ALTERNATIVES_MAX = 1_024;

/** `conf.d/{a,b*}.conf` is `conf.d/a.conf` and `conf.d/b*.conf`; nested ones too. Undefined: more than `ALTERNATIVES_MAX`. */
export function braceAlternatives(pattern: string): readonly string[] | undefined {
  const alternatives: string[] = [];
  const expand = (text: string): void => {
    if (alternatives.length > ALTERNATIVES_MAX) return;
    const open = text.indexOf("{");
    const close = open < 0 ? -1 : closing(text, open);
    if (close < 0) {
      alternatives.push(text);
      return;
    }
    for (const each of split(text.slice(open + 1, close))) expand(text.slice(0, open) + each + text.slice(close + 1));
  };
  expand(pattern);
  return alternatives.length > ALTERNATIVES_MAX ? undefined : alternatives;
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text.charAt(i) === "{") depth++;
    else if (text.charAt(i) === "}" && --depth === 0) return i;
  }
  return -1;
}

/** By commas of this level. */
function split(inside: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i <= inside.length; i++) {
    const character = inside.charAt(i);
    if (character === "{") depth++;
    else if (character === "}") depth--;
    else if (i === inside.length || (character === "," && depth === 0)) {
      found.push(inside.slice(from, i));
      from = i + 1;
    }
  }
  return found;
}

export const hasWildcard = (pattern: string): boolean => /[*?[]/.test(pattern);

/** What is wrong with the wildcards of a path, in words; undefined = nothing. */
export function patternFault(pattern: string): string | undefined {
  for (const part of pattern.split("/")) {
    if (/\[!?\[:/.test(part)) return `${part} has a class of characters ([:alpha:]), which is not understood`;
    try {
      regexOf(part);
    } catch {
      return `${part} has a set whose range ends before it begins`;
    }
  }
  return undefined;
}

/** Whether a name of a folder is meant by one part of a pattern; glob(7): a leading point must be written. The pattern has no fault. */
export function matchesName(part: string, name: string): boolean {
  if (name.startsWith(".") && !part.startsWith(".")) return false;
  return regexOf(part).test(name);
}

function regexOf(part: string): RegExp {
  const source = part.replace(/\[!?[^\]]+\]|[*?]|[^*?[]+|\[/g, (piece) => {
    if (piece === "*") return "[^/]*";
    if (piece === "?") return "[^/]";
    if (piece.length > 1 && piece.startsWith("[") && piece.endsWith("]"))
      return `[${piece.slice(1, -1).replace(/^!/, "^").replaceAll("\\", "\\\\")}]`;
    return piece.replace(/[.+^${}()|\\[\]]/g, "\\$&");
  });
  return new RegExp(`^${source}$`, "s");
}

/** The folder of a file, for paths relative to it; empty = the working directory. */
export function folderOf(file: string): string {
  const slash = file.lastIndexOf("/");
  return slash < 0 ? "" : file.slice(0, slash + 1);
}
