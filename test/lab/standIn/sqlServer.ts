import { createServer, type Server, type Socket } from "node:net";
import {
  errorResponse,
  GSS_ENCRYPTION_REQUEST,
  type Message,
  MessageReader,
  message,
  oneTextColumn,
  oneTextRow,
  SSL_REQUEST,
} from "../postgres/wire.ts";

/** What the port 5432 of a stand-in does, read anew for every statement and every connection. */
export interface SqlNode {
  readonly name: string;
  readonly postgres: "running" | "starting" | "stopping" | "stopped";
  readonly inRecovery: boolean;
}

export interface SqlServer {
  readonly server: Server;
  /** What a fast shutdown does to sessions. */
  terminateSessions(): void;
  readonly counters: { accepted: number; inserted: number; refused: number };
  open(): number;
}

const READY = message("Z", Buffer.from("I"));
const AUTHENTICATION_OK = message("R", Buffer.alloc(4));
const READ_ONLY = {
  severity: "ERROR",
  code: "25006",
  message: "cannot execute INSERT in a read-only transaction",
} as const;
const TERMINATED = {
  severity: "FATAL",
  code: "57P01",
  message: "terminating connection due to administrator command",
} as const;

/**
 * A stand-in for PostgreSQL that psql can talk to, without a database: `insert ...` is done, or refused in recovery in
 * PostgreSQL's words; `show unix_socket_directories` tells the node, as with the lab's real servers; every other
 * statement gives one row with `pg1 primary` or `pg1 replica`. While starting or stopping it says what PostgreSQL says.
 */
export function createSqlServer(node: () => SqlNode): SqlServer {
  const sessions = new Set<Socket>();
  const counters = { accepted: 0, inserted: 0, refused: 0 };

  const answer = (statement: string): Buffer[] => {
    const { name, inRecovery } = node();
    if (/^\s*insert\b/i.test(statement)) {
      counters[inRecovery ? "refused" : "inserted"]++;
      return inRecovery ? [errorResponse(READ_ONLY)] : [message("C", "INSERT 0 1")];
    }
    const shown = /^\s*show\s+unix_socket_directories/i.test(statement);
    const value = shown ? `/stand-in/${name}` : `${name} ${inRecovery ? "replica" : "primary"}`;
    return [oneTextColumn("node"), oneTextRow(value), message("C", shown ? "SHOW" : "SELECT 1")];
  };

  const takeMessage = (socket: Socket, { type, body }: Message): void => {
    if (type === "X") socket.end();
    else if (type === "Q") socket.write(Buffer.concat([...answer(body.toString("utf8", 0, body.length - 1)), READY]));
  };

  const begin = (socket: Socket): void => {
    const { postgres } = node();
    if (postgres !== "running") {
      const doing = postgres === "starting" ? "starting up" : "shutting down";
      socket.end(errorResponse({ severity: "FATAL", code: "57P03", message: `the database system is ${doing}` }));
      return;
    }
    sessions.add(socket);
    socket.on("close", () => sessions.delete(socket));
    socket.write(Buffer.concat([AUTHENTICATION_OK, message("S", "server_version", "15.20"), READY]));
  };

  const server = createServer((socket) => {
    counters.accepted++;
    socket.setNoDelay(true);
    // A client that goes without a word is everyday.
    socket.on("error", () => socket.destroy());
    const reader = new MessageReader();
    let started = false;
    socket.on("data", (data) => {
      let rest = data;
      while (!started) {
        const code = reader.takeStartup(rest);
        rest = Buffer.alloc(0);
        if (code === undefined) return;
        if (code === SSL_REQUEST || code === GSS_ENCRYPTION_REQUEST) socket.write("N");
        else {
          started = true;
          begin(socket);
        }
      }
      for (const received of reader.push(rest)) takeMessage(socket, received);
    });
  });

  return {
    server,
    counters,
    open: () => sessions.size,
    terminateSessions: () => {
      for (const socket of sessions) socket.end(errorResponse(TERMINATED));
    },
  };
}
