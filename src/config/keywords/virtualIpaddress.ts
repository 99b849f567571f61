import { family, type Ip, ipBytes, ipFromBytes, parseIp } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { flag, INTERFACE_NAME_BYTES, integer, interfaceName, invalid, ipAddress, oneWord, utf8Bytes } from "./kinds.ts";
import { type Options, parseOptions } from "./options.ts";
import { blockTable, MAN, type ValueKind, type ValueRow } from "./row.ts";
import { bitsOf, parsePrefix } from "./words.ts";

/** A line of `virtual_ipaddress`, `virtual_ipaddress_excluded` or `static_ipaddress` as written. */
export interface VirtualAddressLine {
  readonly address: Ip;
  readonly prefixLength: number;
  readonly device: string | undefined;
  readonly label: string | undefined;
  readonly scope: VirtualAddressScope;
  readonly broadcast: Ip | undefined;
  readonly peer: Ip | undefined;
  readonly useVmac: boolean;
  readonly home: boolean;
  readonly manageTemporaryAddresses: boolean;
  readonly noPrefixRoute: boolean;
  readonly autojoin: boolean;
  readonly noTrack: boolean;
  readonly preferredLifetime: PreferredLifetime | undefined;
  readonly trackGroup: string | undefined;
  /** Where the parts were written, for the rules that compare them. */
  readonly words: {
    readonly address: Word;
    readonly device: Word | undefined;
    readonly label: Word | undefined;
    readonly trackGroup: Word | undefined;
  };
}

/** Numbers of linux/rtnetlink.h RT_SCOPE_*. */
const SCOPES = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;
export type VirtualAddressScope = keyof typeof SCOPES;
const SCOPE_NAMES = Object.keys(SCOPES) as VirtualAddressScope[];
export type PreferredLifetime = "forever" | number;

/** IFA_LABEL is an interface name in the kernel (IFNAMSIZ less its closing NUL); the form is that of ifconfig aliases. */
const label: ValueKind<string> = oneWord("<LABEL>", (word) => {
  if (!/^[\x21-\x7e]+$/.test(word.text))
    return invalid(word, "is no label", "write printable characters, for example eth0:1");
  return utf8Bytes(word.text) > INTERFACE_NAME_BYTES
    ? invalid(word, `is longer than the ${INTERFACE_NAME_BYTES} bytes of a label`, "shorten it, for example eth0:1")
    : ok(word.text);
});

const addressScope: ValueKind<VirtualAddressScope> = oneWord(SCOPE_NAMES.join("|"), (word) => {
  const name = SCOPE_NAMES.find((each) => each === word.text || String(SCOPES[each]) === word.text);
  return name === undefined ? invalid(word, "is no scope", `write ${SCOPE_NAMES.join(" or ")}, exactly so`) : ok(name);
});

/** `+` sets the host bits of the address, `-` clears them (keepalived.conf(5)). */
const broadcast: ValueKind<Ip | "+" | "-"> = oneWord<Ip | "+" | "-">("<IPADDR>|+|-", (word) => {
  if (word.text === "+" || word.text === "-") return ok(word.text);
  const address = parseIp(word.text);
  if (address !== undefined && family(address) === 4) return ok(address);
  return invalid(word, "is no IPv4 broadcast address", "write an IPv4 address, or + for the last of the prefix");
});

/** IFA_CACHEINFO has 32 bits of seconds; the greatest of them means forever. */
const LIFETIME_MAX_SEC = 4_294_967_294;
const preferredLifetime: ValueKind<PreferredLifetime> = oneWord<PreferredLifetime>("<SECONDS>|forever", (word) =>
  word.text === "forever" ? ok("forever") : integer({ min: 0, max: LIFETIME_MAX_SEC, unit: "SECONDS" }).parse([word]),
);

const trackGroupName: ValueKind<string> = oneWord("<GROUP>", (word) => ok(word.text));

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

const commonOptions = {
  dev: {
    ...row,
    kind: interfaceName,
    defaultFrom:
      "interface of the instance (its virtual MAC device where it has one); of static addresses `default_interface`",
    doc: "Device that carries the address.",
    example: "10.0.2.10/24 dev eth0",
  } satisfies ValueRow<string>,
  label: {
    ...row,
    kind: label,
    doc: "Name of the alias, IPv4 only. Tools read it as an alias of the device when it begins with its name and a colon.",
    example: "10.0.2.10/24 dev eth0 label eth0:1",
  } satisfies ValueRow<string>,
  scope: {
    ...row,
    kind: addressScope,
    default: "global",
    doc: "Scope of the address, as in ip address add.",
    example: "10.0.2.10/24 scope global",
  } satisfies ValueRow<VirtualAddressScope>,
  brd: {
    ...row,
    aliases: ["broadcast"],
    kind: broadcast,
    doc: "Broadcast address, IPv4 only; `+` sets the host bits of the address, `-` clears them.",
    example: "10.0.2.10/24 brd 10.0.2.255",
  } satisfies ValueRow<Ip | "+" | "-">,
  peer: {
    ...row,
    kind: ipAddress,
    doc: "Address of the other end of a point-to-point link.",
    example: "10.0.2.10 peer 10.0.2.11",
  } satisfies ValueRow<Ip>,
  home: {
    ...row,
    kind: flag,
    doc: "Marks an IPv6 address as home address (mobile IPv6).",
    example: "2001:db8::10/64 home",
  } satisfies ValueRow<true>,
  "-nodad": {
    ...row,
    status: "noEffect",
    reload: "none",
    reason: "holdfast adds every address without duplicate address detection, because VRRP has decided who holds it",
    kind: flag,
    doc: "Skips duplicate address detection (IPv6).",
    example: "2001:db8::10/64 -nodad",
  } satisfies ValueRow<true>,
  mngtmpaddr: {
    ...row,
    kind: flag,
    doc: "Lets the kernel manage temporary addresses from this one (IPv6).",
    example: "2001:db8::10/64 mngtmpaddr",
  } satisfies ValueRow<true>,
  noprefixroute: {
    ...row,
    kind: flag,
    doc: "Adds no route for the prefix.",
    example: "10.0.2.10/24 noprefixroute",
  } satisfies ValueRow<true>,
  autojoin: {
    ...row,
    kind: flag,
    doc: "Joins the multicast group of the address.",
    example: "10.0.2.10/24 autojoin",
  } satisfies ValueRow<true>,
  no_track: {
    ...row,
    kind: flag,
    doc: "When somebody deletes the address it is not put back before the next transition, and nothing follows from it.",
    example: "10.0.2.10/24 no_track",
  } satisfies ValueRow<true>,
  preferred_lft: {
    ...row,
    kind: preferredLifetime,
    defaultFrom:
      "of virtual addresses 0, so that the kernel takes none of them as a source; of static ones forever, but 0 for /128",
    doc: "Preferred lifetime; 0 deprecates the address. It ends with the address's lease in any case.",
    example: "2001:db8::10/64 preferred_lft forever",
  } satisfies ValueRow<PreferredLifetime>,
} as const;

export const virtualAddressOptions = blockTable("a virtual_ipaddress line", {
  ...commonOptions,
  use_vmac: {
    ...row,
    reload: "restart",
    kind: flag,
    doc: "Puts the address on a virtual MAC device of its own above `dev`.",
    example: "10.0.2.10/24 dev eth1 use_vmac",
  } satisfies ValueRow<true>,
});

export const staticAddressOptions = blockTable("a static_ipaddress line", {
  ...commonOptions,
  track_group: {
    ...row,
    kind: trackGroupName,
    doc: "The instances of this `track_group` go to FAULT while the address cannot be kept.",
    example: "192.168.1.1/24 dev eth0 track_group GROUP1",
  } satisfies ValueRow<string>,
});

type AddressOptions = Options<typeof staticAddressOptions.rows> & Options<typeof virtualAddressOptions.rows>;

const OPTIONS_SYNTAX =
  "[brd <IPADDR>|+|-] [dev <INTERFACE>] [scope <SCOPE>] [label <LABEL>] [peer <IPADDR>] [home] [-nodad] [mngtmpaddr] [noprefixroute] [autojoin] [no_track] [preferred_lft <SECONDS>|forever]";

/** `ADDR[/PREFIX] [OPTION ...]` */
export const virtualAddressLine = addressLine("virtual");
export const staticAddressLine = addressLine("static");

function addressLine(use: "virtual" | "static"): ValueKind<VirtualAddressLine> {
  const own = use === "virtual" ? "[use_vmac]" : "[track_group <GROUP>]";
  return {
    syntax: `<IPADDR>[/<PREFIX>] ${OPTIONS_SYNTAX} ${own}`,
    minimumWords: 1,
    maximumWords: Number.POSITIVE_INFINITY,
    parse: (words) => {
      const [first, ...rest] = words;
      if (first === undefined)
        return fail({ code: "missing-value", message: "an address is missing", remedy: "write one" });
      const prefix = parsePrefix(first);
      if (!prefix.ok) return prefix;
      const options =
        use === "virtual"
          ? parseOptions(virtualAddressOptions, rest, "an address")
          : parseOptions(staticAddressOptions, rest, "an address");
      if (!options.ok) return options;
      const fault = familyFault(prefix.value.address, options.value);
      return fault ?? ok(lineOf(first, prefix.value, options.value));
    },
    format: formatLine,
  };
}

/** Options that only one family has, and addresses of the other. */
function familyFault(address: Ip, { label: name, brd, peer, home, mngtmpaddr }: AddressOptions) {
  const ofFamily = family(address);
  if (ofFamily === 6 && name !== undefined)
    return invalid(name.word, "is a label on an IPv6 address; only IPv4 addresses have labels", "remove the label");
  if (ofFamily === 6 && brd !== undefined)
    return invalid(brd.word, "is a broadcast address of an IPv6 address, which has none", "remove brd");
  if (peer !== undefined && family(peer.value) !== ofFamily)
    return invalid(peer.word, `is not of the family of ${address}`, "write a peer of the same family");
  const onlyIpv6 = home ?? mngtmpaddr;
  if (ofFamily === 4 && onlyIpv6 !== undefined)
    return invalid(onlyIpv6.word, "is for IPv6 addresses only", "remove it");
  return undefined;
}

function lineOf(
  first: Word,
  { address, prefixLength }: { readonly address: Ip; readonly prefixLength: number },
  options: AddressOptions,
): VirtualAddressLine {
  return {
    address,
    prefixLength,
    device: options.dev?.value,
    label: options.label?.value,
    scope: options.scope?.value ?? virtualAddressOptions.rows.scope.default,
    broadcast: broadcastOf(address, prefixLength, options.brd?.value),
    peer: options.peer?.value,
    useVmac: options.use_vmac !== undefined,
    home: options.home !== undefined,
    manageTemporaryAddresses: options.mngtmpaddr !== undefined,
    noPrefixRoute: options.noprefixroute !== undefined,
    autojoin: options.autojoin !== undefined,
    noTrack: options.no_track !== undefined,
    preferredLifetime: options.preferred_lft?.value,
    trackGroup: options.track_group?.value,
    words: {
      address: first,
      device: options.dev?.word,
      label: options.label?.word,
      trackGroup: options.track_group?.word,
    },
  };
}

function broadcastOf(address: Ip, prefixLength: number, written: Ip | "+" | "-" | undefined): Ip | undefined {
  if (written !== "+" && written !== "-") return written;
  return withHostBits(address, prefixLength, written === "+");
}

/** The address with every bit behind its prefix set or cleared. */
function withHostBits(address: Ip, prefixLength: number, set: boolean): Ip {
  const bytes = ipBytes(address).map((byte, index) => {
    const hostBits = Math.min(8, Math.max(0, (index + 1) * 8 - prefixLength));
    const mask = (1 << hostBits) - 1;
    return set ? byte | mask : byte & ~mask & 0xff;
  });
  return ipFromBytes(bytes);
}

function formatLine(line: VirtualAddressLine): string {
  const { address, prefixLength, device, label: name, scope, broadcast: brd, peer, preferredLifetime: lifetime } = line;
  return [
    prefixLength === bitsOf(family(address)) ? address : `${address}/${prefixLength}`,
    ...(brd === undefined ? [] : [`brd ${brd}`]),
    ...(device === undefined ? [] : [`dev ${device}`]),
    `scope ${scope}`,
    ...(name === undefined ? [] : [`label ${name}`]),
    ...(peer === undefined ? [] : [`peer ${peer}`]),
    ...(line.home ? ["home"] : []),
    ...(line.manageTemporaryAddresses ? ["mngtmpaddr"] : []),
    ...(line.noPrefixRoute ? ["noprefixroute"] : []),
    ...(line.autojoin ? ["autojoin"] : []),
    ...(line.noTrack ? ["no_track"] : []),
    ...(lifetime === undefined ? [] : [`preferred_lft ${lifetime}`]),
    ...(line.useVmac ? ["use_vmac"] : []),
    ...(line.trackGroup === undefined ? [] : [`track_group ${line.trackGroup}`]),
  ].join(" ");
}
