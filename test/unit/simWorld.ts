import { expect } from "vitest";
import { calmOptions } from "../sim/vrrp/options.ts";
import { pending } from "../sim/vrrp/pending.ts";
import type { Seat } from "../sim/vrrp/seat.ts";
import { World } from "../sim/vrrp/world.ts";

export const SECOND = 1e6;
export const PLAIN = {
  ...{ routers: 2, instances: 2, segments: 1, version3: 0, ipv6: 0, unicast: 0, nopreempt: 0, preemptDelay: 0 },
  ...{
    owner: 0,
    equalPriorities: 0,
    downTimers: 0,
    excluded: 0,
    authentication: 0,
    groups: 0,
    trackers: 0,
    tracking: 0,
  },
};

/** A world at rest, whose history a test then makes wrong; the first seed in which both routers have both instances. */
export function settled(changes: Partial<typeof PLAIN> = {}) {
  const seed = [...Array(200).keys()].find((candidate) => {
    const { plan } = new World(calmOptions(candidate, { ...PLAIN, ...changes }));
    return plan.instances.every(({ members }) => members.every((member) => member !== undefined));
  });
  if (seed === undefined) throw new Error("no seed has such a world");
  const world = new World(calmOptions(seed, { ...PLAIN, ...changes }));
  for (const router of world.routers) router.start(0);
  world.runUntil(60 * SECOND);
  expect(pending(world)).toEqual([]);
  const seats = world.seatsByInstance.get("V1") ?? [];
  const master = seats.find((seat) => seat.state === "MASTER") as Seat;
  const backup = seats.find((seat) => seat.state === "BACKUP") as Seat;
  return { world, master, backup };
}

export function configOf({ config }: Seat) {
  if (config === undefined) throw new Error("not configured");
  return config;
}

export const vipOf = ({ router }: Seat) => {
  const link = router.kernel.links.find(({ addresses }) => addresses.some((own) => own.validUntilUs !== undefined));
  const address = link?.addresses.find((own) => own.validUntilUs !== undefined);
  if (link === undefined || address === undefined) throw new Error("holds nothing");
  return { link, address };
};

export function packetFrom({ router, config }: Seat) {
  const source = router.kernel.links[0]?.addresses[0]?.ip;
  if (source === undefined || config === undefined) throw new Error("it has no address to send from");
  return {
    bytes: new Uint8Array(),
    datagram: {
      bytes: new Uint8Array(),
      source: undefined,
      destination: undefined,
      timeToLive: undefined,
      receivedAt: undefined,
    },
    family: 4 as const,
    source,
    destination: source,
    multicast: true,
    timeToLive: 255,
    from: router.number,
    sentAtUs: 0,
    advert: undefined,
  };
}
