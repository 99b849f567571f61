import { type Ip, ip, parseIp } from "../../core/ip.ts";
import { ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { choice, flag, integer, interfaceName, invalid, type Parsed, port } from "./kinds.ts";
import { MAN, type ValueKind, type ValueRow } from "./row.ts";
import type { Name } from "./words.ts";

/** `global_defs`: what holds for the IPVS of the host as a whole. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** ip_vs.h and ipvsadm(8): 224.0.0.81, port 8848, a TTL of 1. */
const SYNC_GROUP: Ip = ip("224.0.0.81");
const SYNC_PORT = 8848;
const SYNC_TTL = 1;

/** `lvs_sync_daemon` as written. */
export interface SyncDaemonLine {
  readonly interface: string;
  /** With its place, for the rule that it exists. */
  readonly instance: Name | undefined;
  readonly syncId: number | undefined;
  readonly lengthMax: number | undefined;
  readonly port: number;
  readonly ttl: number;
  readonly group: Ip;
}

type SyncOptions = Partial<Omit<SyncDaemonLine, "interface">>;

const SYNC_OPTIONS: Readonly<Record<string, (word: Word) => Parsed<SyncOptions>>> = {
  inst: (word) => ok({ instance: { text: word.text, word } }),
  id: numberOption("syncId", integer({ min: 0, max: 255, unit: "SYNC_ID" })),
  maxlen: numberOption("lengthMax", integer({ min: 1, max: 65_507, unit: "BYTES" })),
  port: numberOption("port", port),
  ttl: numberOption("ttl", integer({ min: 1, max: 255, unit: "TTL" })),
  group: (word) => {
    const group = parseIp(word.text);
    if (group === undefined || !/^(22[4-9]|23\d|ff)/i.test(group))
      return invalid(word, "is no multicast address", `write one, usually ${SYNC_GROUP}`);
    return ok({ group });
  },
};

function numberOption(
  name: "syncId" | "lengthMax" | "port" | "ttl",
  kind: ValueKind<number>,
): (word: Word) => Parsed<SyncOptions> {
  return (word) => {
    const parsed = kind.parse([word]);
    return parsed.ok ? ok({ [name]: parsed.value }) : parsed;
  };
}

const syncDaemon: ValueKind<SyncDaemonLine> = {
  syntax:
    "<INTERFACE> [[inst] <VRRP_INSTANCE>] [id <SYNC_ID 0..255>] [maxlen <BYTES 1..65507>] [port <PORT 1..65535>] [ttl <TTL 1..255>] [group <MULTICAST ADDRESS>]",
  minimumWords: 1,
  maximumWords: 13,
  parse: ([device, ...rest]) => {
    if (device === undefined) return ok(syncLine("", {}));
    const named = interfaceName.parse([device]);
    if (!named.ok) return named;
    let options: SyncOptions = {};
    // keepalived.conf(5): "inst can be omitted for backward compatibility".
    const bare = rest[0] !== undefined && !Object.hasOwn(SYNC_OPTIONS, rest[0].text) ? rest.shift() : undefined;
    if (bare !== undefined) options = { instance: { text: bare.text, word: bare } };
    for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
      const option = Object.hasOwn(SYNC_OPTIONS, word.text) ? SYNC_OPTIONS[word.text] : undefined;
      const value = rest.shift();
      if (option === undefined)
        return invalid(word, "is no option", `write one of ${Object.keys(SYNC_OPTIONS).join(", ")}`);
      if (value === undefined) return invalid(word, "has no value behind it", "write the value, or remove the option");
      const parsed = option(value);
      if (!parsed.ok) return parsed;
      options = { ...options, ...parsed.value };
    }
    return ok(syncLine(named.value, options));
  },
  format: ({ interface: device, instance, syncId, lengthMax, port: toPort, ttl, group }) =>
    [
      device,
      ...(instance === undefined ? [] : ["inst", instance.text]),
      ...(syncId === undefined ? [] : ["id", syncId]),
      ...(lengthMax === undefined ? [] : ["maxlen", lengthMax]),
      ...(toPort === SYNC_PORT ? [] : ["port", toPort]),
      ...(ttl === SYNC_TTL ? [] : ["ttl", ttl]),
      ...(group === SYNC_GROUP ? [] : ["group", group]),
    ].join(" "),
};

function syncLine(device: string, options: SyncOptions): SyncDaemonLine {
  const unwritten = { instance: undefined, syncId: undefined, lengthMax: undefined };
  return { interface: device, ...unwritten, port: SYNC_PORT, ttl: SYNC_TTL, group: SYNC_GROUP, ...options };
}

export interface LvsTimeouts {
  readonly tcp?: number;
  readonly tcpfin?: number;
  readonly udp?: number;
}

/** ipvsadm(8), --set: 31 days. */
const TIMEOUT_MAX_SEC = 2_678_400;
const TIMEOUT_WORDS = ["tcp", "tcpfin", "udp"] as const;
const timeoutSeconds = integer({ min: 1, max: TIMEOUT_MAX_SEC, unit: "SECONDS" });

const timeouts: ValueKind<LvsTimeouts> = {
  syntax: `[tcp <SECONDS 1..${TIMEOUT_MAX_SEC}>] [tcpfin <SECONDS 1..${TIMEOUT_MAX_SEC}>] [udp <SECONDS 1..${TIMEOUT_MAX_SEC}>]`,
  minimumWords: 2,
  maximumWords: 6,
  parse: (words) => {
    let written: LvsTimeouts = {};
    for (let index = 0; index < words.length; index += 2) {
      const [word, value] = [words[index], words[index + 1]];
      if (word === undefined) break;
      const name = TIMEOUT_WORDS.find((each) => each === word.text);
      if (name === undefined) return invalid(word, "is no timeout", `write ${TIMEOUT_WORDS.join(", ")}`);
      if (value === undefined) return invalid(word, "has no value behind it", "write its seconds");
      const parsed = timeoutSeconds.parse([value]);
      if (!parsed.ok) return parsed;
      written = { ...written, [name]: parsed.value };
    }
    return ok(written);
  },
  format: (written) =>
    TIMEOUT_WORDS.flatMap((name) => (written[name] === undefined ? [] : [name, written[name]])).join(" "),
};

const flushOnStop: ValueKind<"all" | "services"> = {
  syntax: "[VS]",
  minimumWords: 0,
  maximumWords: 1,
  parse: ([word]) => {
    if (word === undefined) return ok("all");
    return word.text === "VS" ? ok("services") : invalid(word, "is no option", "write VS or nothing");
  },
  format: (value) => (value === "all" ? "" : "VS"),
};

export const globalLvsRows = {
  lvs_sync_daemon: {
    ...row,
    kind: syncDaemon,
    doc: "Connection sync of the kernel, so that established connections survive a takeover: the host with the instance's addresses sends what it has, the other receives; without an instance both do both. id is the instance's virtual_router_id where it is not written, else 0; maxlen what the kernel takes by the MTU; port 8848, ttl 1, group 224.0.0.81. Servers of the other address family than their service (tunnels) exclude it.",
    reference: "keepalived.conf(5), ipvsadm(8)",
    example: "lvs_sync_daemon eth1 inst PGRW id 51",
  } satisfies ValueRow<SyncDaemonLine>,
  lvs_timeouts: {
    ...row,
    kind: timeouts,
    defaultFrom: "the kernel: tcp 900, tcpfin 120, udp 300",
    doc: "Seconds without a packet after which a connection is forgotten. What was set before is put back at the end.",
    reference: "keepalived.conf(5), ipvsadm(8)",
    example: "lvs_timeouts tcp 7260 tcpfin 120 udp 300",
  } satisfies ValueRow<LvsTimeouts>,
  lvs_flush: {
    ...row,
    reload: "none",
    kind: flag,
    doc: "At a start every virtual server that the file does not have is removed, whoever made it. Those that it has stay as they are and are made right in place, so that no session is cut.",
    example: "lvs_flush",
  } satisfies ValueRow<true>,
  lvs_flush_on_stop: {
    ...row,
    kind: flushOnStop,
    doc: "At the end every virtual server is removed, whoever made it; with VS those of the file alone, as without the keyword.",
    example: "lvs_flush_on_stop",
  } satisfies ValueRow<"all" | "services">,
  lvs_sloppy_tcp: {
    ...row,
    status: "native",
    kind: choice("setting", ["auto", "on", "off"]),
    default: "auto",
    doc: "Sets net.ipv4.vs.sloppy_tcp, with which a host schedules connections of TCP that it never saw begin: an exclusive service sends them to the same server as the other host did, so they survive a takeover. auto = while there is an exclusive service of TCP. What was set before is put back at the end.",
    reference: "holdfast; kernel documentation, networking/ipvs-sysctl",
    example: "lvs_sloppy_tcp off",
  } satisfies ValueRow<"auto" | "on" | "off">,
} as const;
