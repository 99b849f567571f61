import fc from "fast-check";
import { expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { serviceId } from "../../src/plan/keys.ts";
import { reconcile } from "../../src/plan/reconcile.ts";
import { RememberedTable } from "../../src/plan/rememberedTable.ts";
import type { DesiredService, ServiceKey } from "../../src/plan/types.ts";
import { PLAIN_ROW, PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";

const services: ServiceKey[] = [80, 81, 82].map((port) => ({ protocol: "TCP", address: ip("10.0.2.10"), port }));
const rows = ["10.0.2.3", "10.0.2.4"].map((address) => ({ address: ip(address), port: 80 }));

const wantedService = (key: ServiceKey, weights: readonly number[], exclusive = false): DesiredService => ({
  key,
  ...PLAIN_SERVICE,
  scheduler: "rr",
  exclusive,
  destinations: rows.flatMap((row, index) => {
    const weight = weights[index];
    const attributes = { ...PLAIN_ROW } as const;
    return weight === undefined ? [] : [{ ...row, weight, ...attributes }];
  }),
});

test("a change on top of what was settled needs no dump; after a refusal, a lost answer and `forget` the kernel is asked", () => {
  const kernel = new FakeKernel();
  const table = new RememberedTable(kernel);
  const owned = new Set(services.map(serviceId));
  const [key] = services;
  if (key === undefined) throw new Error("services are given");
  const readsOf = (...weights: number[]): number => {
    const before = kernel.reads;
    reconcile(table, [wantedService(key, weights)], owned);
    return kernel.reads - before;
  };
  expect(readsOf(1)).toBe(1);
  expect(readsOf(2, 2)).toBe(0);
  kernel.beforeOperation = () => ({ kind: "refuse", errno: 12 });
  // The round that was refused, and the one that tried again.
  expect(readsOf(3, 3)).toBe(2);
  kernel.beforeOperation = () => undefined;
  expect(readsOf(4, 4)).toBe(1);
  let answers = 1;
  kernel.beforeOperation = () => (answers-- > 0 ? { kind: "loseAnswers" } : undefined);
  expect(readsOf(5, 5)).toBe(1);
  expect(readsOf(6)).toBe(0);
  table.forget();
  expect(readsOf(6)).toBe(1);
});

test("rows for the decision on a raise are always the kernel's own", () => {
  const kernel = new FakeKernel();
  const table = new RememberedTable(kernel);
  table.dump();
  const [service] = services;
  if (service === undefined) throw new Error("two services are given");
  expect(table.dumpDestinations(service)).toBeUndefined();
  expect(kernel.reads).toBe(2);
});

/** By service: its objects come again and again, in any order. */
const variants: readonly (readonly DesiredService[])[] = services.map((key, index) =>
  [[0, 0], [5], [5, 0], [0, 5], []].map((weights) => wantedService(key, weights, index === 1)),
);

const step = fc.record({
  wanted: fc.tuple(...variants.map((each) => fc.option(fc.constantFrom(...each)))),
  fault: fc.option(
    fc.record({ at: fc.nat(3), kind: fc.constantFrom("refuse" as const, "loseAnswers" as const, "cutBatch" as const) }),
    { freq: 3 },
  ),
  /** The kernel does not tell the rows on which a raise is decided. */
  unreadable: fc.boolean(),
  /** Somebody takes a service away, and the repair finds it. */
  hand: fc.option(fc.constantFrom(...services), { freq: 4 }),
  /** The configuration names them in another order. */
  order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
  /** Keys of their own, as of a configuration that was read anew. */
  anew: fc.boolean(),
});

test("services that are left out of the diff are as they are wanted, whatever was wanted before and failed", () => {
  const owned = new Set(services.map(serviceId));
  const foreign = wantedService({ protocol: "FWM", mark: 1, family: 4 }, [7]);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const kernel = new FakeKernel();
      reconcile(kernel, [foreign], new Set());
      const table = new RememberedTable(kernel);
      for (const { wanted, fault, unreadable, hand, order, anew } of steps) {
        if (hand !== null) {
          kernel.administrator({ kind: "deleteService", service: hand });
          table.forget();
        }
        let asked = 0;
        kernel.beforeOperation = () => {
          if (fault === null || asked++ !== fault.at) return undefined;
          return fault.kind === "refuse" ? { kind: "refuse", errno: 12 } : { kind: fault.kind };
        };
        const desired = order
          .flatMap((index) => wanted[index] ?? [])
          .map((service) => (anew ? structuredClone(service) : service));
        kernel.beforeRead = (service) => {
          if (unreadable && service !== undefined) throw new Error("unreadable");
        };
        if (!inSyncAfter(() => reconcile(table, desired, owned))) continue;
        kernel.beforeRead = () => undefined;
        const shown = kernel
          .dump()
          .map(({ key, destinations }): readonly unknown[] => [serviceId(key), weightsOf(destinations)]);
        const expected = [...desired, foreign].map(({ key, destinations }) => [
          serviceId(key),
          weightsOf(destinations),
        ]);
        expect(new Map(shown as [string, unknown][])).toEqual(new Map(expected as [string, unknown][]));
      }
    }),
    { numRuns: 300 },
  );
});

test("what a switch has left half written is compared again, also when the old holder is wanted as before", () => {
  const kernel = new FakeKernel();
  const table = new RememberedTable(kernel);
  const [first, second] = [
    [5, 0],
    [0, 5],
  ].map((weights) => wantedService(services[0] as ServiceKey, weights, true));
  if (first === undefined || second === undefined) throw new Error("two are given");
  const owned = new Set(services.map(serviceId));
  const weights = (): object => weightsOf(kernel.dump()[0]?.destinations ?? []);
  reconcile(table, [first], owned);
  kernel.beforeRead = (service) => {
    if (service !== undefined) throw new Error("unreadable");
  };
  expect(() => reconcile(table, [second], owned)).toThrow("unreadable");
  expect(weights()).toEqual({ "10.0.2.3": 0, "10.0.2.4": 0 });
  kernel.beforeRead = () => undefined;
  reconcile(table, [first], owned);
  expect(weights()).toEqual({ "10.0.2.3": 5, "10.0.2.4": 0 });
});

test("a change of one service looks at its rows alone, and at everything again once it was forgotten", () => {
  const keys = Array.from(
    { length: 100 },
    (_, index): ServiceKey => ({ protocol: "TCP", address: ip("10.0.2.10"), port: index + 1 }),
  );
  const before = keys.map((key) => wantedService(key, [5, 5]));
  const after = before.map((service, index) => (index === 40 ? wantedService(service.key, [5, 6]) : service));
  const table = new RememberedTable(new FakeKernel());
  const owned = new Set(keys.map(serviceId));
  reconcile(table, before, owned);
  const remembering = new RememberedTable(new FakeKernel());
  remembering.settle(before, []);
  expect(remembering.match(after)).toEqual({ wanted: [after[40]], found: [before[40]], unwanted: [] });
  expect(remembering.match(after)).toMatchObject({ wanted: { length: 100 }, unwanted: [] });
  expect(reconcile(table, after, owned).done).toHaveLength(1);
  expect(reconcile(table, after.slice(1), owned).done).toEqual([{ kind: "deleteService", service: keys[0] }]);
});

function weightsOf(destinations: readonly { readonly address: string; readonly weight: number }[]): object {
  return Object.fromEntries(destinations.map(({ address, weight }) => [address, weight]));
}

function inSyncAfter(pass: () => { readonly inSync: boolean }): boolean {
  try {
    return pass().inSync;
  } catch {
    return false;
  }
}
