import { type Family, family, type Ip, ipBytes, ipFromBytes, parseIp } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { invalid, oneWord, type Parsed, shown } from "./kinds.ts";
import type { ValueKind } from "./row.ts";
import { bitsOf, type Prefix, parsePrefix } from "./words.ts";

/**
 * Kinds of values that routes and rules share, as ip-route(8) and ip-rule(8) have them. Names of tables, protocols and
 * scopes are those of the kernel's headers (linux/rtnetlink.h): a host's own names in /etc/iproute2 may differ from host to
 * host, and parsing never touches the host.
 */

/** A prefix as written; `default`, `any` and `all` are of either family. */
export type RoutingPrefix =
  | { readonly kind: "any" }
  | ({ readonly kind: "prefix"; readonly word: Word; readonly family: Family } & Prefix);

const ANY_WORDS = new Set(["default", "any", "all"]);

export const routingPrefix: ValueKind<RoutingPrefix> = oneWord<RoutingPrefix>(
  "<IPADDR>[/<PREFIX>]|default|any|all",
  (word) => {
    if (ANY_WORDS.has(word.text)) return ok({ kind: "any" });
    const prefix = parsePrefix(word, 0);
    return prefix.ok ? ok({ kind: "prefix", word, family: family(prefix.value.address), ...prefix.value }) : prefix;
  },
  (value) => (value.kind === "any" ? "default" : prefixText(value)),
);

/** Whether a word that is no option's name is a destination. */
export const looksLikePrefix = ({ text }: Word): boolean =>
  ANY_WORDS.has(text) || parseIp(text.split("/")[0] ?? "") !== undefined;

export function prefixText({ address, prefixLength }: Prefix): string {
  return prefixLength === bitsOf(family(address)) ? address : `${address}/${prefixLength}`;
}

/** The kernel refuses an IPv4 destination with bits behind its prefix, and clears those of IPv6. */
export function destinationPrefix(written: RoutingPrefix, ofFamily: Family): Parsed<Prefix> {
  if (written.kind === "any") return ok({ address: anyAddress(ofFamily), prefixLength: 0 });
  const { word, prefixLength } = written;
  const address = withoutHostBits(written.address, prefixLength);
  if (address !== written.address && ofFamily === 4) {
    return invalid(word, "has bits behind its prefix", `write ${address}/${prefixLength}`);
  }
  return ok({ address, prefixLength });
}

const anyAddress = (ofFamily: Family): Ip => ipFromBytes(new Uint8Array(bitsOf(ofFamily) / 8));

function withoutHostBits(address: Ip, prefixLength: number): Ip {
  const bytes = ipBytes(address).map((byte, index) => {
    const hostBits = Math.min(8, Math.max(0, (index + 1) * 8 - prefixLength));
    return byte & (0xff << hostBits) & 0xff;
  });
  return ipFromBytes(bytes);
}

const NUMBER = /^(\d{1,20}|0x[0-9a-fA-F]{1,16})$/;

/** Decimal, or hexadecimal with 0x. */
export function plainNumber(range: {
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}): ValueKind<number> {
  const { min, max, unit = "NUMBER" } = range;
  return oneWord(`<${unit} ${min}..${max}>`, (word) => parseNumber(word, word.text, min, max));
}

export function parseNumber(word: Word, text: string, min: number, max: number): Parsed<number> {
  if (!NUMBER.test(text)) {
    return invalid(word, "is no number", `write a number from ${min} to ${max}, hexadecimal with 0x in front`);
  }
  const value = Number(text);
  if (value >= min && value <= max) return ok(value);
  return fail({
    code: "out-of-range",
    word,
    message: `${shown(word.text)} is not from ${min} to ${max}`,
    remedy: "choose a value in the range",
  });
}

/** A number, or one of a few names that mean the same on every host; `where` is the file with a host's own names. */
function namedNumber(
  what: string,
  names: Readonly<Record<string, number>>,
  { min, max, where }: { readonly min: number; readonly max: number; readonly where: string },
): ValueKind<number> {
  const known = Object.keys(names).join("|");
  const parse = (word: Word): Parsed<number> => {
    const named = Object.hasOwn(names, word.text) ? names[word.text] : undefined;
    if (named !== undefined) return ok(named);
    if (/^\d/.test(word.text)) return parseNumber(word, word.text, min, max);
    const remedy = `write its number, which ${where} of this host may tell, or one of ${Object.keys(names).join(", ")}`;
    return invalid(word, `is no ${what} that has this name on every host`, remedy);
  };
  const nameOf = (value: number): string => Object.keys(names).find((name) => names[name] === value) ?? String(value);
  return oneWord(`<${what.toUpperCase()} ${min}..${max}>|${known}`, parse, nameOf);
}

/** RT_TABLE_* */
export const TABLES = { default: 253, main: 254, local: 255 } as const;
export const routingTable = namedNumber("table", TABLES, {
  min: 1,
  max: 0xffff_ffff,
  where: "/etc/iproute2/rt_tables",
});

/** RTPROT_*, but for unspec and kernel: what the kernel makes is the kernel's. */
const PROTOCOLS = {
  redirect: 1,
  boot: 3,
  static: 4,
  gated: 8,
  ra: 9,
  mrt: 10,
  zebra: 11,
  bird: 12,
  dnrouted: 13,
  xorp: 14,
  ntk: 15,
  dhcp: 16,
  mrouted: 17,
  keepalived: 18,
  babel: 42,
  openr: 99,
  bgp: 186,
  isis: 187,
  ospf: 188,
  rip: 189,
  eigrp: 192,
} as const;
export const PROTOCOL_KEEPALIVED = PROTOCOLS.keepalived;
const PROTOCOL_KERNEL = 2;
const anyProtocol = namedNumber("protocol", PROTOCOLS, { min: 1, max: 255, where: "/etc/iproute2/rt_protos" });
export const routingProtocol: ValueKind<number> = {
  ...anyProtocol,
  parse: (words) => {
    const parsed = anyProtocol.parse(words);
    const [word] = words;
    if (word === undefined) return parsed;
    const kernels = word.text === "kernel" || (parsed.ok && parsed.value === PROTOCOL_KERNEL);
    return kernels ? invalid(word, "is the protocol of what the kernel makes itself", "leave it out") : parsed;
  },
};

/** RT_SCOPE_* */
const SCOPES = { global: 0, universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;
export const ROUTE_SCOPES = SCOPES;
export const routeScope = namedNumber("scope", SCOPES, { min: 0, max: 255, where: "/etc/iproute2/rt_scopes" });

const REALM_MAX = 0xffff;
/** `TO` or `FROM/TO`; both in one number, as RTA_FLOW and FRA_FLOW have it. */
export const realms: ValueKind<number> = oneWord(
  `[<FROM 0..${REALM_MAX}>/]<TO 0..${REALM_MAX}>`,
  (word) => {
    const parts = word.text.split("/");
    const bad = parts.find((part) => !NUMBER.test(part));
    if (bad !== undefined || parts.length > 2) {
      const remedy = "write their numbers, which /etc/iproute2/rt_realms of this host may tell: 3/4";
      return invalid(word, "are no numbers of realms", remedy);
    }
    const numbers = parts.map((part) => parseNumber(word, part, 0, REALM_MAX));
    const fault = numbers.find((number) => !number.ok);
    if (fault !== undefined) return fault;
    const [to = 0, from = 0] = numbers.map((number) => (number.ok ? number.value : 0)).reverse();
    return ok(from * 0x1_0000 + to);
  },
  (value) => (value > REALM_MAX ? `${Math.floor(value / 0x1_0000)}/${value % 0x1_0000}` : String(value)),
);

export const typeOfService = plainNumber({ min: 0, max: 255, unit: "TOS" });

const GROUP = oneWord("<GROUP>", (word) => ok(word));
/** The word itself: a rule looks whether there is such a group. */
export const trackGroupWord: ValueKind<Word> = { ...GROUP, format: ({ text }) => text };

/** What decides whether a line is IPv4 or IPv6: its words, or the first address in it; without any it is IPv4. */
export function lineFamily(
  written: { readonly inet?: unknown; readonly inet6?: unknown },
  addresses: readonly (Family | undefined)[],
): Family {
  if (written.inet6 !== undefined) return 6;
  if (written.inet !== undefined) return 4;
  return addresses.find((each) => each !== undefined) ?? 4;
}

export const familyOf = (prefix: RoutingPrefix | undefined): Family | undefined =>
  prefix?.kind === "prefix" ? prefix.family : undefined;

/** Every address that is written must be of the line's family. */
export function otherFamily(
  wanted: Family,
  addresses: readonly ({ readonly family: Family; readonly word: Word } | undefined)[],
) {
  const other = addresses.find((each) => each !== undefined && each.family !== wanted);
  if (other === undefined) return undefined;
  const remedy = `write IPv${wanted} addresses only, or inet${other.family === 6 ? "6" : ""} where that is meant`;
  return invalid(other.word, `is no IPv${wanted} address, and the line is IPv${wanted}`, remedy);
}
