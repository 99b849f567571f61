/** Entry of one stand-in node's process: `node nodeMain.js OPTIONS_AS_JSON`, controlled over the channel to its parent. */
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { type FromNode, monotonicUs, type NodeOptions, type NodeState, type ToNode } from "./node.types.ts";
import { restReply } from "./restReply.ts";
import { createRestServer } from "./restServer.ts";
import { createSqlServer } from "./sqlServer.ts";

/** A server that can be opened and closed again; closing cuts its connections, as the end of a process does. */
class Port {
  readonly #server: Server;
  readonly #address: string;
  readonly #number: number;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server, address: string, number: number) {
    this.#server = server;
    this.#address = address;
    this.#number = number;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  async setOpen(open: boolean): Promise<void> {
    if (open === this.#server.listening) return;
    if (open) {
      this.#server.listen(this.#number, this.#address);
      await once(this.#server, "listening");
      return;
    }
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

async function main(options: NodeOptions): Promise<void> {
  let state: NodeState = options.initial;
  const startedAt = new Date();
  const probes: Record<string, number> = {};
  const sql = createSqlServer(() => ({ name: options.name, postgres: state.postgres, inRecovery: state.inRecovery }));
  const rest = createRestServer((path) => {
    probes[path] = (probes[path] ?? 0) + 1;
    if (state.rest === "hanging") return undefined;
    const walPosition = 67_109_184 + sql.counters.inserted * 128;
    const replicas = options.members.filter(({ name }) => name !== options.name);
    return restReply({ options, state, walPosition, replicas, startedAt, now: new Date() }, path);
  });
  const restPort = new Port(rest, options.address, options.restPort);
  // PostgreSQL listens on every address: connections for the virtual addresses arrive at it unchanged (direct routing).
  const sqlPort = new Port(sql.server, "0.0.0.0", options.sqlPort);

  const apply = async (change: Partial<NodeState>): Promise<number> => {
    const before = state;
    state = { ...state, ...change };
    const atUs = monotonicUs();
    if (before.postgres === "running" && state.postgres !== "running") sql.terminateSessions();
    await restPort.setOpen(state.rest !== "closed");
    await sqlPort.setOpen(state.postgres !== "stopped");
    return atUs;
  };

  const send = (message: FromNode): void => {
    process.send?.(message);
  };
  // One at a time: opening and closing a port takes a turn of the event loop.
  let queue = apply({});
  await queue;
  process.on("message", (message: ToNode) => {
    queue = queue.then(async () => {
      if (message.kind === "set") {
        const atUs = await apply(message.change);
        send({ kind: "done", id: message.id, atUs });
        return atUs;
      }
      const { accepted, inserted, refused } = sql.counters;
      send({ kind: "counters", id: message.id, counters: { probes, accepted, open: sql.open(), inserted, refused } });
      return 0;
    });
  });
  // The parent's end, however it came, is this node's end: nothing is left behind in its namespace.
  process.on("disconnect", () => process.exit(0));
  send({ kind: "ready" });
}

await main(JSON.parse(process.argv[2] ?? "") as NodeOptions);
