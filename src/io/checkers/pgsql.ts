import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { ClientConfig } from "pg";
import type { PgsqlCheckConfig } from "../../config/check.types.ts";
import type { ProbeOutcome } from "../../health/types.ts";
import type { TlsContexts } from "../tlsContexts.ts";
import type { Attempt } from "./attempt.ts";
import { failureOf } from "./failure.ts";
import { connectTo, type SocketOpener } from "./path.ts";

/** All of a conversation: greetings of a server with many settings are some hundred bytes. */
const ANSWER_BYTES_MAX = 65_536;
const WORDS_MAX = 200;

/** Qualified, since a search_path of the user's may lead elsewhere. */
const QUESTION = "SELECT pg_catalog.pg_is_in_recovery() AS recovers";

/** What the check has of the host. */
export interface PgsqlHost {
  readonly addon: () => SocketOpener;
  readonly contexts: TlsContexts;
}

/**
 * pgsql: logs in, asks whether PostgreSQL is in recovery and logs off, by node-postgres over a connection of ours. A new
 * session each time: what clients need is that one can be had.
 */
export function runPgsqlCheck(check: PgsqlCheckConfig, attempt: Attempt, host: PgsqlHost): void {
  ask(check, attempt, host).then(
    (outcome) => attempt.settle(outcome),
    (error: unknown) => attempt.settle(outcomeOf(error)),
  );
}

async function ask(check: PgsqlCheckConfig, attempt: Attempt, { addon, contexts }: PgsqlHost): Promise<ProbeOutcome> {
  // Before the connection begins: its client must be there when it stands.
  const { default: pg } = await import("pg");
  const ssl = verified(check, contexts);
  const socket = begun(connectTo(check, addon));
  attempt.onEnd(() => socket.destroy());
  socket.on("data", () => {
    // node-postgres collects what a message's head announces, up to gigabytes.
    if (socket.bytesRead > ANSWER_BYTES_MAX) attempt.settle({ kind: "malformed", detail: "the answer is too long" });
  });
  const client = new pg.Client({ ...login(check), ssl, stream: () => socket });
  // Told while nobody waits for an answer; who waits is told too.
  client.on("error", (error) => attempt.settle(outcomeOf(error)));
  await client.connect();
  const { rows } = await client.query<{ recovers: unknown }>(QUESTION);
  // Not awaited: what was to be known is known, and the end of the attempt closes the socket in any case.
  client.end().catch(() => undefined);
  const recovers = rows[0]?.recovers;
  if (typeof recovers !== "boolean") return { kind: "malformed", detail: "no answer to pg_is_in_recovery()" };
  return { kind: "recovery", recovers };
}

/** All of it is said: what is missing node-postgres looks for in the environment and in ~/.pgpass. */
function login({ connectIp, connectPort, user, password, database, tls }: PgsqlCheckConfig): ClientConfig {
  return {
    // For the name in the handshake alone: the connection is ours.
    host: tls?.serverName ?? connectIp,
    port: connectPort,
    user,
    password: () => password ?? "",
    database,
    application_name: "holdfast",
  };
}

function verified({ tls, connectIp }: PgsqlCheckConfig, contexts: TlsContexts): ConnectionOptions | false {
  if (tls === undefined) return false;
  const { caFile: ca, certificateFile: certificate, keyFile: key } = tls;
  return { host: connectIp, secureContext: contexts.of({ ca, certificate, key }), rejectUnauthorized: true };
}

/** node-postgres begins the connection of every stream that it is given; this one is on its way. */
function begun(socket: Socket): Socket {
  socket.connect = () => socket;
  return socket;
}

/** Words of somebody else in one line of a log: no ends of lines, nothing that a terminal obeys. */
function plain(words: string): string {
  return words.replace(/\p{C}+/gu, " ").slice(0, WORDS_MAX);
}

/** A server that refuses says why (SQLSTATE): it starts up, takes no more sessions, or does not know the user. */
function outcomeOf(error: unknown): ProbeOutcome {
  if (error instanceof Error && "severity" in error && "code" in error)
    return { kind: "sqlError", sqlState: String(error.code), message: plain(error.message) };
  // node-postgres' own words, which have no code: the server closed, or answered N to the question for TLS.
  if (error instanceof Error && !("code" in error)) {
    if (/terminated/i.test(error.message)) return { kind: "reset", detail: "" };
    if (/SSL/.test(error.message)) return { kind: "tlsFailed", detail: error.message };
  }
  return failureOf(error);
}
