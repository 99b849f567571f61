import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AddressWatch, wallClockMs } from "../lab/addressWatch.ts";
import {
  type ArticleNetwork,
  type BalancerName,
  CLIENT_ADDRESS,
  createArticleNetwork,
  PREFIX_LENGTH,
  READ_VIP,
  SERVICE_PORT,
  WRITE_VIP,
} from "../lab/articleNetwork.ts";
import { type LabCluster, startStandIns } from "../lab/cluster.ts";
import { ARTICLE_FOLDER, Holdfast } from "../lab/holdfast.ts";
import { readTable, weighted } from "../lab/ipvsTable.ts";
import { Keepalived } from "../lab/keepalived.ts";
import { READ_SERVICE, WRITE_SERVICE } from "../lab/lab.ts";
import { type Program, startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

const TIMEOUT_MS = 180_000;
const READERS = 9;
const WRITERS = 3;

/**
 * The replacement of keepalived by holdfast, host by host, as the administrator's page describes it:
 *
 * 1. On both hosts the kernel's own connection synchronisation is switched on, with `sloppy_tcp` for connections too
 *    quiet to have been told: a director then knows the sessions that come to it with an address.
 * 2. On one host keepalived is made the last choice by a reload (`state BACKUP`, `priority 1`): the addresses go while its
 *    virtual servers stay. Stopped at once it would remove both in any order, and answer resets in between.
 * 3. keepalived is stopped there, holdfast started with the unchanged file. It takes back what its priority says.
 * 4. The same on the other host.
 */
requires(
  "netns",
  "ipvs",
  "keepalived",
  "ipvsadm",
)("keepalived replaced by holdfast, host by host", () => {
  let network: ArticleNetwork;
  let cluster: LabCluster;
  let addresses: AddressWatch;
  let writers: Program<"sessions">;
  let readers: Program<"sessions">;
  const keepalived = new Map<BalancerName, Keepalived>();
  const holdfast = new Map<BalancerName, Holdfast>();
  const file = (name: BalancerName): string => join(ARTICLE_FOLDER, `${name}.conf`);

  const waitForHolder = async (address: string, host: BalancerName): Promise<void> => {
    await waitFor(() => addresses.holders(address).join() === host, {
      what: `${address} at ${host} alone`,
      timeoutMs: TIMEOUT_MS,
      found: () => ({
        holders: addresses.holders(address),
        logs: [...keepalived.values(), ...holdfast.values()].map((daemon) => daemon.process.output.slice(-3_000)),
      }),
    });
  };
  const waitForTable = async (name: BalancerName): Promise<void> => {
    await waitFor(
      async () => {
        const table = await readTable(network.balancers[name]);
        return weighted(table, WRITE_SERVICE).length === 1 && weighted(table, READ_SERVICE).length === 3;
      },
      { what: `a whole table at ${name}`, timeoutMs: TIMEOUT_MS, intervalMs: 100 },
    );
  };
  /** Every session answers once more, through whoever carries it now; none has ended. */
  const expectAllAlive = async (): Promise<void> => {
    for (const [program, count] of [
      [writers, WRITERS],
      [readers, READERS],
    ] as const) {
      const answered = (): number => program.lines().filter((line) => line.kind === "answered").length;
      const before = answered();
      program.process.signal("SIGUSR1");
      await waitFor(() => answered() >= before + count || program.lines().some((line) => line.kind === "ended"), {
        what: "an answer in every session",
        timeoutMs: TIMEOUT_MS,
        found: () => ({ answered: answered() - before, count }),
      });
      expect(program.lines().filter((line) => line.kind === "ended")).toEqual([]);
    }
  };

  beforeAll(async () => {
    network = await createArticleNetwork("replace");
    cluster = await startStandIns(network);
    addresses = await AddressWatch.start(Object.values(network.balancers));
    for (const name of ["kad1", "kad2"] as const) {
      keepalived.set(name, await Keepalived.start(network.balancers[name], file(name)));
    }
    await waitForHolder(WRITE_VIP, "kad1");
    await waitForHolder(READ_VIP, "kad2");
    await waitForTable("kad1");
    await waitForTable("kad2");
    const clients = [1, 2, 3, 4, 5].map((number) => CLIENT_ADDRESS.replace(/\d+$/, String(100 + number)));
    await network.client.ipBatch(clients.map((address) => `address add ${address}/${PREFIX_LENGTH} dev eth0`));
    const open = (address: string, count: number): Promise<Program<"sessions">> =>
      startProgram(network.client, "sessions", [address, SERVICE_PORT, "postgres", "postgres", count, 200, ...clients]);
    writers = await open(WRITE_VIP, WRITERS);
    readers = await open(READ_VIP, READERS);
    await waitFor(() => writers.lines().length === WRITERS && readers.lines().length === READERS, {
      what: "open sessions",
      timeoutMs: TIMEOUT_MS,
      found: () => [...writers.lines(), ...readers.lines()],
    });
    await expectAllAlive();
  });
  afterAll(async () => {
    await writers?.stop();
    await readers?.stop();
    for (const daemon of [...holdfast.values(), ...keepalived.values()]) await daemon.stop();
    await addresses?.stop();
    await cluster?.stop();
    network?.remove();
  });

  const replace = async (name: BalancerName, other: BalancerName, own: string): Promise<void> => {
    const old = keepalived.get(name);
    if (old === undefined) throw new Error(`no keepalived on ${name}`);
    old.resignByReload();
    await waitForHolder(own, other);
    await expectAllAlive();

    keepalived.delete(name);
    await old.stop();
    await expectAllAlive();

    const daemon = await Holdfast.start(network.balancers[name], file(name));
    holdfast.set(name, daemon);
    await daemon.ready();
    await waitForHolder(own, name);
    await expectAllAlive();
  };

  test("the sessions live through all of it, and the addresses end where the files put them", async () => {
    for (const host of Object.values(network.balancers)) {
      // Each packet is told, not every fiftieth: a quiet session has few.
      await host.setSysctl("net.ipv4.vs.sync_threshold", "0 1");
      await host.setSysctl("net.ipv4.vs.sloppy_tcp", 1);
      for (const role of ["master", "backup"]) {
        await host.exec("ipvsadm", ["--start-daemon", role, "--mcast-interface", "eth0", "--syncid", "1"]);
      }
    }
    await expectAllAlive();
    await replace("kad1", "kad2", WRITE_VIP);
    await replace("kad2", "kad1", READ_VIP);
    expect(addresses.holders(WRITE_VIP)).toEqual(["kad1"]);
    expect(addresses.holders(READ_VIP)).toEqual(["kad2"]);
  });
});

/** Each program in each role beside the other, with the article's files: the other one takes over, and gives back. */
requires(
  "netns",
  "ipvs",
  "keepalived",
)("holdfast beside keepalived", () => {
  let network: ArticleNetwork;
  let cluster: LabCluster;
  let addresses: AddressWatch;
  let ours: Holdfast;
  let theirs: Keepalived;

  const waitForHolder = async (address: string, host: BalancerName): Promise<void> => {
    await waitFor(() => addresses.holders(address).join() === host, {
      what: `${address} at ${host} alone`,
      timeoutMs: TIMEOUT_MS,
      found: () => ({ holders: addresses.holders(address), log: theirs.process.output.slice(-3_000) }),
    });
  };

  beforeAll(async () => {
    network = await createArticleNetwork("interop");
    cluster = await startStandIns(network);
    addresses = await AddressWatch.start(Object.values(network.balancers));
    ours = await Holdfast.start(network.balancers.kad1, join(ARTICLE_FOLDER, "kad1.conf"));
    theirs = await Keepalived.start(network.balancers.kad2, join(ARTICLE_FOLDER, "kad2.conf"));
    await waitForHolder(WRITE_VIP, "kad1");
    await waitForHolder(READ_VIP, "kad2");
  });
  afterAll(async () => {
    await ours?.stop();
    await theirs?.stop();
    await addresses?.stop();
    await cluster?.stop();
    network?.remove();
  });

  test("MASTER is BACKUP's master in both directions, and nobody complains about the other's adverts", async () => {
    const status = await ours.status();
    const state = (name: string): unknown => status.vrrp.instances.find((instance) => instance.name === name);
    expect(state("PGRW")).toMatchObject({ state: "MASTER", priority: 150 });
    expect(state("PGRO")).toMatchObject({ state: "BACKUP", master: { address: "10.0.2.2", priority: 150 } });
    // What the protocol itself passes over while the roles settle; anything else would be a fault of one of the two.
    const reasons = Object.keys(status.vrrp.discarded);
    expect(reasons.filter((reason) => reason !== "lowerPriority" && reason !== "notStarted")).toEqual([]);
    expect(theirs.process.output).not.toMatch(/bogus|mismatch|discard|invalid/i);
  });

  test("keepalived stops: holdfast takes the readers' address, and gives it back", async () => {
    const atMs = wallClockMs();
    await theirs.stop();
    await waitForHolder(READ_VIP, "kad1");
    theirs = await Keepalived.start(network.balancers.kad2, join(ARTICLE_FOLDER, "kad2.conf"));
    await waitForHolder(READ_VIP, "kad2");
    // Handed over by an advert, so never for longer than its way takes, which is long on an emulated processor.
    expect(addresses.doubleHoldMs(READ_VIP, atMs)).toBeLessThan(1_000);
  });

  test("holdfast stops: keepalived takes the writers' address within the skew time; holdfast takes it back", async () => {
    const atMs = wallClockMs();
    await ours.stop();
    await waitForHolder(WRITE_VIP, "kad2");
    const left = addresses.first("kad1", WRITE_VIP, false, atMs);
    const taken = addresses.first("kad2", WRITE_VIP, true, atMs);
    expect(left?.atMs).toBeLessThanOrEqual(taken?.atMs ?? 0);
    // (256 - 100) / 256 s after the priority-0 advert, not the 3.6 s of a router that vanished.
    expect((taken?.atMs ?? 0) - (left?.atMs ?? 0)).toBeLessThan(2_500);
    ours = await Holdfast.start(network.balancers.kad1, join(ARTICLE_FOLDER, "kad1.conf"));
    await waitForHolder(WRITE_VIP, "kad1");
  });
});
