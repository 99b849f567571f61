import type { Family } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import type { RuleConfig } from "../vrrp.types.ts";
import { flag, interfaceName, invalid, oneWord, type Parsed } from "./kinds.ts";
import { type Options, parseOptions } from "./options.ts";
import {
  familyOf,
  lineFamily,
  otherFamily,
  PROTOCOL_KEEPALIVED,
  parseNumber,
  plainNumber,
  prefixText,
  type RoutingPrefix,
  realms,
  routingPrefix,
  routingProtocol,
  routingTable,
  trackGroupWord,
  typeOfService,
} from "./routingWords.ts";
import { blockTable, MAN, type ValueKind, type ValueRow } from "./row.ts";

/** A line of `virtual_rules` or `static_rules`: keepalived.conf(5), in the words of ip-rule(8). */
export interface RuleLine {
  readonly rule: RuleConfig;
  /** Where the name of the track_group stands. */
  readonly trackGroup: Word | undefined;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;
const U32_MAX = 0xffff_ffff;

/** `N` or `N-M`, both included. */
const range = (unit: string, max: number, min = 0): ValueKind<Range> =>
  oneWord(
    `<${unit} ${min}..${max}>[-<${unit}>]`,
    (word) => {
      const [first = "", last = first, ...more] = word.text.split("-");
      const from = parseNumber(word, more.length > 0 ? word.text : first, min, max);
      if (!from.ok) return from;
      const to = parseNumber(word, last, min, max);
      if (!to.ok) return to;
      return from.value <= to.value
        ? ok({ from: from.value, to: to.value })
        : invalid(word, "is a range whose end is below its beginning", "write the smaller number first");
    },
    ({ from, to }) => (from === to ? String(from) : `${from}-${to}`),
  );

/** `MARK[/MASK]` */
const mark: ValueKind<{ readonly value: number; readonly mask: number }> = oneWord(
  `<MARK 0..${U32_MAX}>[/<MASK>]`,
  (word) => {
    const [before = "", behind, ...more] = word.text.split("/");
    const value = parseNumber(word, more.length > 0 ? word.text : before, 0, U32_MAX);
    if (!value.ok) return value;
    const mask = behind === undefined ? ok(U32_MAX) : parseNumber(word, behind, 0, U32_MAX);
    return mask.ok ? ok({ value: value.value, mask: mask.value }) : mask;
  },
  ({ value, mask }) => `${value}/${mask}`,
);

/** IPPROTO_* names that every host has; any other is a number. */
const IP_PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  "ipv6-icmp": 58,
  icmpv6: 58,
  ospf: 89,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
};
const ipProtocol: ValueKind<number> = oneWord("<NUMBER 1..255>|tcp|udp|icmp|...", (word) => {
  const name = word.text.toLowerCase();
  if (Object.hasOwn(IP_PROTOCOLS, name)) return ok(IP_PROTOCOLS[name] ?? 0);
  if (/^\d/.test(name)) return parseNumber(word, word.text, 1, 255);
  const remedy = `write its number, or one of ${Object.keys(IP_PROTOCOLS).join(", ")}`;
  return invalid(word, "is no IP protocol", remedy);
});

/** The group of interfaces 0 is `default` on every host. */
const interfaceGroup: ValueKind<number> = oneWord(`<GROUP 0..${U32_MAX}>|default`, (word) =>
  word.text === "default" ? ok(0) : parseNumber(word, word.text, 0, U32_MAX - 1),
);

const tunnelId: ValueKind<bigint> = oneWord("<NUMBER>", (word) =>
  /^\d{1,20}$/.test(word.text) && BigInt(word.text) < 2n ** 64n
    ? ok(BigInt(word.text))
    : invalid(word, "is no tunnel id", "write a number of up to 64 bits"),
);

const action = (name: string, doc: string) =>
  ({ ...row, kind: flag, doc, example: `from 10.0.2.10 ${name} preference 100` }) satisfies ValueRow<true>;

const commonOptions = {
  from: {
    ...row,
    kind: routingPrefix,
    doc: "Source.",
    example: "from 10.0.2.0/24 table 1 preference 100",
  } satisfies ValueRow<RoutingPrefix>,
  to: {
    ...row,
    kind: routingPrefix,
    doc: "Destination.",
    example: "to 10.1.0.0/16 table 1 preference 100",
  } satisfies ValueRow<RoutingPrefix>,
  not: {
    ...row,
    kind: flag,
    doc: "Counts for everything else.",
    example: "not from 10.0.2.0/24 table 1 preference 100",
  } satisfies ValueRow<true>,
  inet: {
    ...row,
    kind: flag,
    doc: "The line is IPv4.",
    example: "inet iif eth1 table 1 preference 100",
  } satisfies ValueRow<true>,
  inet6: {
    ...row,
    kind: flag,
    doc: "The line is IPv6.",
    example: "inet6 iif eth1 table 1 preference 100",
  } satisfies ValueRow<true>,
  iif: {
    ...row,
    aliases: ["dev"],
    kind: interfaceName,
    doc: "Interface it comes by; lo is this host itself.",
    example: "iif eth1 table 1 preference 100",
  } satisfies ValueRow<string>,
  oif: {
    ...row,
    kind: interfaceName,
    doc: "Interface that a socket is bound to.",
    example: "oif eth1 table 1 preference 100",
  } satisfies ValueRow<string>,
  tos: {
    ...row,
    aliases: ["dsfield"],
    kind: typeOfService,
    default: 0,
    doc: "Type of service.",
    example: "from 10.0.2.10 tos 0x10 table 1 preference 100",
  } satisfies ValueRow<number>,
  fwmark: {
    ...row,
    kind: mark,
    doc: "Mark of the packet filter, under a mask.",
    example: "fwmark 24/12 table 1 preference 100",
  } satisfies ValueRow<{ readonly value: number; readonly mask: number }>,
  uidrange: {
    ...row,
    kind: range("UID", U32_MAX - 1),
    doc: "Users whose sockets send it.",
    example: "uidrange 10000-19999 table 1 preference 100",
  } satisfies ValueRow<Range>,
  ipproto: {
    ...row,
    aliases: ["ip_proto"],
    kind: ipProtocol,
    doc: "IP protocol.",
    example: "ipproto udp table 1 preference 100",
  } satisfies ValueRow<number>,
  sport: {
    ...row,
    kind: range("PORT", 65_535, 1),
    doc: "Source ports.",
    example: "ipproto udp sport 10-20 table 1 preference 100",
  } satisfies ValueRow<Range>,
  dport: {
    ...row,
    kind: range("PORT", 65_535, 1),
    doc: "Destination ports.",
    example: "ipproto udp dport 20-30 table 1 preference 100",
  } satisfies ValueRow<Range>,
  tun_id: {
    ...row,
    kind: tunnelId,
    doc: "Tunnel that it came by.",
    example: "tun_id 7 table 1 preference 100",
  } satisfies ValueRow<bigint>,
  table: {
    ...row,
    aliases: ["lookup"],
    kind: routingTable,
    doc: "Looks into this table.",
    example: "from 10.0.2.0/24 table 100 preference 100",
  } satisfies ValueRow<number>,
  goto: {
    ...row,
    kind: plainNumber({ min: 1, max: U32_MAX }),
    doc: "Goes on with the rule of this preference.",
    example: "from 10.0.2.0/24 goto 200 preference 100",
  } satisfies ValueRow<number>,
  l3mdev: {
    ...row,
    kind: flag,
    doc: "Looks into the table of the VRF.",
    example: "from 10.0.2.0/24 l3mdev preference 100",
  } satisfies ValueRow<true>,
  nop: action("nop", "Does nothing."),
  blackhole: action("blackhole", "Drops silently."),
  unreachable: action("unreachable", "Refuses with network unreachable."),
  prohibit: action("prohibit", "Refuses with administratively prohibited."),
  preference: {
    ...row,
    aliases: ["priority", "order"],
    kind: plainNumber({ min: 0, max: U32_MAX }),
    defaultFrom: "the place in the file, from 30000 on: before the kernel's own rules",
    doc: "The lower, the sooner.",
    example: "from 10.0.2.0/24 table 1 preference 39",
  } satisfies ValueRow<number>,
  realms: {
    ...row,
    kind: realms,
    doc: "Realms, IPv4 only.",
    example: "from 10.0.2.0/24 table 1 realms 30/20 preference 100",
  } satisfies ValueRow<number>,
  suppress_prefixlength: {
    ...row,
    kind: plainNumber({ min: 0, max: 128 }),
    doc: "Passes over what the table finds with a prefix of this length or less.",
    example: "table main suppress_prefixlength 0 preference 100",
  } satisfies ValueRow<number>,
  suppress_ifgroup: {
    ...row,
    kind: interfaceGroup,
    doc: "Passes over what the table finds by an interface of this group.",
    example: "table main suppress_ifgroup default preference 100",
  } satisfies ValueRow<number>,
  protocol: {
    ...row,
    kind: routingProtocol,
    default: PROTOCOL_KEEPALIVED,
    doc: "Who made the rule.",
    example: "from 10.0.2.0/24 table 1 protocol 12 preference 100",
  } satisfies ValueRow<number>,
  no_track: {
    ...row,
    kind: flag,
    doc: "When somebody deletes the rule it is not put back before the next transition, and nothing follows from it.",
    example: "to 192.168.2.0/24 table 1 no_track",
  } satisfies ValueRow<true>,
} as const;

export const virtualRuleOptions = blockTable("a virtual_rules line", commonOptions);
export const staticRuleOptions = blockTable("a static_rules line", {
  ...commonOptions,
  track_group: {
    ...row,
    kind: trackGroupWord,
    doc: "The instances of this `track_group` go to FAULT while the rule cannot be kept.",
    example: "from 192.168.2.0/24 table 1 track_group GROUP1",
  } satisfies ValueRow<Word>,
});
type RuleOptions = Options<typeof staticRuleOptions.rows>;

export const virtualRuleLine = ruleLine("virtual");
export const staticRuleLine = ruleLine("static");

function ruleLine(use: "virtual" | "static"): ValueKind<RuleLine> {
  return {
    syntax: "[not] [from <IPADDR>[/<PREFIX>]] [to <IPADDR>[/<PREFIX>]] [SELECTOR ...] ACTION [preference <NUMBER>]",
    minimumWords: 1,
    maximumWords: Number.POSITIVE_INFINITY,
    parse: (words) => {
      const options =
        use === "virtual"
          ? parseOptions(virtualRuleOptions, words, "a rule")
          : parseOptions(staticRuleOptions, words, "a rule");
      return options.ok ? ruleOf(options.value) : options;
    },
    format: ({ rule: { from, to, action: does } }) =>
      [
        ...(from === undefined ? [] : [`from ${prefixText(from)}`]),
        ...(to === undefined ? [] : [`to ${prefixText(to)}`]),
        does,
      ].join(" "),
  };
}

const ACTIONS = ["table", "goto", "l3mdev", "nop", "blackhole", "unreachable", "prohibit"] as const;

function ruleOf(options: RuleOptions): Parsed<RuleLine> {
  const { from, to } = options;
  const prefixes = [from, to].map((option) => (option?.value.kind === "prefix" ? option.value : undefined));
  const ofFamily = lineFamily(options, [familyOf(from?.value), familyOf(to?.value)]);
  const does = actionOf(options);
  if (!does.ok) return does;
  const fault = otherFamily(ofFamily, prefixes) ?? ruleFault(options, does.value, ofFamily);
  if (fault !== undefined) return fault;
  const [source, destination] = prefixes.map((prefix) =>
    prefix === undefined ? undefined : { address: prefix.address, prefixLength: prefix.prefixLength },
  );
  return ok({
    rule: {
      family: ofFamily,
      action: does.value === "l3mdev" ? "table" : does.value,
      from: source,
      to: destination,
      not: options.not !== undefined,
      typeOfService: options.tos?.value ?? virtualRuleOptions.rows.tos.default,
      fwmark: options.fwmark?.value,
      inputInterface: options.iif?.value,
      outputInterface: options.oif?.value,
      table: options.table?.value,
      goto: options.goto?.value,
      preference: options.preference?.value,
      realms: options.realms?.value,
      tunnelId: options.tun_id?.value,
      suppressPrefixLength: options.suppress_prefixlength?.value,
      suppressInterfaceGroup: options.suppress_ifgroup?.value,
      l3mdev: does.value === "l3mdev",
      uidRange: options.uidrange?.value,
      protocol: options.protocol?.value ?? virtualRuleOptions.rows.protocol.default,
      ipProtocol: options.ipproto?.value,
      sourcePorts: options.sport?.value,
      destinationPorts: options.dport?.value,
      noTrack: options.no_track !== undefined,
      trackGroup: options.track_group?.value.text,
    },
    trackGroup: options.track_group?.value,
  });
}

function actionOf(options: RuleOptions): Parsed<(typeof ACTIONS)[number]> {
  const [first, second] = ACTIONS.filter((name) => options[name] !== undefined);
  if (first === undefined) {
    const remedy = `write one of ${ACTIONS.join(", ")}`;
    return fail({ code: "missing-value", message: "the rule does nothing: it has no action", remedy });
  }
  const word = second === undefined ? undefined : options[second]?.word;
  return word === undefined ? ok(first) : invalid(word, "is a second action of the rule", "keep one");
}

function ruleFault(options: RuleOptions, does: (typeof ACTIONS)[number], ofFamily: Family) {
  const { goto: target, preference, realms: realm } = options;
  if (target !== undefined && preference === undefined) {
    return invalid(target.word, "cannot be compared with this rule's preference", "write preference, less than it");
  }
  if (target !== undefined && preference !== undefined && target.value <= preference.value) {
    return invalid(target.word, "is not behind this rule: a goto leads forward", "write a greater one");
  }
  const suppressed = options.suppress_prefixlength ?? options.suppress_ifgroup;
  if (suppressed !== undefined && does !== "table") {
    return invalid(suppressed.word, "passes over what a table finds, and the rule has no table", "remove it");
  }
  return ofFamily === 6 && realm !== undefined
    ? invalid(realm.word, "are realms, which IPv4 alone has", "remove them")
    : undefined;
}
