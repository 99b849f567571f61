import type { Ip } from "../core/ip.ts";
import type { Operation, ServiceKey } from "../plan/types.ts";
import { type AttributeRow, payloadOffset } from "../wire/netlink/attributes.ts";
import { GENERIC_HEADER_BYTES } from "../wire/netlink/genl.ts";
import {
  COMMAND_ATTRIBUTES,
  DESTINATION_ATTRIBUTES,
  encodeIpvs,
  FORWARDING_METHOD,
  SERVICE_ATTRIBUTES,
} from "../wire/netlink/ipvs.ts";
import { NLM_F } from "../wire/netlink/message.ts";
import { HEADER_BYTES, MessageWriter } from "../wire/netlink/writer.ts";
import { FAMILY_NUMBERS, operationMessage, PROTOCOL_NUMBERS } from "./ipvsCodec.ts";

const ATTRIBUTES_OFFSET = HEADER_BYTES + GENERIC_HEADER_BYTES;

type Named = Extract<ServiceKey, { readonly address: Ip }>;
/** Operations of which a reload may have thousands, each with numbers and addresses of a fixed width alone. */
type Frequent = Exclude<Operation, { readonly kind: "addService" | "editService" }> & { readonly service: Named };

/**
 * Writes operations as messages of the IPVS family. Of each kind that is frequent the attribute tables make one message; from then on that is
 * copied and its values are written over, which costs a tenth. The bytes are the same.
 */
export class OperationWriter {
  readonly #familyId: number;
  readonly #patterns = new Map<Operation["kind"], Pattern>();

  constructor(familyId: number) {
    this.#familyId = familyId;
  }

  write(writer: MessageWriter, operation: Operation): void {
    if (!isFrequent(operation)) {
      encodeIpvs(writer, this.#familyId, NLM_F.request, operationMessage(operation));
      return;
    }
    let pattern = this.#patterns.get(operation.kind);
    if (pattern === undefined) {
      pattern = new Pattern(this.#familyId, operation);
      this.#patterns.set(operation.kind, pattern);
    }
    pattern.write(writer, operation);
  }
}

function isFrequent(operation: Operation): operation is Frequent {
  const { kind, service } = operation;
  if (service.protocol === "FWM" || kind === "addService" || kind === "editService") return false;
  // Attributes of a tunnel are left out where there is none.
  return !("attributes" in operation) || operation.attributes.tunnelType === "ipip";
}

/** One message, and where in it the values lie. */
class Pattern {
  private readonly message: Uint8Array;
  private readonly service: Places<"family" | "protocol" | "address" | "port">;
  private readonly destination: Places<"family" | "address" | "port"> | undefined;
  private readonly attributes: Places<"forwardingFlags" | "weight" | "upperThreshold" | "lowerThreshold"> | undefined;

  constructor(familyId: number, example: Frequent) {
    const writer = new MessageWriter();
    encodeIpvs(writer, familyId, NLM_F.request, operationMessage(example));
    const message = new Uint8Array(writer.bytes);
    this.message = message;
    this.service = placesOf(message, "service", ["family", "protocol", "address", "port"]);
    if (example.kind === "deleteService") return;
    this.destination = placesOf(message, "destination", ["family", "address", "port"]);
    if (example.kind === "deleteDestination") return;
    const names = ["forwardingFlags", "weight", "upperThreshold", "lowerThreshold"] as const;
    this.attributes = placesOf(message, "destination", names);
  }

  /** @param operation of the example's kind */
  write(writer: MessageWriter, operation: Frequent): void {
    const at = writer.append(this.message);
    const { service } = operation;
    const serviceFamily = writer.setInetAddress(at + this.service.address, service.address);
    writer.setU16(at + this.service.family, FAMILY_NUMBERS[serviceFamily]);
    writer.setU16(at + this.service.protocol, PROTOCOL_NUMBERS[service.protocol]);
    writer.setU16be(at + this.service.port, service.port);
    if (this.destination === undefined || operation.kind === "deleteService") return;
    const { destination } = operation;
    const family = writer.setInetAddress(at + this.destination.address, destination.address);
    writer.setU16(at + this.destination.family, FAMILY_NUMBERS[family]);
    writer.setU16be(at + this.destination.port, destination.port);
    if (this.attributes === undefined || operation.kind === "deleteDestination") return;
    const { forwarding, weight, upperThreshold, lowerThreshold } = operation.attributes;
    writer.setU32(at + this.attributes.forwardingFlags, FORWARDING_METHOD[forwarding]);
    writer.setU32(at + this.attributes.weight, weight);
    writer.setU32(at + this.attributes.upperThreshold, upperThreshold);
    writer.setU32(at + this.attributes.lowerThreshold, lowerThreshold);
  }
}

/** Bytes from the beginning of the message to the value. */
type Places<Name extends string> = Readonly<Record<Name, number>>;

const TABLES = { service: SERVICE_ATTRIBUTES, destination: DESTINATION_ATTRIBUTES };

function placesOf<About extends keyof typeof TABLES, Name extends string & keyof (typeof TABLES)[About]>(
  message: Uint8Array,
  about: About,
  names: readonly Name[],
): Places<Name> {
  const table: (typeof TABLES)[About] = TABLES[about];
  const places = names.map((name) => {
    const row = table[name] as AttributeRow<unknown>;
    return [name, payloadOffset(message, ATTRIBUTES_OFFSET, [COMMAND_ATTRIBUTES[about], row])];
  });
  return Object.fromEntries(places);
}
