import fc from "fast-check";
import { expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { serviceId } from "../../src/plan/keys.ts";
import { reconcile } from "../../src/plan/reconcile.ts";
import { RememberedTable } from "../../src/plan/rememberedTable.ts";
import type { DesiredService, Operation, ServiceKey } from "../../src/plan/types.ts";
import { PLAIN_ROW, PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";

const services: ServiceKey[] = [80, 81].map((port) => ({ protocol: "TCP", address: ip("10.0.2.10"), port }));
const rows = ["10.0.2.3", "10.0.2.4"].map((address) => ({ address: ip(address), port: 80 }));

const operation: fc.Arbitrary<Operation> = fc
  .record({
    kind: fc.constantFrom<Operation["kind"][]>(
      "addService",
      "editService",
      "deleteService",
      "addDestination",
      "editDestination",
      "deleteDestination",
    ),
    service: fc.constantFrom(...services),
    destination: fc.constantFrom(...rows),
    weight: fc.nat(3),
  })
  .map(({ kind, service, destination, weight }): Operation => {
    const attributes = { weight, ...PLAIN_ROW } as const;
    switch (kind) {
      case "addService":
      case "editService":
        return {
          kind,
          service,
          attributes: {
            ...PLAIN_SERVICE,
            scheduler: weight > 1 ? "lc" : "rr",
            persistenceTimeoutSec: weight,
          },
        };
      case "deleteService":
        return { kind, service };
      case "deleteDestination":
        return { kind, service, destination };
      default:
        return { kind, service, destination, attributes };
    }
  });

test("what is remembered is what the kernel has, after any operations, refused ones included", () => {
  fc.assert(
    fc.property(fc.array(fc.array(operation, { maxLength: 4 }), { maxLength: 12 }), (batches) => {
      const kernel = new FakeKernel();
      const table = new RememberedTable(kernel);
      for (const batch of batches) {
        table.dump();
        table.apply(batch);
        expect(table.dump()).toEqual(kernel.dump());
      }
    }),
  );
});

test("a change after a dump needs no other one; a refusal, a lost answer and `forget` do", () => {
  const kernel = new FakeKernel();
  const table = new RememberedTable(kernel);
  const [service] = services;
  if (service === undefined) throw new Error("two services are given");
  const add: Operation = {
    kind: "addService",
    service,
    attributes: {
      ...PLAIN_SERVICE,
      scheduler: "rr",
    },
  };
  table.dump();
  table.apply([add]);
  table.dump();
  expect(kernel.reads).toBe(1);
  table.apply([add]);
  table.dump();
  expect(kernel.reads).toBe(2);
  kernel.beforeOperation = () => ({ kind: "loseAnswers" });
  table.apply([{ kind: "deleteService", service }]);
  expect(table.dump()).toEqual([]);
  expect(kernel.reads).toBe(3);
  table.forget();
  table.dump();
  expect(kernel.reads).toBe(4);
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
});

test("services that are left out of the diff are as they are wanted, whatever was wanted before and failed", () => {
  const owned = new Set(services.map(serviceId));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const kernel = new FakeKernel();
      const table = new RememberedTable(kernel);
      for (const { wanted, fault, unreadable, hand } of steps) {
        if (hand !== null) {
          kernel.administrator({ kind: "deleteService", service: hand });
          table.forget();
        }
        let asked = 0;
        kernel.beforeOperation = () => {
          if (fault === null || asked++ !== fault.at) return undefined;
          return fault.kind === "refuse" ? { kind: "refuse", errno: 12 } : { kind: fault.kind };
        };
        const desired = wanted.filter((service) => service !== null);
        kernel.beforeRead = (service) => {
          if (unreadable && service !== undefined) throw new Error("unreadable");
        };
        if (!inSyncAfter(() => reconcile(table, desired, owned))) continue;
        kernel.beforeRead = () => undefined;
        const shown = kernel
          .dump()
          .map(({ key, destinations }): readonly unknown[] => [serviceId(key), weightsOf(destinations)]);
        const expected = desired.map(({ key, destinations }) => [serviceId(key), weightsOf(destinations)]);
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
  const { desired, kernel } = table.pending(after);
  expect(desired).toEqual([after[40]]);
  expect(kernel.map(({ key }) => key)).toEqual([keys[40]]);
  expect(reconcile(table, after, owned).done).toHaveLength(1);
  expect(table.pending(after.slice(1)).kernel.map(({ key }) => key)).toEqual([keys[0]]);
  table.forget();
  expect(table.pending(after).kernel).toHaveLength(100);
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
