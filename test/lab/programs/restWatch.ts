/**
 * Watches REST APIs of Patroni: `node restWatch.js PATH INTERVAL_MS NAME=ADDRESS:PORT...`. One JSON line for each change
 * of what a node says; each node is asked again INTERVAL_MS after its answer.
 */
import { askRest, type RestAnswer } from "../restAnswer.ts";
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

function said(answer: RestAnswer | undefined): Said {
  if (answer === undefined) return {};
  const { status } = answer;
  try {
    const body = JSON.parse(answer.body) as Said & {
      replication?: { state: string }[];
      sync_standby?: boolean;
    };
    const { role, state, timeline, replication } = body;
    const streaming = (replication ?? []).filter((standby) => standby.state === "streaming").length;
    // Patroni 3 says null on a replica that has not asked for it.
    const optional = typeof timeline !== "number" ? {} : { timeline };
    const synchronous = body.sync_standby === true ? { synchronous: true } : {};
    return { status, role: String(role), state: String(state), ...optional, streaming, ...synchronous };
  } catch {
    return { status };
  }
}

async function watch(node: string, host: string, port: number, path: string, intervalMs: number): Promise<never> {
  let last = "";
  for (;;) {
    const askedUs = monotonicUs();
    const answer = await askRest({ host, port }, path, DEADLINE_MS);
    const atUs = monotonicUs();
    const now = said(answer);
    const text = JSON.stringify(now);
    if (text !== last) process.stdout.write(`${JSON.stringify({ node, askedUs, atUs, ...now } satisfies RestLine)}\n`);
    last = text;
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

const [path = "/primary", intervalMs = "50", ...nodes] = process.argv.slice(2);
for (const node of nodes) {
  const [name = "", host = "", port = ""] = node.split(/[=:]/);
  void watch(name, host, Number(port), path, Number(intervalMs));
}
