/**
 * A read loop: `node reads.js ADDRESS PORT USER DATABASE INTERVAL_MS`. One new connection each time, one question, one JSON line
 * with what came of it.
 */
import { failureWords, NODE_QUERY, nodeOf, PostgresSession } from "../postgres/session.ts";
import { monotonicUs } from "../standIn/node.types.ts";

export interface ReadLine {
  readonly startedUs: number;
  readonly atUs: number;
  readonly done: boolean;
  /** `SELECT 1`, the server's refusal, or what happened to the connection. */
  readonly outcome: string;
  /** The server that took the connection; undefined when none did. */
  readonly node: string | undefined;
}

const [address = "", port = "", user = "", database = "", intervalMs = "1000"] = process.argv.slice(2);

async function read(): Promise<Pick<ReadLine, "done" | "outcome" | "node">> {
  let node: string | undefined;
  try {
    const session = await PostgresSession.open({ address, port: Number(port), user, database });
    try {
      node = nodeOf(await session.query(NODE_QUERY));
      return { done: true, outcome: (await session.query("select count(*) from t1")).tag, node };
    } finally {
      await session.close();
    }
  } catch (error) {
    return { done: false, outcome: failureWords(error), node };
  }
}

for (;;) {
  const startedUs = monotonicUs();
  const result = await read();
  process.stdout.write(`${JSON.stringify({ startedUs, atUs: monotonicUs(), ...result } satisfies ReadLine)}\n`);
  await new Promise((resolve) => setTimeout(resolve, Number(intervalMs)));
}
