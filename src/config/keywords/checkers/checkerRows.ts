import { flag } from "../kinds.ts";
import { type BlockRow, blockTable, leftOutRows, MAN } from "../row.ts";
import { dnsCheckTable } from "./dns.ts";
import { fileCheckTable } from "./file.ts";
import { httpGetTable, sslGetTable } from "./http.ts";
import { miscCheckTable } from "./misc.ts";
import { pgsqlTable } from "./pgsql.ts";
import { pingCheckTable } from "./ping.ts";
import { smtpCheckTable } from "./smtp.ts";
import { tcpCheckTable } from "./tcp.ts";
import { udpCheckTable } from "./udp.ts";

/** The checkers of a real server. */

const block = { shape: "block", status: "implemented", reference: MAN, reload: "live", header: flag } as const;

const bfdCheckReason = {
  reason: "BFD is not part of holdfast: it sees the path to a server, not whether a service answers there",
  remedy: "check the service itself, for example: TCP_CHECK { connect_timeout 1 }",
} as const;
const bfdCheckTable = blockTable(
  "BFD_CHECK",
  leftOutRows({ name: { ...bfdCheckReason, doc: "BFD instance to follow." } }),
);

export const checkerRows = {
  HTTP_GET: {
    ...block,
    table: httpGetTable,
    doc: "Asks one or several urls by HTTP. Understands Patroni's answers.",
    example: "HTTP_GET {\n  connect_port 8008\n  url {\n    path /primary\n    status_code 200\n  }\n}",
  } satisfies BlockRow<true, typeof httpGetTable.rows>,
  SSL_GET: {
    ...block,
    table: sslGetTable,
    doc: "Asks one or several urls by HTTPS, as HTTP_GET does by HTTP. The top level's SSL block names its files.",
    example: "SSL_GET {\n  url {\n    path /health\n    status_code 200\n  }\n}",
  } satisfies BlockRow<true, typeof sslGetTable.rows>,
  TCP_CHECK: {
    ...block,
    table: tcpCheckTable,
    doc: "Passes when a TCP connection is established.",
    example: "TCP_CHECK {\n  connect_timeout 1\n}",
  } satisfies BlockRow<true, typeof tcpCheckTable.rows>,
  SMTP_CHECK: {
    ...block,
    table: smtpCheckTable,
    doc: "Greets a mail server: passes when it answers EHLO, or HELO, with 250.",
    example: "SMTP_CHECK {\n  helo_name mail.example.org\n}",
  } satisfies BlockRow<true, typeof smtpCheckTable.rows>,
  pgsql: {
    ...block,
    status: "native",
    reference: "holdfast",
    table: pgsqlTable,
    doc: "Logs in to PostgreSQL and asks whether it is in recovery. Beside `patroni` or an HTTP_GET of Patroni's: then both must pass.",
    example: "pgsql {\n  role primary\n  user holdfast\n  password secret\n}",
  } satisfies BlockRow<true, typeof pgsqlTable.rows>,
  DNS_CHECK: {
    ...block,
    table: dnsCheckTable,
    doc: "Asks a name server over UDP: passes when the response code is NOERROR, with or without records.",
    example: "DNS_CHECK {\n  type A\n  name www.example.org\n}",
  } satisfies BlockRow<true, typeof dnsCheckTable.rows>,
  MISC_CHECK: {
    ...block,
    table: miscCheckTable,
    doc: "Runs a program: passes when its exit status is 0.",
    example: 'MISC_CHECK {\n  misc_path "/usr/local/bin/check.sh 5432"\n  misc_timeout 5\n}',
  } satisfies BlockRow<true, typeof miscCheckTable.rows>,
  ...leftOutRows({ BFD_CHECK: { ...bfdCheckReason, doc: "Follows a BFD session.", table: bfdCheckTable } }),
  PING_CHECK: {
    ...block,
    table: pingCheckTable,
    doc: "Sends an ICMP echo request: passes when the reply comes.",
    example: "PING_CHECK {\n  connect_timeout 1\n}",
  } satisfies BlockRow<true, typeof pingCheckTable.rows>,
  UDP_CHECK: {
    ...block,
    table: udpCheckTable,
    doc: "Sends a datagram of UDP: an ICMP error fails it. A host that is gone and a firewall that drops are silent too: with require_reply, or a PING_CHECK beside it, they are seen.",
    example: "UDP_CHECK {\n  payload 00 01\n  require_reply 4f4b\n}",
  } satisfies BlockRow<true, typeof udpCheckTable.rows>,
  FILE_CHECK: {
    ...block,
    table: fileCheckTable,
    doc: "Follows the number in a file.",
    example: "FILE_CHECK {\n  track_file maintenance\n  weight -1\n}",
  } satisfies BlockRow<true, typeof fileCheckTable.rows>,
} as const;
