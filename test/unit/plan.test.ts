import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { confirmRaise, diff, type Plan } from "../../src/plan/diff.ts";
import { describeDifference } from "../../src/plan/differences.ts";
import { destinationId, existingWeights, serviceId } from "../../src/plan/keys.ts";
import { match } from "../../src/plan/matching.ts";
import { ROUNDS_MAX, reconcile } from "../../src/plan/reconcile.ts";
import type { DesiredService, KernelService, Operation, ServiceId, ServiceKey } from "../../src/plan/types.ts";
import { PLAIN_ROW, PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";

const KEY: ServiceKey = { protocol: "TCP", address: ip("10.0.2.10"), port: 5432 };
const ID = serviceId(KEY);
const NONE = new Set<string>();

/** `{3: 50, 4: 0}` = rows 10.0.2.3 and 10.0.2.4 on port 5432. */
function service(
  weights: Readonly<Record<number, number>>,
  change: Partial<DesiredService> = {},
): DesiredService & { exclusive: boolean } {
  return {
    key: KEY,
    ...PLAIN_SERVICE,
    exclusive: true,
    destinations: Object.entries(weights).map(([host, weight]) => ({
      address: ip(`10.0.2.${host}`),
      port: 5432,
      weight,
      ...PLAIN_ROW,
    })),
    ...change,
  };
}

/** A kernel that has exactly these services, without going through our own plan. */
function kernelWith(...services: readonly DesiredService[]): FakeKernel {
  const kernel = new FakeKernel();
  for (const wanted of services) {
    const { key, exclusive: _, destinations, ...attributes } = wanted;
    kernel.administrator({ kind: "addService", service: key, attributes });
    for (const { address: host, port: hostPort, ...row } of destinations) {
      const destination = { address: host, port: hostPort };
      kernel.administrator({ kind: "addDestination", service: key, destination, attributes: row });
    }
  }
  return kernel;
}

/** `lower 10.0.2.3:5432 0` style words, so that whole plans are one readable list. */
function words(operations: readonly Operation[]): string[] {
  return operations.map((operation) => {
    const row = "destination" in operation ? ` ${destinationId(operation.destination)}` : "";
    const weight =
      "attributes" in operation && "weight" in operation.attributes ? ` ${operation.attributes.weight}` : "";
    return `${operation.kind}${row}${weight}`;
  });
}

function weightsOf(kernel: FakeKernel): Record<string, number> {
  return Object.fromEntries(kernel.weights(ID));
}

describe("keys", () => {
  test("are ipvsadm's words, IPv6 in brackets", () => {
    expect(ID).toBe("TCP 10.0.2.10:5432");
    expect(serviceId({ ...KEY, address: ip("2001:db8::a") })).toBe("TCP [2001:db8::a]:5432");
    expect(destinationId({ address: ip("2001:db8::3"), port: 80 })).toBe("[2001:db8::3]:80");
  });

  test("of firewall marks are theirs, by family", () => {
    expect(serviceId({ protocol: "FWM", mark: 7, family: 4 })).toBe("FWM 7");
    expect(serviceId({ protocol: "FWM", mark: 7, family: 6 })).toBe("FWM 7 IPv6");
  });

  test("existing weights are those of every service, firewall marks too", () => {
    const marked = service({ 5: 9 }, { key: { protocol: "FWM", mark: 1, family: 4 } });
    const kernel = kernelWith(service({ 3: 50, 4: 0 }), marked).dump();
    expect(existingWeights(kernel)).toEqual(
      new Map([
        [
          ID,
          new Map([
            ["10.0.2.3:5432", 50],
            ["10.0.2.4:5432", 0],
          ]),
        ],
        ["FWM 1", new Map([["10.0.2.5:5432", 9]])],
      ]),
    );
  });
});

const planOf = (
  desired: readonly DesiredService[],
  kernel: readonly KernelService[],
  owned: ReadonlySet<ServiceId>,
): Plan => diff(match(desired, kernel), owned);

describe("diff", () => {
  test("a table that is as wanted gives no operation", () => {
    const wanted = service({ 3: 50, 4: 0 });
    expect(planOf([wanted], kernelWith(wanted).dump(), NONE)).toEqual({
      operations: [],
      raises: [],
      differences: [],
      foreign: [],
    });
  });

  test("a new exclusive service: the service, then every row with weight 0; the raise apart", () => {
    const wanted = service({ 3: 50, 4: 0 });
    const plan = planOf([wanted], [], NONE);
    expect(words(plan.operations)).toEqual([
      "addService",
      "addDestination 10.0.2.3:5432 0",
      "addDestination 10.0.2.4:5432 0",
    ]);
    expect(plan.raises).toEqual([wanted]);
  });

  test("a new service that is not exclusive is added with its weights", () => {
    const plan = planOf([service({ 3: 50, 4: 7 }, { exclusive: false })], [], NONE);
    expect(words(plan.operations)).toEqual([
      "addService",
      "addDestination 10.0.2.3:5432 50",
      "addDestination 10.0.2.4:5432 7",
    ]);
    expect(plan.raises).toEqual([]);
  });

  test("one changed weight is one operation", () => {
    const before = service({ 3: 50, 4: 50, 5: 50 }, { exclusive: false });
    const after = service({ 3: 50, 4: 0, 5: 50 }, { exclusive: false });
    expect(words(planOf([after], kernelWith(before).dump(), NONE).operations)).toEqual([
      "editDestination 10.0.2.4:5432 0",
    ]);
  });

  test("a switch of an exclusive service: the batch only lowers", () => {
    const plan = planOf([service({ 3: 0, 4: 50 })], kernelWith(service({ 3: 50, 4: 0 })).dump(), NONE);
    expect(words(plan.operations)).toEqual(["editDestination 10.0.2.3:5432 0"]);
    expect(plan.raises).toHaveLength(1);
  });

  test("no weight above 0 is ever written to an exclusive service by the batch, not even from one to another", () => {
    const plan = planOf([service({ 3: 60 })], kernelWith(service({ 3: 50, 4: 50 })).dump(), NONE);
    expect(words(plan.operations)).toEqual(["editDestination 10.0.2.4:5432 0", "deleteDestination 10.0.2.4:5432"]);
    expect(plan.raises).toHaveLength(1);
  });

  test("weight 0 comes before deletion, lowers before raises, additions between", () => {
    const before = service({ 3: 50, 4: 10, 5: 50 }, { exclusive: false });
    const after = service({ 4: 20, 5: 5, 6: 50 }, { exclusive: false });
    expect(words(planOf([after], kernelWith(before).dump(), NONE).operations)).toEqual([
      "editDestination 10.0.2.5:5432 5",
      "editDestination 10.0.2.3:5432 0",
      "addDestination 10.0.2.6:5432 50",
      "editDestination 10.0.2.4:5432 20",
      "deleteDestination 10.0.2.3:5432",
    ]);
  });

  test("keepalived's own table is adopted by edits in place", () => {
    const keepalived = service(
      { 3: 50, 4: 50, 5: 50 },
      { persistenceTimeoutSec: 1, schedulerFlags: 1, destinations: service({ 3: 50, 4: 50 }).destinations },
    );
    const plan = planOf([service({ 3: 50, 4: 0 })], kernelWith(keepalived).dump(), NONE);
    expect(words(plan.operations)).toEqual(["editService", "editDestination 10.0.2.4:5432 0"]);
    expect(plan.differences.map(describeDifference)).toEqual([
      "TCP 10.0.2.10:5432 has persistenceTimeoutSec 1, wanted 0; schedulerFlags 1, wanted 0",
      "TCP 10.0.2.10:5432: 10.0.2.4:5432 has weight 50, wanted 0",
    ]);
  });

  test("another forwarding method or threshold is an edit, never a deletion", () => {
    const found = service({ 3: 50 }, { exclusive: false });
    const rows = found.destinations.map((row) => ({ ...row, forwarding: "masq" as const, upperThreshold: 9 }));
    const plan = planOf([found], kernelWith({ ...found, destinations: rows }).dump(), NONE);
    expect(words(plan.operations)).toEqual(["editDestination 10.0.2.3:5432 50"]);
  });

  test("rows meet in whatever order the table shows them", () => {
    const all = service({ 3: 5, 4: 5, 5: 5, 6: 5 }, { exclusive: false });
    const some = fc.shuffledSubarray([...all.destinations]);
    fc.assert(
      fc.property(some, some, (wanted, there) => {
        const kernel = kernelWith({ ...all, destinations: there }).dump();
        const plan = planOf([{ ...all, destinations: wanted }], kernel, NONE);
        const missing = wanted.filter((row) => !there.includes(row)).map(destinationId);
        const unwanted = there.filter((row) => !wanted.includes(row)).map(destinationId);
        expect(new Set(words(plan.operations))).toEqual(
          new Set([
            ...missing.map((id) => `addDestination ${id} 5`),
            ...unwanted.flatMap((id) => [`editDestination ${id} 0`, `deleteDestination ${id}`]),
          ]),
        );
      }),
    );
  });

  test("foreign services stay; ours go only when we created them", () => {
    const foreign = service({ 3: 1 }, { key: { ...KEY, port: 80 } });
    const ours = service({ 3: 1 }, { key: { ...KEY, port: 81 } });
    const kernel = kernelWith(foreign, ours).dump();
    const plan = planOf([], kernel, new Set([serviceId(ours.key), "TCP 192.0.2.1:9"]));
    expect(plan.operations).toEqual([{ kind: "deleteService", service: { ...KEY, port: 81 } }]);
  });

  test("exclusive services come first", () => {
    const readers = service({ 3: 50 }, { exclusive: false, key: { ...KEY, port: 1 } });
    const kernel = kernelWith(service({ 3: 50, 4: 0 }), { ...readers, destinations: [] }).dump();
    const plan = planOf([readers, service({ 3: 0, 4: 0 })], kernel, NONE);
    expect(words(plan.operations)).toEqual(["editDestination 10.0.2.3:5432 0", "addDestination 10.0.2.3:5432 50"]);
  });

  test("two holders wanted is our own bug and throws", () => {
    expect(() => planOf([service({ 3: 50, 4: 50 })], [], NONE)).toThrow(/exclusive .* 10.0.2.3:5432 and 10.0.2.4:5432/);
  });
});

describe("confirmRaise", () => {
  const rowsOf = (weights: Readonly<Record<number, number>>) => kernelWith(service(weights)).dumpDestinations(KEY);

  test("raises when every other row is at 0", () => {
    const decision = confirmRaise(service({ 3: 0, 4: 50 }), rowsOf({ 3: 0, 4: 0, 9: 0 }));
    expect(decision.kind === "raise" && words(decision.operations)).toEqual(["editDestination 10.0.2.4:5432 50"]);
  });

  test("lowers again while another row has weight, also one that we do not know", () => {
    const decision = confirmRaise(service({ 3: 0, 4: 50 }), rowsOf({ 3: 50, 4: 0, 9: 1 }));
    expect(decision.kind === "lower" && words(decision.operations)).toEqual([
      "editDestination 10.0.2.3:5432 0",
      "editDestination 10.0.2.9:5432 0",
    ]);
  });

  test("has nothing to do when the row is alone and right, and replans when row or service is gone", () => {
    expect(confirmRaise(service({ 3: 0, 4: 50 }), rowsOf({ 3: 0, 4: 50 })).kind).toBe("settled");
    expect(confirmRaise(service({ 3: 0, 4: 50 }), rowsOf({ 3: 0 })).kind).toBe("replan");
    expect(confirmRaise(service({ 3: 0, 4: 50 }), undefined).kind).toBe("replan");
  });
});

describe("reconcile", () => {
  const before = service({ 3: 50, 4: 0 });
  const after = service({ 3: 0, 4: 50 });

  test("builds a table from nothing and then finds it in sync", () => {
    const kernel = new FakeKernel();
    const wanted = [after, service({ 3: 50, 4: 50 }, { exclusive: false, key: { ...KEY, port: 5433 } })];
    expect(reconcile(kernel, wanted, NONE)).toMatchObject({ inSync: true, rounds: 1, errors: [] });
    expect(weightsOf(kernel)).toEqual({ "10.0.2.3:5432": 0, "10.0.2.4:5432": 50 });
    expect(reconcile(kernel, wanted, NONE)).toMatchObject({ inSync: true, rounds: 1, differences: [], done: [] });
  });

  test("a switch lowers, reads again, raises", () => {
    const kernel = kernelWith(before);
    const report = reconcile(kernel, [after], NONE);
    expect(words(report.done)).toEqual(["editDestination 10.0.2.3:5432 0", "editDestination 10.0.2.4:5432 50"]);
    expect(kernel.reads).toBe(2);
    expect(report.inSync).toBe(true);
  });

  test("a row that somebody raised between the lower and the raise is lowered first", () => {
    const kernel = kernelWith(service({ 3: 50, 4: 0, 5: 0 }));
    const [, , third] = service({ 3: 0, 4: 0, 5: 9 }).destinations;
    if (third === undefined) throw new Error("no third row");
    const { address, port, ...attributes } = third;
    kernel.beforeRead = () => {
      if (kernel.reads === 2) {
        kernel.administrator({ kind: "editDestination", service: KEY, destination: { address, port }, attributes });
      }
    };
    const report = reconcile(kernel, [service({ 3: 0, 4: 50, 5: 0 })], NONE);
    expect(words(report.done)).toEqual([
      "editDestination 10.0.2.3:5432 0",
      "editDestination 10.0.2.5:5432 0",
      "editDestination 10.0.2.4:5432 50",
    ]);
    expect(report.inSync).toBe(true);
  });

  test("a lower that is refused for good leaves the raise undone", () => {
    const kernel = kernelWith(before);
    kernel.beforeOperation = (operation) =>
      "attributes" in operation && "weight" in operation.attributes && operation.attributes.weight === 0
        ? { kind: "refuse", errno: 12 }
        : undefined;
    const report = reconcile(kernel, [after], NONE);
    expect(report.inSync).toBe(false);
    expect(report.done).toEqual([]);
    expect(report.errors.map((error) => error.errno)).toEqual([12, 12]);
    expect(weightsOf(kernel)).toEqual({ "10.0.2.3:5432": 50, "10.0.2.4:5432": 0 });
  });

  test("a lower that is refused once is tried again after a dump, and only then raised", () => {
    const kernel = kernelWith(before);
    let refusals = 1;
    kernel.beforeOperation = () => (refusals-- > 0 ? { kind: "refuse", errno: 12 } : undefined);
    const report = reconcile(kernel, [after], NONE);
    expect(report).toMatchObject({ inSync: true, rounds: 2 });
    expect(weightsOf(kernel)).toEqual({ "10.0.2.3:5432": 0, "10.0.2.4:5432": 50 });
  });

  test("a batch cut short is followed by a dump and a new diff before anything is raised", () => {
    const kernel = kernelWith(service({ 3: 50, 4: 0, 5: 5 }));
    let cut = true;
    kernel.beforeOperation = (operation) => {
      if (!cut || !("destination" in operation) || operation.destination.address !== "10.0.2.5") return undefined;
      cut = false;
      return { kind: "cutBatch" };
    };
    const report = reconcile(kernel, [service({ 3: 0, 4: 50, 5: 0 })], NONE);
    expect(words(report.done)).toEqual([
      "editDestination 10.0.2.3:5432 0",
      "editDestination 10.0.2.5:5432 0",
      "editDestination 10.0.2.4:5432 50",
    ]);
    expect(report).toMatchObject({ inSync: true, rounds: 2, errors: [] });
  });

  test("lost answers: the change was made, a dump says so", () => {
    const kernel = kernelWith(before);
    let lose = true;
    kernel.beforeOperation = () => {
      const fault = lose ? ({ kind: "loseAnswers" } as const) : undefined;
      lose = false;
      return fault;
    };
    expect(reconcile(kernel, [after], NONE)).toMatchObject({ inSync: true, rounds: 2, errors: [] });
    expect(weightsOf(kernel)).toEqual({ "10.0.2.3:5432": 0, "10.0.2.4:5432": 50 });
  });

  test("a service that the kernel refuses does not keep another from its switch", () => {
    const kernel = kernelWith(before);
    const broken = service({ 3: 50 }, { key: { ...KEY, port: 1 }, exclusive: false });
    kernel.beforeOperation = (operation) =>
      "port" in operation.service && operation.service.port === 1 ? { kind: "refuse", errno: 2 } : undefined;
    const report = reconcile(kernel, [broken, after], NONE);
    expect(weightsOf(kernel)).toEqual({ "10.0.2.3:5432": 0, "10.0.2.4:5432": 50 });
    expect(report.inSync).toBe(false);
    expect(report.errors.length).toBeGreaterThan(0);
  });

  test("somebody who always works against us does not hold it for ever, and nothing is raised beside him", () => {
    const kernel = kernelWith(before);
    const [first] = before.destinations;
    if (first === undefined) throw new Error("no first row");
    const { address, port, ...attributes } = first;
    kernel.beforeRead = () =>
      kernel.administrator({ kind: "editDestination", service: KEY, destination: { address, port }, attributes });
    const report = reconcile(kernel, [after], NONE);
    expect(report).toMatchObject({ inSync: false, rounds: ROUNDS_MAX });
    expect(kernel.applied.every((operation) => words([operation])[0] === "editDestination 10.0.2.3:5432 0")).toBe(true);
  });

  test("every raise is decided on rows read from the kernel, also where a dump is remembered", () => {
    const kernel = new FakeKernel();
    const many = Array.from({ length: 20 }, (_, index) =>
      service({ 3: 50, 4: 0 }, { key: { ...KEY, port: 6000 + index } }),
    );
    expect(reconcile(kernel, many, NONE).inSync).toBe(true);
    expect(kernel.reads).toBe(21);
    expect(kernel.weights("TCP 10.0.2.10:6019").get("10.0.2.3:5432")).toBe(50);
  });
});
