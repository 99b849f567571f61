import type { WorldOptions } from "./options.ts";
import type { Figures, RunResult } from "./simulate.ts";

/** The configuration of a world in full, before it runs. */
export function describeOptions(options: WorldOptions): string {
  return `seed ${options.seed}\n${JSON.stringify(options, undefined, 2)}`;
}

/** Speed is told by processor time: a busy machine says nothing of the program. */
export function describeFigures({
  virtualUs,
  realMs,
  cpuMs,
  deliveries,
  transitions,
  faults,
  rounds,
}: Figures): string {
  const hours = (virtualUs / 3600e6).toFixed(2);
  const faster = Math.round(virtualUs / 1000 / cpuMs);
  const rate = Math.round(deliveries / (cpuMs / 1000));
  return [
    `${hours} virtual hours in ${(cpuMs / 1000).toFixed(1)} s of one processor (${(realMs / 1000).toFixed(1)} s passed): ${faster} times faster than real time, ${rate} deliveries a second`,
    `${rounds} rounds, ${faults} faults, ${transitions} transitions, ${deliveries} deliveries`,
  ].join("\n");
}

/** What failed, what happened last, and how to see it again. */
export function describeFailure({ options, failure, figures }: RunResult): string {
  if (failure === undefined) return "";
  const hours = Math.ceil((figures.virtualUs / 3600e6) * 1000) / 1000;
  return [
    ...failure.lastEvents,
    "",
    `${failure.kind} failure of seed ${options.seed} after ${(failure.atUs / 1e6).toFixed(6)} s: ${failure.message}`,
    `again: npm run sim -- --seed ${options.seed} --hours ${hours}`,
  ].join("\n");
}
