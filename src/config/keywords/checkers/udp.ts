import { fail, ok } from "../../../core/result.ts";
import type { Word } from "../../lexer.ts";
import { integer, invalid, type Parsed } from "../kinds.ts";
import { blockTable, MAN, type ValueKind, type ValueRow } from "../row.ts";
import { connectionTimingRows } from "../timing.ts";
import { connectionRows } from "./connection.ts";

/** UDP_CHECK */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** What one datagram of UDP over IPv4 holds. */
const PAYLOAD_BYTES_MAX = 65_507;
const LENGTH_MAX = 65_535;

/**
 * `Ab12f 3 456`: two digits a byte, and a digit alone at the end of a word is a byte too: ab 12 0f 03 45 06 (keepalived.conf(5),
 * UDP_CHECK).
 */
function parseHex(words: readonly Word[], digits: string): Parsed<string> {
  let bytes = "";
  for (const word of words) {
    for (const text of word.text.split(/\s+/).filter((each) => each !== "")) {
      if (![...text.toLowerCase()].every((digit) => digits.includes(digit))) {
        return invalid(word, "is no string of hexadecimal digits", "write two digits a byte: 12ab 00");
      }
      bytes += text.toLowerCase().replace(/(..)|(.)$/g, (_, pair?: string, single?: string) => pair ?? `0${single}`);
    }
  }
  const [first] = words;
  if (bytes.length <= 2 * PAYLOAD_BYTES_MAX || first === undefined) return ok(bytes);
  return fail({
    code: "out-of-range",
    word: first,
    message: `${bytes.length / 2} bytes are more than the ${PAYLOAD_BYTES_MAX} of a datagram`,
    remedy: "write fewer",
  });
}

const hexString = (digits: string, minimumWords: number): ValueKind<string> => ({
  syntax: minimumWords === 0 ? "[<HEX DIGITS> ...]" : "<HEX DIGITS> ...",
  minimumWords,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: (words) => parseHex(words, digits),
  format: (bytes) => bytes.replace(/(.{4})(?=.)/g, "$1 "),
});

const HEX = "0123456789abcdef";
const length = integer({ min: 0, max: LENGTH_MAX, unit: "BYTES" });

export const udpCheckTable = blockTable("UDP_CHECK", {
  ...connectionRows,
  ...connectionTimingRows,
  payload: {
    ...value,
    kind: hexString(HEX, 1),
    defaultFrom: "32 random bytes",
    doc: "Bytes to send.",
    example: "payload 1200 ab 3",
  } satisfies ValueRow<string>,
  require_reply: {
    ...value,
    kind: hexString(`${HEX}x`, 0),
    doc: "A reply is needed, and begins with these bytes as far as both reach; x = a digit that does not count. Without the keyword the check passes when no ICMP error has come in connect_timeout.",
    example: "require_reply 4f4b xx01",
  } satisfies ValueRow<string>,
  min_reply_length: {
    ...value,
    kind: length,
    default: 0,
    doc: "Least length of the reply. keepalived 2.2.7 looks at it only where require_reply has digits.",
    example: "min_reply_length 4",
  } satisfies ValueRow<number>,
  max_reply_length: {
    ...value,
    kind: length,
    default: 255,
    doc: "Greatest length of the reply. keepalived 2.2.7 looks at it only where require_reply has digits.",
    example: "max_reply_length 1024",
  } satisfies ValueRow<number>,
});
