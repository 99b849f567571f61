import { fail, ok } from "../../core/result.ts";
import { type DurationUs, seconds } from "../../core/units.ts";
import type { Word } from "../lexer.ts";
import { choice, flag, integer, interfaceName, invalid, oneWord, timer, userAndGroup } from "./kinds.ts";
import { parseOptions } from "./options.ts";
import { blockTable, type LinesRow, leftOutRows, MAN, type ValueKind, type ValueRow } from "./row.ts";
import { scriptAlone } from "./scripts.ts";

/** What instances and sync groups track, and the scripts, processes and files that they name. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** A weight as written; `reverse` undefined: as the tracker's own definition says. */
export interface WeightValue {
  readonly weight: number;
  readonly reverse: boolean | undefined;
}

/** `NAME [weight N [reverse|noreverse]]` */
export interface TrackLine {
  readonly name: string;
  readonly weight: WeightValue | undefined;
  readonly words: { readonly name: Word; readonly weight: Word | undefined };
}

/** RFC 3768 5.3.4: priorities are 1 to 254 but for the owner's, so no greater change makes sense. */
const WEIGHT_MAX = 253;
/** keepalived.conf(5): one more for files and processes, so that a negative value can be made positive. */
const WEIGHT_MAX_OF_VALUES = 254;

/** The man page spells the negation of `reverse` both ways. */
const REVERSE_WORDS: Readonly<Record<string, boolean>> = { reverse: true, noreverse: false, no_reverse: false };
const isReverseWord = (word: Word | undefined): word is Word =>
  word !== undefined && Object.hasOwn(REVERSE_WORDS, word.text);

export function weightKind(max: number): ValueKind<WeightValue> {
  const number = integer({ min: -max, max, unit: "WEIGHT" });
  return {
    syntax: `${number.syntax} [reverse|noreverse]`,
    minimumWords: 1,
    maximumWords: 2,
    wordsTaken: ([, second]) => (isReverseWord(second) ? 2 : 1),
    parse: ([weight, direction]) => {
      const parsed = number.parse(weight === undefined ? [] : [weight]);
      if (!parsed.ok) return parsed;
      if (direction !== undefined && !isReverseWord(direction))
        return invalid(direction, "is neither reverse nor noreverse", "write reverse or noreverse, or leave it out");
      return ok({ weight: parsed.value, reverse: direction === undefined ? undefined : REVERSE_WORDS[direction.text] });
    },
    format: ({ weight, reverse }) =>
      [String(weight), ...(reverse === undefined ? [] : [reverse ? "reverse" : "noreverse"])].join(" "),
  };
}

function trackOptions(name: string, max: number) {
  return blockTable(`a ${name} line`, {
    weight: {
      ...row,
      kind: weightKind(max),
      defaultFrom: name === "track_interface" ? "0" : "the tracker's own block",
      doc: "Change of the priority instead of FAULT: a positive one is added while the tracked thing is up, a negative one while it is down; `reverse` turns that round. 0: FAULT while it is down.",
      example: "weight 20 reverse",
    } satisfies ValueRow<WeightValue>,
  });
}

/** The name of a block that is defined elsewhere. */
export const blockNameWord: ValueKind<string> = oneWord("<NAME>", (word) =>
  word.text === "" ? invalid(word, "is empty", "write the name of a block") : ok(word.text),
);

function trackLine(name: string, max: number, nameKind: ValueKind<string>): ValueKind<TrackLine> {
  const table = trackOptions(name, max);
  return {
    syntax: `${nameKind.syntax} [weight <WEIGHT -${max}..${max}> [reverse|noreverse]]`,
    minimumWords: 1,
    maximumWords: Number.POSITIVE_INFINITY,
    parse: ([first, ...rest]) => {
      if (first === undefined) return fail({ code: "missing-value", message: "a name is missing", remedy: "write it" });
      const parsed = nameKind.parse([first]);
      if (!parsed.ok) return parsed;
      const options = parseOptions(table, rest, `a line of ${name}`);
      if (!options.ok) return options;
      const { weight } = options.value;
      return ok({ name: parsed.value, weight: weight?.value, words: { name: first, weight: weight?.word } });
    },
    format: ({ name: written, weight }) =>
      weight === undefined ? written : `${written} weight ${weightKind(max).format(weight)}`,
  };
}

function trackRow(keyword: string, max: number, nameKind: ValueKind<string>, doc: string, lineExample: string) {
  return {
    shape: "lines",
    status: "implemented",
    reference: MAN,
    reload: "live",
    line: trackLine(keyword, max, nameKind),
    lineTable: trackOptions(keyword, max),
    lineExample,
    doc,
    example: `${keyword} {\n  ${lineExample}\n}`,
  } as const satisfies LinesRow<TrackLine>;
}

export const BFD_REASON = {
  reason: "BFD is not part of holdfast: at 10 ms adverts VRRP itself notices a dead router in 37 ms",
  remedy: "remove it, and shorten advert_int with version 3",
} as const;

export const trackingRows = {
  track_interface: trackRow(
    "track_interface",
    WEIGHT_MAX,
    interfaceName,
    "Interfaces whose state counts, besides the instance's own.",
    "eth1 weight 20",
  ),
  track_script: trackRow(
    "track_script",
    WEIGHT_MAX,
    blockNameWord,
    "Scripts of `vrrp_script` blocks whose result counts.",
    "check_app weight 20",
  ),
  track_file: trackRow(
    "track_file",
    WEIGHT_MAX_OF_VALUES,
    blockNameWord,
    "Files of `track_file` blocks: value times weight is added to the priority; weight 0: FAULT while the value is not 0.",
    "maintenance weight -1",
  ),
  track_process: trackRow(
    "track_process",
    WEIGHT_MAX_OF_VALUES,
    blockNameWord,
    "Processes of `vrrp_track_process` blocks whose presence counts.",
    "haproxy weight 20",
  ),
  ...leftOutRows({
    track_bfd: {
      ...BFD_REASON,
      doc: "BFD sessions whose state counts.",
      table: blockTable("track_bfd", leftOutRows({ weight: { ...BFD_REASON, doc: "Change of the priority." } })),
    },
  }),
} as const;

/** keepalived 2.2.7 refuses more: its timers have 32 bits of microseconds. */
const TIMER_MAX_SEC = 4294;
const count = integer({ min: 1, max: 2_147_483_647, unit: "COUNT" });

export const vrrpScriptTable = blockTable("vrrp_script", {
  script: {
    ...row,
    kind: scriptAlone,
    doc: "What to run: exit status 0 is a success. In quotes with its arguments; no shell reads it.",
    example: 'script "/usr/local/bin/check.sh 5432"',
  } satisfies ValueRow<readonly string[]>,
  interval: {
    ...row,
    kind: timer({ minSec: 0.1, maxSec: TIMER_MAX_SEC }),
    default: seconds(1),
    doc: "Time from one run to the next. keepalived takes whole seconds only.",
    example: "interval 2",
  } satisfies ValueRow<DurationUs>,
  timeout: {
    ...row,
    kind: timer({ minSec: 0.1, maxSec: TIMER_MAX_SEC }),
    defaultFrom: "interval",
    doc: "A run that takes longer has failed and is killed.",
    example: "timeout 2",
  } satisfies ValueRow<DurationUs>,
  weight: {
    ...row,
    kind: weightKind(WEIGHT_MAX),
    default: { weight: 0, reverse: undefined },
    doc: "Change of the priority where `track_script` writes none; 0: FAULT while the script fails.",
    example: "weight 20",
  } satisfies ValueRow<WeightValue>,
  rise: {
    ...row,
    kind: count,
    default: 1,
    doc: "Successes in a row until the script counts as up.",
    example: "rise 2",
  } satisfies ValueRow<number>,
  fall: {
    ...row,
    kind: count,
    default: 1,
    doc: "Failures in a row until the script counts as down.",
    example: "fall 3",
  } satisfies ValueRow<number>,
  user: {
    ...row,
    kind: userAndGroup,
    defaultFrom: "script_user",
    doc: "User and group to run it as.",
    example: "user nobody nogroup",
  } satisfies ValueRow<{ readonly user: string; readonly group: string | undefined }>,
  init_fail: {
    ...row,
    kind: flag,
    doc: "The script counts as down until it has succeeded.",
    example: "init_fail",
  } satisfies ValueRow<true>,
});

/** `NAME PARAMETER...`: a quoted word is one of them, with its spaces. */
const processAndParameters: ValueKind<readonly string[]> = {
  syntax: "<COMMAND> [<PARAMETER> ...]",
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: (words) => {
    const [command] = words;
    if (command === undefined || command.text === "")
      return fail({
        code: "invalid-value",
        ...(command === undefined ? {} : { word: command }),
        message: "the name is empty",
        remedy: "write it as /proc/PID/comm shows it",
      });
    return ok(words.map(({ text }) => text));
  },
  format: (words) => words.map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(" "),
};

const PROCESS_COUNT_MAX = 65_535;
const processDelay = timer({ minSec: 0, maxSec: 3600 });

export const trackProcessTable = blockTable("vrrp_track_process", {
  process: {
    ...row,
    kind: processAndParameters,
    doc: "Name of the processes to count, and their parameters where those matter. Compared as a whole, not as a pattern.",
    example: "process haproxy",
  } satisfies ValueRow<readonly string[]>,
  param_match: {
    ...row,
    kind: choice("way of comparing parameters", ["initial", "partial"]),
    defaultFrom: "all parameters are equal",
    doc: "`partial`: the first parameters are equal; `initial`: and the last one begins as written.",
    example: "param_match initial",
  } satisfies ValueRow<"initial" | "partial">,
  weight: {
    ...row,
    kind: weightKind(WEIGHT_MAX_OF_VALUES),
    default: { weight: 1, reverse: undefined },
    doc: "Change of the priority where `track_process` writes none; 0: FAULT without the quorum.",
    example: "weight 20",
  } satisfies ValueRow<WeightValue>,
  quorum: {
    ...row,
    kind: integer({ min: 1, max: PROCESS_COUNT_MAX, unit: "COUNT" }),
    default: 1,
    doc: "Least number of processes.",
    example: "quorum 1",
  } satisfies ValueRow<number>,
  quorum_max: {
    ...row,
    kind: integer({ min: 0, max: PROCESS_COUNT_MAX, unit: "COUNT" }),
    doc: "Greatest number of processes; 0: none may run.",
    example: "quorum_max 1",
  } satisfies ValueRow<number>,
  fork_delay: {
    ...row,
    kind: processDelay,
    defaultFrom: "delay, else 0",
    doc: "Time for which the quorum must hold until it counts as up.",
    example: "fork_delay 0.5",
  } satisfies ValueRow<DurationUs>,
  terminate_delay: {
    ...row,
    kind: processDelay,
    defaultFrom: "delay, else 0",
    doc: "Time for which the quorum must be lost until it counts as down.",
    example: "terminate_delay 0.5",
  } satisfies ValueRow<DurationUs>,
  delay: {
    ...row,
    kind: processDelay,
    doc: "fork_delay and terminate_delay in one.",
    example: "delay 0.5",
  } satisfies ValueRow<DurationUs>,
  full_command: {
    ...row,
    kind: flag,
    doc: "Compares the whole command line instead of the name.",
    example: "full_command",
  } satisfies ValueRow<true>,
});

/** What `init_file` writes. */
export interface InitialFileValue {
  readonly value: number;
  readonly overwrite: boolean;
}

const initialFile: ValueKind<InitialFileValue> = {
  syntax: "[<VALUE>] [overwrite]",
  minimumWords: 0,
  maximumWords: 2,
  parse: (words) => {
    const [overwrite, ...again] = words.filter(({ text }) => text === "overwrite");
    const [value, extra] = words.filter(({ text }) => text !== "overwrite");
    if (again[0] !== undefined) return invalid(again[0], "is written twice", "keep one of them");
    if (extra !== undefined) return invalid(extra, "is neither a value nor overwrite", "write init_file 0 overwrite");
    if (value === undefined) return ok({ value: 0, overwrite: overwrite !== undefined });
    const parsed = integer({ min: -2_147_483_648, max: 2_147_483_647, unit: "VALUE" }).parse([value]);
    return parsed.ok ? ok({ value: parsed.value, overwrite: overwrite !== undefined }) : parsed;
  },
  format: ({ value, overwrite }) => `${value}${overwrite ? " overwrite" : ""}`,
};

const absolutePath: ValueKind<string> = oneWord("<PATH>", (word) =>
  word.text.startsWith("/")
    ? ok(word.text)
    : invalid(word, "is no absolute path", "write it with its leading /: /run/holdfast/value"),
);

export const trackFileTable = blockTable("track_file", {
  file: {
    ...row,
    kind: absolutePath,
    doc: "File with a whole number in it, read at every change.",
    example: "file /run/holdfast/value",
  } satisfies ValueRow<string>,
  weight: {
    ...row,
    kind: weightKind(WEIGHT_MAX_OF_VALUES),
    default: { weight: 1, reverse: undefined },
    doc: "Factor of the value where `track_file` of the instance writes none. The manual page allows 32 bits, keepalived 2.2.7 takes no more than this.",
    example: "weight 1",
  } satisfies ValueRow<WeightValue>,
  init_file: {
    ...row,
    kind: initialFile,
    doc: "Writes the value (default 0) at the start where there is no such file, with `overwrite` in any case.",
    example: "init_file 0 overwrite",
  } satisfies ValueRow<InitialFileValue>,
});
