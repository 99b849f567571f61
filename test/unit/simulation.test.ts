import { expect, test } from "vitest";
import { milliseconds, seconds } from "../../src/core/units.ts";
import type { DriverModules } from "../../src/workers/vrrp/driver.ts";
import { VrrpDriver } from "../../src/workers/vrrp/driver.ts";
import { Dice } from "../sim/dice.ts";
import { Lan } from "../sim/vrrp/lan.ts";
import { pending } from "../sim/vrrp/pending.ts";
import { simulate } from "../sim/vrrp/simulate.ts";
import { packetFrom, SECOND, settled } from "./simWorld.ts";

/** When each of a thousand packets arrives on a LAN that a test has given its trouble, in µs behind the sending. */
function arrivalsUs(trouble: (lan: Lan) => void): number[] {
  const sent = packetFrom(settled().backup);
  const options = {
    ...{ delayMin: milliseconds(0.1), delayMax: milliseconds(14), reorderDelay: seconds(1) },
    ...{ loss: 0.5, duplicate: 0.5, reorder: 0.5 },
  };
  const arrivals: number[] = [];
  const modules = {
    dice: new Dice(1),
    intervalMin: milliseconds(10),
    push: (atUs: number) => arrivals.push(atUs),
    nowUs: () => 0,
  };
  const lan = new Lan(2, options, modules);
  lan.attach({ router: 1 - sent.from, has: () => true, arrive: () => undefined });
  trouble(lan);
  for (let count = 0; count < 1_000; count++) lan.transmit(sent);
  return arrivals;
}

// Seed 412307205: adverts every 10 ms on a LAN that delayed each by up to 14 ms made backups take over for ever.
test("on a LAN at rest nothing is lost, doubled, or later than another by more than half of the shortest interval", () => {
  const arrivals = arrivalsUs((lan) => {
    lan.atRest = true;
  });
  expect(arrivals).toHaveLength(1_000);
  expect(Math.max(...arrivals)).toBeLessThanOrEqual(100 + 5_000);
  expect(Math.max(...arrivals)).toBeGreaterThan(4_000);
});

// Seed 677741895: two routers that never heard each other, without any cut, were both MASTER.
test("losses on a LAN do not add up to a cut", () => {
  const arrivals = arrivalsUs((lan) => {
    lan.lossMore = 1.1;
  });
  expect(arrivals.length).toBeGreaterThan(200);
});

test("a world without MASTER does not converge", () => {
  const { world, master } = settled();
  master.state = "BACKUP";
  expect(pending(world).join()).toMatch(/V1 has no MASTER/);
});

test("a driver that forgets to release fails the whole simulation, and its seed is told", () => {
  class KeepsItsAddresses extends VrrpDriver {
    constructor(modules: DriverModules) {
      const { host } = modules;
      const keeping = new Proxy(host, {
        get: (target, key) => {
          const value = Reflect.get(target, key, target);
          if (typeof value !== "function") return value;
          if (key !== "applyAddresses") return value.bind(target);
          return (changes: Parameters<typeof host.applyAddresses>[0]) => {
            const kept = [...host.applyAddresses(changes.filter(({ kind }) => kind === "set"))];
            return changes.map(({ kind }) => (kind === "set" ? (kept.shift() ?? { ok: true }) : { ok: true }));
          };
        },
      });
      super({ ...modules, host: keeping });
    }
  }
  const result = simulate({
    seed: 4,
    hours: 2,
    makeDriver: (modules) => new KeepsItsAddresses(modules),
    realMs: () => 0,
    cpuMs: () => 1,
  });
  expect(result.failure).toMatchObject({ kind: "safety", message: expect.stringContaining("addresses only where") });
  expect(result.options.seed).toBe(4);
});

test("a router that was told to stop while it had no processor starts again behind its end (seed 226124820)", () => {
  const { world, master } = settled();
  const { router } = master;
  const { process } = router;
  router.stopped = true;
  router.stop();
  router.startAgain(0);
  expect(router.process).toBe(process);
  router.stopped = false;
  router.wake();
  world.runUntil(world.nowUs + 60 * SECOND);
  expect(router.process).not.toBe(process);
  expect(pending(world)).toEqual([]);
});
