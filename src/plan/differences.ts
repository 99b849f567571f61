import { destinationId, serviceId } from "./keys.ts";
import type { DestinationAttributes, DestinationKey, ServiceAttributes, ServiceKey } from "./types.ts";

/** One attribute that is not as wanted. */
export interface AttributeDifference {
  readonly attribute: keyof ServiceAttributes | keyof DestinationAttributes;
  readonly found: string | number | boolean;
  readonly wanted: string | number | boolean;
}

/** What a dump showed to be different from what is wanted: the words of a drift report. */
export type Difference =
  | { readonly kind: "serviceMissing"; readonly service: ServiceKey }
  /** Created by us earlier, not wanted any more. */
  | { readonly kind: "serviceLeftOver"; readonly service: ServiceKey }
  | {
      readonly kind: "serviceDiffers";
      readonly service: ServiceKey;
      readonly attributes: readonly AttributeDifference[];
    }
  | {
      readonly kind: "destinationMissing";
      readonly service: ServiceKey;
      readonly destination: DestinationKey;
      readonly wantedWeight: number;
    }
  | {
      readonly kind: "destinationUnwanted";
      readonly service: ServiceKey;
      readonly destination: DestinationKey;
      readonly foundWeight: number;
    }
  | {
      readonly kind: "destinationDiffers";
      readonly service: ServiceKey;
      readonly destination: DestinationKey;
      readonly found: DestinationAttributes;
      readonly wanted: DestinationAttributes;
    };

/** In the order of a drift report. A name that is missing here does not compile. */
const SERVICE_ATTRIBUTES = namesOf<ServiceAttributes>({
  scheduler: true,
  persistenceTimeoutSec: true,
  persistencePrefix: true,
  onePacket: true,
  schedulerFlags: true,
  persistenceEngine: true,
});

/** As above. */
const DESTINATION_ATTRIBUTES = namesOf<DestinationAttributes>({
  weight: true,
  forwarding: true,
  upperThreshold: true,
  lowerThreshold: true,
  tunnelType: true,
  tunnelPort: true,
  tunnelChecksum: true,
});

/** Empty when a service needs no edit. */
export function serviceDifferences(found: ServiceAttributes, wanted: ServiceAttributes): AttributeDifference[] {
  return SERVICE_ATTRIBUTES.filter((name) => found[name] !== wanted[name]).map((attribute) => ({
    attribute,
    found: found[attribute],
    wanted: wanted[attribute],
  }));
}

/** Whether `serviceDifferences` finds nothing. Written out, as `sameDestination` is. */
export function sameService(found: ServiceAttributes, wanted: ServiceAttributes): boolean {
  return (
    found.scheduler === wanted.scheduler &&
    found.persistenceTimeoutSec === wanted.persistenceTimeoutSec &&
    found.persistencePrefix === wanted.persistencePrefix &&
    found.onePacket === wanted.onePacket &&
    found.schedulerFlags === wanted.schedulerFlags &&
    found.persistenceEngine === wanted.persistenceEngine
  );
}

/**
 * Whether `destinationDifferences` finds nothing. Written out, since it is asked of every row of every dump and a loop over the
 * names takes several times as long; a test changes each attribute in turn.
 */
export function sameDestination(found: DestinationAttributes, wanted: DestinationAttributes): boolean {
  return (
    found.weight === wanted.weight &&
    found.forwarding === wanted.forwarding &&
    found.upperThreshold === wanted.upperThreshold &&
    found.lowerThreshold === wanted.lowerThreshold &&
    found.tunnelType === wanted.tunnelType &&
    found.tunnelPort === wanted.tunnelPort &&
    found.tunnelChecksum === wanted.tunnelChecksum
  );
}

/** Empty when a row needs no edit. */
export function destinationDifferences(
  found: DestinationAttributes,
  wanted: DestinationAttributes,
): AttributeDifference[] {
  return DESTINATION_ATTRIBUTES.filter((name) => found[name] !== wanted[name]).map((attribute) => ({
    attribute,
    found: found[attribute],
    wanted: wanted[attribute],
  }));
}

/** One line for the log: `TCP 10.0.2.10:5432: 10.0.2.4:5432 has weight 7, wanted 0`. */
export function describeDifference(difference: Difference): string {
  const service = serviceId(difference.service);
  switch (difference.kind) {
    case "serviceMissing":
      return `${service} is missing`;
    case "serviceLeftOver":
      return `${service} is not in the configuration any more`;
    case "serviceDiffers":
      return `${service} has ${describeAttributes(difference.attributes)}`;
    case "destinationMissing":
      return `${service}: ${destinationId(difference.destination)} is missing, wanted with weight ${difference.wantedWeight}`;
    case "destinationUnwanted":
      return `${service}: ${destinationId(difference.destination)} with weight ${difference.foundWeight} is not wanted`;
    case "destinationDiffers":
      return `${service}: ${destinationId(difference.destination)} has ${describeAttributes(destinationDifferences(difference.found, difference.wanted))}`;
  }
}

function describeAttributes(attributes: readonly AttributeDifference[]): string {
  return attributes.map(({ attribute, found, wanted }) => `${attribute} ${found}, wanted ${wanted}`).join("; ");
}

function namesOf<Attributes>(every: { readonly [Name in keyof Attributes]-?: true }): readonly (keyof Attributes)[] {
  return Object.keys(every) as (keyof Attributes)[];
}
