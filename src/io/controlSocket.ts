import { chmodSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { HoldfastError } from "../core/errors.ts";

/** A request line longer than this ends the connection: no client of ours sends one. */
const REQUEST_BYTES_MAX = 65_536;
/** unix(7): 108 bytes with the final zero. libuv cuts a longer path short without a word. */
const SOCKET_PATH_BYTES_MAX = 107;
const ANSWER_TIMEOUT_MS = 10_000;

/** Where an instance listens. */
export const controlSocketPath = (runDirectory: string): string => join(runDirectory, "control.sock");

export interface ControlServer {
  /** Nobody new is let in, and the path is free; who is in stays. */
  stopListening(): void;
  /** Cuts the connections that clients still hold: one that stays must not keep the daemon from ending. */
  close(done?: (error?: Error) => void): void;
}

/**
 * Serves JSON lines on a unix socket that only the daemon's user and group can open. Any request gets one answer;
 * what `answer` throws becomes `{ok: false}`. The lock on the run directory is held, so a socket file found there is a leftover.
 */
export function serveControl(path: string, answer: (request: unknown) => Promise<object>): Promise<ControlServer> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    const message = `${path} is longer than the ${SOCKET_PATH_BYTES_MAX} bytes that a unix socket's path can have`;
    return Promise.reject(new HoldfastError("runDirectoryUnusable", message, "name a shorter one with --run-dir"));
  }
  rmSync(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serveConnection(socket, answer);
  });
  const close = (done?: (error?: Error) => void): void => {
    server.close(done);
    for (const socket of sockets) socket.destroy();
  };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      chmodSync(path, 0o660);
      resolve({ close, stopListening: () => void server.close() });
    });
  });
}

function serveConnection(socket: Socket, answer: (request: unknown) => Promise<object>): void {
  let pending = "";
  let queue = Promise.resolve();
  socket.setEncoding("utf8");
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: string) => {
    pending += chunk;
    if (pending.length > REQUEST_BYTES_MAX) {
      socket.destroy();
      return;
    }
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) {
      queue = queue.then(async () => {
        socket.write(`${JSON.stringify(await answerLine(line, answer))}\n`);
      });
    }
  });
}

async function answerLine(line: string, answer: (request: unknown) => Promise<object>): Promise<object> {
  try {
    return await answer(JSON.parse(line));
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * One request to a running daemon. Rejects with HoldfastError `notRunning` when nobody listens, `noAnswer` when the
 * daemon does not answer in time.
 */
export function askDaemon(path: string, request: object, timeoutMs = ANSWER_TIMEOUT_MS): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const finish = (settle: () => void): void => {
      clearTimeout(deadline);
      socket.destroy();
      settle();
    };
    const deadline = setTimeout(
      () =>
        finish(() =>
          reject(new HoldfastError("noAnswer", `the daemon at ${path} did not answer within ${timeoutMs / 1000} s`)),
        ),
      timeoutMs,
    );
    socket.on("error", (cause: NodeJS.ErrnoException) =>
      finish(() =>
        reject(
          cause.code === "EACCES"
            ? new HoldfastError("notAllowed", `no permission to open ${path}`, "ask as root or as the daemon's user", {
                cause,
              })
            : new HoldfastError("notRunning", `no holdfast answers at ${path}`, "is it running, with this --run-dir?", {
                cause,
              }),
        ),
      ),
    );
    let received = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      received += chunk;
      const end = received.indexOf("\n");
      if (end >= 0) finish(() => resolve(JSON.parse(received.slice(0, end))));
    });
    socket.on("end", () =>
      finish(() => reject(new HoldfastError("noAnswer", `the daemon at ${path} closed the connection`))),
    );
    socket.write(`${JSON.stringify(request)}\n`);
  });
}
