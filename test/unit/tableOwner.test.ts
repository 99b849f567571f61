import { beforeEach, describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/core/errors.ts";
import { ip } from "../../src/core/ip.ts";
import { instantUs, milliseconds, type Us } from "../../src/core/units.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { TableOwner } from "../../src/daemon/tableOwner.ts";
import { serviceId } from "../../src/plan/keys.ts";
import type { DesiredService, IpvsTable, ServiceId, ServiceKey } from "../../src/plan/types.ts";
import { NO_TUNNEL } from "../lab/ipvsDefaults.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";

const silent = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

/** Everything around a table's owner that a daemon gives it, with a clock that the test moves. */
function world(open?: () => IpvsTable) {
  const kernel = new FakeKernel();
  const stored: ServiceId[][] = [];
  const waiting: { at: Us; call: () => void }[] = [];
  let now = 0;
  const logger = { ...silent, child: () => logger };
  const events = new EventLog({ logger, wallMs: () => 0 });
  const owner = new TableOwner(
    { repairInterval: milliseconds(2_000) },
    {
      open: open ?? (() => kernel),
      store: {
        readOwnedServices: () => new Set(stored.at(-1) ?? []),
        writeOwnedServices: (owned) => stored.push([...owned]),
      },
      events,
      clock: { nowUs: () => instantUs(now) },
      timers: {
        at: (at, call) => {
          const entry = { at, call };
          waiting.push(entry);
          return () => void waiting.splice(waiting.indexOf(entry), 1);
        },
      },
    },
  );
  const advance = (to: number): void => {
    now = to;
    for (const entry of waiting.splice(0).filter(({ at }) => at <= to)) entry.call();
  };
  return { kernel, owner, events, stored, waiting, advance };
}

const reader: DesiredService = {
  key: { protocol: "TCP", address: ip("10.0.2.11"), port: 5432 },
  scheduler: "lc",
  persistenceTimeoutSec: 0,
  persistencePrefix: 32,
  onePacket: false,
  schedulerFlags: 0,
  persistenceEngine: "",
  exclusive: false,
  destinations: ["10.0.2.3", "10.0.2.4"].map((address) => ({
    address: ip(address),
    port: 5432,
    weight: 50,
    forwarding: "route",
    upperThreshold: 0,
    lowerThreshold: 0,
    ...NO_TUNNEL,
  })),
};
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

  test("leaves foreign services alone while it runs and when it stops, and removes its own", () => {
    at.kernel.administrator({ kind: "addService", service: foreign.key, attributes: foreign });
    at.owner.program([reader], "start");
    at.owner.clear();
    expect(at.kernel.dump().map((service) => service.key)).toMatchObject([{ port: 80 }]);
    expect(at.stored.at(-1)).toEqual([]);
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

test("a host that needs no IPVS is never asked for it; one that needs it and has none is told so", () => {
  const missing = (): IpvsTable => {
    throw new HoldfastError("ipvsMissing", "this kernel has no IPVS");
  };
  const { owner } = world(missing);
  expect(owner.existingWeights([])).toEqual(new Map());
  owner.program([], "start");
  expect(() => owner.existingWeights([reader])).toThrow("no IPVS");
});
