import type { Ip } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import type { ChecksumForm } from "../vrrp.types.ts";
import { choice, flag, integer, invalid, ipAddress, oneWord, parseAddress } from "./kinds.ts";
import { parseOptions } from "./options.ts";
import { type BlockRow, blockTable, type LinesRow, leftOutRows, MAN, type ValueKind, type ValueRow } from "./row.ts";
import { leftOutValue, multicastGroup } from "./words.ts";

/** How adverts travel: multicast or unicast, from which address, with which password, in which form. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "restart" } as const;

const timeToLive = integer({ min: 0, max: 255, unit: "TTL" });

/** `ADDR [min_ttl N] [max_ttl N]` */
export interface UnicastPeerLine {
  readonly address: Ip;
  readonly timeToLiveMin: number | undefined;
  readonly timeToLiveMax: number | undefined;
}

export const unicastPeerOptions = blockTable("a unicast_peer line", {
  min_ttl: {
    ...row,
    kind: timeToLive,
    doc: "Adverts of this peer with a lower TTL or hop limit are discarded. Turns check_unicast_src on.",
    example: "10.0.2.2 min_ttl 255",
  } satisfies ValueRow<number>,
  max_ttl: {
    ...row,
    kind: timeToLive,
    doc: "Adverts of this peer with a higher TTL or hop limit are discarded. Turns check_unicast_src on.",
    example: "10.0.2.2 max_ttl 255",
  } satisfies ValueRow<number>,
});

const unicastPeerLine: ValueKind<UnicastPeerLine> = {
  syntax: "<IPADDR> [min_ttl <TTL 0..255>] [max_ttl <TTL 0..255>]",
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: ([first, ...rest]) => {
    if (first === undefined)
      return fail({ code: "missing-value", message: "an address is missing", remedy: "write one" });
    const address = parseAddress(first);
    if (!address.ok) return address;
    const options = parseOptions(unicastPeerOptions, rest, "a unicast peer");
    if (!options.ok) return options;
    const { min_ttl: min, max_ttl: max } = options.value;
    if (min !== undefined && max !== undefined && min.value > max.value) {
      return invalid(
        max.word,
        `is below min_ttl ${min.value}, so every advert of this peer would be discarded`,
        "write the greater number behind max_ttl",
      );
    }
    return ok({ address: address.value, timeToLiveMin: min?.value, timeToLiveMax: max?.value });
  },
  format: ({ address, timeToLiveMin, timeToLiveMax }) =>
    [
      address,
      ...(timeToLiveMin === undefined ? [] : [`min_ttl ${timeToLiveMin}`]),
      ...(timeToLiveMax === undefined ? [] : [`max_ttl ${timeToLiveMax}`]),
    ].join(" "),
};

const authType: ValueKind<"PASS"> = oneWord("PASS", (word: Word) => {
  if (word.text === "PASS") return ok("PASS");
  if (word.text === "AH") {
    return leftOutValue(
      word,
      "auth_type AH",
      "RFC 3768 removed it from VRRP, keepalived.conf(5) advises against it, and no other router speaks it",
      "remove the authentication; on a network that cannot be trusted use unicast_peer with min_ttl 255",
    );
  }
  return invalid(word, "is no type of authentication", "write PASS, exactly so");
});

/** Checked by the rules: only the first eight bytes count. */
const password: ValueKind<string> = oneWord("<PASSWORD>", (word) =>
  word.text === "" ? invalid(word, "is empty", "write up to eight characters") : ok(word.text),
);

export const authenticationTable = blockTable("authentication", {
  auth_type: {
    ...row,
    kind: authType,
    default: "PASS",
    doc: "PASS: a password in clear text. AH is left out: RFC 3768 removed it from VRRP and no other router speaks it.",
    example: "auth_type PASS",
  } satisfies ValueRow<"PASS">,
  auth_pass: {
    ...row,
    kind: password,
    doc: "The same on all routers; only the first eight characters count.",
    example: "auth_pass secret12",
  } satisfies ValueRow<string>,
});

/** keepalived.conf(5) has no word for it; keepalived sends and takes only the first. */
const CHECKSUM_WORDS: Readonly<Record<string, ChecksumForm>> = {
  with_pseudo_header: "withPseudoHeader",
  without_pseudo_header: "withoutPseudoHeader",
};
const checksumWord = choice("form of checksum", ["with_pseudo_header", "without_pseudo_header"]);
const checksumForm: ValueKind<ChecksumForm> = {
  ...checksumWord,
  parse: (words) => {
    const parsed = checksumWord.parse(words);
    return parsed.ok ? ok(CHECKSUM_WORDS[parsed.value] ?? "withPseudoHeader") : parsed;
  },
  format: (form) => (form === "withPseudoHeader" ? "with_pseudo_header" : "without_pseudo_header"),
};

export const transportRows = {
  mcast_src_ip: {
    ...row,
    kind: ipAddress,
    defaultFrom: "the interface's primary address",
    doc: "Source address of multicast adverts.",
    example: "mcast_src_ip 10.0.2.1",
  } satisfies ValueRow<Ip>,
  unicast_src_ip: {
    ...row,
    kind: ipAddress,
    defaultFrom: "the interface's primary address",
    doc: "Source address of unicast adverts.",
    example: "unicast_src_ip 10.0.2.1",
  } satisfies ValueRow<Ip>,
  mcast_dst_ip: {
    ...row,
    kind: multicastGroup,
    defaultFrom: "vrrp_mcast_group4 or vrrp_mcast_group6",
    doc: "Multicast address that adverts are sent to and heard on.",
    example: "mcast_dst_ip 224.0.0.18",
  } satisfies ValueRow<Ip>,
  track_src_ip: {
    ...row,
    reload: "live",
    kind: flag,
    doc: "FAULT while the source address is not on the host. Without it adverts fall back on the primary address.",
    example: "track_src_ip",
  } satisfies ValueRow<true>,
  check_unicast_src: {
    ...row,
    reload: "live",
    kind: flag,
    defaultFrom: "vrrp_check_unicast_src, or min_ttl or max_ttl of a peer",
    doc: "Discards unicast adverts of others than the peers.",
    example: "check_unicast_src",
  } satisfies ValueRow<true>,
  unicast_peer: {
    shape: "lines",
    status: "implemented",
    reference: MAN,
    reload: "restart",
    line: unicastPeerLine,
    lineTable: unicastPeerOptions,
    lineExample: "10.0.2.2 min_ttl 255",
    doc: "Addresses that adverts are sent to instead of multicast.",
    example: "unicast_peer {\n  10.0.2.2 min_ttl 255\n}",
  } satisfies LinesRow<UnicastPeerLine>,
  unicast_fault_no_peer: {
    ...row,
    kind: flag,
    doc: "Unicast also without any peer: the instance is in FAULT then.",
    example: "unicast_fault_no_peer",
  } satisfies ValueRow<true>,
  unicast_ttl: {
    ...row,
    reload: "live",
    kind: timeToLive,
    defaultFrom: "255",
    doc: "TTL or hop limit of unicast adverts.",
    example: "unicast_ttl 255",
  } satisfies ValueRow<number>,
  authentication: {
    shape: "block",
    status: "implemented",
    reference: `${MAN}, RFC 2338 5.3.6`,
    reload: "restart",
    header: flag,
    table: authenticationTable,
    doc: "Password in the adverts, version 2 only. It protects from mistakes, not from attackers: everybody on the network can read it.",
    example: "authentication {\n  auth_type PASS\n  auth_pass secret12\n}",
  } satisfies BlockRow<true, typeof authenticationTable.rows>,
  v3_checksum: {
    ...row,
    status: "native",
    reference: "RFC 9568 5.2.8",
    reload: "live",
    kind: checksumForm,
    default: "withPseudoHeader",
    doc: "How IPv4 adverts of version 3 are summed when they are sent; both forms are accepted. keepalived wants the pseudo header, some vendors leave it out.",
    example: "v3_checksum with_pseudo_header",
  } satisfies ValueRow<ChecksumForm>,
  ...leftOutRows({
    old_unicast_checksum: {
      doc: "Checksum of keepalived before 1.3.7.",
      reason: "it is the mistake of versions of 2017, and no standard describes it",
      remedy:
        "update those peers and remove it; v3_checksum without_pseudo_header speaks to vendors who leave the pseudo header out",
    },
  }),
} as const;
