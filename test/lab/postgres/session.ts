/** A client's session with a PostgreSQL server (or a stand-in) that asks for no password: simple queries, in order. */
import { connect, type Socket } from "node:net";
import {
  type ErrorFields,
  type Message,
  MessageReader,
  message,
  parseDataRow,
  parseErrorResponse,
  startupMessage,
} from "./wire.ts";

export interface SessionOptions {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Bind the client's side to this address. */
  readonly localAddress?: string;
  /** For the connection to be ready and for each answer; default 2 000. */
  readonly timeoutMs?: number;
}

/** What the server said, in its own words. */
export class PostgresError extends Error {
  readonly severity: string;
  /** SQLSTATE */
  readonly code: string;
  constructor(fields: ErrorFields) {
    super(`${fields.severity}:  ${fields.message}`);
    this.severity = fields.severity;
    this.code = fields.code;
  }
}

export interface QueryResult {
  readonly rows: readonly (readonly (string | undefined)[])[];
  /** `INSERT 0 1`, `SELECT 1`, ... */
  readonly tag: string;
}

/** Each PostgreSQL of the lab has a socket folder named after its host: no other setting tells the nodes apart. */
export const NODE_QUERY = "show unix_socket_directories";
export const nodeOf = (result: QueryResult): string => result.rows[0]?.[0]?.split("/").at(-1) ?? "";

type Waiter = { readonly resolve: (result: QueryResult) => void; readonly reject: (error: Error) => void };

export class PostgresSession {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #reader = new MessageReader();
  #waiter: Waiter | undefined;
  #rows: (string | undefined)[][] = [];
  #tag = "";
  /** The server's ERROR for the running query; it is ready for the next one only later. */
  #error: PostgresError | undefined;
  /** Why the connection ended or is about to. */
  #failure: Error | undefined;
  #closed = false;
  /** Resolves with the reason when the session has ended, whoever ended it. */
  readonly ended: Promise<Error>;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.setNoDelay(true);
    socket.on("data", (data) => {
      for (const received of this.#reader.push(data)) this.#take(received);
    });
    socket.on("error", (error) => {
      this.#failure ??= error;
    });
    this.ended = new Promise((resolve) => {
      socket.on("close", () => {
        this.#closed = true;
        const reason = this.#failure ?? new Error("closed by the server");
        this.#waiter?.reject(reason);
        resolve(reason);
      });
    });
  }

  /** Connects and waits until the server is ready for a query. Rejects with its own words when it refuses. */
  static async open(options: SessionOptions): Promise<PostgresSession> {
    const { address, port, localAddress } = options;
    const socket = connect({ host: address, port, ...(localAddress === undefined ? {} : { localAddress }) });
    const session = new PostgresSession(socket, options.timeoutMs ?? 2_000);
    await session.#exchange(startupMessage(options.user, options.database));
    return session;
  }

  /** One statement; one at a time. Rejects with PostgresError for the server's errors, else with the connection's. */
  async query(statement: string): Promise<QueryResult> {
    return await this.#exchange(message("Q", statement));
  }

  /** Terminate, as a client does that has done its work. */
  async close(): Promise<void> {
    this.#failure ??= new Error("closed by the client");
    this.#socket.end(message("X"));
    await this.ended;
  }

  #exchange(request: Buffer): Promise<QueryResult> {
    if (this.#waiter !== undefined) throw new Error("one query at a time");
    return new Promise<QueryResult>((resolve, reject) => {
      if (this.#closed) {
        reject(this.#failure ?? new Error("closed by the server"));
        return;
      }
      this.#rows = [];
      this.#tag = "";
      this.#error = undefined;
      const timer = setTimeout(() => {
        this.#failure ??= new Error("no answer");
        this.#socket.destroy();
      }, this.#timeoutMs);
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        this.#waiter = undefined;
        finish();
      };
      this.#waiter = {
        resolve: (result) => settle(() => resolve(result)),
        reject: (error) => settle(() => reject(error)),
      };
      this.#socket.write(request);
    });
  }

  #take({ type, body }: Message): void {
    if (type === "D") this.#rows.push(parseDataRow(body));
    if (type === "C") this.#tag = body.toString("utf8", 0, body.length - 1);
    if (type === "E") this.#takeError(new PostgresError(parseErrorResponse(body)));
    if (type !== "Z") return;
    if (this.#error === undefined) this.#waiter?.resolve({ rows: this.#rows, tag: this.#tag });
    else this.#waiter?.reject(this.#error);
  }

  /** FATAL is the last word on a connection; after an ERROR comes ReadyForQuery. */
  #takeError(error: PostgresError): void {
    if (error.severity !== "FATAL") {
      this.#error = error;
      return;
    }
    this.#failure ??= error;
    this.#waiter?.reject(error);
  }
}

/** What went wrong in few words: the server's, or the name of the system's error. */
export function failureWords(error: unknown): string {
  if (error instanceof PostgresError) return error.message;
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}
