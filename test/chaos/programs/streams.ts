/**
 * `node streams.js serve ADDRESS PORT` sends to everybody who connects, on and on. `node streams.js read ADDRESS PORT
 * COUNT` opens COUNT connections, reads them, and sends on each, too: so a host that does not know them resets them. It
 * prints a JSON line when all are open, when one has ended, and how all are at SIGUSR1.
 */
import { connect, createServer, type Socket } from "node:net";

export type StreamLine =
  | { readonly kind: "open"; readonly connections: number }
  | { readonly kind: "ended"; readonly cause: string }
  /** `leastBytes`: of the connection that has received the least since the last report. */
  | { readonly kind: "report"; readonly alive: number; readonly leastBytes: number; readonly longestSilenceMs: number };

const EVERY_MS = 50;
const CHUNK = Buffer.alloc(512, "x");

const print = (line: StreamLine): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

function serve(address: string, port: number): void {
  const sockets = new Set<Socket>();
  createServer((socket) => {
    sockets.add(socket);
    socket.resume();
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  }).listen(port, address, () => process.stdout.write("listening\n"));
  setInterval(() => {
    for (const socket of sockets) if (socket.writableLength === 0) socket.write(CHUNK);
  }, EVERY_MS);
}

interface Stream {
  alive: boolean;
  bytes: number;
  heardMs: number;
  silenceMs: number;
}

async function read(address: string, port: number, count: number): Promise<void> {
  const streams = await Promise.all(Array.from({ length: count }, () => open(address, port)));
  // Asked also when none of them is left.
  setInterval(() => undefined, 60_000);
  process.on("SIGUSR1", () => {
    const now = performance.now();
    print({
      kind: "report",
      alive: streams.filter(({ alive }) => alive).length,
      leastBytes: Math.min(...streams.map(({ bytes }) => bytes)),
      longestSilenceMs: Math.max(...streams.map(({ silenceMs, heardMs }) => Math.max(silenceMs, now - heardMs))),
    });
    for (const stream of streams) Object.assign(stream, { bytes: 0, silenceMs: 0 });
  });
  // Behind the handler: a signal that comes before it would only start Node's debugger.
  print({ kind: "open", connections: streams.length });
}

function open(address: string, port: number): Promise<Stream> {
  return new Promise((resolve) => {
    const stream: Stream = { alive: true, bytes: 0, heardMs: performance.now(), silenceMs: 0 };
    let cause = "closed";
    const socket = connect(port, address, () => resolve(stream));
    const talk = setInterval(() => {
      if (socket.writableLength === 0) socket.write("x");
    }, EVERY_MS);
    socket.on("data", ({ length }) => {
      const now = performance.now();
      stream.silenceMs = Math.max(stream.silenceMs, now - stream.heardMs);
      stream.heardMs = now;
      stream.bytes += length;
    });
    socket.on("error", (error) => {
      cause = error.message;
    });
    socket.on("close", () => {
      clearInterval(talk);
      stream.alive = false;
      print({ kind: "ended", cause });
    });
  });
}

const [mode, address = "", port = "", count = "1"] = process.argv.slice(2);
if (mode === "serve") serve(address, Number(port));
else await read(address, Number(port), Number(count));
