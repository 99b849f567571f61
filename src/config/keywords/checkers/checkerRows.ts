import { flag } from "../kinds.ts";
import { type BlockRow, blockTable, leftOutRows, MAN, notYetBlock, notYetRows } from "../row.ts";
import { connectionNotYet } from "./connection.ts";
import { httpGetTable, httpNotYet, urlNotYet } from "./http.ts";
import { tcpCheckTable } from "./tcp.ts";

/** The checkers of a real server, and those that are refused by name. */

const block = { shape: "block", status: "implemented", reference: MAN, reload: "live" } as const;

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
