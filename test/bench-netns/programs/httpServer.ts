/** `node httpServer.js PORT`: answers every request with 200 and closes, as cheaply as Node can. Prints `listening`. */
import { createServer } from "node:net";

const ANSWER = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";

createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", () => socket.end(ANSWER));
}).listen({ port: Number(process.argv[2]), host: "0.0.0.0", backlog: 4096 }, () => process.stdout.write("listening\n"));
