/**
 * `node httpServer.js PORT [FILE]`: answers every request with 200 and closes, as cheaply as Node can. Prints `listening`. With
 * FILE, SIGTERM writes there what came: pairs of doubles, milliseconds since the epoch and the second and third byte of the
 * address that was asked; until then `heard N` is printed while more and more addresses are asked.
 */
import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";

const ANSWER = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";
const [port, file] = process.argv.slice(2);

let seen = new Float64Array(65_536);
let length = 0;
const heard = new Set<number>();
let told = 0;

function note(socket: Socket): void {
  if (length === seen.length) {
    const larger = new Float64Array(seen.length * 2);
    larger.set(seen);
    seen = larger;
  }
  const [, second, third] = (socket.localAddress ?? "").split(".").map(Number);
  const server = (second ?? 0) * 256 + (third ?? 0);
  seen[length] = performance.timeOrigin + performance.now();
  seen[length + 1] = server;
  length += 2;
  heard.add(server);
}

if (file !== undefined) {
  process.on("SIGTERM", () => {
    writeFileSync(file, new Uint8Array(seen.buffer, 0, length * 8));
    process.exit(0);
  });
  setInterval(() => {
    if (heard.size > told) process.stdout.write(`heard ${heard.size}\n`);
    told = heard.size;
  }, 100).unref();
}

createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", () => {
    if (file !== undefined) note(socket);
    socket.end(ANSWER);
  });
}).listen({ port: Number(port), host: "0.0.0.0", backlog: 4096 }, () => process.stdout.write("listening\n"));
