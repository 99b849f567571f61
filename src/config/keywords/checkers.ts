import type { Ip } from "../../core/ip.ts";
import { ok } from "../../core/result.ts";
import {
  type CodeRange,
  flag,
  invalid,
  ipAddress,
  oneWord,
  port,
  requestPath,
  statusCodes,
  switchable,
} from "./kinds.ts";
import { type BlockRow, blockTable, leftOutRows, MAN, notYetBlock, notYetRows, type ValueRow } from "./row.ts";
import { connectionTimingRows, httpTimingRows } from "./timing.ts";

/** HTTP_GET, TCP_CHECK, and the checkers that are refused by name. */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;
const block = { shape: "block", status: "implemented", reference: MAN, reload: "live" } as const;

const connectionRows = {
  connect_ip: {
    ...value,
    kind: ipAddress,
    defaultFrom: "the real server's address",
    doc: "Address to check instead of the real server's.",
    example: "connect_ip 10.0.2.3",
  } satisfies ValueRow<Ip>,
  connect_port: {
    ...value,
    kind: port,
    defaultFrom: "the real server's port",
    doc: "Port to check instead of the real server's; Patroni's REST API for example.",
    example: "connect_port 8008",
  } satisfies ValueRow<number>,
  bindto: {
    ...value,
    kind: ipAddress,
    defaultFrom: "the route to the server",
    doc: "Address that the check's connection comes from.",
    example: "bindto 10.0.2.1",
  } satisfies ValueRow<Ip>,
  alpha: {
    ...value,
    status: "noEffect",
    reload: "none",
    kind: switchable,
    reason: "holdfast always counts a server as down until its first check has passed",
    doc: "Counts the server as down until its first check has passed.",
    example: "alpha",
  } satisfies ValueRow<boolean>,
} as const;

/** RFC 9110 7.2: a host with an optional port; nothing that would end the header's line. */
const hostHeader = oneWord("<HOST>[:<PORT>]", (word) =>
  /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(:\d{1,5})?$/.test(word.text)
    ? ok(word.text)
    : invalid(
        word,
        "is no host of a Host header",
        "write a name, with :PORT where the server wants it: www.example.org",
      ),
);

const virtualHost = {
  ...value,
  kind: hostHeader,
  doc: "Host header of the request.",
  example: "virtualhost www.example.org",
} as const satisfies ValueRow<string>;

const connectionNotYet = notYetRows({
  bind_if: "Interface that the check's connection uses.",
  bind_port: "Port that the check's connection comes from.",
  fwmark: "Firewall mark of the check's packets.",
  log_all_failures: "Logs every failure while the server is up.",
});

/** The keywords of checkers that are refused as a whole. */
const commonNotYet = notYetRows({
  connect_ip: "Address to check.",
  connect_port: "Port to check.",
  bindto: "Address that the check comes from.",
  alpha: "Counts the server as down until its first check has passed.",
  delay_loop: "Time between checks.",
  connect_timeout: "Time allowed for a check.",
  retry: "Further failures tolerated.",
  delay_before_retry: "Time before a retry.",
  warmup: "Random delay of the first check.",
});
const refusedConnectionRows = { ...commonNotYet, ...connectionNotYet };
const refusedTimingRows = notYetRows({
  alpha: "Counts the server as down until its first check has passed.",
  connect_timeout: "Time allowed for a check.",
  retry: "Further failures tolerated.",
  delay_before_retry: "Time before a retry.",
  warmup: "Random delay of the first check.",
  delay_loop: "Time between checks.",
  log_all_failures: "Logs every failure while the server is up.",
});

const urlNotYet = notYetRows({
  digest: "MD5 digest that the answer's body must have.",
  regex: "Regular expression that the answer's body must match.",
  regex_no_match: "Reverses the sense of regex.",
  regex_options: "Options of regex.",
  regex_stack: "Stack sizes of regex.",
  regex_min_offset: "Least offset of a match of regex.",
  regex_max_offset: "Greatest offset of a match of regex.",
});

export const urlTable = blockTable("url", {
  path: {
    ...value,
    kind: requestPath,
    doc: "Path to ask for, query string included. Patroni's leader paths (/primary, /master, /read-write, /leader, /standby-leader) make a service exclusive when all its servers ask them.",
    example: "path /primary",
  } satisfies ValueRow<string>,
  status_code: {
    ...value,
    kind: statusCodes,
    default: [{ from: 200, to: 299 }],
    doc: "Status codes that pass.",
    example: "status_code 200 299 400-499",
  } satisfies ValueRow<readonly CodeRange[]>,
  virtualhost: { ...virtualHost, defaultFrom: "HTTP_GET, else connect_ip and connect_port" },
  ...urlNotYet,
});

const httpNotYet = notYetRows({
  http_protocol: "Version of HTTP: 1.0, 1.0C or 1.1.",
  fast_recovery: "No delay between the checks of several urls.",
});

export const httpGetTable = blockTable("HTTP_GET", {
  ...connectionRows,
  ...httpTimingRows,
  retry: { ...httpTimingRows.retry, aliases: ["nb_get_retry"] },
  url: {
    ...block,
    header: flag,
    table: urlTable,
    doc: "A url to ask; all urls of a checker must pass.",
    example: "url { path /primary }",
  } satisfies BlockRow<true, typeof urlTable.rows>,
  virtualhost: { ...virtualHost, doc: "Host header of the urls that write none." },
  ...connectionNotYet,
  ...httpNotYet,
});

export const tcpCheckTable = blockTable("TCP_CHECK", {
  ...connectionRows,
  ...connectionTimingRows,
  ...connectionNotYet,
});

const sslGetTable = blockTable("SSL_GET", {
  ...refusedConnectionRows,
  ...httpNotYet,
  ...notYetRows({
    virtualhost: "Host header of the requests.",
    enable_sni: "Sends the server's name in the TLS handshake.",
  }),
  url: notYetBlock(
    "A url to ask.",
    blockTable("url", {
      ...urlNotYet,
      ...notYetRows({
        virtualhost: "Host header of the request.",
        path: "Path to ask for.",
        status_code: "Status codes that pass.",
      }),
    }),
  ),
});
const smtpCheckTable = blockTable("SMTP_CHECK", {
  ...refusedConnectionRows,
  ...notYetRows({ helo_name: "Name to say in HELO." }),
});
const dnsCheckTable = blockTable("DNS_CHECK", {
  ...refusedConnectionRows,
  ...notYetRows({ type: "Type of the query.", name: "Name to ask for." }),
});
const miscCheckTable = blockTable("MISC_CHECK", {
  ...refusedTimingRows,
  ...notYetRows({
    misc_path: "Program to run.",
    misc_timeout: "Time allowed for the program.",
    misc_dynamic: "The program's exit status sets the weight.",
    user: "User and group to run the program as.",
  }),
});
const bfdCheckReason = {
  reason: "BFD is not part of holdfast: it sees the path to a server, not whether a service answers there",
  remedy: "check the service itself, for example: TCP_CHECK { connect_timeout 1 }",
} as const;
const bfdCheckTable = blockTable(
  "BFD_CHECK",
  leftOutRows({ name: { ...bfdCheckReason, doc: "BFD instance to follow." } }),
);
const pingCheckTable = blockTable("PING_CHECK", refusedConnectionRows);
const udpCheckTable = blockTable("UDP_CHECK", {
  ...refusedConnectionRows,
  ...notYetRows({
    payload: "Bytes to send.",
    require_reply: "A reply is needed, with these bytes.",
    min_reply_length: "Least length of the reply.",
    max_reply_length: "Greatest length of the reply.",
  }),
});
const fileCheckTable = blockTable(
  "FILE_CHECK",
  notYetRows({
    track_file: "Track file to follow.",
    dynamic: "The file's value is added to the weight.",
    weight: "Factor of the file's value.",
  }),
);

export const checkerRows = {
  HTTP_GET: {
    ...block,
    header: flag,
    table: httpGetTable,
    doc: "Asks one or several urls by HTTP. Understands Patroni's answers.",
    example: "HTTP_GET {\n  connect_port 8008\n  url {\n    path /primary\n    status_code 200\n  }\n}",
  } satisfies BlockRow<true, typeof httpGetTable.rows>,
  TCP_CHECK: {
    ...block,
    header: flag,
    table: tcpCheckTable,
    doc: "Passes when a TCP connection is established.",
    example: "TCP_CHECK {\n  connect_timeout 1\n}",
  } satisfies BlockRow<true, typeof tcpCheckTable.rows>,
  SSL_GET: notYetBlock("Asks urls by HTTPS.", sslGetTable),
  SMTP_CHECK: notYetBlock("Talks to a mail server.", smtpCheckTable),
  DNS_CHECK: notYetBlock("Asks a name server.", dnsCheckTable),
  MISC_CHECK: notYetBlock("Runs a program.", miscCheckTable),
  ...leftOutRows({ BFD_CHECK: { ...bfdCheckReason, doc: "Follows a BFD session.", table: bfdCheckTable } }),
  PING_CHECK: notYetBlock("Sends an ICMP echo request.", pingCheckTable),
  UDP_CHECK: notYetBlock("Sends a UDP packet.", udpCheckTable),
  FILE_CHECK: notYetBlock("Follows a track file.", fileCheckTable),
} as const;
