import { family, IPV4_BYTES, IPV6_BYTES, type Ip, parseIp } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { nearest } from "../suggest.ts";
import {
  choice,
  INTERFACE_NAME_BYTES,
  interfaceName,
  invalid,
  oneWord,
  type Parsed,
  shown,
  utf8Bytes,
} from "./kinds.ts";
import { blockTable, MAN, notYetRows, type ValueKind, type ValueRow } from "./row.ts";

/** A line of `virtual_ipaddress` as written; the device's default is the instance's interface. */
export interface VirtualAddressLine {
  readonly address: Ip;
  readonly prefixLength: number;
  readonly device: string | undefined;
  readonly label: string | undefined;
  readonly scope: VirtualAddressScope;
  /** Where the parts were written, for the rules that compare them. */
  readonly words: { readonly address: Word; readonly label: Word | undefined };
}

const SCOPES = ["global", "site", "link", "host"] as const;
export type VirtualAddressScope = (typeof SCOPES)[number];

/** IFA_LABEL is an interface name in the kernel (IFNAMSIZ less its closing NUL); the form is that of ifconfig aliases. */
const label: ValueKind<string> = oneWord("<LABEL>", (word) => {
  if (!/^[\x21-\x7e]+$/.test(word.text))
    return invalid(word, "is no label", "write printable characters, for example eth0:1");
  return utf8Bytes(word.text) > INTERFACE_NAME_BYTES
    ? invalid(word, `is longer than the ${INTERFACE_NAME_BYTES} bytes of a label`, "shorten it, for example eth0:1")
    : ok(word.text);
});

const rowText = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

export const virtualAddressOptions = blockTable("a virtual_ipaddress line", {
  dev: {
    ...rowText,
    kind: interfaceName,
    defaultFrom: "interface of the instance",
    doc: "Device that carries the address.",
    example: "10.0.2.10/24 dev eth0",
  } satisfies ValueRow<string>,
  label: {
    ...rowText,
    kind: label,
    doc: "Name of the alias, IPv4 only. Tools read it as an alias of the device when it begins with its name and a colon.",
    example: "10.0.2.10/24 dev eth0 label eth0:1",
  } satisfies ValueRow<string>,
  scope: {
    ...rowText,
    kind: choice("scope", SCOPES, ["nowhere"]),
    default: "global",
    doc: "Scope of the address, as in ip address add.",
    example: "10.0.2.10/24 scope global",
  } satisfies ValueRow<VirtualAddressScope>,
  ...notYetRows({
    brd: "Broadcast address.",
    peer: "Address of the other end of a point-to-point link.",
    use_vmac: "Puts this address on a virtual MAC interface of its own.",
    home: "Marks an IPv6 address as home address (mobile IPv6).",
    "-nodad": "Skips duplicate address detection (IPv6).",
    mngtmpaddr: "Lets the kernel manage temporary addresses from this one (IPv6).",
    noprefixroute: "Adds no route for the prefix.",
    autojoin: "Joins the multicast group of the address.",
    no_track: "The instance does not leave MASTER when the address is deleted.",
    preferred_lft: "Preferred lifetime of an IPv6 address.",
  }),
});

type OptionName = "dev" | "label" | "scope";

/** `ADDR[/PREFIX] [dev X] [label Y] [scope Z]` */
export const virtualAddressLine: ValueKind<VirtualAddressLine> = {
  syntax: "<IPADDR>[/<PREFIX>] [dev <INTERFACE>] [label <LABEL>] [scope <SCOPE>]",
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: (words) => {
    const [first, ...rest] = words;
    if (first === undefined)
      return fail({ code: "missing-value", message: "an address is missing", remedy: "write one" });
    const address = addressAndPrefix(first);
    if (!address.ok) return address;
    const options = parseOptions(rest);
    if (!options.ok) return options;
    const { dev, label: written } = options.value;
    if (written !== undefined && family(address.value.address) === 6) {
      return invalid(
        written.word,
        "is a label on an IPv6 address; only IPv4 addresses have labels",
        "remove the label",
      );
    }
    return ok({
      ...address.value,
      device: dev?.value,
      label: written?.value,
      scope: options.value.scope?.value ?? virtualAddressOptions.rows.scope.default,
      words: { address: first, label: written?.word },
    });
  },
  format: ({ address, prefixLength, device, label: name, scope }) =>
    [
      `${address}/${prefixLength}`,
      ...(device === undefined ? [] : [`dev ${device}`]),
      ...(name === undefined ? [] : [`label ${name}`]),
      `scope ${scope}`,
    ].join(" "),
};

function addressAndPrefix(word: Word): Parsed<{ readonly address: Ip; readonly prefixLength: number }> {
  const [before = "", prefix, ...more] = word.text.split("/");
  const address = parseIp(before);
  if (address === undefined || more.length > 0) {
    return invalid(word, "is no address with prefix", "write an address, and / with the prefix length: 10.0.2.10/24");
  }
  const bits = (family(address) === 4 ? IPV4_BYTES : IPV6_BYTES) * 8;
  if (prefix === undefined) return ok({ address, prefixLength: bits });
  const prefixLength = /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (!(prefixLength >= 1 && prefixLength <= bits)) {
    return fail({
      code: "out-of-range",
      word,
      message: `${shown(word.text)} has a prefix length that is not from 1 to ${bits}`,
      remedy: `write a prefix length from 1 to ${bits}`,
    });
  }
  return ok({ address, prefixLength });
}

type Options = {
  readonly dev?: { readonly value: string; readonly word: Word };
  readonly label?: { readonly value: string; readonly word: Word };
  readonly scope?: { readonly value: VirtualAddressScope; readonly word: Word };
};

function parseOptions(words: readonly Word[]): Parsed<Options> {
  let found: Options = {};
  for (let index = 0; index < words.length; index += 2) {
    const name = words[index];
    if (name === undefined) break;
    if (!isOption(name.text)) return fail(refusal(name));
    if (found[name.text] !== undefined) return invalid(name, "is written twice for one address", "keep one of them");
    const value = words[index + 1];
    if (value === undefined) {
      return fail({
        code: "missing-value",
        word: name,
        message: `${name.text} has no value`,
        remedy: `write it so: ${virtualAddressOptions.rows[name.text].example}`,
      });
    }
    const parsed = virtualAddressOptions.rows[name.text].kind.parse([value]);
    if (!parsed.ok) return parsed;
    found = { ...found, [name.text]: { value: parsed.value, word: value } };
  }
  return ok(found);
}

const isOption = (name: string): name is OptionName => {
  const row = Object.hasOwn(virtualAddressOptions.rows, name)
    ? virtualAddressOptions.rows[name as keyof typeof virtualAddressOptions.rows]
    : undefined;
  return row !== undefined && row.shape === "value";
};

function refusal(name: Word) {
  const names = Object.keys(virtualAddressOptions.rows);
  if (names.includes(name.text)) {
    return {
      code: "not-implemented",
      word: name,
      message: `the address option ${name.text} is not implemented yet`,
      remedy: "remove it where the address works without it",
    } as const;
  }
  const suggestion = nearest(name.text, names);
  return {
    code: "unknown-keyword",
    word: name,
    message: `${shown(name.text)} is no option of an address`,
    remedy:
      suggestion === undefined
        ? "one line holds one address; its options are dev, label and scope"
        : `did you mean ${suggestion}?`,
  } as const;
}
