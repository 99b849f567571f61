import { beforeEach, describe, expect, test } from "vitest";
import { destinationId } from "../../src/plan/keys.ts";
import type { Operation, ServiceKey } from "../../src/plan/types.ts";
import { NO_TUNNEL } from "../lab/ipvsDefaults.ts";
import { hostIp } from "../sim/healthRig.ts";
import type { Director } from "../sim/joint/director.ts";
import { jointPending } from "../sim/joint/pending.ts";
import { MainThread } from "../sim/joint/thread.ts";
import { JointWorld } from "../sim/joint/world.ts";
import { calmOptions } from "../sim/vrrp/options.ts";
import type { Seat } from "../sim/vrrp/seat.ts";
import type { StoredAddress, StoredLink } from "../sim/vrrp/simKernel.ts";

/** Each invariant over addresses and tables of both directors is shown a history that is right and one that is wrong. */

const SECOND = 1e6;
const CALM = (({ faultEvery, lan }) => ({ faultEvery, lan }))(calmOptions(1));

/** A world at rest, whose history a test then makes wrong; its write service with ha_suspend or without. */
function settled(haSuspend: boolean): JointWorld {
  for (let seed = 1; ; seed++) {
    const world = new JointWorld(seed, CALM);
    if (world.services[0]?.haSuspend !== haSuspend) continue;
    for (const { router } of world.directors) router.start(0);
    world.vrrp.runUntil(60 * SECOND);
    expect(jointPending(world)).toEqual([]);
    return world;
  }
}

let world: JointWorld;
let writers: ServiceKey;
let holder: Director;
let other: Director;
let primary: number;

function begin(haSuspend: boolean): void {
  world = settled(haSuspend);
  const { directors, services, patroni } = world;
  writers = services[0]?.targets[0] as ServiceKey;
  holder = directors.find(({ router }) => router.answersFor(hostIp(10), 0)) as Director;
  other = directors.find((director) => director !== holder) as Director;
  primary = patroni.leader().host;
}
beforeEach(() => begin(false));

/** A row as somebody writes it whom nobody knows of. */
const row = (
  host: number,
  weight: number,
  kind: "addDestination" | "editDestination" = "editDestination",
): Operation => ({
  ...{ kind, service: writers, destination: { address: hostIp(host), port: 5432 } },
  attributes: { weight, forwarding: "route", upperThreshold: 0, lowerThreshold: 0, ...NO_TUNNEL },
});

function write(director: Director, host: number, weight: number): void {
  const known = director.kernel.weights(world.services[0]?.name ?? "").has(rowId(host));
  director.kernel.administrator(row(host, weight, known ? "editDestination" : "addDestination"));
}
const rowId = (host: number) => destinationId({ address: hostIp(host), port: 5432 });
const replica = (): number => [3, 4, 5].find((host) => host !== primary) as number;

describe("at the holder of the address", () => {
  test("a second writer is seen, at the other director it is nobody's yet", () => {
    expect(() => write(other, replica(), 50)).not.toThrow();
    expect(() => write(holder, replica(), 50)).toThrow(/as writers/);
  });

  test("what a known hand did is not ours", () => {
    holder.touchedAtUs = world.vrrp.nowUs;
    expect(() => write(holder, replica(), 50)).not.toThrow();
  });

  test("a server with weight that was never checked is seen", () => {
    write(holder, primary, 0);
    expect(() => write(holder, 6, 50)).toThrow(/never checked/);
  });

  test("two writers are seen when the address comes to them", () => {
    write(other, replica(), 50);
    expect(() => addressComes(other)).toThrow(/as writers/);
  });

  test("an address is seen that comes before the table", () => {
    expect(() => addressComes(other)).not.toThrow();
    other.kernel.clear();
    expect(() => addressComes(other)).toThrow(/without TCP/);
  });

  test("an address is seen that comes before the first programming", () => {
    other.router.crash();
    other.router.start(0);
    expect(() => addressComes(other)).toThrow(/programmed nothing/);
  });

  function addressComes(director: Director): void {
    const seat = director.router.seats.get("V1") as Seat;
    const address = { ip: hostIp(10) } as StoredAddress;
    const link = director.router.kernel.links[0] as StoredLink;
    world.checkers.addressChanged({ router: director.router, link, address, event: "added", seat });
  }
});

describe("over both directors", () => {
  const sweep = () => world.checkers.sweep();

  test("nothing is wrong at rest", () => {
    expect(sweep).not.toThrow();
  });

  test("another writer in the other director's table is seen in a settled segment", () => {
    write(other, primary, 0);
    write(other, replica(), 50);
    expect(sweep).toThrow(new RegExp(`${rowId(primary)} is primary, ${rowId(replica())}`));
  });

  test("while the cluster moves, the directors may differ", () => {
    write(other, primary, 0);
    write(other, replica(), 50);
    world.clusterRestsAtUs = world.vrrp.nowUs;
    expect(sweep).not.toThrow();
  });

  test("a hand that is not repaired is seen; one that is, is forgotten", () => {
    other.touchedAtUs = world.vrrp.nowUs;
    write(other, primary, 0);
    world.vrrp.runUntil(world.vrrp.nowUs + 5 * SECOND);
    expect(other.touchedAtUs).toBeUndefined();
    other.touchedAtUs = world.vrrp.nowUs - 7 * SECOND;
    write(other, primary, 0);
    expect(sweep).toThrow(/has not repaired/);
  });

  test.each([
    ["which does not run", () => []],
    ["in the other role", () => other.lvs.daemons],
  ])("connection sync %s is seen at the holder", (_, daemons) => {
    holder.lvs.daemons = [...daemons()];
    expect(sweep).toThrow(/V1 is MASTER, connection sync runs as (nothing|backup)/);
  });

  test("weight under ha_suspend without the address is seen", () => {
    begin(true);
    expect(sweep).not.toThrow();
    write(other, primary, 50);
    expect(sweep).toThrow(/has not the address/);
  });

  test("what has not converged is named: a table, a holder without its writer, a daemon that has not programmed", () => {
    write(other, primary, 0);
    expect(jointPending(world).join()).toMatch(new RegExp(`${other.router.name}: TCP .* is wanted with`));
    other.router.crash();
    other.router.start(0);
    expect(jointPending(world).join()).toMatch(/has not programmed its table/);
  });
});

describe("a main thread", () => {
  test("keeps the order of messages, stands still with its process, and ends with it", () => {
    const { router } = holder;
    const thread = new MainThread(router);
    const seen: number[] = [];
    for (let number = 0; number < 20; number++) thread.post(() => seen.push(number));
    world.vrrp.runUntil(world.vrrp.nowUs + SECOND);
    expect(seen).toEqual([...Array(20).keys()]);
    router.stopped = true;
    thread.post(() => seen.push(20));
    world.vrrp.runUntil(world.vrrp.nowUs + 0.5 * SECOND);
    expect(seen).toHaveLength(20);
    router.stopped = false;
    thread.wake();
    expect(seen).toHaveLength(21);
    thread.end();
    thread.enter(() => seen.push(21));
    expect(seen).toHaveLength(21);
  });
});
