import type { Ip } from "../../core/ip.ts";
import { fail, ok } from "../../core/result.ts";
import { type DurationUs, milliseconds } from "../../core/units.ts";
import type { Word } from "../lexer.ts";
import type { Scheduler } from "../types.ts";
import { checkerRows } from "./checkers.ts";
import { choice, integer, notImplemented, type Parsed, parseAddress, port, switchable, timer, truth } from "./kinds.ts";
import { type BlockRow, blockTable, MAN, notYetBlock, notYetRows, type ValueKind, type ValueRow } from "./row.ts";
import { outerTimingRows } from "./timing.ts";

/** `IP [PORT]` of a virtual server or a real server. */
export interface Endpoint {
  readonly address: Ip;
  readonly port: number | undefined;
}

const endpoint: ValueKind<Endpoint> = {
  syntax: "<IPADDR> [<PORT>]",
  minimumWords: 1,
  maximumWords: 2,
  parse: ([addressWord, portWord]) => {
    if (addressWord === undefined)
      return fail({ code: "missing-value", message: "an address is missing", remedy: "write IP and port" });
    const address = parseAddress(addressWord);
    if (!address.ok) return address;
    if (portWord === undefined) return ok({ address: address.value, port: undefined });
    const parsed = port.parse([portWord]);
    return parsed.ok ? ok({ address: address.value, port: parsed.value }) : parsed;
  },
  format: ({ address, port: written }) => (written === undefined ? address : `${address} ${written}`),
};

/** `IP PORT`; keepalived's other forms are refused by name. */
const serviceEndpoint: ValueKind<Endpoint & { readonly port: number }> = {
  ...endpoint,
  syntax: "<IPADDR> <PORT>",
  parse: (words): Parsed<Endpoint & { readonly port: number }> => {
    const [first] = words;
    const other = first === undefined ? undefined : otherForm(first);
    if (other !== undefined) return other;
    const parsed = endpoint.parse(words);
    if (!parsed.ok) return parsed;
    const { address, port: written } = parsed.value;
    if (written !== undefined) return ok({ address, port: written });
    return fail({
      code: "not-implemented",
      message: "a virtual server without port (a service on all ports) is not implemented yet",
      remedy: "write the port behind the address",
    });
  },
};

function otherForm(word: Word) {
  if (word.text === "fwmark")
    return notImplemented(word, "a virtual server by firewall mark", "write address and port");
  if (word.text === "group")
    return notImplemented(word, "a virtual server by group", "write one virtual_server for each address");
  return undefined;
}

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;
const native = { ...value, status: "native", reference: "holdfast" } as const;

/** ip_vs.h has room for 32 bits; a weight above 16 bits overflows the arithmetic of wlc and its like. */
const WEIGHT_MAX = 65_535;
/** keepalived 2.2.7 refuses more (31 days). */
const PERSISTENCE_MAX_SEC = 2_678_400;
const PERSISTENCE_DEFAULT_SEC = 360;

/** `persistence_timeout` without a number means six minutes. 0 is ours: keepalived wants the keyword left out. */
const persistence: ValueKind<number> = {
  syntax: `[<SECONDS 0..${PERSISTENCE_MAX_SEC}>]`,
  minimumWords: 0,
  maximumWords: 1,
  parse: (words) =>
    words.length === 0
      ? ok(PERSISTENCE_DEFAULT_SEC)
      : integer({ min: 0, max: PERSISTENCE_MAX_SEC, unit: "SECONDS" }).parse(words),
  format: String,
};

const SCHEDULERS = ["rr", "wrr", "lc", "wlc"] as const satisfies readonly Scheduler[];
const SCHEDULERS_REFUSED = ["lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"];

const inhibitOnFailure = {
  ...value,
  kind: switchable,
  doc: "A server whose check fails stays in the table with weight 0 instead of being removed.",
  example: "inhibit_on_failure",
} as const satisfies ValueRow<boolean>;

export const realServerTable = blockTable("real_server", {
  weight: {
    ...value,
    kind: integer({ min: 0, max: WEIGHT_MAX, unit: "WEIGHT" }),
    default: 1,
    doc: "Weight for the weighted schedulers; 0 = no new connections.",
    example: "weight 50",
  } satisfies ValueRow<number>,
  inhibit_on_failure: { ...inhibitOnFailure, default: false, defaultFrom: "the virtual server" },
  ...outerTimingRows,
  ...checkerRows,
  ...notYetRows({
    lvs_method: ["Forwarding method of this server.", "lb_kind"],
    notify_up: "Script to run when the server comes up.",
    notify_down: "Script to run when the server goes down.",
    uthreshold: "Greatest number of connections.",
    lthreshold: "Number of connections below which an overloaded server takes new ones again.",
    smtp_alert: "Mail when the server changes.",
    virtualhost: "Host header of HTTP checks.",
    snmp_name: "Name for SNMP.",
    alpha: "Counts the server as down until its first check has passed.",
  }),
});

export const virtualServerTable = blockTable("virtual_server", {
  lvs_method: {
    ...value,
    aliases: ["lb_kind"],
    kind: choice("forwarding method", ["DR"], ["NAT", "TUN"]),
    doc: "Forwarding method: DR is direct routing. keepalived's default is NAT, which is not implemented yet, so it must be written.",
    example: "lvs_method DR",
  } satisfies ValueRow<"DR">,
  lvs_sched: {
    ...value,
    aliases: ["lb_algo"],
    kind: choice("scheduler", SCHEDULERS, SCHEDULERS_REFUSED),
    default: "wlc",
    doc: "Scheduler that spreads the connections: round robin, least connection, each also weighted.",
    reference: "keepalived.conf(5), ipvsadm(8)",
    example: "lvs_sched lc",
  } satisfies ValueRow<Scheduler>,
  protocol: {
    ...value,
    kind: choice("protocol", ["TCP"], ["UDP", "SCTP"]),
    doc: "Protocol of the service. keepalived takes UDP where none is written, which is not implemented yet, so it must be written.",
    example: "protocol TCP",
  } satisfies ValueRow<"TCP">,
  persistence_timeout: {
    ...value,
    kind: persistence,
    default: 0,
    doc: "Seconds for which a client stays on the server it was first sent to; 0 or not written = no affinity, without a number = 360. Not programmed on an exclusive service.",
    example: "persistence_timeout 50",
  } satisfies ValueRow<number>,
  ...outerTimingRows,
  inhibit_on_failure: inhibitOnFailure,
  exclusive: {
    ...native,
    kind: truth,
    defaultFrom: "the checks: on when every server asks one of Patroni's leader paths",
    doc: "At most one server has weight at any time, and it is raised only after all others were lowered.",
    example: "exclusive on",
  } satisfies ValueRow<boolean>,
  role_watch: {
    ...native,
    kind: timer({ minSec: 0, maxSec: 60 }),
    default: milliseconds(200),
    doc: "In an exclusive service the server that holds the role is checked at this interval where it is shorter than `delay_loop`; 0 = at `delay_loop`.",
    example: "role_watch 0.2",
  } satisfies ValueRow<DurationUs>,
  real_server: {
    shape: "block",
    status: "implemented",
    reference: MAN,
    reload: "live",
    header: endpoint,
    table: realServerTable,
    doc: "A server that connections are forwarded to. Its port is the virtual server's where none is written.",
    example: "real_server 10.0.2.3 5432 {\n  weight 50\n}",
  } satisfies BlockRow<Endpoint, typeof realServerTable.rows>,
  ...notYetRows({
    "flag-1": "First flag of the scheduler.",
    "flag-2": "Second flag of the scheduler.",
    "flag-3": "Third flag of the scheduler.",
    "sh-port": "Source hashing includes the port.",
    "sh-fallback": "Source hashing passes over servers with weight 0.",
    "mh-port": "Maglev hashing includes the port.",
    "mh-fallback": "Maglev hashing passes over servers with weight 0.",
    ops: "One-packet scheduling (UDP).",
    persistence_engine: "Persistence engine (sip).",
    persistence_granularity: "Netmask of the affinity.",
    ha_suspend: "No checks while the host does not hold the address.",
    smtp_alert: "Mail when the quorum is reached or lost.",
    virtualhost: "Host header of HTTP checks.",
    snmp_name: "Name for SNMP.",
    alpha: "Counts servers as down until their first check has passed. holdfast always does.",
    omega: "Runs the down scripts at shutdown.",
    quorum: "Total weight needed to operate the service.",
    hysteresis: "Tolerance of the quorum.",
    quorum_up: "Script to run when the quorum is reached.",
    quorum_down: "Script to run when the quorum is lost.",
    ip_family: "Address family of a service by firewall mark.",
    sorry_server: "Server to use when the quorum is not reached.",
    sorry_server_inhibit: "inhibit_on_failure for the sorry server.",
    sorry_server_lvs_method: "Forwarding method of the sorry server.",
    weight: "Weight of all real servers (accepted by keepalived 2.2.7, not in its manual page).",
  }),
});

const virtualServerGroupTable = blockTable(
  "virtual_server_group",
  notYetRows({ fwmark: "A firewall mark of the group." }),
);

export const lvsRows = {
  virtual_server: {
    shape: "block",
    status: "implemented",
    reference: MAN,
    reload: "live",
    header: serviceEndpoint,
    table: virtualServerTable,
    doc: "An IPVS service: address, port, and the servers behind it.",
    example: "virtual_server 10.0.2.10 5432 {\n  lvs_method DR\n  protocol TCP\n}",
  } satisfies BlockRow<Endpoint & { readonly port: number }, typeof virtualServerTable.rows>,
  virtual_server_group: notYetBlock(
    "Addresses, ranges and firewall marks with the same real servers.",
    virtualServerGroupTable,
  ),
  SSL: notYetBlock(
    "Certificates of SSL_GET.",
    blockTable(
      "SSL",
      notYetRows({
        password: "Password of the key.",
        ca: "File of the authority.",
        certificate: "File of the certificate.",
        key: "File of the key.",
      }),
    ),
  ),
} as const;
