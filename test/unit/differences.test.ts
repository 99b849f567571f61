import { describe, expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { operationMessage } from "../../src/io/ipvsCodec.ts";
import { confirmRaise, diff } from "../../src/plan/diff.ts";
import { describeDifference } from "../../src/plan/differences.ts";
import { match } from "../../src/plan/matching.ts";
import {
  type DesiredService,
  type DestinationAttributes,
  type KernelDestination,
  NO_STATISTICS,
  type Operation,
  type ServiceAttributes,
  type ServiceKey,
} from "../../src/plan/types.ts";
import { PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";

const KEY: ServiceKey = { protocol: "TCP", address: ip("10.0.2.10"), port: 5432 };
const DESTINATION = { address: ip("10.0.2.3"), port: 5432 };
/** A tunnel: elsewhere what is special to one is not sent. */
const ROW: DestinationAttributes = {
  weight: 50,
  forwarding: "tunnel",
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnelType: "gue",
  tunnelPort: 6080,
  tunnelChecksum: "nocsum",
};

/** Every attribute otherwise than in `PLAIN_SERVICE`: one that is missing does not compile. */
const OTHER_SERVICE: Required<ServiceAttributes> = {
  scheduler: "wrr",
  persistenceTimeoutSec: 7,
  persistencePrefix: 24,
  onePacket: true,
  schedulerFlags: 2,
  persistenceEngine: "sip",
};
/** Likewise of `ROW`. */
const OTHER_ROW: Required<DestinationAttributes> = {
  weight: 49,
  forwarding: "masq",
  upperThreshold: 9,
  lowerThreshold: 8,
  tunnelType: "gre",
  tunnelPort: 6081,
  tunnelChecksum: "csum",
};

const wanted = (exclusive: boolean): DesiredService => ({
  key: KEY,
  ...PLAIN_SERVICE,
  exclusive,
  destinations: [{ ...DESTINATION, ...ROW }],
});

describe.each(Object.entries(OTHER_SERVICE))("a service with another %s", (attribute, found) => {
  const changed: ServiceAttributes = { ...PLAIN_SERVICE, [attribute]: found };
  const edit: Operation = { kind: "editService", service: KEY, attributes: PLAIN_SERVICE };

  test("is edited", () => {
    const { operations, differences } = diff(match([wanted(false)], [{ ...wanted(false), ...changed }]), new Set());
    expect(operations).toEqual([edit]);
    const attributes = [{ attribute, found, wanted: PLAIN_SERVICE[attribute as keyof ServiceAttributes] }];
    expect(differences).toEqual([{ kind: "serviceDiffers", service: KEY, attributes }]);
  });

  test("is another message to the kernel", () => {
    expect(operationMessage({ ...edit, attributes: changed })).not.toEqual(operationMessage(edit));
  });
});

describe.each(Object.entries(OTHER_ROW))("a row with another %s", (attribute, found) => {
  const changed: DestinationAttributes = { ...ROW, [attribute]: found };
  const edit: Operation = { kind: "editDestination", service: KEY, destination: DESTINATION, attributes: ROW };

  test("is edited", () => {
    const there = { ...wanted(false), destinations: [{ ...DESTINATION, ...changed }] };
    expect(diff(match([wanted(false)], [there]), new Set()).operations).toEqual([edit]);
  });

  test("is another one than the holder of an exclusive service is to be", () => {
    const counters = { activeConnections: 0, inactiveConnections: 0, persistentConnections: 0 };
    const row: KernelDestination = { ...DESTINATION, ...changed, ...counters, statistics: NO_STATISTICS };
    expect(confirmRaise(wanted(true), [row])).toEqual({ kind: "raise", operations: [edit] });
  });

  test("is told by its name", () => {
    const difference = { kind: "destinationDiffers", service: KEY, destination: DESTINATION } as const;
    const was = ROW[attribute as keyof DestinationAttributes];
    expect(describeDifference({ ...difference, found: changed, wanted: ROW })).toBe(
      `TCP 10.0.2.10:5432: 10.0.2.3:5432 has ${attribute} ${found}, wanted ${was}`,
    );
  });

  test("is another message to the kernel", () => {
    expect(operationMessage({ ...edit, attributes: changed })).not.toEqual(operationMessage(edit));
  });
});
