import { barePath } from "../../src/config/leaderPaths.ts";
import { after, type DurationUs, milliseconds, type Us } from "../../src/core/units.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import type { Dice } from "./dice.ts";
import type { NetworkCheck, Reply } from "./healthRig.ts";
import { patroniBody } from "./patroniAnswers.ts";

/** One node as the simulation knows it: the truth behind the answers. */
export interface FakeNode {
  readonly host: number;
  /** Answers 200 on the leader paths. */
  key: boolean;
  role: "primary" | "replica";
  state: "running" | "stopping" | "starting" | "unknown";
  timeline: number;
  pausedUnlocked: boolean;
  /** How its REST API and its PostgreSQL behave on the network. */
  network: "answers" | "hangs" | "refuses" | "resets" | "garbage" | "proxied";
  latency: DurationUs;
}

/** When something of an episode happened that figures count from. */
export interface Switch {
  /** The old primary's first 503, or undefined where it went without a word. */
  readonly demotedAt: Us | undefined;
  readonly promotedAt: Us;
  readonly to: number;
}

export type Schedule = (at: Us, run: () => void) => void;

/** What a proxy says for a REST API that it does not reach. */
const PROXY_PAGE: ProbeOutcome = {
  kind: "answered",
  answers: [{ path: "/", status: 503, body: "<html>Service Unavailable</html>", bodyTruncated: false }],
};
const SLOW_MS = 60;
/** The longest way of a role, of 11 s, fits into a second. */
export const SWITCH_PACE = 0.09;

/**
 * A Patroni cluster that moves its role as Patroni does: the key before the end of promotion, the old primary's 200 while it
 * shuts down, an old primary that wakes up and claims for a while, a rival in a paused and unlocked cluster.
 */
export class FakePatroni {
  readonly nodes: readonly FakeNode[];
  readonly switches: Switch[] = [];
  private readonly dice: Dice;
  private readonly pace: number;
  private timeline = 1;
  /** What is asked so often is said so often: by its facts. */
  private readonly bodies = new Map<string, string>();

  /** @param pace what an episode takes, as a part of what it takes on real hosts */
  constructor(hosts: readonly number[], dice: Dice, pace = 1) {
    this.dice = dice;
    this.pace = pace;
    this.nodes = hosts.map((host, index) => ({
      host,
      key: index === 0,
      role: index === 0 ? "primary" : "replica",
      state: "running",
      timeline: this.timeline,
      pausedUnlocked: false,
      network: "answers",
      latency: dice.span(1, 8),
    }));
  }

  /** What a node says to a question asked now; what it says is what is true now, however late it arrives. */
  respond(check: NetworkCheck): Reply {
    const node = this.node(Number(check.connectIp.split(".").at(-1)));
    const fails = (kind: "timedOut" | "refused" | "reset" | "malformed", late: DurationUs): Reply => ({
      outcome: { kind, detail: "" },
      after: late,
    });
    if (node.network === "hangs" || node.latency >= check.timing.connectTimeout) {
      return fails("timedOut", check.timing.connectTimeout);
    }
    if (node.network === "refuses") return fails("refused", milliseconds(1));
    if (node.network === "resets") return fails("reset", node.latency);
    if (check.kind === "TCP_CHECK") return { outcome: { kind: "connected" }, after: milliseconds(1) };
    if (node.network === "garbage") return fails("malformed", node.latency);
    if (node.network === "proxied") return { outcome: PROXY_PAGE, after: node.latency };
    const path = check.kind === "patroni" ? "/leader" : (check.urls[0]?.path ?? "/");
    return { outcome: this.answer(node, path), after: node.latency };
  }

  /** The one node that holds key and role, in a cluster at rest. */
  leader(): FakeNode {
    const leaders = this.nodes.filter((node) => node.key && node.role === "primary" && node.state === "running");
    const [leader] = leaders;
    if (leader === undefined || leaders.length !== 1) throw new Error(`${leaders.length} leaders in a cluster at rest`);
    return leader;
  }

  /**
   * Plays one episode from `start` on; returns when the cluster is at rest again. Every episode ends with one leader that
   * answers and replicas that follow.
   */
  playEpisode(start: Us, schedule: Schedule): { readonly name: string; readonly end: Us } {
    const episode = this.dice.pick([
      "switchover",
      "crash",
      "sleeper",
      "rival",
      "glitch",
      "noPrimary",
      "noReplicas",
    ] as const);
    const old = this.leader();
    const next = this.dice.pick(this.nodes.filter((node) => node !== old));
    switch (episode) {
      case "switchover":
        return { name: episode, end: this.switchover(old, next, start, schedule) };
      case "crash":
        return { name: episode, end: this.crash(old, next, start, schedule) };
      case "sleeper":
        return { name: episode, end: this.sleeper(old, next, start, schedule) };
      case "rival":
        return { name: episode, end: this.rival(next, start, schedule) };
      case "glitch":
        return { name: episode, end: this.glitch(this.dice.pick(this.nodes), start, schedule) };
      case "noPrimary":
        return { name: episode, end: this.noPrimary(old, start, schedule) };
      case "noReplicas":
        return { name: episode, end: this.noReplicas(old, start, schedule) };
    }
  }

  /**
   * The role moves to another node, by any of the ways in which it does; now and then the third node lies or misbehaves
   * meanwhile. At SWITCH_PACE all is over within a second.
   */
  playSwitch(start: Us, schedule: Schedule): string {
    const episode = this.dice.pick(["switchover", "switchover", "crash", "sleeper"] as const);
    const old = this.leader();
    const next = this.dice.pick(this.nodes.filter((node) => node !== old));
    this[episode](old, next, start, schedule);
    const third = this.nodes.find((node) => node !== old && node !== next);
    if (third === undefined || !this.dice.chance(0.2)) return episode;
    const meddling = this.dice.pick(["rival", "glitch"] as const);
    this[meddling](third, start, schedule);
    return `${episode} and ${meddling}`;
  }

  /** `patronictl switchover`: shutdown checkpoint with the key still held, key released, key taken, promoted. */
  private switchover(old: FakeNode, next: FakeNode, start: Us, schedule: Schedule): Us {
    const released = after(start, this.span(0, 1_500));
    const taken = after(released, this.dice.chance(0.3) ? this.span(0, 20) : this.span(20, 1_000));
    const promoted = after(taken, this.span(0, 800));
    const follows = after(promoted, this.span(0, 2_000));
    const dead = this.dice.chance(0.3);
    schedule(start, () => Object.assign(old, { state: "stopping" }));
    schedule(released, () => Object.assign(old, { key: false, network: dead ? "refuses" : "answers" }));
    schedule(taken, () => Object.assign(next, { key: true }));
    schedule(promoted, () => this.promote(next, dead ? undefined : released, promoted));
    schedule(follows, () => this.follow(old));
    return follows;
  }

  /** The primary dies or hangs; somebody takes the key when the ttl is over; it comes back as a replica. */
  private crash(old: FakeNode, next: FakeNode, start: Us, schedule: Schedule): Us {
    const network = this.dice.pick(["hangs", "refuses", "resets"] as const);
    const taken = after(start, this.span(500, 6_000));
    const promoted = after(taken, this.span(0, 500));
    const back = after(promoted, this.span(100, 4_000));
    schedule(start, () => Object.assign(old, { network }));
    schedule(taken, () => Object.assign(next, { key: true }));
    schedule(promoted, () => this.promote(next, undefined, promoted));
    schedule(back, () => this.follow(old));
    return back;
  }

  /** A primary that slept (a paused VM) still says 200, primary, running when it wakes up, until its own loop notices. */
  private sleeper(old: FakeNode, next: FakeNode, start: Us, schedule: Schedule): Us {
    const taken = after(start, this.span(500, 5_000));
    const promoted = after(taken, this.span(0, 500));
    const awake = after(start, this.span(300, 8_000));
    const noticed = after(Math.max(awake, promoted) as Us, this.span(10, 3_000));
    schedule(start, () => Object.assign(old, { network: "hangs" }));
    schedule(taken, () => Object.assign(next, { key: true }));
    schedule(promoted, () => this.promote(next, undefined, promoted));
    schedule(awake, () => Object.assign(old, { network: "answers" }));
    schedule(noticed, () => this.follow(old));
    return noticed;
  }

  /** A second node claims, in a cluster that is paused and unlocked or with no newer timeline; the old primary stays it. */
  private rival(rival: FakeNode, start: Us, schedule: Schedule): Us {
    const end = after(start, this.span(50, 5_000));
    const pausedUnlocked = this.dice.chance(0.5);
    const timeline = pausedUnlocked ? this.timeline + 1 : this.timeline - this.dice.integer(0, 1);
    schedule(start, () => Object.assign(rival, { key: true, role: "primary", pausedUnlocked, timeline }));
    schedule(end, () => this.follow(rival));
    return end;
  }

  /** A node misbehaves on the network and recovers. */
  private glitch(node: FakeNode, start: Us, schedule: Schedule): Us {
    const network = this.dice.pick(["hangs", "refuses", "resets", "garbage", "proxied", "answers"] as const);
    const latency = network === "answers" ? this.span(SLOW_MS, 1_200) : node.latency;
    const end = after(start, this.span(10, 4_000));
    const before = node.latency;
    schedule(start, () => Object.assign(node, { network, latency }));
    schedule(end, () => Object.assign(node, { network: "answers", latency: before }));
    return end;
  }

  /** The primary loses the key (DCS trouble) and gets it back by itself, demoted and promoted in between. */
  private noPrimary(old: FakeNode, start: Us, schedule: Schedule): Us {
    const taken = after(start, this.span(100, 5_000));
    const promoted = after(taken, this.span(0, 500));
    schedule(start, () => Object.assign(old, { key: false, role: "replica" }));
    schedule(taken, () => Object.assign(old, { key: true }));
    schedule(promoted, () => this.promote(old, start, promoted));
    return promoted;
  }

  /** The primary alone is left: the replicas go, one after the other, and come back. */
  private noReplicas(leader: FakeNode, start: Us, schedule: Schedule): Us {
    let end = start;
    for (const node of this.nodes.filter((each) => each !== leader)) {
      const gone = after(start, this.span(0, 1_000));
      const back = after(gone, this.span(2_000, 10_000));
      const network = this.dice.pick(["hangs", "refuses", "answers"] as const);
      schedule(gone, () => Object.assign(node, { network, state: network === "answers" ? "stopping" : node.state }));
      schedule(back, () => this.follow(node));
      end = Math.max(end, back) as Us;
    }
    return end;
  }

  private span(lowMs: number, highMs: number): DurationUs {
    return this.dice.span(lowMs * this.pace, highMs * this.pace);
  }

  private promote(node: FakeNode, demotedAt: Us | undefined, promotedAt: Us): void {
    this.timeline += 1;
    Object.assign(node, { key: true, role: "primary", state: "running", timeline: this.timeline });
    const replicas = this.nodes.filter((each) => each.role === "replica" && each.state === "running");
    for (const replica of replicas) replica.timeline = this.timeline;
    this.switches.push({ demotedAt, promotedAt, to: node.host });
  }

  private follow(node: FakeNode): void {
    const { timeline } = this;
    const change = {
      key: false,
      role: "replica",
      state: "running",
      network: "answers",
      pausedUnlocked: false,
      timeline,
    };
    Object.assign(node, change);
  }

  private answer(node: FakeNode, path: string): ProbeOutcome {
    const { role, state, timeline, pausedUnlocked } = node;
    const facts = `${role} ${state} ${timeline} ${pausedUnlocked}`;
    const body =
      this.bodies.get(facts) ?? patroniBody({ role, state, timeline, pause: pausedUnlocked, unlocked: pausedUnlocked });
    this.bodies.set(facts, body);
    const reader = barePath(path) === "/replica";
    const yes = reader ? role === "replica" && state === "running" && !node.key : node.key;
    return { kind: "answered", answers: [{ path, status: yes ? 200 : 503, body, bodyTruncated: false }] };
  }

  private node(host: number): FakeNode {
    const node = this.nodes.find((candidate) => candidate.host === host);
    if (node === undefined) throw new Error(`no node ${host}`);
    return node;
  }
}
