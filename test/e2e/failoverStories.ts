import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { type Failover, type FailoverStory, type Failovers, longestGapUs } from "../lab/failovers.ts";
import { WRITE_SERVICE } from "../lab/lab.ts";
import { LEAST_TIMINGS, type PatroniTimings } from "../lab/realClusterConfig.ts";
import { monotonicUs } from "../lab/standIn/node.types.ts";
import { doubleWriters } from "../lab/tableRecord.ts";
import { pass } from "../lab/wait.ts";

/** A round of Patroni's loop costs an emulated processor 0.3 s, each of three: there it is not played every second. */
const EMULATED_TIMINGS: PatroniTimings = { ttlSec: 20, loopWaitSec: 4, retryTimeoutSec: 8 };
/** ttl is the least that Patroni allows. */
export const FAILOVER_TIMINGS = isEmulated() ? EMULATED_TIMINGS : LEAST_TIMINGS;
const STORE_GONE_MS = 60_000;
/** In a pause, before and behind the primary's death. */
const PAUSE_MS = 6_000;

/** The first one is the most telling: the primary's host says nothing at all, and comes back. */
export const FAILOVER_STORIES: readonly FailoverStory[] = [
  {
    title: "the primary's host cut off",
    take: async ({ network }, primary) => await network.postgres[primary].unplug(),
    giveBack: async ({ network, cluster }, primary) => {
      await network.postgres[primary].plug();
      await cluster.waitUntilDemoted(primary);
      // It can wait for ever for WAL that nobody has any more (state starting) until somebody starts it anew: Patroni 3.0.2.
      await cluster.killMember(primary);
      await cluster.startMember(primary);
    },
  },
  {
    title: "PostgreSQL and Patroni of the primary killed -9",
    take: async ({ cluster }, primary) => await cluster.killMember(primary),
    giveBack: async ({ cluster }, primary) => await cluster.startMember(primary),
  },
  {
    // The primary demotes itself, and nobody may follow: as long as the store is gone, nobody gets writes.
    title: `etcd gone for ${STORE_GONE_MS / 1000} s`,
    take: async (lab) => {
      const goneMs = performance.now();
      await lab.cluster.killStore();
      await lab.nobodyWrites("nobody with weight while etcd is gone");
      const sinceUs = monotonicUs();
      await pass(Math.max(0, goneMs + STORE_GONE_MS - performance.now()));
      expect(lab.writersSince(sinceUs), "with weight while etcd is gone").toEqual(["nobody"]);
      await lab.cluster.startStore();
    },
    giveBack: async () => {},
  },
  {
    title: "Patroni paused, and the primary's PostgreSQL killed -9 meanwhile",
    take: async (lab, primary) => {
      const beganUs = monotonicUs();
      await lab.cluster.pause();
      await pass(PAUSE_MS);
      expect(lab.writersSince(beganUs), "with weight in a pause").toEqual([primary]);
      await lab.cluster.killPostgres(primary);
      await lab.nobodyWrites("nobody with weight: in a pause nobody follows");
      const sinceUs = monotonicUs();
      await pass(PAUSE_MS);
      expect(lab.writersSince(sinceUs), "with weight behind the death in a pause").toEqual(["nobody"]);
      await lab.cluster.resume();
    },
    giveBack: async () => {},
  },
];

/** Plays a story, prints its figures, and holds what must be: one writer, every insert behind the switch at it, no acknowledged row lost. */
export async function playFailover(lab: Failovers, story: FailoverStory): Promise<void> {
  const seen = await lab.play(story);
  process.stdout.write(`${figures(story.title, seen)}\n`);
  expectOneWriter(seen);
  expectInserts(seen);
  // In this order: inserts go on meanwhile.
  const acknowledged = lab.acknowledged();
  const there = await lab.rows();
  expect(
    acknowledged.filter((value) => !there.has(value)),
    "acknowledged rows that are lost",
  ).toEqual([]);
}

function expectOneWriter({ balancers }: Failover): void {
  for (const { name, lines, raisedUs } of balancers) {
    expect(doubleWriters(lines, WRITE_SERVICE), `two writers at ${name}`).toEqual([]);
    expect(raisedUs, `the successor's weight at ${name}`).toBeLessThan(Number.POSITIVE_INFINITY);
  }
}

/**
 * Behind the switch every connection goes to the new primary. (An insert there may wait for longer than its client does: for a
 * standby that is on its way back.)
 */
function expectInserts({ to, balancers, inserts, strayConnections }: Failover): void {
  const raisedUs = Math.max(...balancers.map((each) => each.raisedUs));
  const behind = inserts.filter(({ startedUs }) => startedUs > raisedUs);
  expect(behind.length).toBeGreaterThan(0);
  expect(behind.filter(({ node }) => node !== undefined && node !== to)).toEqual([]);
  expect(behind.filter(inRecovery)).toEqual([]);
  expect(behind.filter(({ outcome }) => /ECONN|UNREACH/.test(outcome))).toEqual([]);
  expect(strayConnections, "connections to the old primary").toBe(0);
}

function inRecovery({ outcome }: { readonly outcome: string }): boolean {
  return /read-only|recovery/.test(outcome);
}

function figures(title: string, seen: Failover): string {
  const { from, to, beganUs, promotedUs, balancers, inserts, reads } = seen;
  const { ttlSec, loopWaitSec, retryTimeoutSec } = FAILOVER_TIMINGS;
  const lowered = balancers.map(({ loweredUs }) => milliseconds(loweredUs - beganUs)).join(" and ");
  const raised = balancers.map(({ raisedUs }) => milliseconds(raisedUs - promotedUs)).join(" and ");
  const failed = (lines: readonly { readonly done: boolean }[]): number => lines.filter(({ done }) => !done).length;
  return (
    `[figures] real cluster (ttl ${ttlSec}, loop_wait ${loopWaitSec}, retry_timeout ${retryTimeoutSec}), ${title}, ${from} to ${to}: ` +
    `longest time without an insert ${milliseconds(longestGapUs(inserts, beganUs))}, of it the load balancers': ` +
    `from the first confirmed answer of the new primary to its weight ${raised}; the old one's weight gone ${lowered} after the story began; ` +
    `inserts ${inserts.length - failed(inserts)} done, ${failed(inserts)} failed, ${inserts.filter(inRecovery).length} at a server in recovery; ` +
    `longest time without a read ${milliseconds(longestGapUs(reads, beganUs))}, ${failed(reads)} of ${reads.length} failed`
  );
}

function milliseconds(us: number): string {
  return `${(us / 1000).toFixed(0)} ms`;
}

/** qemu's own processor says so. */
function isEmulated(): boolean {
  return /TCG/.test(readFileSync("/proc/cpuinfo", "utf8"));
}
