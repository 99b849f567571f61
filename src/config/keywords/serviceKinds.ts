import { type Family, family, type Ip, ipBytes, parseIp } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import type { ForwardingConfig, Scheduler, TunnelChecksum, TunnelType } from "../types.ts";
import { choice, integer, invalid, oneWord, type Parsed, parseAddress, port } from "./kinds.ts";
import type { FreeLines, ValueFault, ValueKind } from "./row.ts";
import { parsePrefix } from "./words.ts";

/** Kinds of values of virtual servers: what a service answers to, and how it forwards. */

/** `IP [PORT]` of a virtual server, a real server or a sorry server. */
export interface Endpoint {
  readonly address: Ip;
  readonly port: number | undefined;
}

const missing = (what: string): { readonly ok: false; readonly error: ValueFault } =>
  fail({ code: "missing-value", message: `${what} is missing`, remedy: "write it behind the keyword" });

export const endpoint: ValueKind<Endpoint> = {
  syntax: "<IPADDR> [<PORT>]",
  minimumWords: 1,
  maximumWords: 2,
  parse: ([addressWord, portWord]) => {
    if (addressWord === undefined) return missing("an address");
    const address = parseAddress(addressWord);
    if (!address.ok) return address;
    if (portWord === undefined) return ok({ address: address.value, port: undefined });
    const parsed = port.parse([portWord]);
    return parsed.ok ? ok({ address: address.value, port: parsed.value }) : parsed;
  },
  format: ({ address, port: written }) => (written === undefined ? address : `${address} ${written}`),
};

/** What stands behind `virtual_server`. */
export type ServiceHeader =
  /** Port undefined = every port. */
  | ({ readonly kind: "address" } & Endpoint)
  | { readonly kind: "fwmark"; readonly mark: number }
  | { readonly kind: "group"; readonly name: Word };

/** A mark of 0 is a packet without one. */
export const firewallMark: ValueKind<number> = integer({ min: 1, max: 4_294_967_295, unit: "MARK" });

export const serviceHeader: ValueKind<ServiceHeader> = {
  syntax: "<IPADDR> [<PORT>] | fwmark <MARK> | group <NAME>",
  minimumWords: 1,
  maximumWords: 2,
  parse: (words): Parsed<ServiceHeader> => {
    const [first, second] = words;
    if (first?.text !== "fwmark" && first?.text !== "group") {
      const parsed = endpoint.parse(words);
      return parsed.ok ? ok({ kind: "address", ...parsed.value }) : parsed;
    }
    if (second === undefined) return missing(first.text === "group" ? "the group's name" : "the mark");
    if (first.text === "group") return ok({ kind: "group", name: second });
    const mark = firewallMark.parse([second]);
    return mark.ok ? ok({ kind: "fwmark", mark: mark.value }) : mark;
  },
  format: formatHeader,
};

export function formatHeader(header: ServiceHeader): string {
  if (header.kind === "address") return endpoint.format(header);
  return header.kind === "fwmark" ? `fwmark ${header.mark}` : `group ${header.name.text}`;
}

/** A line of `virtual_server_group`. */
export type GroupLine =
  | { readonly kind: "addresses"; readonly first: Ip; readonly count: number; readonly port: number | undefined }
  | { readonly kind: "fwmark"; readonly mark: number; readonly family: Family | undefined };

/** A group of more is a mistake, or belongs to a firewall mark. */
const RANGE_MAX = 4096;

export const groupLine: ValueKind<GroupLine> = {
  syntax: "<IPADDR>|<IPADDR>-<IPADDR or last part>|<IPADDR>/<LENGTH> [<PORT>] | fwmark <MARK> [inet|inet6]",
  minimumWords: 1,
  maximumWords: 3,
  parse: ([first, second, third]): Parsed<GroupLine> => {
    if (first === undefined) return missing("an address");
    if (first.text === "fwmark") return parseMarkLine(second, third);
    if (third !== undefined) return invalid(third, "is too much", "write one address or range, and its port, a line");
    const range = parseRange(first);
    if (!range.ok) return range;
    if (second === undefined) return ok({ kind: "addresses", ...range.value, port: undefined });
    const written = port.parse([second]);
    return written.ok ? ok({ kind: "addresses", ...range.value, port: written.value }) : written;
  },
  format: (line) => {
    if (line.kind === "fwmark")
      return `fwmark ${line.mark}${line.family === undefined ? "" : ` ${line.family === 6 ? "inet6" : "inet"}`}`;
    const last = addressAfter(line.first, line.count - 1);
    const range = line.count === 1 ? line.first : `${line.first}-${last}`;
    return line.port === undefined ? range : `${range} ${line.port}`;
  },
};

/** The lines of a group as its table reads them. */
export const groupLines: FreeLines<GroupLine> = {
  line: groupLine,
  example: "10.0.2.20-25 80",
  isMeant: ({ text }) => text === "fwmark" || /^[0-9]|:/.test(text),
};

/** A mark's line without its first word, for the table. */
export const markLine: ValueKind<GroupLine> = {
  syntax: "<MARK> [inet|inet6]",
  minimumWords: 1,
  maximumWords: 2,
  parse: ([mark, of]) => parseMarkLine(mark, of),
  format: (line) => groupLine.format(line).replace("fwmark ", ""),
};

function parseMarkLine(markWord: Word | undefined, familyWord: Word | undefined): Parsed<GroupLine> {
  if (markWord === undefined) return missing("the mark");
  const mark = firewallMark.parse([markWord]);
  if (!mark.ok) return mark;
  if (familyWord === undefined) return ok({ kind: "fwmark", mark: mark.value, family: undefined });
  const parsed = inetFamily.parse([familyWord]);
  return parsed.ok ? ok({ kind: "fwmark", mark: mark.value, family: parsed.value }) : parsed;
}

/** `inet` or `inet6` */
export const inetFamily: ValueKind<Family> = oneWord(
  "inet|inet6",
  (word) => {
    if (word.text !== "inet" && word.text !== "inet6")
      return invalid(word, "is no address family", "write inet or inet6");
    return ok(word.text === "inet6" ? 6 : 4);
  },
  (value) => (value === 6 ? "inet6" : "inet"),
);

/** `A`, `A-B`, `A-LAST` (the last number of A counts up to it; hexadecimal in IPv6), `A/LENGTH` from A to the end of its network. */
function parseRange(word: Word): Parsed<{ readonly first: Ip; readonly count: number }> {
  const [before = "", end] = word.text.split("-");
  if (word.text.includes("/")) {
    const prefix = parsePrefix(word);
    if (!prefix.ok) return prefix;
    const { address, prefixLength } = prefix.value;
    const hostBits = (family(address) === 4 ? 32 : 128) - prefixLength;
    const span = 1n << BigInt(hostBits);
    return sized(word, address, span - (numberOf(address) % span));
  }
  const first = parseIp(before);
  if (first === undefined) return parseAddress({ ...word, text: before }) as Parsed<never>;
  if (end === undefined) return ok({ first, count: 1 });
  const last = parseIp(end) ?? parseIp(withLastPart(first, end));
  if (last === undefined || family(last) !== family(first)) {
    return invalid(word, "is no range of addresses", "write 10.0.0.1-10, 10.0.0.250-10.0.1.10 or 10.0.0.8/29");
  }
  return sized(word, first, numberOf(last) - numberOf(first) + 1n);
}

function withLastPart(first: Ip, part: string): string {
  const separator = family(first) === 4 ? "." : ":";
  return `${first.slice(0, first.lastIndexOf(separator) + 1)}${part}`;
}

function sized(word: Word, first: Ip, count: bigint): Parsed<{ readonly first: Ip; readonly count: number }> {
  if (count < 1n) return invalid(word, "ends before it begins", "write the lower address first");
  if (count > BigInt(RANGE_MAX)) {
    const remedy = `write at most ${RANGE_MAX} addresses a line, or let a packet filter mark the packets and use fwmark`;
    return invalid(word, `has ${count} addresses, each a service in the kernel`, remedy);
  }
  return ok({ first, count: Number(count) });
}

const numberOf = (address: Ip): bigint => ipBytes(address).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** The address `offset` places behind another. */
export function addressAfter(first: Ip, offset: number): Ip {
  let rest = numberOf(first) + BigInt(offset);
  const bytes = ipBytes(first);
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  const text = bytes.length === 4 ? bytes.join(".") : ipv6Text(bytes);
  return parseIp(text) ?? first;
}

function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0));
  return groups.map((group) => group.toString(16)).join(":");
}

export const SCHEDULERS = [
  ...["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "fo", "ovf", "sed", "nq", "twos"],
] as const as readonly Scheduler[];

export const schedulerKind: ValueKind<Scheduler> = choice("scheduler", SCHEDULERS);

const TUNNEL_TYPES: readonly TunnelType[] = ["ipip", "gue", "gre"];
const CHECKSUMS: readonly TunnelChecksum[] = ["nocsum", "csum", "remcsum"];

/** `NAT`, `DR`, or `TUN` with its options in any order; keepalived.conf(5), lvs_method. */
export const forwardingKind: ValueKind<ForwardingConfig> = {
  syntax: "NAT|DR|TUN [type ipip|gue|gre] [port <PORT>] [nocsum|csum|remcsum]",
  minimumWords: 1,
  maximumWords: 6,
  parse: ([method, ...options]): Parsed<ForwardingConfig> => {
    if (method === undefined) return missing("the method");
    if (method.text === "NAT" || method.text === "DR") {
      const [extra] = options;
      if (extra === undefined) return ok({ method: method.text });
      return invalid(extra, `is no option of ${method.text}`, "write options behind TUN only");
    }
    if (method.text === "TUN") return parseTunnel(method, options);
    return invalid(method, "is no forwarding method", "write NAT, DR or TUN, exactly so");
  },
  format: (forwarding) => {
    if (forwarding.method !== "TUN") return forwarding.method;
    const { type, port: number, checksum } = forwarding;
    const words = [...(type === "gue" ? ["port", String(number)] : []), ...(type === "ipip" ? [] : [checksum])];
    return ["TUN", "type", type, ...words].join(" ");
  },
};

function parseTunnel(method: Word, options: readonly Word[]): Parsed<ForwardingConfig> {
  let type: TunnelType = "ipip";
  let number: Word | undefined;
  let checksum: Word | undefined;
  for (let i = 0; i < options.length; i++) {
    const word = options[i] as Word;
    if (word.text === "type") {
      const parsed = choice("type of tunnel", TUNNEL_TYPES).parse(options.slice(++i, i + 1));
      if (!parsed.ok) return parsed;
      type = parsed.value;
    } else if (word.text === "port") {
      number = options[++i];
      if (number === undefined) return missing("the port");
    } else if (CHECKSUMS.some((each) => each === word.text)) checksum = word;
    else return invalid(word, "is no option of TUN", "write type ipip, type gue port NUMBER, or type gre");
  }
  const unfit = tunnelFault(method, type, number, checksum);
  if (unfit !== undefined) return unfit;
  const parsed = number === undefined ? ok(0) : port.parse([number]);
  if (!parsed.ok) return parsed;
  return ok({ method: "TUN", type, port: parsed.value, checksum: (checksum?.text ?? "nocsum") as TunnelChecksum });
}

/** ipvsadm(8): only GUE has a port, IPIP has no checksum, GRE no remote one. */
function tunnelFault(method: Word, type: TunnelType, number: Word | undefined, checksum: Word | undefined) {
  if (type === "gue" && number === undefined)
    return invalid(method, "type gue has no port", "write the UDP port: TUN type gue port 6080");
  if (type !== "gue" && number !== undefined) return invalid(number, `is a port, which ${type} has not`, "remove port");
  if (type === "ipip" && checksum !== undefined)
    return invalid(checksum, "is no option of ipip", "remove it, or choose type gue or gre");
  if (type === "gre" && checksum?.text === "remcsum")
    return invalid(checksum, "is no option of gre", "write csum or nocsum");
  return undefined;
}

/** The granularity of affinity; of which family it is follows from how it is written. */
export interface Granularity {
  readonly prefix: number;
  readonly family: Family;
}

/** A netmask for IPv4, a prefix length for IPv6 (ipvsadm(8), -M). */
export const granularity: ValueKind<Granularity> = oneWord(
  "<IPv4 NETMASK>|<IPv6 PREFIX 1..128>",
  (word): Parsed<Granularity> => {
    if (/^\d{1,3}$/.test(word.text)) {
      const prefix = Number(word.text);
      return prefix >= 1 && prefix <= 128
        ? ok({ prefix, family: 6 })
        : invalid(word, "is no prefix length of IPv6", "write a number from 1 to 128, or a netmask for IPv4");
    }
    const mask = parseIp(word.text);
    const bits = mask === undefined || family(mask) !== 4 ? undefined : numberOf(mask);
    const inverse = bits === undefined ? 0n : 0xffff_ffffn ^ bits;
    // Ones and then zeros: one more than the inverse is a power of two.
    if (bits === undefined || bits === 0n || (inverse & (inverse + 1n)) !== 0n)
      return invalid(word, "is no netmask", "write 255.255.255.0 for example, in IPv6 the prefix length: 64");
    return ok({ prefix: 32 - inverse.toString(2).replace(/^0$/, "").length, family: 4 });
  },
  ({ prefix, family: of }) => (of === 6 ? String(prefix) : maskText(prefix)),
);

function maskText(prefix: number): string {
  const mask = (0xffff_ffff << (32 - prefix)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join(".");
}
