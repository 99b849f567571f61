/**
 * A client's open sessions: `node sessions.js ADDRESS PORT USER DATABASE COUNT INTERVAL_MS [LOCAL_ADDRESS...]`. Opens
 * COUNT sessions, spread over the local addresses, asks each every INTERVAL_MS which server it is with, and prints a
 * JSON line when one is opened, when it has ended, and when it has lived through a question after `SIGUSR1`.
 */
import { failureWords, NODE_QUERY, nodeOf, PostgresSession } from "../postgres/session.ts";
import { monotonicUs } from "../standIn/node.types.ts";

export interface SessionLine {
  readonly session: number;
  readonly atUs: number;
  readonly kind: "opened" | "answered" | "ended";
  /** The server's name, or why the session ended. */
  readonly text: string;
}

const [address = "", port = "", user = "", database = "", count = "1", intervalMs = "1000", ...localAddresses] =
  process.argv.slice(2);

/** Answers are told after a signal only: thousands of them are no news. */
let askedToTell = 0;
process.on("SIGUSR1", () => {
  askedToTell++;
});

async function live(session: number): Promise<void> {
  const tell = (kind: SessionLine["kind"], text: string): void => {
    process.stdout.write(`${JSON.stringify({ session, atUs: monotonicUs(), kind, text } satisfies SessionLine)}\n`);
  };
  const localAddress = localAddresses[session % localAddresses.length];
  const local = localAddress === undefined ? {} : { localAddress };
  try {
    const opened = await PostgresSession.open({
      address,
      port: Number(port),
      user,
      database,
      timeoutMs: 60_000,
      ...local,
    });
    tell("opened", nodeOf(await opened.query(NODE_QUERY)));
    let told = 0;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, Number(intervalMs)));
      const asked = askedToTell;
      const server = nodeOf(await opened.query(NODE_QUERY));
      if (asked > told) tell("answered", server);
      told = asked;
    }
  } catch (error) {
    tell("ended", failureWords(error));
  }
}

for (let session = 0; session < Number(count); session++) void live(session);
