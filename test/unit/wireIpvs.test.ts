import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { kernelDestination, kernelService, operationMessage } from "../../src/io/ipvsCodec.ts";
import {
  type DestinationAttributes,
  type DestinationKey,
  type KernelDestination,
  type KernelService,
  NO_STATISTICS,
  type Operation,
  type ServiceAttributes,
  type ServiceKey,
} from "../../src/plan/types.ts";
import {
  AF_INET,
  AF_INET6,
  decodeIpvs,
  encodeIpvs,
  type IpvsMessage,
  inetAddressBytes,
  ipOfInetAddress,
  netmaskOfPrefix,
  prefixOfNetmask,
} from "../../src/wire/netlink/ipvs.ts";
import { decodeMessages } from "../../src/wire/netlink/message.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";
import { goldenBytes } from "../golden/cases.ts";
import { NO_TUNNEL } from "../lab/ipvsDefaults.ts";

const SERVICE: ServiceKey = { protocol: "TCP", address: ip("192.0.2.10"), port: 5432 };
const PERSISTENT: ServiceKey = { ...SERVICE, port: 5433 };
const SERVICE6: ServiceKey = { protocol: "TCP", address: ip("2001:db8::10"), port: 80 };
const PLAIN: ServiceAttributes = {
  scheduler: "rr",
  persistenceTimeoutSec: 0,
  persistencePrefix: 32,
  onePacket: false,
  schedulerFlags: 0,
  persistenceEngine: "",
};
const ROUTE: DestinationAttributes = {
  weight: 1,
  forwarding: "route",
  upperThreshold: 0,
  lowerThreshold: 0,
  ...NO_TUNNEL,
};

/** What became of the message on its way through its bytes. */
function throughBytes(message: IpvsMessage): IpvsMessage {
  const writer = new MessageWriter(16);
  encodeIpvs(writer, 0x20, 5, message);
  const [decoded] = messagesOf(writer.bytes);
  if (decoded === undefined) throw new Error("no message");
  return decoded;
}

function messagesOf(bytes: Uint8Array): IpvsMessage[] {
  const messages = decodeMessages(bytes);
  if (!messages.ok) throw new Error(messages.error.detail);
  return messages.value.map((message) => {
    const decoded = decodeIpvs(message);
    if (!decoded.ok) throw new Error(decoded.error.detail);
    const { unknown, ...rest } = decoded.value;
    expect(unknown).toBe(0);
    return rest;
  });
}

const first = (name: string): IpvsMessage => {
  const [message] = messagesOf(goldenBytes("ipvs", name));
  if (message === undefined) throw new Error(name);
  return message;
};

describe("operations are the requests of ipvsadm", () => {
  const service = (name: string, key: ServiceKey, attributes: Partial<ServiceAttributes>, edit = false) =>
    [
      name,
      { kind: edit ? "editService" : "addService", service: key, attributes: { ...PLAIN, ...attributes } },
    ] as const;
  const server = (address: string, port: number): DestinationKey => ({ address: ip(address), port });
  const destination = (
    name: string,
    key: ServiceKey,
    at: DestinationKey,
    attributes: Partial<DestinationAttributes>,
    edit = false,
  ) =>
    [
      name,
      {
        kind: edit ? "editDestination" : "addDestination",
        service: key,
        destination: at,
        attributes: { ...ROUTE, ...attributes },
      },
    ] as const;
  const cases: readonly (readonly [string, Operation])[] = [
    service("add-service-rr", SERVICE, {}),
    service("add-service-persistent", PERSISTENT, { scheduler: "lc", persistenceTimeoutSec: 1, persistencePrefix: 24 }),
    service("add-service-ipv6", SERVICE6, { scheduler: "wrr", persistenceTimeoutSec: 300, persistencePrefix: 64 }),
    service(
      "add-service-udp",
      { protocol: "UDP", address: ip("192.0.2.11"), port: 53 },
      { scheduler: "wlc", onePacket: true },
    ),
    service("edit-service", SERVICE, { scheduler: "wlc" }, true),
    destination("add-destination-route", SERVICE, server("10.0.2.3", 5432), { weight: 50 }),
    destination("add-destination-masq", SERVICE, server("10.0.2.4", 5433), {
      forwarding: "masq",
      weight: 0,
      upperThreshold: 1000,
      lowerThreshold: 500,
    }),
    destination("add-destination-tunnel", PERSISTENT, server("10.0.2.5", 5433), {
      forwarding: "tunnel",
      weight: 65535,
    }),
    // Told 8080, ipvsadm takes the service's port: direct routing cannot change it.
    destination("add-destination-ipv6", SERVICE6, server("2001:db8::3", 80), {}),
    destination("edit-destination", SERVICE, server("10.0.2.3", 5432), { weight: 0 }, true),
    ["delete-destination", { kind: "deleteDestination", service: SERVICE, destination: server("10.0.2.3", 5432) }],
    ["delete-service", { kind: "deleteService", service: SERVICE }],
  ];

  test.each(cases)("%s", (name, operation) => {
    const ours = throughBytes(operationMessage(operation));
    const theirs = first(name);
    expect(ours.command).toBe(theirs.command);
    // ipvsadm names a service by more attributes than the kernel reads; what we send is what it sends.
    expect(theirs.service).toMatchObject(ours.service ?? {});
    expect(Object.keys(ours.service ?? {}).length).toBeGreaterThan(3);
    expect(theirs.destination ?? {}).toMatchObject(ours.destination ?? {});
    if (operation.kind === "addService" || operation.kind === "editService")
      expect(ours.service).toEqual(theirs.service);
  });
});

describe("the kernel's dump in the plan's nouns", () => {
  const counters = (connections: bigint, packetsIn: bigint, packetsOut: bigint, bytesIn: bigint, bytesOut: bigint) => ({
    ...NO_STATISTICS,
    connections,
    packetsIn,
    packetsOut,
    bytesIn,
    bytesOut,
  });
  const none = counters(0n, 0n, 0n, 0n, 0n);

  /** Which datagram of rows belongs to which service is the request's business: their order is the services'. */
  const rows = (n: number, family: number): KernelDestination[] =>
    messagesOf(goldenBytes("ipvs", `dump-destinations-${n}`)).flatMap(({ destination }) =>
      destination === undefined ? [] : kernelDestination(destination, family),
    );

  test("services of every kind that was captured", () => {
    const services = messagesOf(goldenBytes("ipvs", "dump-services")).flatMap(({ service }) =>
      service === undefined ? [] : kernelService(service, []),
    );
    const expected: KernelService[] = [
      { ...PLAIN, scheduler: "wlc", key: SERVICE, statistics: none, destinations: [] },
      {
        ...PLAIN,
        scheduler: "lc",
        persistenceTimeoutSec: 1,
        persistencePrefix: 24,
        key: PERSISTENT,
        statistics: none,
        destinations: [],
      },
      {
        ...PLAIN,
        scheduler: "wrr",
        persistenceTimeoutSec: 300,
        persistencePrefix: 64,
        key: SERVICE6,
        statistics: none,
        destinations: [],
      },
      {
        ...PLAIN,
        scheduler: "wlc",
        onePacket: true,
        key: { protocol: "UDP", address: ip("192.0.2.11"), port: 53 },
        statistics: none,
        destinations: [],
      },
      {
        ...PLAIN,
        scheduler: "wlc",
        key: { protocol: "FWM", mark: 7, family: 4 },
        statistics: none,
        destinations: [],
      },
    ];
    for (const service of expected) expect(services).toContainEqual(service);
    const counted = services.find(({ key }) => key.protocol !== "FWM" && key.port === 7000);
    expect(counted?.statistics).toMatchObject({ connections: 3n });
    expect(services).toHaveLength(expected.length + 1);
  });

  test("rows of every kind that was captured", () => {
    const all = [1, 2, 3, 4, 5].flatMap((n) => {
      const messages = messagesOf(goldenBytes("ipvs", `dump-destinations-${n}`));
      return rows(n, messages[0]?.destination?.family ?? AF_INET);
    });
    const idle = { activeConnections: 0, inactiveConnections: 0, persistentConnections: 0, statistics: none };
    for (const expected of [
      { ...ROUTE, weight: 0, address: ip("10.0.2.3"), port: 5432, ...idle },
      {
        forwarding: "masq",
        weight: 0,
        upperThreshold: 1000,
        lowerThreshold: 500,
        ...NO_TUNNEL,
        address: ip("10.0.2.4"),
        port: 5433,
        ...idle,
      },
      { ...ROUTE, forwarding: "tunnel", weight: 65535, address: ip("10.0.2.5"), port: 5433, ...idle },
      { ...ROUTE, address: ip("2001:db8::3"), port: 80, ...idle },
      { ...ROUTE, weight: 3, address: ip("10.0.2.6"), port: 0, ...idle },
    ]) {
      expect(all).toContainEqual(expected);
    }
    const counted = all.find(({ port, address }) => port === 5432 && address === "192.0.2.11");
    expect(counted).toMatchObject({ forwarding: "masq", weight: 4, inactiveConnections: 3 });
    expect(counted?.statistics.connections).toBe(3n);
    expect(counted?.statistics.bytesOut).toBeGreaterThan(0n);
  });

  test("a kernel without 64-bit counters is read by the others", () => {
    const [message] = messagesOf(goldenBytes("ipvs", "dump-services"));
    const { statistics64: _, ...service } = message?.service ?? {};
    const narrow = {
      ...service,
      statistics: { connections: 5, packetsIn: 4, packetsOut: 3, bytesIn: 2n, bytesOut: 1n },
    };
    expect(kernelService(narrow, []).statistics).toEqual(counters(5n, 4n, 3n, 2n, 1n));
    const { statistics: __, ...without } = narrow;
    expect(kernelService(without, []).statistics).toEqual(none);
  });

  test("a table that is not understood is an error, not a guess", () => {
    const { service = {} } = first("dump-services");
    const { destination = {} } = first("dump-destinations-1");
    expect(() => kernelService({ ...service, protocol: 99 }, [])).toThrow("protocol 99");
    expect(() => kernelService({ ...service, family: 3 }, [])).toThrow("address family 3");
    expect(() => kernelDestination({ ...destination, forwardingFlags: 5 }, AF_INET)).toThrow("forwarding method 5");
    const { weight: _, ...weightless } = destination;
    expect(() => kernelDestination(weightless, AF_INET)).toThrow("IPVS_DEST_ATTR_WEIGHT");
  });
});

describe("random values", () => {
  const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipFromBytes);
  const ipv6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipFromBytes);
  const address: fc.Arbitrary<Ip> = fc.oneof(ipv4, ipv6);
  const port = fc.integer({ min: 0, max: 0xffff });

  test("services survive: written as an operation, read as a dump", () => {
    const mark = fc.integer({ min: 1, max: 0xffff_ffff });
    const key: fc.Arbitrary<ServiceKey> = fc.oneof(
      fc.record({ protocol: fc.constantFrom("TCP", "UDP", "SCTP"), address, port }),
      fc.record({ protocol: fc.constant("FWM"), mark, family: fc.constantFrom(4, 6) }),
    );
    const attributes = fc.record({
      scheduler: fc.constantFrom("rr", "wrr", "lc", "wlc", "sh", "mh"),
      persistenceTimeoutSec: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      persistencePrefix: fc.integer({ min: 1, max: 32 }),
      onePacket: fc.boolean(),
      schedulerFlags: fc.integer({ min: 0, max: 7 }),
      persistenceEngine: fc.constantFrom("", "sip"),
    });
    fc.assert(
      fc.property(key, attributes, (service, wanted) => {
        const { service: read = {} } = throughBytes(
          operationMessage({ kind: "addService", service, attributes: wanted }),
        );
        const { key: named, statistics: _, destinations: __, ...got } = kernelService(read, []);
        expect(named).toEqual(service);
        expect(got).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  test("destinations survive, also of another family than their service", () => {
    const key = fc.record({ address, port });
    const attributes = fc.record({
      weight: fc.integer({ min: 0, max: 0x7fff_ffff }),
      forwarding: fc.constantFrom("masq", "tunnel", "route", "local"),
      upperThreshold: fc.integer({ min: 0, max: 0xffff_ffff }),
      lowerThreshold: fc.integer({ min: 0, max: 0xffff_ffff }),
      // Nothing is sent of an IPIP tunnel, so that kernels without the others take it.
      tunnelType: fc.constantFrom("gue", "gre"),
      tunnelPort: fc.integer({ min: 0, max: 0xffff }),
      tunnelChecksum: fc.constantFrom("nocsum", "csum", "remcsum"),
    });
    fc.assert(
      fc.property(key, attributes, (at, wanted) => {
        const operation: Operation = { kind: "addDestination", service: SERVICE, destination: at, attributes: wanted };
        const { destination: read = {} } = throughBytes(operationMessage(operation));
        expect(kernelDestination(read, AF_INET)).toMatchObject({ ...at, ...wanted });
      }),
      { numRuns: 300 },
    );
  });

  test("netmasks of every prefix", () => {
    for (let prefix = 0; prefix <= 32; prefix++) {
      expect(prefixOfNetmask(netmaskOfPrefix(prefix, AF_INET), AF_INET)).toBe(prefix);
    }
    for (let prefix = 0; prefix <= 128; prefix++) {
      expect(prefixOfNetmask(netmaskOfPrefix(prefix, AF_INET6), AF_INET6)).toBe(prefix);
    }
    expect(netmaskOfPrefix(24, AF_INET)).toBe(0xffffff00);
  });

  test("addresses stand in the first bytes of sixteen; tools send four too", () => {
    expect([...inetAddressBytes(ip("10.0.2.3"))]).toEqual([10, 0, 2, 3, ...new Array<number>(12).fill(0)]);
    expect(ipOfInetAddress(Uint8Array.of(10, 0, 2, 3), AF_INET)).toEqual({ ok: true, value: "10.0.2.3" });
    expect(ipOfInetAddress(Uint8Array.of(10, 0, 2, 3), AF_INET6)).toMatchObject({ error: { reason: "badLength" } });
    expect(ipOfInetAddress(new Uint8Array(16), 7)).toMatchObject({ error: { reason: "badValue" } });
  });
});
