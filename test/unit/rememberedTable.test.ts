import fc from "fast-check";
import { expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { RememberedTable } from "../../src/plan/rememberedTable.ts";
import type { Operation, ServiceKey } from "../../src/plan/types.ts";
import { NO_TUNNEL } from "../lab/ipvsDefaults.ts";
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
    const attributes = { weight, forwarding: "route", upperThreshold: 0, lowerThreshold: 0, ...NO_TUNNEL } as const;
    switch (kind) {
      case "addService":
      case "editService":
        return {
          kind,
          service,
          attributes: {
            scheduler: weight > 1 ? "lc" : "rr",
            persistenceTimeoutSec: weight,
            persistencePrefix: 32,
            onePacket: false,
            schedulerFlags: 0,
            persistenceEngine: "",
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
      scheduler: "rr",
      persistenceTimeoutSec: 0,
      persistencePrefix: 32,
      onePacket: false,
      schedulerFlags: 0,
      persistenceEngine: "",
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
