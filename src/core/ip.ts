/**
 * IP addresses as canonical text (RFC 5952 for IPv6): equal addresses are equal strings, they survive structured clone
 * and JSON, and they are usable as keys. Bytes appear only at the codecs.
 */

declare const ipBrand: unique symbol;
/** A valid address in canonical text form. */
export type Ip = string & { readonly [ipBrand]: true };
export type Family = 4 | 6;

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;

const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

export function family(ip: Ip): Family {
  return ip.includes(":") ? 6 : 4;
}

/** `10.0.2.10:5432`, `[2001:db8::1]:80` */
export function endpointText(address: Ip, port: number): string {
  return family(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Parses an address without prefix or zone; undefined when it is none. Leading zeros in IPv4 are refused (octal to some readers). */
export function parseIp(text: string): Ip | undefined {
  const bytes = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
  return bytes === undefined ? undefined : ipFromBytes(bytes);
}

/** For literals in code and tests; throws on anything that is no address. */
export function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`not an IP address: ${text}`);
  return parsed;
}

/** The address in network byte order: 4 or 16 bytes. */
export function ipBytes(address: Ip): Uint8Array {
  const bytes = address.includes(":") ? parseIpv6(address) : parseIpv4(address);
  if (bytes === undefined) throw new Error(`not a canonical IP address: ${address}`);
  return bytes;
}

/** Writes the 4 or 16 bytes of an address from `at` on, and tells which. */
export function writeIp(address: Ip, into: Uint8Array, at: number): Family {
  if (writeIpv4(address, into, at)) return 4;
  into.set(knownBytes(address), at);
  return 6;
}

/** Bytes of the addresses used last: a host compares the same few again and again, and IPv6 is slow to parse. */
const bytesOf = new Map<Ip, Uint8Array>();
const KNOWN_MAX = 4096;

function knownBytes(address: Ip): Uint8Array {
  const known = bytesOf.get(address);
  if (known !== undefined) return known;
  if (bytesOf.size >= KNOWN_MAX) bytesOf.clear();
  const bytes = ipBytes(address);
  bytesOf.set(address, bytes);
  return bytes;
}

/** From 4 or 16 bytes in network byte order; any other length is a programming error. */
export function ipFromBytes(bytes: Uint8Array): Ip {
  if (bytes.length === IPV4_BYTES) return bytes.join(".") as Ip;
  if (bytes.length === IPV6_BYTES) return formatIpv6(bytes) as Ip;
  throw new Error(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
}

/** True when both addresses are of one family and share the first `prefixLength` bits. */
export function inSubnet(address: Ip, network: Ip, prefixLength: number): boolean {
  if (family(address) !== family(network)) return false;
  const a = knownBytes(address);
  const b = knownBytes(network);
  for (let bit = 0; bit < prefixLength; bit += 8) {
    const width = Math.min(8, prefixLength - bit);
    const mask = (0xff << (8 - width)) & 0xff;
    if (((a[bit / 8] ?? 0) & mask) !== ((b[bit / 8] ?? 0) & mask)) return false;
  }
  return true;
}

/** Compares as unsigned numbers in network byte order (RFC 3768 6.4.3 breaks priority ties so). */
export function compareIp(left: Ip, right: Ip): number {
  if (left === right) return 0;
  const a = knownBytes(left);
  const b = knownBytes(right);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(IPV4_BYTES);
  return writeIpv4(text, bytes, 0) ? bytes : undefined;
}

/**
 * False where the text is no IPv4 address; then some of the 4 bytes may be written. By character, not by pattern: every message to
 * the kernel carries addresses, thousands in one batch.
 */
function writeIpv4(text: string, into: Uint8Array, at: number): boolean {
  let octet = 0;
  let digits = 0;
  let value = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? DOT : text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || octet === IPV4_BYTES) return false;
      into[at + octet++] = value;
      digits = 0;
      value = 0;
      continue;
    }
    const leadingZero = digits > 0 && value === 0;
    if (code < ZERO || code > NINE || leadingZero) return false;
    value = value * 10 + code - ZERO;
    digits++;
    if (value > 255) return false;
  }
  return octet === IPV4_BYTES;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? "");
  const tail = halves.length === 2 ? groups(halves[1] ?? "") : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const bytes = new Uint8Array(IPV6_BYTES);
  all.forEach((group, index) => {
    bytes[index * 2] = group >> 8;
    bytes[index * 2 + 1] = group & 0xff;
  });
  return bytes;
}

/** The 16-bit groups of one side of "::", an embedded IPv4 address at its end counting as two. */
function groups(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const result: number[] = [];
  for (const [index, part] of parts.entries()) {
    const embedded = index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (embedded !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = embedded;
      result.push((a << 8) | b, (c << 8) | d);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      result.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return result;
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as "::", the first of equals. */
function formatIpv6(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0));
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > bestLength) {
      bestStart = start;
      bestLength = length;
    }
  }
  const hex = (part: number[]): string => part.map((word) => word.toString(16)).join(":");
  if (bestStart < 0) return hex(words);
  return `${hex(words.slice(0, bestStart))}::${hex(words.slice(bestStart + bestLength))}`;
}
