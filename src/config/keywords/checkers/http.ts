import { ok } from "../../../core/result.ts";
import type { HttpProtocol } from "../../check.types.ts";
import {
  type CodeRange,
  choice,
  flag,
  integer,
  invalid,
  oneWord,
  requestPath,
  statusCodes,
  switchable,
  text,
  utf8Bytes,
} from "../kinds.ts";
import { type BlockRow, blockTable, leftOutRows, MAN, type ValueKind, type ValueRow } from "../row.ts";
import { httpTimingRows } from "../timing.ts";
import { connectionRows } from "./connection.ts";
import { type RegexOptions, regexOptions } from "./regex.ts";

/** HTTP_GET and SSL_GET */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;
const block = { shape: "block", status: "implemented", reference: MAN, reload: "live" } as const;

/** pcre2limits(3): "The maximum length of ... a pattern" is far above what a check needs. */
const REGEX_BYTES_MAX = 4_096;
const REGEX_OFFSET_MAX = 0x7fff_ffff;

interface StackSizes {
  readonly start: number;
  readonly max: number;
}

const stackSizes: ValueKind<StackSizes> = {
  syntax: "<START> <MAX>",
  minimumWords: 2,
  maximumWords: 2,
  parse: ([start, max]) => {
    const bytes = integer({ min: 1, max: REGEX_OFFSET_MAX, unit: "BYTES" });
    const first = bytes.parse(start === undefined ? [] : [start]);
    if (!first.ok) return first;
    const second = bytes.parse(max === undefined ? [] : [max]);
    return second.ok ? ok({ start: first.value, max: second.value }) : second;
  },
  format: ({ start, max }) => `${start} ${max}`,
};

/** Of a file's name, as long as Linux takes one. */
const PATH_BYTES_MAX = 4_095;

const absolutePath = oneWord("<PATH>", (word) =>
  word.text.startsWith("/") && utf8Bytes(word.text) <= PATH_BYTES_MAX
    ? ok(word.text)
    : invalid(word, "is no absolute path", "write it with its leading /: /etc/ssl/certs/ca.pem"),
);

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

export const virtualHost = {
  ...value,
  kind: hostHeader,
  doc: "Host header of the request.",
  example: "virtualhost www.example.org",
} as const satisfies ValueRow<string>;

/** 32 hexadecimal digits; keepalived's genhash prints small ones. */
const md5 = oneWord("<MD5>", (word) =>
  /^[0-9a-fA-F]{32}$/.test(word.text)
    ? ok(word.text.toLowerCase())
    : invalid(word, "is no MD5 of 32 hexadecimal digits", "write what md5sum prints for the page's body"),
);

const offset = integer({ min: 0, max: REGEX_OFFSET_MAX, unit: "OFFSET" });

const regexRows = {
  regex: {
    ...value,
    kind: text("EXPRESSION", REGEX_BYTES_MAX),
    doc: "Regular expression of JavaScript (ECMAScript) that the answer must match, as keepalived does it with status line, headers and body as they come; of at most a mebibyte and within 100 ms. Translated are PCRE2's dot and dollar; what only PCRE2 has is refused: POSIX classes, \\A, \\h, \\K and their like, (?i), possessive quantifiers, atomic groups. \\s takes the byte A0 too.",
    example: 'regex "status: *ok"',
  } satisfies ValueRow<string>,
  regex_no_match: {
    ...value,
    kind: flag,
    doc: "Reverses the sense of `regex`: a match fails the check.",
    example: "regex_no_match",
  } satisfies ValueRow<true>,
  regex_options: {
    ...value,
    kind: regexOptions,
    doc: "Options of `regex`, as pcre2api(3) describes them: caseless, multiline, dotall, dollar_endonly, allow_empty_class; with utf expression, answer and offsets are characters and not bytes. Those about speed, captures and callouts change nothing.",
    example: "regex_options caseless dotall",
  } satisfies ValueRow<RegexOptions>,
  regex_stack: {
    ...value,
    status: "noEffect",
    reload: "none",
    reason: "JavaScript's search needs no stack of its own",
    kind: stackSizes,
    doc: "Stack sizes of the search for `regex`.",
    example: "regex_stack 32768 1048576",
  } satisfies ValueRow<StackSizes>,
  regex_min_offset: {
    ...value,
    kind: offset,
    default: 0,
    doc: "Offset in the answer, status line and headers included, from which on a match of `regex` may begin.",
    example: "regex_min_offset 100",
  } satisfies ValueRow<number>,
  regex_max_offset: {
    ...value,
    kind: offset,
    defaultFrom: "the end",
    doc: "Offset in the answer, status line and headers included, up to which a match of `regex` may begin.",
    example: "regex_max_offset 1000",
  } satisfies ValueRow<number>,
} as const;

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
  digest: {
    ...value,
    kind: md5,
    doc: "MD5 of the answer's body, as genhash prints it. Of a chunked answer what the chunks hold.",
    example: "digest 9b3a0c85a887a256d6939da88aabd8cd",
  } satisfies ValueRow<string>,
  ...regexRows,
});

const protocols = choice("version of HTTP", ["1.0", "1.0C", "1.1"]);

/** keepalived takes a small c too. */
const httpProtocol: ValueKind<HttpProtocol> = {
  ...protocols,
  parse: (words) => protocols.parse(words.map((word) => ({ ...word, text: word.text.replace("0c", "0C") }))),
};

const httpRows = {
  ...connectionRows,
  ...httpTimingRows,
  retry: { ...httpTimingRows.retry, aliases: ["nb_get_retry"] },
  url: {
    ...block,
    header: flag,
    table: urlTable,
    doc: "A url to ask; all urls of a checker must pass, and all are asked in each check, one after the other.",
    example: "url { path /primary }",
  } satisfies BlockRow<true, typeof urlTable.rows>,
  virtualhost: {
    ...virtualHost,
    defaultFrom: "the real server, else the virtual server",
    doc: "Host header of the urls that write none.",
  },
  http_protocol: {
    ...value,
    kind: httpProtocol,
    default: "1.1",
    doc: "Version of HTTP in the request; 1.0C is 1.0 with `Connection: close`, which 1.1 has always. keepalived asks 1.0 where nothing is written.",
    example: "http_protocol 1.0",
  } satisfies ValueRow<HttpProtocol>,
  fast_recovery: {
    ...value,
    status: "noEffect",
    reload: "none",
    reason: "each check asks all urls without a delay between them, also in recovery",
    kind: switchable,
    doc: "No delay between several urls in recovery.",
    example: "fast_recovery",
  } satisfies ValueRow<boolean>,
} as const;

export const httpGetTable = blockTable("HTTP_GET", httpRows);

export const sslGetTable = blockTable("SSL_GET", {
  ...httpRows,
  enable_sni: {
    ...value,
    kind: switchable,
    default: false,
    doc: "Sends the virtualhost's name in the TLS handshake (RFC 6066), where it is a name.",
    example: "enable_sni",
  } satisfies ValueRow<boolean>,
  ...leftOutRows({
    tls_compliant: {
      doc: "Fails a check whose connection ends without TLS's close_notify.",
      reason: "Node's TLS takes any end of a connection for the end of the answer",
      remedy: "remove it; write digest, where an answer that was cut short must not pass",
    },
  }),
});

const PASSWORD_BYTES_MAX = 1_024;

const file = (keyword: string, doc: string) =>
  ({
    ...value,
    kind: absolutePath,
    doc,
    example: `${keyword} /etc/holdfast/${keyword}.pem`,
  }) as const satisfies ValueRow<string>;

/** The top level's `SSL` block. */
export const sslTable = blockTable("SSL", {
  ca: file(
    "ca",
    "PEM file of the authorities. With it certificates are verified, their names are not; keepalived verifies none.",
  ),
  certificate: file("certificate", "PEM file of the certificate that SSL_GET presents."),
  key: file("key", "PEM file of its key."),
  password: {
    ...value,
    kind: text("PASSWORD", PASSWORD_BYTES_MAX),
    doc: "Password of the key.",
    example: "password secret",
  } satisfies ValueRow<string>,
});
