/**
 * Three stand-in Patroni nodes as processes in their namespaces, and the stories that happen to them. Times are
 * CLOCK_MONOTONIC in microseconds, taken in the node directly after each change.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Namespace } from "../netns.ts";
import { RunningProcess } from "../processes.ts";
import { projectRoot } from "../root.ts";
import type { FromNode, NodeCounters, NodeOptions, NodeState, ToNode } from "./node.types.ts";

const NODE_PROGRAM = join(projectRoot, "dist-test/test/lab/standIn/nodeMain.js");

export interface StandInMember {
  readonly name: string;
  readonly address: string;
  readonly namespace: Namespace;
}

export interface StandInOptions {
  readonly members: readonly StandInMember[];
  readonly restPort: number;
  readonly sqlPort: number;
  /** The first primary; default: the first member. */
  readonly primary?: string;
  /** Default 3, as Debian's. */
  readonly patroniMajor?: 3 | 4;
}

/** Phases of a switchover, in milliseconds. */
export interface SwitchoverTimes {
  /** The old primary checkpoints and stops; its REST API says 200 all the while. */
  readonly shutdownMs: number;
  /** Nobody has the leader key. */
  readonly unlockedMs: number;
  /** The new one has the key and is still in recovery: 200 with role replica. */
  readonly promotionMs: number;
  /** From the release of the key until the old primary follows as a replica. */
  readonly returnMs: number;
}

/** A real cluster takes seconds for these; what matters is their order. Demotion to promotion: 350 ms. */
export const SWITCHOVER_TIMES: SwitchoverTimes = { shutdownMs: 300, unlockedMs: 100, promotionMs: 250, returnMs: 1500 };

export interface SwitchoverRecord {
  readonly from: string;
  readonly to: string;
  /** The old primary begins to shut down: no connection is taken there any more. */
  readonly shutdownAtUs: number;
  /** It has lost the key: 503 from here on. */
  readonly demotedAtUs: number;
  /** The new one has the key: 200, with role replica. */
  readonly keyAtUs: number;
  /** The new one takes writes: 200 with role primary. Figures count from here. */
  readonly promotedAtUs: number;
}

interface Node {
  readonly options: NodeOptions;
  readonly process: RunningProcess;
  send(message: ToNode): void;
  /** Resolves with the answer to the message with this id. */
  readonly answers: Map<number, (answer: FromNode) => void>;
  state: NodeState;
}

export class StandInCluster {
  readonly names: readonly string[];
  readonly #nodes: ReadonlyMap<string, Node>;
  /** Old primaries on their way back as replicas. */
  readonly #returning = new Set<Promise<void>>();
  #nextId = 1;

  private constructor(nodes: ReadonlyMap<string, Node>) {
    this.#nodes = nodes;
    this.names = [...nodes.keys()];
  }

  /** Starts all nodes: one primary, the others replicas. */
  static async start(options: StandInOptions): Promise<StandInCluster> {
    const primary = options.primary ?? options.members[0]?.name;
    const started = await Promise.all(
      options.members.map(async (member) => [member.name, await startNode(options, member, primary)] as const),
    );
    return new StandInCluster(new Map(started));
  }

  /** Members whose PostgreSQL takes writes: more than one only in a story that makes it so. */
  primaries(): string[] {
    return this.names.filter((name) => {
      const { state } = this.#node(name);
      return state.postgres === "running" && !state.inRecovery;
    });
  }

  state(name: string): NodeState {
    return this.#node(name).state;
  }

  /** Changes one node; returns the instant from which on it answers so. */
  async set(name: string, change: Partial<NodeState>): Promise<number> {
    const node = this.#node(name);
    node.state = { ...node.state, ...change };
    const answer = await this.#ask(node, (id) => ({ id, kind: "set", change }));
    if (answer.kind !== "done") throw new Error(`${name} answered ${answer.kind}`);
    return answer.atUs;
  }

  async counters(name: string): Promise<NodeCounters> {
    const answer = await this.#ask(this.#node(name), (id) => ({ id, kind: "counters" }));
    if (answer.kind !== "counters") throw new Error(`${name} answered ${answer.kind}`);
    return answer.counters;
  }

  /**
   * `patronictl switchover`: the old primary shuts down under the key, gives it up, the new one gets it, and is promoted
   * later. Resolves with the promotion; `returned` when the old primary follows.
   */
  async switchover(
    to: string,
    times: SwitchoverTimes = SWITCHOVER_TIMES,
  ): Promise<SwitchoverRecord & { readonly returned: Promise<void> }> {
    const [from] = this.primaries();
    if (from === undefined || from === to) throw new Error(`no switchover from ${from} to ${to}`);
    const shutdownAtUs = await this.set(from, { postgres: "stopping" });
    await pause(times.shutdownMs);
    const demotedAtUs = await this.set(from, { notedRole: "demoted", hasLeaderKey: false });
    await this.#setLeader(undefined);
    const returned = pause(times.returnMs).then(async () => {
      await this.#followTimeline();
      await this.follow(from);
    });
    this.#returning.add(returned);
    await pause(times.unlockedMs);
    await this.set(from, { postgres: "stopped" });
    const { keyAtUs, promotedAtUs } = await this.#promote(to, times.promotionMs);
    return { from, to, shutdownAtUs, demotedAtUs, keyAtUs, promotedAtUs, returned };
  }

  /** The primary's host dies: nothing answers there; after `ttlMs` the key is free and `to` is promoted. */
  async failover(
    to: string,
    times: { readonly ttlMs: number; readonly promotionMs: number },
  ): Promise<SwitchoverRecord> {
    const [from] = this.primaries();
    if (from === undefined || from === to) throw new Error(`no failover from ${from} to ${to}`);
    const diedAtUs = await this.set(from, { postgres: "stopped", rest: "closed", hasLeaderKey: false });
    await pause(times.ttlMs);
    await this.#setLeader(undefined);
    const { keyAtUs, promotedAtUs } = await this.#promote(to, times.promotionMs);
    await this.#followTimeline();
    return { from, to, shutdownAtUs: diedAtUs, demotedAtUs: diedAtUs, keyAtUs, promotedAtUs };
  }

  /** A node starts as a replica of whoever leads now. */
  async follow(name: string): Promise<void> {
    const leader = this.names.find((other) => this.#node(other).state.hasLeaderKey && other !== name);
    const timeline = leader === undefined ? this.#node(name).state.timeline : this.#node(leader).state.timeline;
    const standing = { inRecovery: true, hasLeaderKey: false, notedRole: "replica", timeline, leader } as const;
    await this.set(name, { ...standing, postgres: "starting", rest: "answering" });
    await this.set(name, { postgres: "running" });
  }

  /** A second node says that it is primary, as one cut off or resumed from a pause does. `timeline`: default its own. */
  async claim(name: string, timeline = this.#node(name).state.timeline): Promise<number> {
    return await this.set(name, { hasLeaderKey: true, inRecovery: false, notedRole: "primary", timeline });
  }

  /** `patronictl pause` and `resume`. */
  async setPaused(paused: boolean): Promise<void> {
    for (const name of this.names) await this.set(name, { paused });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#returning);
    await Promise.all([...this.#nodes.values()].map((node) => node.process.stop()));
  }

  async #promote(to: string, promotionMs: number): Promise<{ keyAtUs: number; promotedAtUs: number }> {
    await this.#setLeader(to);
    const keyAtUs = await this.set(to, { hasLeaderKey: true });
    await pause(promotionMs);
    const timeline = this.#node(to).state.timeline + 1;
    const promotedAtUs = await this.set(to, { inRecovery: false, notedRole: "primary", timeline });
    return { keyAtUs, promotedAtUs };
  }

  /** Running replicas are on the leader's timeline, as they are a moment after a promotion, when they have connected to it anew. */
  async #followTimeline(): Promise<void> {
    const leader = this.names.find((name) => this.#node(name).state.hasLeaderKey);
    if (leader === undefined) return;
    const { timeline } = this.#node(leader).state;
    for (const name of this.names) {
      if (this.#node(name).state.postgres === "running" && name !== leader) await this.set(name, { timeline });
    }
  }

  /** Every node sees the same key in the distributed store. */
  async #setLeader(leader: string | undefined): Promise<void> {
    await Promise.all(this.names.map((name) => this.set(name, { leader })));
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`the cluster has no node ${name}`);
    return node;
  }

  async #ask(node: Node, message: (id: number) => ToNode): Promise<FromNode> {
    const id = this.#nextId++;
    const answered = new Promise<FromNode>((resolve) => node.answers.set(id, resolve));
    const ended = node.process.exited.then((): never => {
      throw new Error(`stand-in ${node.options.name} has ended:\n${node.process.output}`);
    });
    node.send(message(id));
    return await Promise.race([answered, ended]).finally(() => node.answers.delete(id));
  }
}

async function startNode(cluster: StandInOptions, member: StandInMember, primary: string | undefined): Promise<Node> {
  const leads = member.name === primary;
  const options: NodeOptions = {
    name: member.name,
    address: member.address,
    restPort: cluster.restPort,
    sqlPort: cluster.sqlPort,
    scope: "article",
    systemIdentifier: "7443391520114718741",
    patroniMajor: cluster.patroniMajor ?? 3,
    members: cluster.members.map(({ name, address }) => ({ name, address })),
    initial: {
      postgres: "running",
      inRecovery: !leads,
      hasLeaderKey: leads,
      notedRole: leads ? "primary" : "replica",
      timeline: 1,
      leader: primary,
      paused: false,
      rest: "answering",
    },
  };
  const args = ["netns", "exec", member.namespace.name, process.execPath, NODE_PROGRAM, JSON.stringify(options)];
  const child = spawn("ip", args, { stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true });
  await once(child, "spawn");
  if (child.pid === undefined) throw new Error(`stand-in ${member.name} has no pid`);
  const running = new RunningProcess(child, child.pid, `stand-in ${member.name}`);
  const answers = new Map<number, (answer: FromNode) => void>();
  const ready = new Promise<void>((resolve, reject) => {
    child.on("message", (message: FromNode) => {
      if (message.kind === "ready") resolve();
      else answers.get(message.id)?.(message);
    });
    running.exited.then(() => reject(new Error(`stand-in ${member.name} did not start:\n${running.output}`)), reject);
  });
  await ready;
  const send = (message: ToNode): void => {
    // A node that ended meanwhile is told by its exit; the error here would say less.
    child.send(message, () => {});
  };
  return { options, process: running, send, answers, state: options.initial };
}
