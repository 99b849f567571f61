import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import type { ScriptCommand } from "../vrrp.types.ts";
import { invalid, type Parsed, userAndGroup } from "./kinds.ts";
import type { ValueKind } from "./row.ts";

/** Command lines: no shell reads them. keepalived.conf(5), "Quoted strings". */

/**
 * The words of a script: an unquoted one is a path without arguments; a quoted one is split at whitespace, and quotes of
 * either kind inside it hold a word together (as seen in keepalived 2.2.7: `"/x 'a b' c"` has two arguments).
 */
export function splitCommand(word: Word): Parsed<readonly string[]> {
  if (!word.quoted) return word.text === "" ? noScript(word) : ok([word.text]);
  const words: string[] = [];
  let current: string | undefined;
  let quote: string | undefined;
  for (const character of word.text) {
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else current = (current ?? "") + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      current ??= "";
    } else if (/\s/.test(character)) {
      if (current !== undefined) words.push(current);
      current = undefined;
    } else current = (current ?? "") + character;
  }
  if (quote !== undefined) {
    return invalid(word, `has a quote ${quote} that is not closed inside it`, `close it with ${quote}`);
  }
  if (current !== undefined) words.push(current);
  return words[0] === undefined || words[0] === "" ? noScript(word) : ok(words);
}

const noScript = (word: Word) =>
  invalid(word, "names no script", "write the path of a script: /etc/holdfast/notify.sh");

const quotedWord = (text: string): string => (/[\s"'#!{}]/.test(text) || text === "" ? `'${text}'` : text);

function formatCommand(command: ScriptCommand): string {
  const { arguments: words, user, group } = command;
  const line = words.length === 1 ? (words[0] ?? "") : `"${words.map(quotedWord).join(" ")}"`;
  return [line, user, group].filter((each) => each !== undefined).join(" ");
}

/** `SCRIPT [USER [GROUP]]` */
export const scriptAsUser: ValueKind<ScriptCommand> = {
  syntax: "<SCRIPT>|<QUOTED SCRIPT AND ARGUMENTS> [<USER> [<GROUP>]]",
  minimumWords: 1,
  maximumWords: 3,
  parse: ([script, ...userWords]) => {
    if (script === undefined)
      return fail({ code: "missing-value", message: "a script is missing", remedy: "write its path" });
    const command = splitCommand(script);
    if (!command.ok) return command;
    if (userWords.length === 0) return ok({ arguments: command.value, user: undefined, group: undefined });
    const as = userAndGroup.parse(userWords);
    return as.ok ? ok({ arguments: command.value, ...as.value }) : as;
  },
  format: formatCommand,
};

/** `SCRIPT`, whose user has a keyword of its own. */
export const scriptAlone: ValueKind<readonly string[]> = {
  syntax: "<SCRIPT>|<QUOTED SCRIPT AND ARGUMENTS>",
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: ([script, extra]) => {
    if (script === undefined)
      return fail({ code: "missing-value", message: "a script is missing", remedy: "write its path" });
    if (extra !== undefined) {
      return invalid(
        extra,
        "stands behind the script, where keepalived drops it",
        'put the script and its arguments in one pair of quotes: script "/usr/bin/check.sh -a"',
      );
    }
    return splitCommand(script);
  },
  format: (words) => formatCommand({ arguments: words, user: undefined, group: undefined }),
};

/** `[SCRIPT [USER [GROUP]]]`: also the bare keyword says something. */
export const scriptOrNothing: ValueKind<{ readonly command: ScriptCommand | undefined }> = {
  syntax: "[<SCRIPT>|<QUOTED SCRIPT AND ARGUMENTS> [<USER> [<GROUP>]]]",
  minimumWords: 0,
  maximumWords: 3,
  parse: (words) => {
    if (words.length === 0) return ok({ command: undefined });
    const parsed = scriptAsUser.parse(words);
    return parsed.ok ? ok({ command: parsed.value }) : parsed;
  },
  format: ({ command }) => (command === undefined ? "" : formatCommand(command)),
};

export interface FifoValue {
  readonly path: string;
  readonly user: string | undefined;
  readonly group: string | undefined;
}

/** `PATH [USER [GROUP]]` */
export const fifoAsUser: ValueKind<FifoValue> = {
  syntax: "<PATH> [<USER> [<GROUP>]]",
  minimumWords: 1,
  maximumWords: 3,
  parse: ([path, ...userWords]) => {
    if (path === undefined)
      return fail({ code: "missing-value", message: "a path is missing", remedy: "write the path of a FIFO" });
    if (!path.text.startsWith("/"))
      return invalid(path, "is no absolute path", "write it with its leading /: /run/holdfast/notify");
    if (userWords.length === 0) return ok({ path: path.text, user: undefined, group: undefined });
    const as = userAndGroup.parse(userWords);
    return as.ok ? ok({ path: path.text, ...as.value }) : as;
  },
  format: ({ path, user, group }) => [path, user, group].filter((each) => each !== undefined).join(" "),
};
