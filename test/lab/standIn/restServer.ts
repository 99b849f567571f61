import { createServer, type Server, type Socket } from "node:net";
import type { RestReply } from "./restReply.ts";

const REASONS: Readonly<Record<number, string>> = { 200: "OK", 400: "Bad Request", 503: "Service Unavailable" };
const REQUEST_LIMIT_BYTES = 8_192;

/**
 * Patroni's HTTP as seen on the wire: HTTP/1.0, no Content-Length, the connection closed after the one answer; OPTIONS
 * and HEAD get a status line alone. `reply` returns undefined to leave the caller hanging.
 */
export function createRestServer(reply: (path: string) => RestReply | undefined): Server {
  return createServer((socket) => serve(socket, reply));
}

function serve(socket: Socket, reply: (path: string) => RestReply | undefined): void {
  let request = "";
  socket.setNoDelay(true);
  // A client that resets is an everyday end of a probe, no fault of this node.
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    request += chunk.toString("latin1");
    if (request.length > REQUEST_LIMIT_BYTES) socket.destroy();
    if (!request.includes("\r\n\r\n")) return;
    const [method = "", path = ""] = request.split(" ", 2);
    request = "";
    const answer = method === "" || path === "" ? { status: 400, body: {} } : reply(path);
    if (answer === undefined) return;
    socket.end(method === "GET" ? responseText(answer) : `${statusLine(answer.status)}\r\n\r\n`);
  });
}

function statusLine(status: number): string {
  return `HTTP/1.0 ${status} ${REASONS[status] ?? ""}`;
}

function responseText({ status, body }: RestReply): string {
  const headers = ["Server: BaseHTTP/0.6 Python/3.11.2", `Date: ${new Date().toUTCString()}`];
  return [statusLine(status), ...headers, "Content-Type: application/json", "", JSON.stringify(body)].join("\r\n");
}
