/**
 * Watches REST APIs of Patroni: `node restWatch.js PATH INTERVAL_MS NAME=ADDRESS:PORT...`. One JSON line for each change
 * of what a node says; each node is asked again INTERVAL_MS after its answer.
 */
import { connect } from "node:net";
import { monotonicUs } from "../standIn/node.types.ts";

export interface RestLine {
  readonly node: string;
  /** CLOCK_MONOTONIC when the answer was complete, and when the question was asked. */
  readonly atUs: number;
  readonly askedUs: number;
  /** undefined = no answer. */
  readonly status?: number;
  readonly role?: string;
  readonly state?: string;
  readonly timeline?: number;
  /** Replicas streaming from this node. */
  readonly streaming?: number;
  /** Present and true at a replica that commits wait for. */
  readonly synchronous?: boolean;
}

type Said = Omit<RestLine, "node" | "askedUs" | "atUs">;

const DEADLINE_MS = 2_000;

function ask(host: string, port: number, path: string): Promise<Said & { readonly atUs: number }> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    let text = "";
    const timer = setTimeout(() => socket.destroy(), DEADLINE_MS);
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`));
    socket.on("data", (data: string) => {
      text += data;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve({ atUs: monotonicUs(), ...parse(text) });
    });
  });
}

function parse(text: string): Said {
  const status = /^HTTP\/1\.[01] (\d+)/.exec(text)?.[1];
  if (status === undefined) return {};
  try {
    const body = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)) as Said & {
      replication?: { state: string }[];
      sync_standby?: boolean;
    };
    const { role, state, timeline, replication } = body;
    const streaming = (replication ?? []).filter((standby) => standby.state === "streaming").length;
    // Patroni 3 says null on a replica that has not asked for it.
    const optional = typeof timeline !== "number" ? {} : { timeline };
    const synchronous = body.sync_standby === true ? { synchronous: true } : {};
    return { status: Number(status), role: String(role), state: String(state), ...optional, streaming, ...synchronous };
  } catch {
    return { status: Number(status) };
  }
}

async function watch(node: string, host: string, port: number, path: string, intervalMs: number): Promise<never> {
  let last = "";
  for (;;) {
    const askedUs = monotonicUs();
    const { atUs, ...said } = await ask(host, port, path);
    const text = JSON.stringify(said);
    if (text !== last) process.stdout.write(`${JSON.stringify({ node, askedUs, atUs, ...said } satisfies RestLine)}\n`);
    last = text;
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

const [path = "/primary", intervalMs = "50", ...nodes] = process.argv.slice(2);
for (const node of nodes) {
  const [name = "", host = "", port = ""] = node.split(/[=:]/);
  void watch(name, host, Number(port), path, Number(intervalMs));
}
