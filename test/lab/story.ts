/**
 * The story that `npm start` plays: start, spreading, a switchover at Patroni, the death of a load balancer in two ways
 * and its return. Every scene says what it does, measures, and compares with what is promised.
 */

import { wallClockMs } from "./addressWatch.ts";
import {
  CLIENT_ADDRESS,
  POSTGRES_NAMES,
  type PostgresName,
  PREFIX_LENGTH,
  postgresAddress,
  READ_VIP,
  SERVICE_PORT,
  WRITE_VIP,
} from "./articleNetwork.ts";
import { readTable, rowsOf } from "./ipvsTable.ts";
import { BALANCER_NAMES, type Lab, READ_SERVICE, WRITE_SERVICE } from "./lab.ts";
import { doubleWriters, weightedAt } from "./tableRecord.ts";
import { duration, type Finding } from "./view.ts";
import { waitFor } from "./wait.ts";

export interface Scene {
  readonly title: string;
  readonly text: string;
  play(lab: Lab): Promise<Finding[]>;
}

/** The survivor's patience: three adverts of 1 s and (256 - 100) / 256 s, after the last advert (RFC 3768 6.1). */
const MASTER_DOWN_MS = 3_609;
/** A lease of 2 s, refreshed each second, ends at most this long after the last refresh. */
const LEASE_END_MS = 3_500;
/** A load balancer that returns listens for as long as any backup of its priority, 150, before it takes over. */
const LISTEN_MS = 3_414;
const SESSIONS = 75;
const CLIENTS = 15;
const SESSION_TIMEOUT_MS = 60_000;

/** What is allowed beyond the promised times. */
export interface Tolerance {
  readonly switchMs: number;
  readonly startMs: number;
  readonly otherMs: number;
}
const BARE: Tolerance = { switchMs: 0, startMs: 2_000, otherMs: 100 };
/** A process takes seconds to start on an emulated processor, and each of two threads can wait for another second. */
const EMULATED: Tolerance = { switchMs: 5_000, startMs: 120_000, otherMs: 5_000 };
const SWITCH_MS = 60;

export function toleranceHere(): Tolerance {
  return process.env.HOLDFAST_GUEST === "1" ? EMULATED : BARE;
}

function within(what: string, measuredMs: number, limitMs: number, toleranceMs: number, note = ""): Finding {
  const more = toleranceHere() === EMULATED ? ` (+${duration(toleranceMs)} here: emulated)` : "";
  const expected = `at most ${duration(limitMs)}${note}${more}`;
  return { what, measured: duration(measuredMs), expected, ok: measuredMs <= limitMs + toleranceMs };
}

function fact(what: string, measured: string | number, expected: string | number): Finding {
  return { what, measured: String(measured), expected: String(expected), ok: String(measured) === String(expected) };
}

const holders = (lab: Lab, address: string): string => lab.addresses.holders(address).join(" and ") || "nobody";

async function start(lab: Lab): Promise<Finding[]> {
  const { startMs } = toleranceHere();
  const atMs = wallClockMs();
  await Promise.all(BALANCER_NAMES.map((name) => lab.startDaemon(name)));
  const writeMs = await lab.waitForHolder(WRITE_VIP, "kad1", atMs);
  const readMs = await lab.waitForHolder(READ_VIP, "kad2", atMs);
  const primary = lab.cluster.primary();
  if (primary === undefined) throw new Error("the cluster has no primary");
  await lab.waitForTables(destination(primary));
  return [
    within(`${WRITE_VIP} (write) at kad1 after`, writeMs - atMs, LISTEN_MS, startMs, ": start, then listening"),
    within(`${READ_VIP} (read) at kad2 after`, readMs - atMs, LISTEN_MS, startMs, ": start, then listening"),
    fact("writes go to", await writersText(lab), primary),
  ];
}

function destination(name: PostgresName): string {
  return `${postgresAddress(name)}:${SERVICE_PORT}`;
}

async function writersText(lab: Lab): Promise<string> {
  const rows = rowsOf(await readTable(lab.network.balancers.kad1), WRITE_SERVICE);
  return POSTGRES_NAMES.filter((name) => (rows.get(destination(name))?.weight ?? 0) > 0).join(" and ") || "nobody";
}

/** Addresses that the kernel takes for different clients. */
async function addClients(lab: Lab): Promise<string[]> {
  const present = new Set((await lab.network.client.addresses()).map(({ address }) => address));
  const network = CLIENT_ADDRESS.replace(/\d+$/, "");
  const all = Array.from({ length: CLIENTS }, (_, index) => `${network}${101 + index}`);
  const missing = all.filter((address) => !present.has(address));
  await lab.network.client.ipBatch(missing.map((address) => `address add ${address}/${PREFIX_LENGTH} dev eth0`));
  return all;
}

/** Active connections of the read service's servers, as its load balancer's kernel counts them. */
async function spread(lab: Lab, clients: readonly string[]): Promise<number[]> {
  const sessions = await lab.openSessions(READ_VIP, SESSIONS, clients);
  try {
    await waitFor(
      () => {
        const ended = sessions.lines().find((line) => line.kind === "ended");
        if (ended !== undefined) throw new Error(`a session ended: ${ended.text}`);
        return sessions.lines().length === SESSIONS;
      },
      { what: `${SESSIONS} open sessions`, timeoutMs: SESSION_TIMEOUT_MS, found: () => sessions.lines().length },
    );
    const rows = rowsOf(await readTable(lab.network.balancers.kad2), READ_SERVICE);
    return POSTGRES_NAMES.map((name) => rows.get(destination(name))?.active ?? 0);
  } finally {
    await sessions.stop();
  }
}

async function connections(lab: Lab): Promise<Finding[]> {
  const many = await spread(lab, await addClients(lab));
  await waitForIdle(lab);
  const one = await spread(lab, [CLIENT_ADDRESS]);
  const largest = Math.max(...many);
  return [
    {
      what: `${SESSIONS} sessions of ${CLIENTS} clients at pg1, pg2, pg3`,
      measured: many.join(" / "),
      expected: "25 / 25 / 25 (least connections)",
      ok: many.reduce((sum, count) => sum + count, 0) === SESSIONS && largest <= SESSIONS / 3 + SESSIONS / CLIENTS,
    },
    fact(`${SESSIONS} sessions of one client, sorted`, one.sort((a, b) => b - a).join(" / "), `${SESSIONS} / 0 / 0`),
  ];
}

/** Least-connection counts what is still closing: the next scene begins when nothing is active. */
async function waitForIdle(lab: Lab): Promise<void> {
  await waitFor(
    async () => {
      const rows = [...rowsOf(await readTable(lab.network.balancers.kad2), READ_SERVICE).values()];
      return rows.every((row) => row.active === 0);
    },
    { what: "no active connection at the readers", timeoutMs: SESSION_TIMEOUT_MS, intervalMs: 200 },
  );
}

/** `patronictl switchover` under inserts of one client; the figures count from the moment the new primary takes writes. */
export async function switchover(lab: Lab): Promise<Finding[]> {
  const from = lab.cluster.primary();
  if (from === undefined) throw new Error("the cluster has no primary");
  const to = POSTGRES_NAMES[(POSTGRES_NAMES.indexOf(from) + 1) % POSTGRES_NAMES.length] ?? from;
  const watches = await Promise.all(BALANCER_NAMES.map((name) => lab.watchTable(name)));
  const inserts = await lab.startInserts(250);
  await waitFor(() => inserts.lines().some((line) => line.done), { what: "an insert", timeoutMs: SESSION_TIMEOUT_MS });
  const record = await lab.cluster.switchover(to);
  await lab.waitForTables(destination(to));
  await waitFor(() => inserts.lines().some((line) => line.done && line.node === to), {
    what: `an insert at ${to}`,
    timeoutMs: SESSION_TIMEOUT_MS,
    found: () => inserts.lines().slice(-5),
  });
  const done = await inserts.stop();
  const records = await Promise.all(watches.map((watch) => watch.stop()));
  await lab.cluster.settled();

  const { switchMs } = toleranceHere();
  const findings = BALANCER_NAMES.flatMap((name, index) => {
    const lines = (records[index] ?? []).filter((line) => line.kind === "table");
    const raisedUs = weightedAt(lines, WRITE_SERVICE, destination(to), record.shutdownAtUs);
    const lateMs = raisedUs === undefined ? Number.POSITIVE_INFINITY : (raisedUs - record.promotedAtUs) / 1000;
    return [
      within(`new primary has weight at ${name} after`, lateMs, SWITCH_MS, switchMs),
      fact(`two servers with weight for writes at ${name}`, doubleWriters(lines, WRITE_SERVICE).length, 0),
    ];
  });
  const after = done.filter((line) => line.startedUs > record.promotedAtUs);
  const firstDone = done.find((line) => line.done && line.node === to);
  const lastDone = done.findLast((line) => line.done && line.node === from);
  return [
    fact("switchover", `${record.from} to ${record.to}`, `${from} to ${to}`),
    ...findings,
    fact("inserts refused as read-only", done.filter((line) => /read-only/.test(line.outcome)).length, 0),
    fact(`new connections at ${from} after the promotion`, after.filter((line) => line.node === from).length, 0),
    {
      what: "from the last insert before to the first after",
      measured: duration(((firstDone?.atUs ?? 0) - (lastDone?.atUs ?? 0)) / 1000),
      expected: `Patroni itself took ${duration((record.promotedAtUs - record.shutdownAtUs) / 1000)}`,
      ok: firstDone !== undefined,
    },
  ];
}

/** When the address left the failed host and when the survivor took it; never both at once. */
async function takeover(lab: Lab, atMs: number, how: { readonly leaseEnds: boolean }): Promise<Finding[]> {
  const { otherMs } = toleranceHere();
  const takenMs = await lab.waitForHolder(WRITE_VIP, "kad2", atMs);
  const goneMs = lab.addresses.first("kad1", WRITE_VIP, false, atMs)?.atMs ?? Number.POSITIVE_INFINITY;
  const doubleMs = lab.addresses.doubleHoldMs(WRITE_VIP, atMs);
  const gone = how.leaseEnds ? LEASE_END_MS : 0;
  return [
    within(`${WRITE_VIP} gone from kad1 after`, goneMs - atMs, gone, otherMs, how.leaseEnds ? ": its lease ends" : ""),
    within("kad2 has taken it after", takenMs - atMs, MASTER_DOWN_MS, otherMs, ": 3 adverts and the skew time"),
    fact("time held by both", duration(doubleMs), duration(0)),
    await firstInsert(lab, takenMs),
  ];
}

async function firstInsert(lab: Lab, sinceMs: number): Promise<Finding> {
  const inserts = await lab.startInserts(50);
  await waitFor(() => inserts.lines().some((line) => line.done), {
    what: "an insert",
    timeoutMs: SESSION_TIMEOUT_MS,
    found: () => inserts.lines().slice(-3),
  });
  await inserts.stop();
  return {
    what: `a client writes through ${holders(lab, WRITE_VIP)} after`,
    measured: duration(wallClockMs() - sinceMs),
    expected: "as soon as the client has started",
    ok: true,
  };
}

async function kill(lab: Lab): Promise<Finding[]> {
  const { atMs, processes } = await lab.killDaemon("kad1");
  const findings = await takeover(lab, atMs, { leaseEnds: true });
  return [
    { what: "processes killed at once", measured: String(processes), expected: "all of them", ok: true },
    ...findings,
  ];
}

async function restart(lab: Lab): Promise<Finding[]> {
  const atMs = wallClockMs();
  await lab.startDaemon("kad1");
  return await takenBack(lab, atMs, toleranceHere().startMs, ": start, then listening");
}

async function takenBack(lab: Lab, atMs: number, toleranceMs: number, note: string): Promise<Finding[]> {
  const takenMs = await lab.waitForHolder(WRITE_VIP, "kad1", atMs);
  const leftMs = lab.addresses.first("kad2", WRITE_VIP, false, atMs)?.atMs ?? Number.POSITIVE_INFINITY;
  return [
    within(`${WRITE_VIP} back at kad1 after`, takenMs - atMs, LISTEN_MS, toleranceMs, note),
    within(
      "kad2 gave it up, counted from then, after",
      leftMs - takenMs,
      0,
      toleranceHere().otherMs,
      ": on kad1's first advert",
    ),
    fact("writes go to", await writersText(lab), lab.cluster.primary() ?? "nobody"),
  ];
}

async function unplug(lab: Lab): Promise<Finding[]> {
  const atMs = await lab.setLink("kad1", "down");
  return await takeover(lab, atMs, { leaseEnds: false });
}

async function plug(lab: Lab): Promise<Finding[]> {
  const atMs = await lab.setLink("kad1", "up");
  return await takenBack(lab, atMs, toleranceHere().otherMs, ": listening");
}

export const STORY: readonly Scene[] = [
  {
    title: "Two load balancers start",
    text: "kad1 is to hold the address for writes, kad2 the one for reads; each checks all three servers.",
    play: start,
  },
  {
    title: "Connections spread over the readers",
    text: "The article's file says persistence_timeout 1: many clients are spread, one client stays where it is.",
    play: connections,
  },
  {
    title: "A switchover at Patroni",
    text: "The primary steps down, another one is promoted; a client inserts all the while, a new connection each time.",
    play: switchover,
  },
  {
    title: "kad1 dies: kill -9 of everything",
    text: "No process is left that could clean up: the kernel itself takes the address away when its lease ends.",
    play: kill,
  },
  { title: "kad1 is started again", text: "Its priority is higher: it takes the address back.", play: restart },
  {
    title: "kad1 loses its link",
    text: "The cable is pulled: kad1 notices and gives its addresses up, kad2 misses its adverts.",
    play: unplug,
  },
  { title: "kad1's link returns", text: "It listens first, then takes the address back.", play: plug },
];
