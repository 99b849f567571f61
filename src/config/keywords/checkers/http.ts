import { ok } from "../../../core/result.ts";
import { type CodeRange, flag, invalid, oneWord, requestPath, statusCodes } from "../kinds.ts";
import { type BlockRow, blockTable, MAN, notYetRows, type ValueRow } from "../row.ts";
import { httpTimingRows } from "../timing.ts";
import { connectionNotYet, connectionRows } from "./connection.ts";

/** HTTP_GET */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;
const block = { shape: "block", status: "implemented", reference: MAN, reload: "live" } as const;

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

export const urlNotYet = notYetRows({
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

export const httpNotYet = notYetRows({
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
