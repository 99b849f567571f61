import fc from "fast-check";
import { expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { operationMessage } from "../../src/io/ipvsCodec.ts";
import { OperationWriter } from "../../src/io/ipvsOperations.ts";
import type { DestinationAttributes, Operation, ServiceKey } from "../../src/plan/types.ts";
import { encodeIpvs } from "../../src/wire/netlink/ipvs.ts";
import { NLM_F } from "../../src/wire/netlink/message.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";

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
const operation: fc.Arbitrary<Operation> = fc
  .record({
    kind: fc.constantFrom<Operation["kind"][]>(
      "addService",
      "deleteService",
      "addDestination",
      "editDestination",
      "deleteDestination",
    ),
    service,
    destination: fc.record({ address, port }),
    attributes,
  })
  .map((drawn): Operation => {
    if (drawn.kind !== "addService" && drawn.kind !== "editService") return { ...drawn, kind: drawn.kind };
    const plain = { persistenceTimeoutSec: 0, persistencePrefix: 32, onePacket: false, schedulerFlags: 0 };
    return {
      kind: drawn.kind,
      service: drawn.service,
      attributes: { scheduler: "wlc", persistenceEngine: "", ...plain },
    };
  });

test("operations become the bytes that the attribute tables make of each, whatever came before", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 20 }), (operations) => {
      const copying = new MessageWriter();
      const byTable = new MessageWriter();
      const written = new OperationWriter(0x23);
      for (const each of operations) {
        written.write(copying, each);
        encodeIpvs(byTable, 0x23, NLM_F.request, operationMessage(each));
      }
      expect(copying.bytes.equals(byTable.bytes)).toBe(true);
      expect(copying.spans).toEqual(byTable.spans);
    }),
    { numRuns: 500 },
  );
});
