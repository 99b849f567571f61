/**
 * The few messages of PostgreSQL's protocol 3.0 that the lab speaks, for the client's side and for a stand-in server's.
 * Source: PostgreSQL documentation, "Message Formats" and "Error and Notice Message Fields".
 *
 *   message   type (1 byte)  length (u32, itself included)  body
 *   start-up                 length (u32, itself included)  protocol or request code (u32)  body
 */

const PROTOCOL_3_0 = 196_608;
/** Codes of start-up requests that are answered with one byte, `N` for no. */
export const SSL_REQUEST = 80_877_103;
export const GSS_ENCRYPTION_REQUEST = 80_877_104;

export interface Message {
  /** One letter. */
  readonly type: string;
  readonly body: Buffer;
}

export interface ErrorFields {
  /** `ERROR` or `FATAL` */
  readonly severity: string;
  /** SQLSTATE */
  readonly code: string;
  readonly message: string;
}

export function message(type: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? cString(part) : part)));
  const head = Buffer.alloc(5);
  head.write(type, "latin1");
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`, "utf8");
}

export function startupMessage(user: string, database: string): Buffer {
  const body = Buffer.concat(["user", user, "database", database, ""].map(cString));
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8, 0);
  head.writeUInt32BE(PROTOCOL_3_0, 4);
  return Buffer.concat([head, body]);
}

export function errorResponse(fields: ErrorFields): Buffer {
  const { severity, code, message: text } = fields;
  return message("E", `S${severity}`, `V${severity}`, `C${code}`, `M${text}`, Buffer.from([0]));
}

export function parseErrorResponse(body: Buffer): ErrorFields {
  const fields = new Map(
    body
      .toString("utf8")
      .split("\0")
      .filter((field) => field !== "")
      .map((field) => [field.charAt(0), field.slice(1)]),
  );
  return { severity: fields.get("S") ?? "", code: fields.get("C") ?? "", message: fields.get("M") ?? "" };
}

/** RowDescription of one column of type text (25). */
export function oneTextColumn(name: string): Buffer {
  const tail = Buffer.alloc(18);
  tail.writeUInt32BE(25, 6);
  tail.writeInt16BE(-1, 10);
  tail.writeInt32BE(-1, 12);
  return message("T", Buffer.from([0, 1]), name, tail);
}

export function oneTextRow(value: string): Buffer {
  const text = Buffer.from(value, "utf8");
  const head = Buffer.alloc(6);
  head.writeUInt16BE(1, 0);
  head.writeInt32BE(text.length, 2);
  return message("D", head, text);
}

/** The columns of a DataRow as text; NULL as undefined. */
export function parseDataRow(body: Buffer): (string | undefined)[] {
  const columns: (string | undefined)[] = [];
  let at = 2;
  for (let column = 0; column < body.readUInt16BE(0); column++) {
    const length = body.readInt32BE(at);
    at += 4;
    columns.push(length < 0 ? undefined : body.toString("utf8", at, at + length));
    at += Math.max(0, length);
  }
  return columns;
}

/** Cuts a byte stream into messages. */
export class MessageReader {
  #pending: Buffer = Buffer.alloc(0);

  push(data: Buffer): Message[] {
    this.#pending = Buffer.concat([this.#pending, data]);
    const messages: Message[] = [];
    while (this.#pending.length >= 5) {
      const end = 1 + this.#pending.readUInt32BE(1);
      if (this.#pending.length < end) break;
      messages.push({ type: this.#pending.toString("latin1", 0, 1), body: this.#pending.subarray(5, end) });
      this.#pending = this.#pending.subarray(end);
    }
    return messages;
  }

  /** The code of a complete start-up request at the front, which is taken away; undefined when more bytes are needed. */
  takeStartup(data: Buffer): number | undefined {
    this.#pending = Buffer.concat([this.#pending, data]);
    if (this.#pending.length < 8 || this.#pending.length < this.#pending.readUInt32BE(0)) return undefined;
    const code = this.#pending.readUInt32BE(4);
    this.#pending = this.#pending.subarray(this.#pending.readUInt32BE(0));
    return code;
  }
}
