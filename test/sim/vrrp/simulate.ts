import { Violation } from "./checker.ts";
import { calmResults, Faults } from "./faults.ts";
import { drawOptions, type WorldOptions } from "./options.ts";
import { boundUs, waitUs } from "./pending.ts";
import { World, type WorldModules } from "./world.ts";

/** How a run ended: each kind has an exit status of its own (main.ts). */
export type FailureKind =
  /** The product threw what it should not. */
  | "crash"
  /** An invariant does not hold. */
  | "safety"
  /** What should come to rest does not. */
  | "liveness";

export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly atUs: number;
  readonly lastEvents: readonly string[];
}

export interface Figures {
  readonly virtualUs: number;
  readonly realMs: number;
  readonly cpuMs: number;
  readonly deliveries: number;
  readonly transitions: number;
  readonly faults: number;
  readonly rounds: number;
}

export interface RunResult {
  readonly options: WorldOptions;
  readonly failure: Failure | undefined;
  readonly figures: Figures;
}

export interface RunRequest extends WorldModules {
  readonly seed: number;
  readonly hours: number;
  readonly changes?: Partial<WorldOptions>;
  /** For the figures: a real clock, and the processor time of this process. */
  readonly realMs: () => number;
  readonly cpuMs: () => number;
}

/** At rest nothing may change any more for so long. */
const CALM_US = 60e6;
const LOOK_EVERY_US = 1e6;
const EVENTS_SHOWN = 60;

/** Plays one world: rounds of faults, each followed by rest, in which everything must converge. */
export function simulate({ seed, hours, changes, realMs, cpuMs, ...modules }: RunRequest): RunResult {
  const options = drawOptions(seed, changes);
  const world = new World(options, modules);
  const faults = new Faults(world);
  const began = { realMs: realMs(), cpuMs: cpuMs() };
  let rounds = 0;
  let failure: Failure | undefined;
  try {
    for (const router of world.routers) {
      router.track(calmResults(world));
      world.at(world.dice.span(0, 5_000), () => router.start(world.dice.span(0, 1_000)));
    }
    while (world.nowUs < hours * 3600e6) {
      playRound(world, faults, hours * 3600e6);
      rounds++;
    }
  } catch (error) {
    failure = failureOf(error, world);
  }
  return {
    options,
    failure,
    figures: {
      virtualUs: world.nowUs,
      realMs: realMs() - began.realMs,
      cpuMs: cpuMs() - began.cpuMs,
      deliveries: world.delivered,
      transitions: world.transitions,
      faults: faults.begun,
      rounds,
    },
  };
}

/** What should come to rest did not. */
export class NotConverged extends Error {}

/** What disturbs a world, and what of it has not converged afterwards. */
export interface Disturbance {
  begin(): void;
  heal(): void;
  pending(): string[];
}

/** A while of faults, then rest, in which everything must converge, and stay so. */
export function playRound(world: World, faults: Disturbance, endUs: number): void {
  const { roundMin, roundMax } = world.options;
  faults.begin();
  world.runUntil(Math.min(endUs, world.nowUs + roundMin + world.dice.next() * (roundMax - roundMin)));
  faults.heal();
  const deadline = world.nowUs + boundUs(world);
  // What a fault that has just ended leads to shows when the peers have noticed it.
  world.runUntil(world.nowUs + waitUs(world));
  let waiting = faults.pending();
  while (waiting.length > 0) {
    if (world.nowUs >= deadline)
      throw new NotConverged(`not converged after the last fault:\n  ${waiting.join("\n  ")}`);
    world.runUntil(world.nowUs + LOOK_EVERY_US);
    waiting = faults.pending();
  }
  const transitions = world.transitions;
  world.runUntil(world.nowUs + CALM_US);
  waiting = faults.pending();
  if (waiting.length > 0) throw new NotConverged(`apart again without any fault:\n  ${waiting.join("\n  ")}`);
  if (world.transitions !== transitions)
    throw new NotConverged(`${world.transitions - transitions} transitions without any fault`);
}

export function failureOf(error: unknown, world: World): Failure {
  const about = error instanceof Violation ? error.about : [];
  // What did not converge is told by states, not by the last of a thousand adverts.
  const traffic = !(error instanceof NotConverged);
  const lastEvents = world.trace.lines(EVENTS_SHOWN, about.length === 0 ? [] : [...about, "LAN"], traffic);
  const base = { atUs: world.nowUs, lastEvents };
  if (error instanceof Violation) return { ...base, kind: "safety", message: `${error.invariant}: ${error.message}` };
  if (error instanceof NotConverged) return { ...base, kind: "liveness", message: error.message };
  return { ...base, kind: "crash", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
