/**
 * Captures what Patroni's REST API says in every phase of a cluster's life.
 * Usage, as root, after `npm run build:test`: node dist-test/test/golden/capture/patroni.js
 * Needs patroni, etcd, postgresql and iproute2. Makes namespaces with a real cluster in them, and removes them.
 *
 * Writes test/golden/patroni/PHASE-ROLE-STATE....http: a body as it came, of each shape one, with the phase in which it was seen
 * first and the status that each path answered with. Old ones are removed, but those that say "kept". What each body means is stated by hand in the NAME.json beside it.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  createArticleNetwork,
  POSTGRES_HOSTS,
  POSTGRES_NAMES,
  type PostgresName,
  postgresAddress,
  REST_PORT,
} from "../../lab/articleNetwork.ts";
import { runProcess } from "../../lab/processes.ts";
import type { RecordedAnswer, RestRound } from "../../lab/programs/restRecord.ts";
import { type Program, startProgram } from "../../lab/programs.ts";
import { RealCluster } from "../../lab/realCluster.ts";
import { LEAST_TIMINGS, SCOPE } from "../../lab/realClusterConfig.ts";
import { projectRoot } from "../../lab/root.ts";
import { monotonicUs } from "../../lab/standIn/node.types.ts";
import { waitFor } from "../../lab/wait.ts";

const FOLDER = join(projectRoot, "test/golden/patroni");
const PATHS = ["/leader", "/primary", "/replica", "/read-only", "/sync", "/async", "/health", "/patroni", "/cluster"];
const TIMEOUT_MS = 120_000;
/** Behind a phase's last step, so that what it leads to is seen. */
const SETTLE_MS = 3_000;
const STORE_GONE_MS = 60_000;

interface Phase {
  readonly name: string;
  readonly sinceUs: number;
}

interface Answered {
  readonly role?: string;
  readonly state?: string;
  readonly xlog?: { readonly location?: number };
  readonly timeline?: number | null;
  readonly pause?: boolean;
  readonly cluster_unlocked?: boolean;
  readonly sync_standby?: boolean;
  readonly tags?: object;
  readonly failsafe_mode_is_active?: boolean;
  readonly members?: readonly { readonly role: string; readonly state: string; readonly lag?: unknown }[];
}

class Story {
  readonly phases: Phase[] = [];
  readonly cluster: RealCluster;
  readonly recorder: Program<"restRecord">;

  constructor(cluster: RealCluster, recorder: Program<"restRecord">, bootstrapUs: number) {
    this.cluster = cluster;
    this.recorder = recorder;
    this.phases.push({ name: "bootstrap", sinceUs: bootstrapUs });
  }

  async phase(name: string, steps: () => Promise<void>): Promise<void> {
    process.stderr.write(`${name}\n`);
    this.phases.push({ name, sinceUs: monotonicUs() });
    await steps();
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }

  primary(): PostgresName {
    const found = this.cluster.primary();
    if (found === undefined) throw new Error("there is no primary");
    return found;
  }

  replica(): PostgresName {
    return POSTGRES_NAMES.find((name) => name !== this.primary()) ?? "pg1";
  }

  /** Waits for something that a member's body says. */
  async said(what: string, condition: (body: Answered, name: PostgresName) => boolean): Promise<PostgresName> {
    return await waitFor(
      async () => {
        for (const name of POSTGRES_NAMES) {
          const body = await this.ask(name);
          if (body !== undefined && condition(body, name)) return name;
        }
        return undefined;
      },
      { what, timeoutMs: TIMEOUT_MS, intervalMs: 200, found: () => this.cluster.log().slice(-6_000) },
    );
  }

  private async ask(name: PostgresName): Promise<Answered | undefined> {
    const url = `http://${postgresAddress(name)}:${REST_PORT}/patroni`;
    const { status, stdout } = await this.cluster.ask(["-s", "-m", "3", url]);
    return status === 0 ? (JSON.parse(stdout) as Answered) : undefined;
  }

  async set(...settings: readonly string[]): Promise<void> {
    const words = settings.flatMap((setting) => ["-s", setting]);
    await this.cluster.patronictl(["edit-config", ...words, "--force", SCOPE]);
  }

  async newPrimary(old: PostgresName): Promise<void> {
    await waitFor(() => this.cluster.primary() !== undefined && this.cluster.primary() !== old, {
      what: `a successor of ${old}`,
      timeoutMs: TIMEOUT_MS,
      found: () => this.cluster.log().slice(-6_000),
    });
  }
}

async function play(story: Story): Promise<void> {
  const { cluster } = story;
  await story.phase("steady", async () => {});
  await story.phase("lagging", async () => {
    const behind = story.replica();
    await cluster.stopReplay(behind);
    await cluster.query(postgresAddress(story.primary()), "create table t as select generate_series(1, 50000) as i");
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await cluster.continueReplay(behind);
    await cluster.query(postgresAddress(behind), "select pg_wal_replay_pause()");
  });
  await story.phase("switchover", async () => {
    const from = story.primary();
    await cluster.patronictl(["switchover", "--leader", from, "--candidate", story.replica(), "--force", SCOPE]);
    await cluster.waitUntilWhole(TIMEOUT_MS);
  });
  await story.phase("synchronous", async () => {
    await story.set("synchronous_mode=true");
    await story.said("a synchronous standby", (body) => body.sync_standby === true);
  });
  await story.phase("failover", async () => {
    const old = story.primary();
    await cluster.killMember(old);
    await story.newPrimary(old);
  });
  await story.phase("rejoin", async () => {
    for (const name of POSTGRES_NAMES) if (!cluster.runs(name)) await cluster.startMember(name);
    await cluster.waitUntilWhole(TIMEOUT_MS);
  });
  await story.phase("restart", async () => {
    await cluster.patronictl(["restart", "--force", SCOPE]);
    await cluster.waitUntilWhole(TIMEOUT_MS);
  });
  await story.phase("tagged", async () => {
    const tagged = story.replica();
    await cluster.stopMember(tagged);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await cluster.startMember(tagged, { noloadbalance: true, nofailover: true });
    await story.said("the tags", (body) => body.tags !== undefined);
    await cluster.waitUntilWhole(TIMEOUT_MS);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await cluster.stopMember(tagged);
    await cluster.startMember(tagged);
    await cluster.waitUntilWhole(TIMEOUT_MS);
  });
  await story.phase("store-lost", async () => {
    await cluster.killStore();
    await new Promise((resolve) => setTimeout(resolve, STORE_GONE_MS));
  });
  await story.phase("store-back", async () => {
    await cluster.startStore();
    await cluster.waitUntilWhole(TIMEOUT_MS);
  });
  await story.phase("failsafe", async () => {
    await story.set("failsafe_mode=true");
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await cluster.killStore();
    await story.said("the failsafe mode", (body) => body.failsafe_mode_is_active === true);
    await new Promise((resolve) => setTimeout(resolve, 2 * SETTLE_MS));
    await cluster.startStore();
    await cluster.waitUntilWhole(TIMEOUT_MS);
    await story.set("failsafe_mode=false");
  });
  await story.phase("paused", async () => {
    await cluster.pause();
    await story.said("the pause", (body) => body.pause === true);
  });
  await story.phase("paused-store-lost", async () => {
    await cluster.killStore();
    await new Promise((resolve) => setTimeout(resolve, STORE_GONE_MS / 2));
    await cluster.startStore();
    await cluster.waitUntilWhole(TIMEOUT_MS);
  });
  const old = story.primary();
  await story.phase("paused-killed", async () => {
    await cluster.killPostgres(old);
    await story.said("nobody with the key in the pause", (body) => body.cluster_unlocked === true);
  });
  await story.phase("resumed", async () => {
    await cluster.resume();
    await cluster.waitUntilWhole(TIMEOUT_MS);
  });
  await story.phase("standby-cluster", async () => {
    // Of a cluster that is not there: the leader follows nobody, and says so.
    await story.set("standby_cluster.host=10.0.2.77", "standby_cluster.port=5432");
    await story.said("a leader of a standby cluster", (body) => body.role === "standby_leader");
  });
}

/** One body of each shape; /leader tells two of the same words apart, one with the key and one without. */
interface Case {
  readonly name: string;
  readonly phase: string;
  readonly node: string;
  readonly body: string;
  readonly answers: Map<string, number>;
  readonly leader: RestRound["leader"];
}

function casesOf(rounds: readonly RestRound[], phases: readonly Phase[]): Case[] {
  const cases = new Map<string, Case>();
  const members = new Set<string>();
  // A body that changed in the middle of a round is told apart by /leader of another one, so those wait.
  const later: (() => void)[] = [];
  for (const { node, atUs, answers, leader } of rounds) {
    const phase = phases.findLast(({ sinceUs }) => sinceUs <= atUs)?.name ?? "bootstrap";
    const key = answers.find(({ path }) => path === "/leader");
    const add = (answer: RecordedAnswer, status: string): void => {
      const id = `${answer.shape} ${status}`;
      const known = cases.get(id);
      if (known !== undefined && !known.answers.has(answer.path)) known.answers.set(answer.path, answer.status);
      if (known !== undefined) return;
      const name = unique(cases, `${phase}-${wordsOf(answer)}${status === "200" ? "-key" : ""}`);
      const rest = { phase, node, body: answer.body, answers: new Map([[answer.path, answer.status]]), leader };
      cases.set(id, { name, ...rest });
    };
    for (const answer of answers) {
      if (answer.path === "/cluster") {
        if (hasNews(answer, members)) add(answer, "cluster");
      } else if (key?.shape === answer.shape) add(answer, String(key.status));
      else
        later.push(() => {
          const status = ["503", "200"].find((each) => cases.has(`${answer.shape} ${each}`));
          add(answer, status ?? "unknown");
        });
    }
  }
  for (const each of later) each();
  return [...cases.values()];
}

/** Lists differ in which members of which kind they have together; a new kind of member, or of list, is news. */
function hasNews(answer: RecordedAnswer, seen: Set<string>): boolean {
  const { members = [], ...rest } = (parse(answer.shape) ?? { text: answer.shape }) as Answered;
  const kinds = [
    ...members.map((member) => String(member).replace(/"(lag|timeline)":[^,}]*,?/g, "")),
    `${answer.status} ${JSON.stringify(rest)}`,
    ...(members.length === 0 ? ["nobody"] : []),
  ];
  const news = kinds.filter((kind) => !seen.has(kind));
  for (const kind of news) seen.add(kind);
  return news.length > 0;
}

function unique(cases: ReadonlyMap<string, Case>, name: string): string {
  const taken = new Set([...cases.values()].map((each) => each.name));
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!taken.has(candidate)) return candidate;
  }
}

function wordsOf(answer: RecordedAnswer): string {
  const body = parse(answer.body);
  if (body === undefined) return `${answer.path.slice(1)}-unreadable`;
  if (answer.path === "/cluster") return "cluster";
  const words = [body.role ?? "norole", body.state ?? "nostate"];
  if (body.sync_standby === true) words.push("sync");
  if (body.cluster_unlocked === true) words.push("unlocked");
  return words.join("-").replace(/[^a-z-]+/gi, "_");
}

function parse(body: string): Answered | undefined {
  try {
    return JSON.parse(body) as Answered;
  } catch {
    return undefined;
  }
}

async function versions(): Promise<string> {
  const first = async (command: string, args: readonly string[]): Promise<string> =>
    (await runProcess(command, args)).stdout.split("\n")[0] ?? "";
  const etcd = (await first("etcd", ["--version"])).replace("etcd Version:", "etcd");
  return `${await first("patroni", ["--version"])}, ${await first("psql", ["--version"])}, ${etcd}`;
}

function write(cases: readonly Case[], programs: string): void {
  mkdirSync(FOLDER, { recursive: true });
  for (const file of readdirSync(FOLDER)) {
    const path = join(FOLDER, file);
    if (file.endsWith(".http") && !readFileSync(path, "utf8").includes("\n# kept: ")) rmSync(path);
  }
  for (const { name, phase, node, body, answers, leader } of cases) {
    const statuses = [...answers].map(([path, status]) => `${path} ${status}`).join(", ");
    const lines = [
      `# ${programs}`,
      `# phase: ${phase}, node: ${node}`,
      `# answers: ${statuses}`,
      ...(leader === undefined ? [] : [`# leader: timeline ${leader.timeline}, location ${leader.location}`]),
      body,
    ];
    writeFileSync(join(FOLDER, `${name}.http`), `${lines.join("\n")}\n`);
  }
  process.stderr.write(`${cases.length} bodies in ${FOLDER}\n`);
}

const network = await createArticleNetwork("capture");
let cluster: RealCluster | undefined;
try {
  const nodes = POSTGRES_HOSTS.map(({ name, address }) => `${name}=${address}:${REST_PORT}`);
  const bootstrapUs = monotonicUs();
  const recorder = await startProgram(network.client, "restRecord", [20, PATHS.join(), ...nodes]);
  cluster = await RealCluster.start(network, { timings: LEAST_TIMINGS, rewinds: true });
  const story = new Story(cluster, recorder, bootstrapUs);
  try {
    await play(story);
  } finally {
    await recorder.stop();
    write(casesOf(recorder.lines(), story.phases), await versions());
  }
} finally {
  await cluster?.stop();
  network.remove();
}
