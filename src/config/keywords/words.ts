import type { Family, Ip } from "../../core/ip.ts";
import { family, IPV4_BYTES, IPV6_BYTES, ipBytes, parseIp } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { invalid, oneWord, type Parsed, shown } from "./kinds.ts";
import type { ValueFault, ValueKind } from "./row.ts";

/** Kinds of values that VRRP's blocks share: addresses of one family or use, prefixes, hardware addresses, lists of names. */

export interface Prefix {
  readonly address: Ip;
  readonly prefixLength: number;
}

export const bitsOf = (ofFamily: Family): number => (ofFamily === 4 ? IPV4_BYTES : IPV6_BYTES) * 8;

/** `ADDR[/LENGTH]`; without a length the whole address. */
export function parsePrefix(word: Word, lengthMin = 1): Parsed<Prefix> {
  const [before = "", length, ...more] = word.text.split("/");
  const address = parseIp(before);
  if (address === undefined || more.length > 0) {
    return invalid(word, "is no address with prefix", "write an address, and / with the prefix length: 10.0.2.10/24");
  }
  const bits = bitsOf(family(address));
  if (length === undefined) return ok({ address, prefixLength: bits });
  const prefixLength = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(prefixLength >= lengthMin && prefixLength <= bits)) {
    return fail({
      code: "out-of-range",
      word,
      message: `${shown(word.text)} has a prefix length that is not from ${lengthMin} to ${bits}`,
      remedy: `write a prefix length from ${lengthMin} to ${bits}`,
    });
  }
  return ok({ address, prefixLength });
}

/** RFC 5771: 224.0.0.0/4. RFC 4291 2.7: ff00::/8; adverts do not leave the link, so its scope must be link-local. */
export const multicastGroup: ValueKind<Ip> = oneWord("<MULTICAST ADDRESS>", (word) => {
  const address = parseIp(word.text);
  if (address === undefined) return invalid(word, "is no IP address", "write 224.0.0.18 or ff02::12");
  const [first = 0, second = 0] = ipBytes(address);
  if (family(address) === 4) {
    return first >= 224 && first <= 239
      ? ok(address)
      : invalid(word, "is no multicast address", "write one from 224.0.0.0 to 239.255.255.255, usually 224.0.0.18");
  }
  return first === 0xff && (second & 0x0f) === 2
    ? ok(address)
    : invalid(
        word,
        "is no multicast address of link-local scope",
        "write one that begins with ff02:, usually ff02::12",
      );
});

/** A multicast group of one family. */
export function multicastGroupOf(wanted: Family): ValueKind<Ip> {
  return {
    ...multicastGroup,
    syntax: wanted === 4 ? "<IPv4 MULTICAST ADDRESS>" : "<IPv6 MULTICAST ADDRESS>",
    parse: (words) => {
      const parsed = multicastGroup.parse(words);
      const [word] = words;
      if (!parsed.ok || word === undefined || family(parsed.value) === wanted) return parsed;
      return invalid(word, `is no IPv${wanted} address`, wanted === 4 ? "write 224.0.0.18" : "write ff02::12");
    },
  };
}

export interface Name {
  readonly text: string;
  readonly word: Word;
}

/** Names of other blocks, one or more on a line. */
export function names(what: string): ValueKind<readonly Name[]> {
  return {
    syntax: `<${what}>`,
    minimumWords: 1,
    maximumWords: Number.POSITIVE_INFINITY,
    parse: (words) => {
      const empty = words.find(({ text }) => text === "");
      if (empty !== undefined) return invalid(empty, "is empty", `write a ${what.toLowerCase()}`);
      return ok(words.map((word) => ({ text: word.text, word })));
    },
    format: (list) => list.map(({ text }) => text).join(" "),
  };
}

const HARDWARE_ADDRESS_BYTES = 6;

/**
 * Six bytes, or five to which the virtual router's number is added; keepalived.conf(5), use_vmac. A group address cannot be
 * a device's own, and the addresses of RFC 9568 7.3 are what is used without one written.
 */
export function parseHardwareAddress(word: Word): Parsed<readonly number[]> {
  const parts = word.text.split(":");
  const bytes = parts.map((part) => (/^[0-9a-fA-F]{1,2}$/.test(part) ? Number.parseInt(part, 16) : Number.NaN));
  if (bytes.some(Number.isNaN) || bytes.length < HARDWARE_ADDRESS_BYTES - 1 || bytes.length > HARDWARE_ADDRESS_BYTES) {
    return invalid(word, "is no hardware address", "write six bytes, or the first five: 02:00:5e:10:00:01");
  }
  if (((bytes[0] ?? 0) & 1) === 1 || bytes.every((byte) => byte === 0)) {
    return invalid(word, "is no hardware address of a device", "write one whose first byte is even: 02:00:5e:10:00:01");
  }
  const [a, b, c, d, e] = bytes;
  if (a === 0 && b === 0 && c === 0x5e && d === 0 && (e === 1 || e === 2)) {
    return invalid(
      word,
      "is one of the addresses of RFC 9568, which belong to virtual_router_ids",
      "leave it out: the address of RFC 9568 for this virtual_router_id is used then",
    );
  }
  return ok(bytes);
}

export const isHardwareAddress = (text: string): boolean => /^[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){4,5}$/.test(text);

export function leftOutValue(word: Word, what: string, reason: string, remedy: string) {
  return fail({ code: "left-out", word, message: `${what} is left out: ${reason}`, remedy } satisfies ValueFault);
}
