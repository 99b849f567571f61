import type { CheckConfig } from "../config/check.types.ts";
import { isLeaderPath } from "../config/leaderPaths.ts";
import type { VirtualServerConfig } from "../config/types.ts";
import { after, instantUs, milliseconds, type Us } from "../core/units.ts";
import { PATRONI_PATH } from "../health/patroniCheck.ts";
import type { HealthInput, HealthMachine, HttpAnswer, ProbeOutcome, ProbeSpec } from "../health/types.ts";
import { serviceId } from "../plan/keys.ts";
import { reconcile } from "../plan/reconcile.ts";
import { RememberedTable } from "../plan/rememberedTable.ts";
import { PaperTable } from "./paperTable.ts";

/**
 * A switch comes after days in which none of its code has run, and then every millisecond counts: what JavaScript runs for
 * the first time is compiled first. So a daemon plays a few switches of its own exclusive service once it is up, through
 * the same machine and the same plan, with invented answers, in a time of its own and on a table in memory.
 */

/** V8 compiles at the first call and knows the shapes of what a function gets after a few more. */
const SWITCHES = 3;
/** Of a switch: what lies between two of its turns does not take more. */
const STEPS_MAX = 60;
/** Answers of all kinds while a server has the key and is being promoted. */
const PROMOTION_STEPS = 8;
const ANSWER_TAKES = milliseconds(2);

type Part = "primary" | "promoting" | "replica";

/** Runs a story step by step between other work. What only warms up must not end what it is for: a failure ends the story alone. */
export function playBetweenTimes(
  story: Generator<void, number>,
  soon: (call: () => void) => void,
  failed: (error: unknown) => void,
): void {
  soon(() => {
    try {
      if (story.next().done !== true) playBetweenTimes(story, soon, failed);
    } catch (error) {
      failed(error);
    }
  });
}

/**
 * Plays in small steps: between two of them the daemon's own work has its turn. Returns how many switches came to pass; 0
 * where there is no exclusive service of two servers whose checks can be answered for.
 */
export function* rehearsal<State>(
  machine: HealthMachine<State>,
  virtualServers: readonly VirtualServerConfig[],
): Generator<void, number> {
  const service = virtualServers.find(canBePlayed);
  if (service === undefined) return 0;
  const stage = new Stage(machine, service);
  let played = 0;
  yield* stage.begin();
  for (let turn = 0; turn < SWITCHES; turn++) if (yield* stage.switchTo(turn)) played += 1;
  return played;
}

function canBePlayed({ exclusive, realServers, targets }: VirtualServerConfig): boolean {
  const answerable = realServers.every(
    ({ checks }) => checks.length > 0 && checks.every((check) => answerOf(check, "replica")),
  );
  return (exclusive === "on" || exclusive === "detected") && targets.length > 0 && realServers.length > 1 && answerable;
}

class Stage<State> {
  private readonly machine: HealthMachine<State>;
  private readonly service: VirtualServerConfig;
  private readonly paper = new PaperTable();
  private readonly table = new RememberedTable(this.paper);
  private readonly asked: ProbeSpec[] = [];
  private state: State;
  private now: Us = instantUs(1);
  private primary = 0;
  private part: Part = "primary";

  constructor(machine: HealthMachine<State>, service: VirtualServerConfig) {
    this.machine = machine;
    this.service = service;
    this.state = machine.initial(1);
  }

  *begin(): Generator<void> {
    this.feed({ kind: "configure", virtualServers: [this.service], existing: new Map() });
    yield* this.until(() => this.holds(this.primary));
  }

  /** The key is given away, another server is promoted; true when it got the weight in the end. */
  *switchTo(turn: number): Generator<void, boolean> {
    this.primary = (turn + 1) % this.service.realServers.length;
    this.part = "promoting";
    yield* this.until(() => false, PROMOTION_STEPS);
    this.part = "primary";
    yield* this.until(() => this.holds(this.primary));
    return this.holds(this.primary);
  }

  private *until(reached: () => boolean, steps = STEPS_MAX): Generator<void> {
    for (let step = 0; step < steps && !reached(); step++) {
      const spec = this.asked.shift();
      if (spec === undefined) {
        const deadline = this.machine.nextDeadline(this.state);
        if (deadline === undefined) return;
        this.now = deadline;
        this.feed({ kind: "deadline" });
      } else {
        const startedAt = this.now;
        this.now = after(this.now, ANSWER_TAKES);
        const outcome = answerOf(spec.check, this.partOf(spec.check));
        if (outcome !== undefined) this.feed({ kind: "probeDone", key: spec.key, startedAt, outcome });
      }
      yield;
    }
  }

  private feed(input: HealthInput): void {
    const { state, effects } = this.machine.step(this.state, input, this.now);
    this.state = state;
    for (const effect of effects) {
      if (effect.kind === "startProbe") this.asked.push(effect.spec);
      if (effect.kind === "tableChanged") this.program();
    }
  }

  private program(): void {
    const desired = this.machine.desired(this.state);
    reconcile(this.table, desired, new Set(desired.map(({ key }) => serviceId(key))));
  }

  private holds(index: number): boolean {
    const server = this.service.realServers[index];
    return this.paper
      .dump()
      .some(({ destinations }) =>
        destinations.some(({ address, weight }) => weight > 0 && address === server?.address),
      );
  }

  private partOf(check: CheckConfig): Part {
    const server = this.service.realServers[this.primary];
    return server?.checks.some((own) => addressOf(own) === addressOf(check)) === true ? this.part : "replica";
  }
}

const addressOf = (check: CheckConfig): unknown => ("connectIp" in check ? check.connectIp : undefined);

/** What a member of a cluster would say; undefined for what cannot be answered for. */
function answerOf(check: CheckConfig, part: Part): ProbeOutcome | undefined {
  switch (check.kind) {
    case "TCP_CHECK":
      return { kind: "connected" };
    case "patroni":
      return { kind: "answered", answers: [memberAnswer(PATRONI_PATH, part)] };
    case "HTTP_GET":
      return check.urls.every(({ path }) => isLeaderPath(path))
        ? { kind: "answered", answers: check.urls.map(({ path }) => memberAnswer(path, part)) }
        : undefined;
    default:
      return undefined;
  }
}

/** The key comes first, then the role: https://patroni.readthedocs.io/en/latest/rest_api.html */
function memberAnswer(path: string, part: Part): HttpAnswer {
  const body = {
    state: "running",
    role: part === "primary" ? "primary" : "replica",
    server_version: 150008,
    timeline: 1,
    database_system_identifier: "1",
    patroni: { version: "4.0.0", scope: "rehearsal", name: "rehearsal" },
  };
  return { path, status: part === "replica" ? 503 : 200, body: JSON.stringify(body), bodyTruncated: false };
}
