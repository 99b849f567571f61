/**
 * The article's insert loop: `node inserts.js ADDRESS PORT USER DATABASE INTERVAL_MS [FIRST]`. One new connection each time, one
 * row into t1, one JSON line with what came of it. Begins INTERVAL_MS after the last one has ended, as the article's does. Rows are
 * numbered from FIRST (1) on: an acknowledged one can be looked for.
 */
import { failureWords, NODE_QUERY, nodeOf, PostgresSession } from "../postgres/session.ts";
import { monotonicUs } from "../standIn/node.types.ts";

export interface InsertLine {
  readonly startedUs: number;
  readonly atUs: number;
  /** Acknowledged. */
  readonly done: boolean;
  readonly value: number;
  /** `INSERT 0 1`, the server's refusal, or what happened to the connection. */
  readonly outcome: string;
  /** The server that took the connection; undefined when none did. */
  readonly node: string | undefined;
}

const [address = "", port = "", user = "", database = "", intervalMs = "1000", first = "1"] = process.argv.slice(2);

async function insert(value: number): Promise<Pick<InsertLine, "done" | "outcome" | "node">> {
  let node: string | undefined;
  try {
    const session = await PostgresSession.open({ address, port: Number(port), user, database });
    try {
      node = nodeOf(await session.query(NODE_QUERY));
      return { done: true, outcome: (await session.query(`insert into t1 values (${value})`)).tag, node };
    } finally {
      await session.close();
    }
  } catch (error) {
    return { done: false, outcome: failureWords(error), node };
  }
}

for (let value = Number(first); ; value++) {
  const startedUs = monotonicUs();
  const result = await insert(value);
  process.stdout.write(
    `${JSON.stringify({ startedUs, atUs: monotonicUs(), value, ...result } satisfies InsertLine)}\n`,
  );
  await new Promise((resolve) => setTimeout(resolve, Number(intervalMs)));
}
