import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import type { NativeAddon } from "../../src/io/addon.types.ts";
import { type NetlinkIpvsTable, openIpvsTable } from "../../src/io/ipvsTable.ts";
import {
  type DestinationAttributes,
  type DestinationKey,
  type KernelService,
  NO_STATISTICS,
  type Operation,
  type ServiceAttributes,
  type ServiceKey,
} from "../../src/plan/types.ts";
import { PLAIN_ROW, PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { createNamespace, type Namespace } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { inNamespace } from "../netns/native/inNamespace.ts";
import { withHooks } from "../netns/native/wrapSocket.ts";

const SERVICE: ServiceKey = { protocol: "TCP", address: ip("192.0.2.10"), port: 5432 };
const PLAIN: ServiceAttributes = {
  ...PLAIN_SERVICE,
  scheduler: "wlc",
};
const ROUTE: DestinationAttributes = {
  weight: 50,
  ...PLAIN_ROW,
};
const PG1: DestinationKey = { address: ip("10.0.2.3"), port: 5432 };
const PG2: DestinationKey = { address: ip("10.0.2.4"), port: 5432 };

const addService = (service: ServiceKey, attributes: Partial<ServiceAttributes> = {}): Operation => ({
  kind: "addService",
  service,
  attributes: { ...PLAIN, ...attributes },
});
const addServer = (
  service: ServiceKey,
  destination: DestinationKey,
  attributes: Partial<DestinationAttributes> = {},
): Operation => ({ kind: "addDestination", service, destination, attributes: { ...ROUTE, ...attributes } });

requires("ipvs", "ipvsadm")("the kernel's IPVS table", () => {
  const addon = loadAddon();
  let namespace: Namespace;
  let table: NetlinkIpvsTable;
  const open = (through: NativeAddon = addon): NetlinkIpvsTable =>
    inNamespace(addon, namespace.path, () => openIpvsTable(through));

  beforeAll(async () => {
    namespace = await createNamespace("ipvs");
    table = open();
  });
  afterEach(async () => void (await namespace.exec("ipvsadm", ["-C"])));
  afterAll(() => {
    table?.close();
    namespace?.remove();
  });

  /** `ipvsadm -Sn`: the table as commands, in ipvsadm's own order. */
  const saved = async (): Promise<string[]> =>
    (await namespace.exec("ipvsadm", ["-Sn"])).stdout
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  const applied = (...operations: Operation[]): void => {
    expect(table.apply(operations)).toEqual({ complete: true, done: operations, refused: [] });
  };
  const keyOf = ({ key }: KernelService): string => JSON.stringify(key);

  test("its version and size are what ipvsadm prints first", async () => {
    const { version, connectionTableSize } = table.info();
    const [line] = (await namespace.exec("ipvsadm", ["-Ln"])).stdout.split("\n");
    expect(line).toBe(`IP Virtual Server version ${version} (size=${connectionTableSize})`);
  });

  test("every operation does what its ipvsadm equivalent does", async () => {
    expect(table.dump()).toEqual([]);
    applied(addService(SERVICE), addServer(SERVICE, PG1), addServer(SERVICE, PG2, { weight: 0 }));
    expect(await saved()).toEqual([
      "-A -t 192.0.2.10:5432 -s wlc",
      "-a -t 192.0.2.10:5432 -r 10.0.2.3:5432 -g -w 50",
      "-a -t 192.0.2.10:5432 -r 10.0.2.4:5432 -g -w 0",
    ]);
    applied(
      { kind: "editDestination", service: SERVICE, destination: PG1, attributes: { ...ROUTE, weight: 0 } },
      { kind: "editDestination", service: SERVICE, destination: PG2, attributes: { ...ROUTE, weight: 100 } },
      { kind: "editService", service: SERVICE, attributes: { ...PLAIN, scheduler: "rr" } },
    );
    expect(await saved()).toEqual([
      "-A -t 192.0.2.10:5432 -s rr",
      "-a -t 192.0.2.10:5432 -r 10.0.2.3:5432 -g -w 0",
      "-a -t 192.0.2.10:5432 -r 10.0.2.4:5432 -g -w 100",
    ]);
    applied({ kind: "deleteDestination", service: SERVICE, destination: PG1 });
    expect(await saved()).toEqual(["-A -t 192.0.2.10:5432 -s rr", "-a -t 192.0.2.10:5432 -r 10.0.2.4:5432 -g -w 100"]);
    applied({ kind: "deleteService", service: SERVICE });
    expect(await saved()).toEqual([]);
  });

  test.each(["rr", "wrr", "lc", "wlc"])("scheduler %s, with persistence and without", async (scheduler) => {
    const persistent: ServiceKey = { ...SERVICE, port: 5433 };
    const masked: ServiceKey = { ...SERVICE, port: 5434 };
    applied(
      addService(SERVICE, { scheduler }),
      addService(persistent, { scheduler, persistenceTimeoutSec: 1 }),
      addService(masked, { scheduler, persistenceTimeoutSec: 3600, persistencePrefix: 24 }),
    );
    expect((await saved()).sort()).toEqual([
      `-A -t 192.0.2.10:5432 -s ${scheduler}`,
      `-A -t 192.0.2.10:5433 -s ${scheduler} -p 1`,
      `-A -t 192.0.2.10:5434 -s ${scheduler} -p 3600 -M 255.255.255.0`,
    ]);
    // Persistence can be taken away again, and the dump says so.
    applied({ kind: "editService", service: persistent, attributes: { ...PLAIN, scheduler } });
    expect(await saved()).toContain(`-A -t 192.0.2.10:5433 -s ${scheduler}`);
    expect(table.dump().find(({ key }) => key.protocol !== "FWM" && key.port === 5433)).toMatchObject({
      scheduler,
      persistenceTimeoutSec: 0,
      persistencePrefix: 32,
    });
  });

  test("a dump says what was written, and what ipvsadm wrote", async () => {
    const none = NO_STATISTICS;
    const idle = { activeConnections: 0, inactiveConnections: 0, persistentConnections: 0, statistics: none };
    const service6: ServiceKey = { protocol: "TCP", address: ip("2001:db8::10"), port: 80 };
    const server6: DestinationKey = { address: ip("2001:db8::3"), port: 80 };
    const dns: ServiceKey = { protocol: "UDP", address: ip("192.0.2.11"), port: 53 };
    applied(
      addService(SERVICE, { scheduler: "lc" }),
      addServer(SERVICE, PG1, { upperThreshold: 1000, lowerThreshold: 500 }),
      addServer(SERVICE, PG2, { forwarding: "tunnel", weight: 65_535 }),
      addServer(SERVICE, { ...PG2, port: 5433 }, { forwarding: "masq" }),
      addService(service6, { persistenceTimeoutSec: 300, persistencePrefix: 64 }),
      addServer(service6, server6),
      addService(dns, { onePacket: true }),
    );
    await namespace.exec("ipvsadm", ["-A", "-f", "7", "-s", "wrr"]);
    await namespace.exec("ipvsadm", ["-a", "-f", "7", "-r", "10.0.2.6:0", "-g", "-w", "3"]);
    const expected: KernelService[] = [
      {
        ...PLAIN,
        scheduler: "lc",
        key: SERVICE,
        statistics: none,
        destinations: [
          { ...ROUTE, ...PG1, upperThreshold: 1000, lowerThreshold: 500, ...idle },
          { ...ROUTE, ...PG2, forwarding: "tunnel", weight: 65_535, ...idle },
          { ...ROUTE, ...PG2, port: 5433, forwarding: "masq", ...idle },
        ],
      },
      {
        ...PLAIN,
        persistenceTimeoutSec: 300,
        persistencePrefix: 64,
        key: service6,
        statistics: none,
        destinations: [{ ...ROUTE, ...server6, ...idle }],
      },
      { ...PLAIN, onePacket: true, key: dns, statistics: none, destinations: [] },
      {
        ...PLAIN,
        scheduler: "wrr",
        key: { protocol: "FWM", mark: 7, family: 4 },
        statistics: none,
        destinations: [{ ...ROUTE, weight: 3, address: ip("10.0.2.6"), port: 0, ...idle }],
      },
    ];
    const byKey = (a: KernelService, b: KernelService): number => keyOf(a).localeCompare(keyOf(b));
    const sorted = (service: KernelService): KernelService => ({
      ...service,
      // The kernel shows the newest row first.
      destinations: service.destinations.toReversed(),
    });
    expect(table.dump().map(sorted).sort(byKey)).toEqual(expected.sort(byKey));
  });

  test("the rows of one service: of a missing one undefined, of an empty one none", () => {
    expect(table.dumpDestinations(SERVICE)).toBeUndefined();
    applied(addService(SERVICE));
    expect(table.dumpDestinations(SERVICE)).toEqual([]);
    applied(addServer(SERVICE, PG1));
    expect(table.dumpDestinations(SERVICE)).toMatchObject([{ ...PG1, ...ROUTE }]);
    expect(table.dumpDestinations({ ...SERVICE, protocol: "UDP" })).toBeUndefined();
  });

  test("errors stand at their operations, with their meaning, and the rest goes on", async () => {
    const missing: ServiceKey = { ...SERVICE, port: 9 };
    const absent: DestinationKey = { ...PG1, port: 9 };
    const operations: Operation[] = [
      addService(SERVICE),
      addService(SERVICE),
      addService({ ...SERVICE, port: 10 }, { scheduler: "nosuch" }),
      addServer(missing, PG1),
      addServer(SERVICE, PG1),
      addServer(SERVICE, PG1),
      { kind: "editDestination", service: SERVICE, destination: absent, attributes: ROUTE },
      { kind: "deleteDestination", service: SERVICE, destination: absent },
      { kind: "deleteDestination", service: missing, destination: PG1 },
      { kind: "editService", service: missing, attributes: PLAIN },
      { kind: "editService", service: SERVICE, attributes: { ...PLAIN, scheduler: "nosuch" } },
      { kind: "deleteService", service: missing },
      addServer(SERVICE, PG2),
    ];
    const { complete, done, refused } = table.apply(operations);
    expect(complete).toBe(true);
    const places = [0, 4, operations.length - 1];
    expect(done).toEqual(operations.filter((_, place) => places.includes(place)));
    expect(refused.map(({ operation }) => operation)).toEqual(operations.filter((_, place) => !places.includes(place)));
    expect(refused.map(({ errno, message }) => `${errno} ${message}`)).toEqual([
      "17 the service exists already (EEXIST)",
      "2 the kernel has no scheduler nosuch: load the module ip_vs_nosuch (ENOENT)",
      "3 the service does not exist (ESRCH)",
      "17 the server exists already (EEXIST)",
      "2 the server does not exist (ENOENT)",
      "2 the server does not exist (ENOENT)",
      "3 the service does not exist (ESRCH)",
      "3 the service does not exist (ESRCH)",
      "2 the kernel has no scheduler nosuch: load the module ip_vs_nosuch (ENOENT)",
      "3 the service does not exist (ESRCH)",
    ]);
    expect(await saved()).toEqual([
      "-A -t 192.0.2.10:5432 -s wlc",
      "-a -t 192.0.2.10:5432 -r 10.0.2.3:5432 -g -w 50",
      "-a -t 192.0.2.10:5432 -r 10.0.2.4:5432 -g -w 50",
    ]);
  });

  test("2 000 operations in one call, some of them refused in the midst", async () => {
    const address = (n: number): Ip => ipFromBytes(Uint8Array.of(10, 1, n >> 8, n & 0xff));
    const add = Array.from({ length: 2_000 }, (_, n) => addServer(SERVICE, { address: address(n), port: 5432 }));
    applied(addService(SERVICE), ...add);
    expect((await saved()).filter((line) => line.startsWith("-a"))).toHaveLength(2_000);
    expect(table.dumpDestinations(SERVICE)).toHaveLength(2_000);

    const change = add.map((operation, n): Operation => {
      if (operation.kind !== "addDestination") throw new Error(operation.kind);
      const { service, destination } = operation;
      // Every seventh is there already.
      return n % 7 === 0
        ? operation
        : { kind: "editDestination", service, destination, attributes: { ...ROUTE, weight: 0 } };
    });
    const answer = table.apply(change);
    expect(answer.complete).toBe(true);
    expect(answer.done).toEqual(change.filter(({ kind }) => kind === "editDestination"));
    expect(answer.refused.map(({ operation }) => operation)).toEqual(
      change.filter(({ kind }) => kind === "addDestination"),
    );
    const refused = new Set(
      Array.from({ length: 2_000 }, (_, n) => n)
        .filter((n) => n % 7 === 0)
        .map(address),
    );
    const weights = new Set(table.dumpDestinations(SERVICE)?.map((row) => `${refused.has(row.address)} ${row.weight}`));
    expect(weights).toEqual(new Set(["true 50", "false 0"]));
  });

  describe("a dump while somebody changes the table", () => {
    const other: ServiceKey = { ...SERVICE, port: 6000 };

    /** A table of its own whose nth request is followed by a change by another socket. */
    const disturbed = (change: (request: number) => void): NetlinkIpvsTable => {
      let requests = 0;
      return open(withHooks(addon, { sent: () => change(++requests) }));
    };

    test("is done once more", () => {
      applied(addService(SERVICE), addServer(SERVICE, PG1));
      // The first request finds the family, the second dumps the services, the third the rows of the first one.
      const through = disturbed((request) => {
        if (request === 3) applied(addService(other), addServer(other, PG2));
      });
      try {
        const ports = through
          .dump()
          .map(({ key, destinations }) => [key.protocol === "FWM" ? 0 : key.port, destinations.length]);
        expect(ports.sort()).toEqual([
          [5432, 1],
          [6000, 1],
        ]);
      } finally {
        through.close();
      }
    });

    test("is given up when that does not end, rather than answered by a mixture", () => {
      applied(addService(SERVICE));
      const through = disturbed((request) =>
        applied({ kind: "editService", service: SERVICE, attributes: { ...PLAIN, persistenceTimeoutSec: request } }),
      );
      try {
        expect(() => through.dump()).toThrow("changed during each");
      } finally {
        through.close();
      }
    });
  });

  test("without CAP_NET_ADMIN: an error by name, and nothing changed", async () => {
    applied(addService(SERVICE));
    const { seteuid } = process;
    if (seteuid === undefined) throw new Error("no seteuid");
    const through = open();
    seteuid(65_534);
    try {
      const missing = expect.objectContaining({
        code: "missingCapability",
        message: expect.stringContaining("CAP_NET_ADMIN"),
      });
      expect(() => through.dump()).toThrow(missing);
      expect(() => through.apply([addServer(SERVICE, PG1)])).toThrow(missing);
      expect(() => through.info()).toThrow(missing);
    } finally {
      seteuid(0);
      through.close();
    }
    expect(await saved()).toEqual(["-A -t 192.0.2.10:5432 -s wlc"]);
  });
});
