import type { Operation, ServiceKey } from "../../src/plan/types.ts";
import { NO_TUNNEL } from "../lab/ipvsDefaults.ts";
import type { Dice } from "./dice.ts";
import { hostIp } from "./healthRig.ts";

/** Something that an administrator does to one of our services. */
export function drawHand(dice: Dice, service: ServiceKey): Operation {
  const destination = { address: hostIp(dice.integer(3, 6)), port: 5432 };
  const weight = dice.pick([0, 1, 50]);
  const attributes = { weight, forwarding: "route", upperThreshold: 0, lowerThreshold: 0, ...NO_TUNNEL } as const;
  return dice.pick<Operation>([
    { kind: "editDestination", service, destination, attributes },
    { kind: "editDestination", service, destination, attributes },
    { kind: "addDestination", service, destination, attributes },
    { kind: "deleteDestination", service, destination },
    { kind: "deleteService", service },
  ]);
}
