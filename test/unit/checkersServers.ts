import { createServer, type Server, type Socket } from "node:net";
import { Worker } from "node:worker_threads";

/** Badly behaved servers on loopback addresses, one for each way in which a checked host may misbehave. */
export interface TestServer {
  readonly port: number;
  /** Requests seen so far, as text. */
  readonly requests: readonly string[];
  /** Connections ever accepted. */
  readonly accepted: () => number;
  close(): Promise<void>;
}

/** Calls `behave` with the socket and the text of each request head that came in whole. */
export async function serve(
  behave: (socket: Socket, request: string) => void,
  host = "127.0.0.9",
): Promise<TestServer> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    let text = "";
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      requests.push(text);
      text = "";
      behave(socket, requests.at(-1) ?? "");
    });
  });
  const port = await listening(server, host);
  return {
    port,
    requests,
    accepted: () => accepted,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A port of 127.0.0.9 on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listening(server, "127.0.0.9");
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

const NEVER_ACCEPTS = `
  const { parentPort } = require("node:worker_threads");
  const server = require("node:net").createServer();
  server.listen({ host: "127.0.0.9", port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    // Blocks this thread's loop: nothing is accepted any more, the kernel's queue fills, then it drops SYNs.
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

/** A listener that accepts nothing, with its queue filled by connections from `fill`: further SYNs are dropped. */
export async function serveDroppedSyns(fill: (port: number) => Socket): Promise<TestServer> {
  const worker = new Worker(NEVER_ACCEPTS, { eval: true });
  const port = await new Promise<number>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  const fillers: Socket[] = [];
  // Until one is not answered any more: how many the kernel takes for a backlog of 1 is its own affair.
  for (let answered = true; answered && fillers.length < 16; ) {
    const socket = fill(port);
    socket.on("error", () => undefined);
    fillers.push(socket);
    answered = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      setTimeout(() => resolve(false), 300);
    });
  }
  return {
    port,
    requests: [],
    accepted: () => 0,
    close: async () => {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}

/** Resolves with the port that the server got. */
export function listening(server: Server, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port: 0 }, () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("no port"));
      else resolve(address.port);
    });
  });
}
