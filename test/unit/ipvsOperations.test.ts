import fc from "fast-check";
import { expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { operationMessage } from "../../src/io/ipvsCodec.ts";
import { OperationWriter } from "../../src/io/ipvsOperations.ts";
import type { DestinationAttributes, Operation, ServiceAttributes, ServiceKey } from "../../src/plan/types.ts";
import { encodeIpvs } from "../../src/wire/netlink/ipvs.ts";
import { NLM_F } from "../../src/wire/netlink/message.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";
import { PLAIN_ROW } from "../lab/ipvsDefaults.ts";

/** What a socket begins with. */
const BUFFER_BYTES = 65_536;

const address = fc.constantFrom(...["192.0.2.1", "10.0.200.30", "255.1.0.9", "2001:db8::1", "::", "fe80::1:2"].map(ip));
const port = fc.nat(65_535);
const service = fc.oneof(
  fc.record({ protocol: fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const), address, port }),
  fc.record({ protocol: fc.constant("FWM" as const), mark: fc.nat(), family: fc.constantFrom(4 as const, 6 as const) }),
) satisfies fc.Arbitrary<ServiceKey>;
const attributes: fc.Arbitrary<DestinationAttributes> = fc.record({
  weight: fc.nat(),
  forwarding: fc.constantFrom("masq", "tunnel", "route", "local", "bypass"),
  upperThreshold: fc.nat(),
  lowerThreshold: fc.nat(),
  tunnelType: fc.constantFrom("ipip", "ipip", "gue"),
  tunnelPort: port,
  tunnelChecksum: fc.constantFrom("nocsum", "csum"),
});
const serviceAttributes: fc.Arbitrary<ServiceAttributes> = fc.record({
  scheduler: fc.constantFrom("wlc", "mh", "rr"),
  persistenceTimeoutSec: fc.nat(),
  persistencePrefix: fc.integer({ min: 1, max: 32 }),
  onePacket: fc.boolean(),
  schedulerFlags: fc.nat(7),
  persistenceEngine: fc.constantFrom("", "sip"),
});
const row = { service, destination: fc.record({ address, port }) };
/** By kind: one that is missing does not compile. */
const ofKind = {
  addService: fc.record({ kind: fc.constant("addService"), service, attributes: serviceAttributes }),
  editService: fc.record({ kind: fc.constant("editService"), service, attributes: serviceAttributes }),
  deleteService: fc.record({ kind: fc.constant("deleteService"), service }),
  addDestination: fc.record({ kind: fc.constant("addDestination"), ...row, attributes }),
  editDestination: fc.record({ kind: fc.constant("editDestination"), ...row, attributes }),
  deleteDestination: fc.record({ kind: fc.constant("deleteDestination"), ...row }),
} satisfies { readonly [Kind in Operation["kind"]]: fc.Arbitrary<Extract<Operation, { readonly kind: Kind }>> };
const operation: fc.Arbitrary<Operation> = fc.oneof(...Object.values<fc.Arbitrary<Operation>>(ofKind));

/** Copies messages into a small buffer, which grows, and makes each by the tables in one that does not. */
function expectSameBytes(operations: readonly Operation[], bytesInitial: number): MessageWriter {
  const copying = new MessageWriter(bytesInitial);
  const byTable = new MessageWriter(1 << 20);
  const written = new OperationWriter(0x23);
  for (const each of operations) {
    written.write(copying, each);
    encodeIpvs(byTable, 0x23, NLM_F.request, operationMessage(each));
  }
  expect(byTable.length).toBeLessThan(1 << 20);
  expect(copying.bytes.equals(byTable.bytes)).toBe(true);
  expect(offsets(copying)).toEqual(offsets(byTable));
  return copying;
}

const offsets = (writer: MessageWriter): number[] =>
  Array.from({ length: writer.count + 1 }, (_, place) => writer.offsetOf(place));

test("operations become the bytes that the attribute tables make of each, whatever came before", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 20 }), (operations) => {
      expect(expectSameBytes(operations, 64).count).toBe(operations.length);
    }),
    { numRuns: 500 },
  );
});

test("a reload of thousands of rows is copied whole while the buffer grows under it", () => {
  const operations = Array.from(
    { length: 5_000 },
    (_, index): Operation => ({
      kind: "editDestination",
      service: { protocol: "TCP", address: ip("10.0.200.30"), port: 1 + (index % 50) },
      destination: { address: ip(`10.1.${index >> 8}.${index & 255}`), port: index },
      attributes: { ...PLAIN_ROW, weight: index },
    }),
  );
  const copying = expectSameBytes(operations, BUFFER_BYTES);
  expect(copying.length).toBeGreaterThan(4 * BUFFER_BYTES);
});
