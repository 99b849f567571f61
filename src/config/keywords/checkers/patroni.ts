import { ok } from "../../../core/result.ts";
import { type DurationUs, seconds } from "../../../core/units.ts";
import type { PatroniRole } from "../../check.types.ts";
import { absolutePath, choice, flag, invalid, oneWord, type Parsed, port, text, timer, truth } from "../kinds.ts";
import { type BlockRow, blockTable, type ValueKind, type ValueRow } from "../row.ts";
import { checkerRows } from "../timing.ts";
import { connectionRows } from "./connection.ts";

/** The native checker of Patroni's members: one answer of the REST API tells role, lag, tags and state. */

const native = { shape: "value", status: "native", reference: "holdfast", reload: "live" } as const;

const PATRONI_ROLES = [
  "primary",
  "read_write",
  "standby_leader",
  "replica",
  "sync",
  "async",
  "quorum",
  "read_only",
  "any",
] as const satisfies readonly PatroniRole[];

const PATRONI_PORT = 8008;
/** Patroni's default ttl: until it is over nobody else can have the leader key. */
const UNKNOWN_HOLD_SEC = 30;
const UNKNOWN_HOLD_MAX_SEC = 86_400;
const NAME_BYTES = 253;
const SECRET_BYTES = 255;

/** Units as PostgreSQL and Patroni write them. */
const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 2 ** 10,
  MB: 2 ** 20,
  GB: 2 ** 30,
  TB: 2 ** 40,
};
const LAG_MAX_BYTES = 2 ** 50;

/** `16MB`: a number of bytes, or with a unit of 1024. */
const byteCount: ValueKind<number> = oneWord("<BYTES>[B|kB|MB|GB|TB]", (word) => {
  const [, digits, unit = ""] = /^(\d{1,16})([A-Za-z]*)$/.exec(word.text) ?? [];
  const factor = Object.hasOwn(BYTE_UNITS, unit) ? BYTE_UNITS[unit] : undefined;
  if (digits === undefined || factor === undefined) {
    return invalid(word, "is no number of bytes", "write bytes, or a unit directly behind: 16MB (B, kB, MB, GB, TB)");
  }
  const bytes = Number(digits) * factor;
  return bytes > LAG_MAX_BYTES ? invalid(word, "is more than 1024TB", "write what a replica may be behind") : ok(bytes);
});

const holdTime = timer({ minSec: 0.001, maxSec: UNKNOWN_HOLD_MAX_SEC });

/** `hold SECONDS` as the time, `drop` as none. */
const unknownPolicy: ValueKind<DurationUs> = {
  syntax: `hold <SECONDS 0.001..${UNKNOWN_HOLD_MAX_SEC}>|drop`,
  minimumWords: 1,
  maximumWords: 2,
  parse: ([policy, time]): Parsed<DurationUs> => {
    const remedy = "write on_unknown hold 30, or on_unknown drop";
    if (policy?.text === "hold" && time !== undefined) return holdTime.parse([time]);
    if (policy?.text === "drop")
      return time === undefined ? ok(seconds(0)) : invalid(time, "is one word too many", remedy);
    if (policy === undefined) return ok(seconds(UNKNOWN_HOLD_SEC));
    return invalid(policy, policy.text === "hold" ? "has no time behind it" : "is no policy", remedy);
  },
  format: (hold) => (hold === 0 ? "drop" : `hold ${holdTime.format(hold)}`),
};

const path = absolutePath("/etc/holdfast/patroni-ca.pem");

/** RFC 7617, 2: a user's name has no colon. */
const userName: ValueKind<string> = oneWord("<USER>", (word) =>
  word.text.includes(":")
    ? invalid(word, "has a colon", "write the name alone; the password has its own keyword")
    : text("USER", SECRET_BYTES).parse([word]),
);

export const tlsTable = blockTable("tls", {
  ca: {
    ...native,
    kind: path,
    defaultFrom: "the authorities that Node.js comes with",
    doc: "File of the authorities (PEM) that the server's certificate must come from.",
    example: "ca /etc/holdfast/patroni-ca.pem",
  } satisfies ValueRow<string>,
  server_name: {
    ...native,
    kind: text("NAME", NAME_BYTES),
    defaultFrom: "the address that is connected to",
    doc: "Name that the server's certificate must have; it is also sent (SNI).",
    example: "server_name pg1.example.org",
  } satisfies ValueRow<string>,
  certificate: {
    ...native,
    kind: path,
    doc: "File of the client's certificate (PEM), for a REST API with `verify_client`.",
    example: "certificate /etc/holdfast/client.pem",
  } satisfies ValueRow<string>,
  key: {
    ...native,
    kind: path,
    doc: "File of the client's key (PEM).",
    example: "key /etc/holdfast/client.key",
  } satisfies ValueRow<string>,
});

const timing = checkerRows({ delayLoopSec: 1, connectTimeoutSec: 2, delayBeforeRetrySec: 1 });
const { connect_ip, bindto } = connectionRows;

export const patroniTable = blockTable("patroni", {
  role: {
    ...native,
    kind: choice("role of Patroni's", PATRONI_ROLES),
    doc: "What a member must be. `primary` (or `read_write`) and `standby_leader` make the service exclusive; `replica`, `sync`, `async` and `quorum` are replicas, all or by their kind of synchronous replication; `read_only` is a replica or the leader; `any` is every member whose PostgreSQL runs.",
    example: "role primary",
  } satisfies ValueRow<PatroniRole>,
  port: {
    ...native,
    aliases: ["connect_port"],
    kind: port,
    default: PATRONI_PORT,
    doc: "Port of Patroni's REST API.",
    example: "port 8008",
  } satisfies ValueRow<number>,
  connect_ip: { ...connect_ip, status: "native", reference: "holdfast" },
  bindto: { ...bindto, status: "native", reference: "holdfast" },
  max_lag: {
    ...native,
    kind: byteCount,
    doc: "How far a replica's replay may be behind the leader's position; both come from the members' own answers. Units of 1024.",
    example: "max_lag 16MB",
  } satisfies ValueRow<number>,
  noloadbalance: {
    ...native,
    kind: truth,
    default: true,
    doc: "A member with Patroni's tag noloadbalance gets no connections unless it leads.",
    example: "noloadbalance on",
  } satisfies ValueRow<boolean>,
  on_unknown: {
    ...native,
    kind: unknownPolicy,
    default: seconds(UNKNOWN_HOLD_SEC),
    doc: "What becomes of a server that is up while Patroni's answers leave open whether it is what is wanted: its query of PostgreSQL fails, no leader tells a position for `max_lag`, or its store is out of reach and tells nothing of synchronous replicas. `hold` keeps it for the time, then it counts as down; `drop` at once. Nothing is ever raised on such an answer, and for a leader the key alone decides.",
    example: "on_unknown hold 30",
  } satisfies ValueRow<DurationUs>,
  ...timing,
  delay_loop: { ...timing.delay_loop, aliases: ["interval"], status: "native", reference: "holdfast" },
  connect_timeout: { ...timing.connect_timeout, aliases: ["timeout"], status: "native", reference: "holdfast" },
  tls: {
    shape: "block",
    status: "native",
    reference: "holdfast",
    reload: "live",
    header: flag,
    table: tlsTable,
    doc: "Asks by HTTPS. The files are read again when they change.",
    example: "tls {\n  ca /etc/holdfast/patroni-ca.pem\n  server_name pg1.example.org\n}",
  } satisfies BlockRow<true, typeof tlsTable.rows>,
  user: {
    ...native,
    kind: userName,
    doc: "User of basic authentication.",
    example: "user holdfast",
  } satisfies ValueRow<string>,
  password: {
    ...native,
    kind: text("PASSWORD", SECRET_BYTES),
    doc: "Password of basic authentication.",
    example: "password secret",
  } satisfies ValueRow<string>,
});

/** For a real server, or once for a virtual server. */
export const patroniRow = {
  shape: "block",
  status: "native",
  reference: "holdfast",
  reload: "live",
  header: flag,
  table: patroniTable,
  doc: "Checks a member of a Patroni cluster. In a virtual_server it counts for every real server; a real server's own block wins, keyword by keyword. All such checks of one node are one probe, however many services have them.",
  example: "patroni {\n  role primary\n}",
} as const satisfies BlockRow<true, typeof patroniTable.rows>;

const FALLBACK_AFTER_SEC = 1;
const FALLBACK_AFTER_MAX_SEC = 3_600;
const fallbackAfter = timer({ minSec: 0, maxSec: FALLBACK_AFTER_MAX_SEC });
const fallbackRole = choice("role of Patroni's", PATRONI_ROLES);

/** The role of the second tier, and how long the first one must have been empty. */
export interface Fallback {
  readonly role: PatroniRole;
  readonly after: DurationUs;
}

const fallbackKind: ValueKind<Fallback> = {
  syntax: `<ROLE> [after <SECONDS 0..${FALLBACK_AFTER_MAX_SEC}>]`,
  minimumWords: 1,
  maximumWords: 3,
  parse: ([roleWord, keyword, time]): Parsed<Fallback> => {
    const role = fallbackRole.parse(roleWord === undefined ? [] : [roleWord]);
    if (!role.ok) return role;
    if (keyword === undefined) return ok({ role: role.value, after: seconds(FALLBACK_AFTER_SEC) });
    const remedy = "write it so: fallback primary after 2";
    if (keyword.text !== "after") return invalid(keyword, "is not the word after", remedy);
    if (time === undefined) return invalid(keyword, "has no time behind it", remedy);
    const after = fallbackAfter.parse([time]);
    return after.ok ? ok({ role: role.value, after: after.value }) : after;
  },
  format: ({ role, after }) => `${role} after ${fallbackAfter.format(after)}`,
};

export const fallbackRow = {
  ...native,
  kind: fallbackKind,
  doc: "Servers with this role of Patroni's get the connections when no server with the role of `patroni` has had weight for the time (1 s where it is not written), until one has weight again. Every server needs `patroni`; its further checks must pass too.",
  example: "fallback primary after 2",
} as const satisfies ValueRow<Fallback>;
