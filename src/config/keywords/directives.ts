import { MAN, type ValueKind, type ValueRow } from "./row.ts";

/**
 * Lines that stand in any block and change the text itself (keepalived.conf(5), include and ADVANCED CONFIGURATION). They have their effect
 * before a block is read (config/source/expand.ts); the rows are for names and the reference.
 */
const written = (syntax: string): ValueKind<string> => ({
  syntax,
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: (words) => ({ ok: true, value: words.map(({ text }) => text).join(" ") }),
  format: String,
});

const directive = (syntax: string, doc: string, example: string) =>
  ({
    shape: "value",
    status: "implemented",
    reference: MAN,
    reload: "live",
    kind: written(syntax),
    doc,
    example,
  }) as const satisfies ValueRow<string>;

const FILES = "<FILE>, with wildcards and {a,b}";

export const directiveRows = {
  include: directive(
    FILES,
    "Reads other files in the order of their names, relative to this one, in the place of the line. One that cannot be read is an error; none at all is a warning, and with wildcards nothing.",
    "include conf.d/*.conf",
  ),
  includer: directive(FILES, "As include.", "includer conf.d/*.conf"),
  includem: directive(FILES, "As include; none at all is an error, but with wildcards.", "includem conf.d/*.conf"),
  includew: directive(FILES, "As include; none at all is an error, also with wildcards.", "includew conf.d/*.conf"),
  includeb: directive(FILES, "As include; each alternative in braces must have a file.", "includeb conf.d/*.conf"),
  includea: directive(FILES, "With all these conditions.", "includea conf.d/*.conf"),
  "@": directive(
    "<NAME> <LINE>",
    "The line counts where the configuration id is NAME: the first part of the host's name, or that of `--config-id`.",
    "@kad1 router_id A",
  ),
  "@^": directive("<NAME> <LINE>", "The line counts where it is another.", "@^kad1 router_id A"),
  $: directive(
    "<NAME>=<VALUE>",
    "Defines what $NAME before a space, or the name in braces behind $ anywhere, stands for from here on; a value of several lines begins behind = with \\ and goes on while lines end with one. Predefined, in braces: _PWD (folder of this file), _INSTANCE (configuration id), _HASH (#), _BANG (!).",
    "$PRIORITY=100",
  ),
  "~SEQ": directive(
    "(<NAME>[, <START>[, <STEP>]], <END>) <LINE>",
    "Repeats the line for a sequence of numbers.",
    "~SEQ(N, 1, 3) # $N",
  ),
  "~SEQx": directive("(<NAME>[, <START>[, <STEP>]], <END>) <LINE>", "The same in hexadecimal.", "~SEQx(N, 1, 3) # $N"),
  "~LST": directive(
    "(<NAME>, <VALUE>, ...) <LINE>",
    "Repeats the line for a list of values; several at a time: ~LST({A, B}, {1, 2}, {3, 4}).",
    "~LST(N, 1, 2) # $N",
  ),
} as const;

/** `$NAME` or `${NAME...}` that stand for themselves, because nothing defines them. */
export function parametersIn(text: string): string[] {
  if (!text.includes("$")) return [];
  return [...text.matchAll(/\$(?:\{([A-Za-z_]\w*)[^{}]*\}|([A-Za-z_]\w*)$)/g)].map(
    (match) => match[1] ?? match[2] ?? "",
  );
}

/** keepalived's own parameter that has no value here. */
export const RANDOM_PARAMETER = "_RANDOM";
