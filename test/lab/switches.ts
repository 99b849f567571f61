/** Role switches under observation: what the tests of the exclusive service and the benchmark have in common. */

import { POSTGRES_NAMES, type PostgresName, postgresAddress, SERVICE_PORT, WRITE_VIP } from "./articleNetwork.ts";
import { weighted } from "./ipvsTable.ts";
import type { TableLine } from "./programs/tableWatch.ts";
import type { Program } from "./programs.ts";
import type { StandInCluster, SwitchoverRecord, SwitchoverTimes } from "./standIn/cluster.ts";
import { waitFor } from "./wait.ts";

export const WRITE_SERVICE = `TCP ${WRITE_VIP}:${SERVICE_PORT}`;

/** Short phases in the order of the real thing; demotion to promotion is 0.3 s, as the figures ask (0.25 s at least). */
export const MEASURED_TIMES: SwitchoverTimes = { shutdownMs: 50, unlockedMs: 50, promotionMs: 250, returnMs: 500 };

export interface MeasuredSwitch extends SwitchoverRecord {
  /** From the first confirmed answer being available at the new primary to its weight in the kernel. */
  readonly latencyMs: number;
}

export function tableLines(watch: Program<"tableWatch">): TableLine[] {
  return watch.lines().filter((line) => line.kind === "table");
}

/** Servers with weight on the write service, as each change of the table showed them. */
export function writersOverTime(watch: Program<"tableWatch">): string[][] {
  return tableLines(watch).map(({ table }) => weighted(table, WRITE_SERVICE));
}

/** Switches to the next member, `count` times, each until the table shows the new primary alone and the old one is back. */
export async function playSwitches(
  cluster: StandInCluster,
  watch: Program<"tableWatch">,
  count: number,
): Promise<MeasuredSwitch[]> {
  const measured: MeasuredSwitch[] = [];
  for (let i = 0; i < count; i++) {
    const to = successor(cluster);
    const { returned, ...record } = await cluster.switchover(to, MEASURED_TIMES);
    const line = await soleWriter(watch, to, record.keyAtUs);
    measured.push({ ...record, latencyMs: (line.atUs - record.promotedAtUs) / 1000 });
    await returned;
  }
  return measured;
}

/** The first look from this instant on (CLOCK_MONOTONIC) that shows this member alone with weight. */
export async function soleWriter(
  watch: Program<"tableWatch">,
  name: PostgresName,
  sinceUs: number,
): Promise<TableLine> {
  const server = `${postgresAddress(name)}:${SERVICE_PORT}`;
  const shows = ({ atUs, table }: TableLine): boolean =>
    atUs >= sinceUs && weighted(table, WRITE_SERVICE).join() === server;
  return await waitFor(() => tableLines(watch).find(shows), {
    what: `${server} to have the weight`,
    timeoutMs: 60_000,
    found: () => writersOverTime(watch).at(-1),
  });
}

/** The member after the primary. */
export function successor(cluster: StandInCluster): PostgresName {
  const [primary] = cluster.primaries();
  const names: readonly (string | undefined)[] = POSTGRES_NAMES;
  const next = POSTGRES_NAMES[(names.indexOf(primary) + 1) % POSTGRES_NAMES.length];
  if (next === undefined) throw new Error("the article has three servers");
  return next;
}
