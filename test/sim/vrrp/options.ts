import { type DurationUs, milliseconds, seconds } from "../../../src/core/units.ts";
import { Dice } from "../dice.ts";

/** Everything that a world is drawn from, printed whole before it runs. Probabilities are between 0 and 1. */
export interface WorldOptions {
  readonly seed: number;
  readonly routers: number;
  readonly instances: number;
  /** LANs; an interface `ethN` of every router stands on LAN N. */
  readonly segments: number;
  /** Of the instances. */
  readonly version3: number;
  readonly ipv6: number;
  readonly unicast: number;
  readonly nopreempt: number;
  readonly preemptDelay: number;
  readonly owner: number;
  readonly equalPriorities: number;
  /** Other numbers of `down_timer_adverts` than 3. */
  readonly downTimers: number;
  /** Of the virtual addresses: `virtual_ipaddress_excluded`. */
  readonly excluded: number;
  readonly authentication: number;
  /** Sync groups, each of two or more instances. */
  readonly groups: number;
  /** Scripts, files and processes, and how many of the instances track any. */
  readonly trackers: number;
  readonly tracking: number;
  /** Shortest advertisement interval of version 3. */
  readonly intervalMin: DurationUs;
  readonly lan: LanOptions;
  /** Mean time between two faults; undefined: none ever. */
  readonly faultEvery: DurationUs | undefined;
  /** Relative frequency of each kind of fault. */
  readonly faultWeights: Readonly<Record<FaultKind, number>>;
  /** Of the faulty phase of a round; a phase of rest follows each. */
  readonly roundMin: DurationUs;
  readonly roundMax: DurationUs;
}

/** What the LAN does to every frame, also between faults; at rest nothing is lost. */
export interface LanOptions {
  readonly delayMin: DurationUs;
  readonly delayMax: DurationUs;
  readonly loss: number;
  readonly duplicate: number;
  /** Frames that are held back for `reorderDelay`, so that later ones overtake them. */
  readonly reorder: number;
  readonly reorderDelay: DurationUs;
}

export const FAULT_KINDS = [
  "loss",
  "delay",
  "cutOneWay",
  "cutTwoWays",
  "isolation",
  "partition",
  "sigstop",
  "stolenCpu",
  "suspend",
  "hypervisorPause",
  "crash",
  "workerDeath",
  "restart",
  "reload",
  "linkDown",
  "linkRecreated",
  "linkRenamed",
  "addressLost",
  "handsOnce",
  "handsAgain",
  "kernelRefuses",
  "answersLost",
  "sendsRefused",
  "dumpsInterrupted",
  "trackersFlap",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Small worlds are drawn more often: they find as much, and faster. */
const INSTANCE_BOUNDS = [2, 2, 4, 4, 8, 8, 16, 50];

/** One seed draws it all, `changes` last. */
export function drawOptions(seed: number, changes: Partial<WorldOptions> = {}): WorldOptions {
  const dice = new Dice(seed ^ 0x5eed);
  const drawnInstances = dice.integer(1, dice.pick(INSTANCE_BOUNDS));
  const instances = changes.instances ?? drawnInstances;
  const sometimes = (most: number): number => (dice.chance(0.5) ? 0 : dice.next() * most);
  return {
    seed,
    routers: Math.min(dice.integer(2, 8), dice.integer(2, 8)),
    instances,
    segments: dice.integer(1, 2),
    version3: dice.pick([0, 0.5, 1]),
    ipv6: dice.pick([0, 0.3, 1]),
    unicast: sometimes(0.6),
    nopreempt: sometimes(1),
    preemptDelay: sometimes(0.5),
    owner: sometimes(0.3),
    equalPriorities: sometimes(0.5),
    downTimers: sometimes(0.3),
    excluded: sometimes(0.3),
    authentication: sometimes(0.5),
    groups: instances < 2 ? 0 : dice.integer(0, Math.min(6, Math.floor(instances / 2))),
    trackers: dice.integer(0, 6),
    tracking: sometimes(0.6),
    intervalMin: dice.pick(
      instances <= 4 ? [milliseconds(10), milliseconds(100), seconds(1)] : [milliseconds(200), seconds(1)],
    ),
    lan: {
      delayMin: dice.span(0.02, 0.2),
      delayMax: dice.span(0.3, dice.pick([0.5, 3, 20])),
      loss: sometimes(0.1),
      duplicate: sometimes(0.05),
      reorder: sometimes(0.05),
      reorderDelay: dice.span(1, 200),
    },
    faultEvery: dice.span(2_000, 120_000),
    faultWeights: drawWeights(dice),
    roundMin: seconds(60),
    roundMax: seconds(dice.integer(120, 1_200)),
    ...changes,
  };
}

/** Half of the kinds, each with a weight of its own: a world of one sort of trouble finds what a mixture hides. */
function drawWeights(dice: Dice): Record<FaultKind, number> {
  const weights = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, dice.chance(0.5) ? dice.next() : 0]));
  return weights as Record<FaultKind, number>;
}

/** No fault, no loss. */
export function calmOptions(seed: number, changes: Partial<WorldOptions> = {}): WorldOptions {
  const drawn = drawOptions(seed);
  return {
    ...drawn,
    faultEvery: undefined,
    lan: { ...drawn.lan, loss: 0, duplicate: 0, reorder: 0 },
    ...changes,
  };
}
