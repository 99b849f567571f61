import { flag, text } from "../kinds.ts";
import { type BlockRow, blockTable, MAN, type ValueRow } from "../row.ts";
import { connectionTimingRows } from "../timing.ts";
import { connectionRows } from "./connection.ts";

/** SMTP_CHECK */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** RFC 5321 4.5.3.1.2: a domain. */
const DOMAIN_BYTES_MAX = 255;

const { connect_ip, connect_port, bindto, bind_port, bind_if, fwmark } = connectionRows;

/** A host of its own in SMTP_CHECK: what it does not write is the checker's. */
export const smtpHostTable = blockTable("host", { connect_ip, connect_port, bindto, bind_port, bind_if, fwmark });

export const smtpCheckTable = blockTable("SMTP_CHECK", {
  ...connectionRows,
  ...connectionTimingRows,
  helo_name: {
    ...value,
    kind: text("NAME", DOMAIN_BYTES_MAX),
    default: "smtpchecker.holdfast",
    doc: "Name to say in EHLO, and in HELO where the server refuses that.",
    example: "helo_name mail.example.org",
  } satisfies ValueRow<string>,
  host: {
    shape: "block",
    status: "implemented",
    reference: "keepalived 2.2.7",
    reload: "live",
    header: flag,
    table: smtpHostTable,
    doc: "A mail server to check; of several every one must pass. Without any it is the checker's own connect_ip and connect_port.",
    example: "host {\n  connect_ip 10.0.2.3\n  connect_port 25\n}",
  } satisfies BlockRow<true, typeof smtpHostTable.rows>,
});
