import type { PgsqlRole } from "../../check.types.ts";
import { choice, flag, text } from "../kinds.ts";
import { type BlockRow, blockTable, type ValueRow } from "../row.ts";
import { checkerRows } from "../timing.ts";
import { connectionRows } from "./connection.ts";
import { tlsTable } from "./patroni.ts";

/** `pgsql`: PostgreSQL itself is asked. */

const native = { shape: "value", status: "native", reference: "holdfast", reload: "live" } as const;

/** PostgreSQL's NAMEDATALEN less its end; longer names are cut off by the server. */
const NAME_BYTES = 63;
const PASSWORD_BYTES = 1_023;

export const PGSQL_ROLES = ["primary", "replica", "any"] as const satisfies readonly PgsqlRole[];

const { alpha, log_all_failures, connect_ip, connect_port, bindto, bind_port, bind_if, fwmark } = connectionRows;
const ours = { status: "native", reference: "holdfast" } as const;

export const pgsqlTable = blockTable("pgsql", {
  role: {
    ...native,
    kind: choice("role of PostgreSQL's", PGSQL_ROLES),
    default: "any",
    doc: "What `pg_is_in_recovery()` must say: `primary` = false, `replica` = true; with `any` an answer is enough.",
    example: "role primary",
  } satisfies ValueRow<PgsqlRole>,
  user: {
    ...native,
    kind: text("USER", NAME_BYTES),
    doc: "User to log in as. It needs no rights but CONNECT; `pg_monitor` is not needed.",
    example: "user holdfast",
  } satisfies ValueRow<string>,
  password: {
    ...native,
    kind: text("PASSWORD", PASSWORD_BYTES),
    doc: "Its password (SCRAM-SHA-256, MD5 or plain, as the server asks); none where pg_hba.conf trusts this host.",
    example: "password secret",
  } satisfies ValueRow<string>,
  dbname: {
    ...native,
    kind: text("DATABASE", NAME_BYTES),
    default: "postgres",
    doc: "Database to connect to.",
    example: "dbname postgres",
  } satisfies ValueRow<string>,
  tls: {
    shape: "block",
    ...ours,
    reload: "live",
    header: flag,
    table: tlsTable,
    doc: "Asks by TLS and verifies, as `sslmode=verify-full`. The files are read again when they change.",
    example: "tls {\n  ca /etc/holdfast/postgresql-ca.pem\n  server_name pg1.example.org\n}",
  } satisfies BlockRow<true, typeof tlsTable.rows>,
  alpha,
  log_all_failures: { ...log_all_failures, ...ours },
  connect_ip: { ...connect_ip, ...ours },
  connect_port: { ...connect_port, ...ours },
  bindto: { ...bindto, ...ours },
  bind_port: { ...bind_port, ...ours },
  bind_if: { ...bind_if, ...ours },
  fwmark: { ...fwmark, ...ours },
  ...checkerRows({ delayLoopSec: 2, connectTimeoutSec: 2, delayBeforeRetrySec: 1 }),
});
