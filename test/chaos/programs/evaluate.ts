/**
 * `node evaluate.js PORT main|worker FUNCTION`, in the namespace of a daemon that was started with --inspect: lets one of
 * its threads call a function, and ends when that is agreed, before it happens. The way to make a thread of a living
 * daemon hang or fail.
 */
import { WebSocket } from "undici";

const [port, thread, source = ""] = process.argv.slice(2);

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId: string };
  readonly result?: { readonly exceptionDetails?: object };
}

const [target] = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
  webSocketDebuggerUrl: string;
}[];
if (target === undefined) throw new Error("there is nothing to inspect");
const socket = new WebSocket(target.webSocketDebuggerUrl);
await new Promise((resolve, reject) => {
  socket.addEventListener("open", resolve);
  socket.addEventListener("error", reject);
});

const EVALUATE = 1;
// By a timer: the answer must leave before the thread hangs.
const expression = `setTimeout(${source}, 0); undefined`;
const evaluate = { id: EVALUATE, method: "Runtime.evaluate", params: { expression } };

function send(message: object): void {
  socket.send(JSON.stringify(message));
}

socket.addEventListener("message", ({ data }) => {
  const reply = JSON.parse(String(data)) as Reply;
  if (reply.result?.exceptionDetails !== undefined) throw new Error(String(data));
  if (reply.method === "NodeWorker.attachedToWorker") {
    const message = JSON.stringify(evaluate);
    const params = { sessionId: reply.params?.sessionId, message };
    send({ id: 3, method: "NodeWorker.sendMessageToWorker", params });
  }
  const answered = thread === "main" ? reply.id === EVALUATE : reply.method === "NodeWorker.receivedMessageFromWorker";
  if (answered) socket.close();
});
if (thread === "main") send(evaluate);
else send({ id: 2, method: "NodeWorker.enable", params: { waitForDebuggerOnStart: false } });
