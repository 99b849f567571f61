/**
 * Records what REST APIs of Patroni answer, byte for byte: `node restRecord.js INTERVAL_MS PATHS NAME=ADDRESS:PORT...`, PATHS
 * with commas between them. Each node is asked for all paths in turn, again and again; one JSON line for each round that has an
 * answer of a shape not seen before.
 */
import { askRest, type RestAnswer } from "../restAnswer.ts";
import { monotonicUs } from "../standIn/node.types.ts";

export interface RecordedAnswer extends RestAnswer {
  readonly path: string;
  /** Equal where two answers differ in nothing but numbers, times, names and addresses. */
  readonly shape: string;
}

export interface RestRound {
  readonly node: string;
  /** CLOCK_MONOTONIC before the first question. */
  readonly atUs: number;
  readonly answers: readonly RecordedAnswer[];
  /** Where the leader was, as the last answer of one that writes told before this round's end. */
  readonly leader?: { readonly timeline: number; readonly location: number };
}

const DEADLINE_MS = 5_000;

function shapeOf(body: string): string {
  try {
    return JSON.stringify(shape(JSON.parse(body), ""));
  } catch {
    return body.replace(/\d+/g, "0");
  }
}

/** How busy Patroni's own log is, and what nobody reads for the moment's sake. */
const NOISE = new Set(["logger_queue_size", "logger_records_lost", "replication", "pending_restart"]);
const BEHIND_BYTES = 2 ** 20;

/** Words that say something; any other text is a name, a time, an address. */
const TELLING = new Set(["role", "state", "sync_state", "lag"]);

function shape(value: unknown, key: string): unknown {
  if (typeof value === "number") return 0;
  // A replica that has just begun to follow has replayed no transaction yet.
  if (key === "replayed_timestamp") return "";
  if (typeof value === "string") return TELLING.has(key) ? value : "";
  if (Array.isArray(value)) return [...new Set(value.map((each) => JSON.stringify(shape(each, ""))))].sort();
  if (typeof value !== "object" || value === null) return value;
  const { received_location: received, replayed_location: replayed } = value as Record<string, number>;
  if (received !== undefined && replayed !== undefined && received - replayed > BEHIND_BYTES) return "behind";
  return Object.fromEntries(
    Object.entries(value)
      .filter(([inner]) => !NOISE.has(inner))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([inner, each]) => [inner, shape(each, inner)]),
  );
}

const seen = new Set<string>();
let leader: RestRound["leader"];

function noteLeader({ path, status, body }: RecordedAnswer): void {
  if (path !== "/leader" || status !== 200) return;
  const { timeline, xlog } = JSON.parse(body) as { timeline?: number; xlog?: { location?: number } };
  if (typeof timeline === "number" && xlog?.location !== undefined) leader = { timeline, location: xlog.location };
}

async function record(node: string, host: string, port: number): Promise<never> {
  for (;;) {
    const atUs = monotonicUs();
    const answers: RecordedAnswer[] = [];
    for (const path of paths) {
      const answer = await askRest({ host, port }, path, DEADLINE_MS);
      if (answer === undefined) continue;
      const recorded = { path, ...answer, shape: shapeOf(answer.body) };
      answers.push(recorded);
      noteLeader(recorded);
    }
    const keys = answers.map(({ path, status, shape: told }) => `${path} ${status} ${told}`);
    if (keys.some((key) => !seen.has(key))) {
      process.stdout.write(
        `${JSON.stringify({ node, atUs, answers, ...(leader && { leader }) } satisfies RestRound)}\n`,
      );
    }
    for (const key of keys) seen.add(key);
    await new Promise((resolve) => setTimeout(resolve, Number(intervalMs)));
  }
}

const [intervalMs = "50", list = "/patroni", ...nodes] = process.argv.slice(2);
const paths = list.split(",");
for (const node of nodes) {
  const [name = "", host = "", port = ""] = node.split(/[=:]/);
  void record(name, host, Number(port));
}
