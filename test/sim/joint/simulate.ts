import { type Failure, failureOf, playRound } from "../vrrp/simulate.ts";
import { JointFaults } from "./faults.ts";
import { JointWorld } from "./world.ts";

export interface JointFigures {
  readonly virtualUs: number;
  readonly rounds: number;
  readonly faults: number;
  readonly episodes: number;
  readonly transitions: number;
  /** Operations on both tables that were judged. */
  readonly operations: number;
  /** Changes of verdicts, holders and quorums that were told. */
  readonly changes: number;
  readonly hands: number;
  /** How often readers' second tier began to serve. */
  readonly fallbacks: number;
}

/** Plays one joint world: rounds of faults on both sides, each followed by rest, in which everything must converge. */
export function simulateJoint(
  seed: number,
  hours: number,
  makeDriver?: ConstructorParameters<typeof JointWorld>[2],
): { readonly failure: Failure | undefined; readonly figures: JointFigures } {
  const world = new JointWorld(seed, {}, makeDriver);
  const { vrrp, directors, dice } = world;
  const faults = new JointFaults(world);
  let rounds = 0;
  let failure: Failure | undefined;
  try {
    for (const { router } of directors) vrrp.at(dice.span(0, 5_000), () => router.start(0));
    while (vrrp.nowUs < hours * 3600e6) {
      playRound(vrrp, faults, hours * 3600e6);
      rounds++;
    }
  } catch (error) {
    failure = failureOf(error, vrrp);
  }
  const sum = (of: (director: (typeof directors)[number]) => number): number =>
    directors.reduce((total, director) => total + of(director), 0);
  const figures = {
    virtualUs: vrrp.nowUs,
    rounds,
    faults: faults.begun + faults.vrrp.begun,
    episodes: world.episodes,
    transitions: vrrp.transitions,
    operations: sum(({ invariants }) => invariants.operations),
    changes: sum(({ reasons }) => reasons.changes),
    hands: sum(({ hands }) => hands),
    fallbacks: sum(({ tiers }) => tiers.begun),
  };
  return { failure, figures };
}
