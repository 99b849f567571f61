import type { Family } from "../../core/ip.ts";
import { ok } from "../../core/result.ts";
import { type DurationUs, milliseconds, seconds } from "../../core/units.ts";
import { IPVS_WEIGHT_MAX } from "../../core/weights.ts";
import type { ForwardingConfig, RoleLossConfig, Scheduler } from "../types.ts";
import type { ScriptCommand } from "../vrrp.types.ts";
import { checkerRows } from "./checkers/checkerRows.ts";
import { sslTable, virtualHost } from "./checkers/http.ts";
import { fallbackRow, patroniRow } from "./checkers/patroni.ts";
import { patroniClusterRow } from "./discovery.ts";
import { choice, flag, integer, switchable, text, timer, truth } from "./kinds.ts";
import { roleLossKind } from "./roleLoss.ts";
import { type BlockRow, blockTable, leftOutRows, MAN, type ValueKind, type ValueRow } from "./row.ts";
import { scriptAsUser } from "./scripts.ts";
import {
  type Endpoint,
  endpoint,
  forwardingKind,
  type Granularity,
  type GroupLine,
  granularity,
  groupLines,
  inetFamily,
  markLine,
  type ServiceHeader,
  schedulerKind,
  serviceHeader,
} from "./serviceKinds.ts";
import { outerTimingRows } from "./timing.ts";

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;
const native = { ...value, status: "native", reference: "holdfast" } as const;

/** keepalived 2.2.7 refuses more (31 days). */
const PERSISTENCE_MAX_SEC = 2_678_400;
export const PERSISTENCE_DEFAULT_SEC = 360;
const QUORUM_MAX = 1_000_000_000;
/** ip_vs.h has 32 bits. */
const THRESHOLD_MAX = 4_294_967_295;

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

const threshold = (keyword: string, doc: string) =>
  ({
    ...value,
    kind: integer({ min: 0, max: THRESHOLD_MAX, unit: "CONNECTIONS" }),
    default: 0,
    doc,
    example: `${keyword} 1000`,
  }) as const satisfies ValueRow<number>;

const schedulerFlag = (keyword: string, doc: string) =>
  ({
    ...value,
    kind: flag,
    doc,
    reference: "keepalived.conf(5), ipvsadm(8)",
    example: keyword,
  }) as const satisfies ValueRow<true>;

const alwaysAlpha = {
  ...value,
  status: "noEffect",
  reload: "none",
  reason: "a server never gets connections before its first check has passed",
  kind: switchable,
  doc: "Counts servers as down until their first check has passed.",
  example: "alpha",
} as const satisfies ValueRow<boolean>;

const { snmp_name: noSnmp } = leftOutRows({
  snmp_name: {
    doc: "Name for SNMP.",
    reason: "holdfast has no SNMP agent; its states and counters are metrics for Prometheus",
    remedy: "remove it, and read the metrics or `holdfast status --json`",
  },
});

const script = (keyword: string, doc: string) =>
  ({
    ...value,
    kind: scriptAsUser,
    doc,
    example: `${keyword} "/etc/holdfast/notify.sh argument" nobody`,
  }) as const satisfies ValueRow<ScriptCommand>;

const forwardingRow = {
  ...value,
  aliases: ["lb_kind"],
  kind: forwardingKind,
  example: "lvs_method DR",
} as const;

const inhibitOnFailure = {
  ...value,
  kind: switchable,
  doc: "A server whose check fails stays in the table with weight 0 instead of being removed.",
  example: "inhibit_on_failure",
} as const satisfies ValueRow<boolean>;

export const realServerTable = blockTable("real_server", {
  weight: {
    ...value,
    kind: integer({ min: 0, max: IPVS_WEIGHT_MAX, unit: "WEIGHT" }),
    default: 1,
    defaultFrom: "the virtual server",
    doc: "Weight for the weighted schedulers; 0 = no new connections.",
    example: "weight 50",
  } satisfies ValueRow<number>,
  inhibit_on_failure: { ...inhibitOnFailure, default: false, defaultFrom: "the virtual server" },
  lvs_method: {
    ...forwardingRow,
    defaultFrom: "the virtual server",
    doc: "Forwarding method of this server, as for a virtual server.",
  } satisfies ValueRow<ForwardingConfig>,
  alpha: alwaysAlpha,
  snmp_name: noSnmp,
  virtualhost: {
    ...virtualHost,
    defaultFrom: "the virtual server",
    doc: "Host header of HTTP_GET and SSL_GET that write none.",
  },
  notify_up: script("notify_up", "Script to run when the server comes up again."),
  notify_down: script("notify_down", "Script to run when the server goes down."),
  uthreshold: threshold("uthreshold", "Connections from which on the server gets no new ones; 0 = no limit."),
  lthreshold: threshold(
    "lthreshold",
    "Connections below which an overloaded server gets new ones again; 0 = three quarters of `uthreshold`.",
  ),
  ...outerTimingRows,
  ...checkerRows,
  patroni: patroniRow,
  smtp_alert: {
    ...value,
    kind: switchable,
    defaultFrom: "smtp_alert_checker, else smtp_alert of global_defs, else on",
    doc: "Mail when the server comes up or goes down.",
    example: "smtp_alert off",
  } satisfies ValueRow<boolean>,
});

export const virtualServerTable = blockTable("virtual_server", {
  lvs_method: {
    ...forwardingRow,
    default: { method: "NAT" },
    doc: "Forwarding method: NAT rewrites addresses, DR is direct routing, TUN wraps packets into IPIP, GUE (UDP) or GRE; servers behind a tunnel may be of the other address family.",
  } satisfies ValueRow<ForwardingConfig>,
  lvs_sched: {
    ...value,
    aliases: ["lb_algo"],
    kind: schedulerKind,
    default: "wlc",
    doc: "Scheduler that spreads the connections: a module of the kernel, ip_vs_NAME, each described in ipvsadm(8).",
    reference: "keepalived.conf(5), ipvsadm(8)",
    example: "lvs_sched lc",
  } satisfies ValueRow<Scheduler>,
  "flag-1": schedulerFlag("flag-1", "First flag of the scheduler: fallback of sh and mh."),
  "flag-2": schedulerFlag("flag-2", "Second flag of the scheduler: port of sh and mh."),
  "flag-3": schedulerFlag("flag-3", "Third flag of the scheduler."),
  "sh-fallback": schedulerFlag("sh-fallback", "The scheduler sh passes over servers with weight 0."),
  "sh-port": schedulerFlag("sh-port", "The scheduler sh counts the client's port in."),
  "mh-fallback": schedulerFlag("mh-fallback", "The scheduler mh passes over servers with weight 0."),
  "mh-port": schedulerFlag("mh-port", "The scheduler mh counts the client's port in."),
  ops: {
    ...value,
    kind: flag,
    doc: "One-packet scheduling: each packet of UDP is scheduled anew.",
    example: "ops",
  } satisfies ValueRow<true>,
  protocol: {
    ...value,
    kind: choice("protocol", ["TCP", "UDP", "SCTP"]),
    default: "UDP",
    doc: "Protocol of the service. A firewall mark is of every protocol.",
    example: "protocol TCP",
  } satisfies ValueRow<"TCP" | "UDP" | "SCTP">,
  persistence_timeout: {
    ...value,
    kind: persistence,
    default: 0,
    doc: "Seconds for which a client stays on the server it was first sent to; 0 or not written = no affinity, without a number = 360. Not programmed on an exclusive service.",
    example: "persistence_timeout 50",
  } satisfies ValueRow<number>,
  persistence_granularity: {
    ...value,
    kind: granularity,
    defaultFrom: "the whole address",
    doc: "Part of the client's address that affinity goes by: a netmask, in IPv6 a prefix length. Alone it switches affinity of six minutes on.",
    example: "persistence_granularity 255.255.255.0",
  } satisfies ValueRow<Granularity>,
  persistence_engine: {
    ...value,
    kind: choice("persistence engine", ["sip"]),
    doc: "What affinity goes by instead of the client's address: sip is the Call-ID of SIP over UDP (module ip_vs_pe_sip).",
    example: "persistence_engine sip",
  } satisfies ValueRow<"sip">,
  ip_family: {
    ...value,
    kind: inetFamily,
    defaultFrom: "the real servers, else `persistence_granularity`, else inet",
    doc: "Address family of a service by firewall mark.",
    example: "ip_family inet6",
  } satisfies ValueRow<Family>,
  alpha: alwaysAlpha,
  snmp_name: noSnmp,
  virtualhost: { ...virtualHost, doc: "Host header of HTTP_GET and SSL_GET that write none." },
  hashed: {
    ...value,
    status: "noEffect",
    reload: "none",
    reason: "it is the kernel's own mark of every service in its table",
    kind: flag,
    doc: "Sets the flag IP_VS_SVC_F_HASHED.",
    reference: "keepalived 2.2.7",
    example: "hashed",
  } satisfies ValueRow<true>,
  weight: {
    ...value,
    kind: integer({ min: 0, max: IPVS_WEIGHT_MAX, unit: "WEIGHT" }),
    doc: "Weight of the real servers that do not write their own.",
    reference: "keepalived 2.2.7",
    example: "weight 50",
  } satisfies ValueRow<number>,
  quorum: {
    ...value,
    kind: integer({ min: 1, max: QUORUM_MAX, unit: "WEIGHT" }),
    default: 1,
    doc: "Total weight of the servers that are up from which on the service has its quorum; of an exclusive service the holder's weight alone.",
    example: "quorum 2",
  } satisfies ValueRow<number>,
  hysteresis: {
    ...value,
    kind: integer({ min: 0, max: QUORUM_MAX, unit: "WEIGHT" }),
    default: 0,
    doc: "The quorum is lost this much below `quorum` and gained this much above it. Less than `quorum`.",
    example: "hysteresis 1",
  } satisfies ValueRow<number>,
  quorum_up: script("quorum_up", "Script to run when the quorum is gained."),
  quorum_down: script("quorum_down", "Script to run when the quorum is lost."),
  smtp_alert: {
    ...value,
    kind: switchable,
    defaultFrom: "smtp_alert_checker, else smtp_alert of global_defs, else off",
    doc: "Mail when the quorum is gained or lost.",
    example: "smtp_alert on",
  } satisfies ValueRow<boolean>,
  ha_suspend: {
    ...value,
    kind: flag,
    doc: "No checks while the host holds none of the service's addresses, by VRRP or otherwise; then no server has weight, and after a takeover connections wait for the first answers. A firewall mark has no address and is always checked.",
    example: "ha_suspend",
  } satisfies ValueRow<true>,
  omega: {
    ...value,
    kind: flag,
    doc: "At the end quorum_down and the servers' notify_down are run for what was up, and the FIFO is told.",
    example: "omega",
  } satisfies ValueRow<true>,
  sorry_server: {
    ...value,
    kind: endpoint,
    doc: "Server that takes the place of all real servers while the quorum is lost.",
    example: "sorry_server 10.0.2.9 80",
  } satisfies ValueRow<Endpoint>,
  sorry_server_inhibit: {
    ...value,
    kind: flag,
    doc: "The sorry server stays in the table with weight 0 while it is not needed.",
    example: "sorry_server_inhibit",
  } satisfies ValueRow<true>,
  sorry_server_lvs_method: {
    ...forwardingRow,
    aliases: ["sorry_server_lb_kind"],
    defaultFrom: "the virtual server",
    doc: "Forwarding method of the sorry server.",
    example: "sorry_server_lvs_method NAT",
  } satisfies ValueRow<ForwardingConfig>,
  ...outerTimingRows,
  patroni: patroniRow,
  patroni_cluster: patroniClusterRow,
  fallback: fallbackRow,
  inhibit_on_failure: inhibitOnFailure,
  exclusive: {
    ...native,
    kind: truth,
    defaultFrom:
      "the checks: on when every server is asked for one of Patroni's leader paths, or for a leader's role by `patroni`",
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
  role_hold: {
    ...native,
    kind: timer({ minSec: 0, maxSec: 3_600 }),
    default: seconds(30),
    doc: "In an exclusive service the server that holds the role and then does not answer its role checks keeps its weight for so long since it fell silent, while its service port accepts connections and no other server is confirmed in the role; 0 = it loses the weight with its last retry.",
    example: "role_hold 10",
  } satisfies ValueRow<DurationUs>,
  role_loss: {
    ...native,
    kind: roleLossKind,
    defaultFrom: "the service: cut when it is exclusive or of UDP, else drain",
    doc: "What becomes of established connections to a server that failed or lost its role. Its row gets weight 0 at once; then cut: the row is removed, so that the next packet of a connection is answered with a reset (in an exclusive service as soon as another server is confirmed in the role); drain: removed when no connection is left, after the seconds written behind it, or when its service port does not answer either; keep: nothing more. Under `inhibit_on_failure` the row is put back with weight 0.",
    example: "role_loss drain 300",
  } satisfies ValueRow<RoleLossConfig>,
  real_server: {
    shape: "block",
    status: "implemented",
    reference: MAN,
    reload: "live",
    header: endpoint,
    table: realServerTable,
    doc: "A server that connections are forwarded to. Its port is the virtual server's where none is written; NAT alone can lead to another one.",
    example: "real_server 10.0.2.3 5432 {\n  weight 50\n}",
  } satisfies BlockRow<Endpoint, typeof realServerTable.rows>,
});

/** Of a name, as long as keepalived's words are. */
const GROUP_NAME_BYTES = 255;

export const virtualServerGroupTable = blockTable(
  "virtual_server_group",
  {
    fwmark: {
      ...value,
      kind: markLine,
      doc: "A firewall mark of the group. The family is needed where the real servers do not tell it: all are tunnelled.",
      example: "fwmark 8 inet",
    } satisfies ValueRow<GroupLine>,
  },
  groupLines,
);

export const lvsRows = {
  virtual_server: {
    shape: "block",
    status: "implemented",
    reference: MAN,
    reload: "live",
    header: serviceHeader,
    table: virtualServerTable,
    doc: "An IPVS service and the servers behind it: by address and port (without a port: every port, with persistence only), by firewall mark, or for everything that a group lists.",
    example: "virtual_server 10.0.2.10 5432 {\n  lvs_method DR\n  protocol TCP\n}",
  } satisfies BlockRow<ServiceHeader, typeof virtualServerTable.rows>,
  virtual_server_group: {
    shape: "block",
    status: "implemented",
    reference: MAN,
    reload: "live",
    header: text("NAME", GROUP_NAME_BYTES),
    table: virtualServerGroupTable,
    doc: "Addresses, ranges (10.0.0.1-10, 10.0.0.250-10.0.1.10, 10.0.0.8/29; behind each its port) and firewall marks with the same real servers, which are checked once.",
    example: "virtual_server_group WEB {\n  10.0.2.20-25 80\n  fwmark 8\n}",
  } satisfies BlockRow<string, typeof virtualServerGroupTable.rows>,
  SSL: {
    shape: "block",
    status: "implemented",
    reference: MAN,
    reload: "live",
    header: flag,
    table: sslTable,
    doc: "Files of SSL_GET. They are read again when they change.",
    example: "SSL {\n  ca /etc/holdfast/ca.pem\n}",
  } satisfies BlockRow<true, typeof sslTable.rows>,
} as const;
