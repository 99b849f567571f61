import { beforeEach, describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/core/errors.ts";
import { ip } from "../../src/core/ip.ts";
import { instantUs, milliseconds, type Us } from "../../src/core/units.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { TableOwner } from "../../src/daemon/tableOwner.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import type { DesiredDestination, DesiredService, IpvsTable, ServiceId, ServiceKey } from "../../src/plan/types.ts";
import { PLAIN_ROW, PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";

const silent = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

/** Everything around a table's owner that a daemon gives it, with a clock that the test moves. */
function world(open?: () => IpvsTable) {
  const kernel = new FakeKernel();
  const stored: ServiceId[][] = [];
  /** While it is full nothing more is remembered. */
  const store = { full: false };
  const waiting = new Set<{ at: Us; call: () => void }>();
  let now = 0;
  const logger = { ...silent, child: () => logger };
  const events = new EventLog({ logger, wallMs: () => 0 });
  const owner = new TableOwner(
    { repairInterval: milliseconds(2_000) },
    {
      open: open ?? (() => kernel),
      store: {
        readOwnedServices: () => new Set(stored.at(-1) ?? []),
        writeOwnedServices: (owned) => {
          if (store.full) throw new HoldfastError("storeFull", "no space left");
          stored.push([...owned]);
        },
      },
      events,
      clock: { nowUs: () => instantUs(now) },
      timers: {
        at: (at, call) => {
          const entry = { at, call };
          waiting.add(entry);
          return () => void waiting.delete(entry);
        },
      },
    },
  );
  const advance = (to: number): void => {
    now = to;
    for (const entry of [...waiting].filter(({ at }) => at <= to)) {
      if (waiting.delete(entry)) entry.call();
    }
  };
  return { kernel, owner, events, store, stored, waiting, advance, nowUs: () => now };
}

const reader: DesiredService = {
  key: { protocol: "TCP", address: ip("10.0.2.11"), port: 5432 },
  ...PLAIN_SERVICE,
  exclusive: false,
  destinations: ["10.0.2.3", "10.0.2.4"].map((address) => ({
    address: ip(address),
    port: 5432,
    weight: 50,
    ...PLAIN_ROW,
  })),
};
const [row] = reader.destinations as [DesiredDestination];
const foreign: DesiredService = { ...reader, key: { ...reader.key, port: 80 } as ServiceKey, destinations: [] };

describe("the table's owner", () => {
  let at: ReturnType<typeof world>;
  beforeEach(() => {
    at = world();
  });

  test("claims a service before it creates it, so that a crash in between leaves no row that nobody knows", () => {
    let claimedFirst = false;
    at.kernel.beforeOperation = (operation) => {
      if (operation.kind === "addService") claimedFirst = at.stored.at(-1)?.includes(serviceId(reader.key)) ?? false;
      return undefined;
    };
    at.owner.program([reader], "start");
    expect(claimedFirst).toBe(true);
    expect(at.owner.serviceState(serviceId(reader.key))).toEqual({ drifts: 0, inSync: true });
  });

  test("nothing is created whose claim cannot be kept; it is tried again, with the same services", () => {
    at.store.full = true;
    at.owner.program([reader], "start");
    at.owner.program([reader], "change");
    expect(at.kernel.dump()).toEqual([]);
    at.store.full = false;
    at.owner.program([reader], "change");
    expect(at.kernel.dump()).toHaveLength(1);
    expect(at.stored.at(-1)).toEqual([serviceId(reader.key)]);
  });

  test("one service in the place of another is another: that one is removed and forgotten", () => {
    at.owner.program([reader], "start");
    at.owner.program([foreign], "change");
    expect(at.kernel.dump().map(({ key }) => key)).toEqual([foreign.key]);
    expect(at.stored.at(-1)).toEqual([serviceId(foreign.key)]);
  });

  test("tells the rows of every service that it is asked for, of one that is not there none, and nothing without a table", () => {
    expect(at.owner.rows([reader.key])).toBeUndefined();
    at.owner.program([reader], "start");
    const rows = at.owner.rows([reader.key, foreign.key]);
    expect(rows?.get(serviceId(reader.key))?.get("10.0.2.3:5432")).toEqual({ weight: 50, connections: 0 });
    expect([...(rows?.get(serviceId(foreign.key)) ?? ["missing"])]).toEqual([]);
  });

  test("repairs what an administrator did within one interval, counts it, and says what was found", () => {
    at.owner.program([reader], "start");
    at.owner.watch(() => [reader]);
    at.kernel.clear();
    at.advance(2_000_000);
    expect(at.kernel.dump()).toHaveLength(1);
    expect(at.owner.serviceState(serviceId(reader.key)).drifts).toBe(1);
    expect(at.events.latest().at(-1)).toMatchObject({ kind: "drift" });
    expect(at.events.latest().at(-1)?.message).toContain("10.0.2.11:5432 is missing");
    at.kernel.clear();
    at.advance(4_000_000);
    expect(at.owner.serviceState(serviceId(reader.key)).drifts).toBe(2);
  });

  test("a pause leaves the table to an administrator: no repair, no programming; it ends by itself, and then all is as wanted", () => {
    at.owner.program([reader], "start");
    let wanted = [reader];
    at.owner.watch(() => wanted);
    at.owner.pauseRepair(instantUs(9_000_000));
    at.kernel.clear();
    wanted = [{ ...reader, destinations: reader.destinations.slice(1) }];
    at.owner.program(wanted, "change");
    at.advance(4_000_000);
    at.advance(8_000_000);
    expect(at.kernel.dump()).toEqual([]);
    expect(at.owner.serviceState(serviceId(reader.key))).toEqual({ drifts: 0, inSync: false });
    expect(at.owner.pausedUntil).toBe(9_000_000);
    at.advance(9_000_000);
    expect(at.owner.pausedUntil).toBeUndefined();
    expect([...at.kernel.weights(serviceId(reader.key))]).toEqual([["10.0.2.4:5432", 50]]);
    // What was done in the pause was allowed: no drift.
    expect(at.owner.serviceState(serviceId(reader.key))).toEqual({ drifts: 0, inSync: true });
    expect(at.events.latest().map(({ kind }) => kind)).toEqual([
      "programmed",
      "repairPaused",
      "repairResumed",
      "programmed",
    ]);
  });

  test("a pause that is ended early is over at once, and its end does not come a second time", () => {
    at.owner.program([reader], "start");
    at.owner.watch(() => [reader]);
    at.owner.pauseRepair(instantUs(9_000_000));
    at.kernel.clear();
    at.owner.pauseRepair(undefined);
    expect(at.kernel.dump()).toHaveLength(1);
    at.advance(9_000_000);
    expect(at.events.latest().filter(({ kind }) => kind === "repairResumed")).toHaveLength(1);
  });

  test("a pause that ends before the first programming removes nothing that an earlier life left", () => {
    at.owner.program([reader], "start");
    const { kernel, events, stored } = at;
    const timers: (() => void)[] = [];
    const next = new TableOwner(
      { repairInterval: milliseconds(2_000) },
      {
        open: () => kernel,
        store: { readOwnedServices: () => new Set(stored.at(-1) ?? []), writeOwnedServices: () => undefined },
        events,
        clock: { nowUs: () => instantUs(0) },
        timers: {
          at: (_, call) => {
            timers.push(call);
            return () => undefined;
          },
        },
      },
    );
    next.existingWeights([reader]);
    next.pauseRepair(instantUs(1_000_000));
    for (const call of timers) call();
    expect(kernel.dump()).toHaveLength(1);
  });

  test("a table that was left to a successor is not written, whatever becomes of a pause", () => {
    at.owner.program([reader], "start");
    at.owner.watch(() => [reader]);
    at.owner.pauseRepair(instantUs(9_000_000));
    at.owner.leave();
    at.kernel.clear();
    at.advance(20_000_000);
    at.owner.pauseRepair(undefined);
    at.owner.pauseRepair(instantUs(21_000_000));
    at.advance(30_000_000);
    expect(at.kernel.dump()).toEqual([]);
    expect(at.waiting.size).toBe(0);
  });

  test("the end takes our services out of the table in a pause, too", () => {
    at.owner.program([reader], "start");
    at.owner.pauseRepair(instantUs(9_000_000));
    at.owner.clear();
    expect(at.kernel.dump()).toEqual([]);
  });

  test("leaves foreign services alone while it runs and when it stops, and removes its own", () => {
    at.kernel.administrator({ kind: "addService", service: foreign.key, attributes: foreign });
    at.owner.program([reader], "start");
    at.owner.clear();
    expect(at.kernel.dump().map((service) => service.key)).toMatchObject([{ port: 80 }]);
    expect(at.stored.at(-1)).toEqual([]);
  });

  test("weights at a reload, and what goes with everything at the end, are the kernel's own, not remembered ones", () => {
    at.owner.program([reader], "start");
    at.kernel.administrator({ kind: "addService", service: foreign.key, attributes: foreign });
    at.kernel.administrator({ kind: "addDestination", service: foreign.key, destination: row, attributes: row });
    const unknown = { ...reader.key, port: 82 } as ServiceKey;
    expect(at.owner.weightsOf([foreign.key, unknown])).toEqual(
      new Map([[serviceId(foreign.key), new Map([[destinationId(row), row.weight]])]]),
    );
    const another = { ...reader.key, port: 81 } as ServiceKey;
    at.kernel.administrator({ kind: "addService", service: another, attributes: PLAIN_SERVICE });
    at.owner.clear(true);
    expect(at.kernel.dump()).toEqual([]);
  });

  test("removes at start what an earlier life created and the configuration no longer has", () => {
    at.owner.program([reader], "start");
    at.owner.program([], "reload");
    expect(at.kernel.dump()).toEqual([]);
  });

  test("a kernel that refuses is logged once and tried again, not drift", () => {
    at.kernel.beforeOperation = () => ({ kind: "refuse", errno: 12 });
    at.owner.program([reader], "start");
    at.owner.watch(() => [reader]);
    at.advance(2_000_000);
    expect(at.events.latest().filter(({ kind }) => kind === "notInSync")).toHaveLength(1);
    expect(at.owner.serviceState(serviceId(reader.key))).toEqual({ drifts: 0, inSync: false });
    at.kernel.beforeOperation = () => undefined;
    at.advance(4_000_000);
    expect(at.owner.serviceState(serviceId(reader.key))).toEqual({ drifts: 0, inSync: true });
  });
});

const services = (count: number): DesiredService[] =>
  [...Array(count).keys()].map((port) => ({ ...reader, key: { ...reader.key, port } as ServiceKey }));

/** When a table of so many services with two servers each is looked at, in µs, if the first look takes `tookUs`. */
function looksAt(count: number, tookUs: number, untilUs: number, kernel = new FakeKernel()): number[] {
  const at = world(() => kernel);
  const desired = services(count);
  at.owner.program(desired, "start");
  const dump = kernel.dump.bind(kernel);
  const looks: number[] = [];
  kernel.dump = () => {
    const now = at.nowUs();
    if (looks.push(now) === 1) at.advance(now + tookUs);
    return dump();
  };
  at.owner.watch(() => desired);
  for (;;) {
    const next = Math.max(at.nowUs(), ...[...at.waiting].map((entry) => entry.at));
    if (next > untilUs) return looks;
    at.advance(next);
  }
}

test.each([
  { took: 50_000, next: 4_000_000 },
  { took: 150_000, next: 6_000_000 },
  { took: 500_000, next: 12_000_000 },
  { took: 20_000_000, next: 52_000_000 },
])(
  "a look at 2,500 services that takes $took us is followed by the next at $next us: it is not read all the time",
  ({ took, next }) => {
    expect(looksAt(2_500, took, next - 1)).toEqual([2_000_000]);
    expect(looksAt(2_500, took, next)).toEqual([2_000_000, next]);
  },
);

test("what others have in a table counts too: a look reads it as well", () => {
  const kernel = new FakeKernel();
  world(() => kernel).owner.program(services(2_500), "start");
  expect(looksAt(1, 500_000, 12_000_000, kernel)).toEqual([2_000_000, 12_000_000]);
});

test("a table of a few servers is looked at every two seconds, however long a busy host held up a look", () => {
  expect(looksAt(3, 1_500_000, 6_000_000)).toEqual([2_000_000, 4_000_000, 6_000_000]);
  expect(looksAt(3, 3_000_000, 8_000_000)).toEqual([2_000_000, 6_000_000, 8_000_000]);
});

test("a look that took long and did not find all well is followed by the next as soon as any", () => {
  const kernel = new FakeKernel();
  const at = world(() => kernel);
  at.owner.watch(() => [reader]);
  kernel.beforeOperation = () => {
    at.advance(3_500_000);
    return { kind: "refuse", errno: 12 };
  };
  at.advance(2_000_000);
  kernel.beforeOperation = () => undefined;
  at.advance(4_000_000);
  expect(at.owner.serviceState(serviceId(reader.key)).inSync).toBe(true);
});

test("a host that needs no IPVS is never asked for it; one that needs it and has none is told so", () => {
  const missing = (): IpvsTable => {
    throw new HoldfastError("ipvsMissing", "this kernel has no IPVS");
  };
  const { owner } = world(missing);
  expect(owner.existingWeights([])).toEqual(new Map());
  owner.program([], "start");
  expect(() => owner.existingWeights([reader])).toThrow("no IPVS");
});
