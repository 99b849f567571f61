import { ok } from "../../../core/result.ts";
import type { Word } from "../../lexer.ts";
import { switchable } from "../kinds.ts";
import { blockTable, MAN, type ValueKind, type ValueRow } from "../row.ts";
import { blockNameWord, type WeightValue, weightKind } from "../tracking.ts";
import type { Name } from "../words.ts";

/** FILE_CHECK */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** keepalived.conf(5), FILE_CHECK */
const WEIGHT_MAX = 2_147_483_647;

const fileName: ValueKind<Name> = {
  ...blockNameWord,
  parse: (words) => {
    const parsed = blockNameWord.parse(words);
    const [word] = words as readonly [Word];
    return parsed.ok ? ok({ text: parsed.value, word }) : parsed;
  },
  format: ({ text }) => text,
};

export const fileCheckTable = blockTable("FILE_CHECK", {
  track_file: {
    ...value,
    kind: fileName,
    doc: "Name of a `track_file` block whose number this follows. Its changes count at once.",
    example: "track_file maintenance",
  } satisfies ValueRow<Name>,
  weight: {
    ...value,
    kind: weightKind(WEIGHT_MAX),
    defaultFrom: "the track_file",
    doc: "The file's number times this is added to the server's weight, at least 0, and the server stays up; `reverse` subtracts it. 0: a number other than 0 fails the check.",
    example: "weight -1",
  } satisfies ValueRow<WeightValue>,
  dynamic: {
    ...value,
    status: "noEffect",
    reload: "none",
    reason: "the product is always added to the weight, as in keepalived 2.2.7",
    kind: switchable,
    doc: "Adds the product to the weight.",
    example: "dynamic",
  } satisfies ValueRow<boolean>,
});
