/**
 * Generic netlink (linux/genetlink.h): struct genlmsghdr behind nlmsghdr, and the controller that knows the number of a
 * family by its name.
 *
 *     +---------------+---------------+-------------------------------+
 *     | cmd           | version       | reserved                      |
 *     +---------------+---------------+-------------------------------+
 *     | attributes                                                    |
 *     +---------------------------------------------------------------+
 */
import { ok, type Result } from "../../core/result.ts";
import { viewOf } from "../bytes.ts";
import { type AttributeTable, decodeAttributes, encodeAttributes, nulString, u16, u32 } from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { type NetlinkMessage, NLM_F } from "./message.ts";
import type { MessageWriter } from "./writer.ts";

/** sizeof(struct genlmsghdr) */
export const GENERIC_HEADER_BYTES = 4;
/** GENL_ID_CTRL: the message type of the controller. */
export const CONTROLLER_FAMILY_ID = 0x10;
/** CTRL_CMD_NEWFAMILY (the answer) and CTRL_CMD_GETFAMILY. */
export const CONTROLLER_COMMAND = { newFamily: 1, getFamily: 3 } as const;
const CONTROLLER_VERSION = 1;

export const CONTROLLER_ATTRIBUTES = {
  familyId: { attr: 1, type: u16, kernel: "CTRL_ATTR_FAMILY_ID" },
  familyName: { attr: 2, type: nulString, kernel: "CTRL_ATTR_FAMILY_NAME" },
  version: { attr: 3, type: u32, kernel: "CTRL_ATTR_VERSION" },
  headerBytes: { attr: 4, type: u32, kernel: "CTRL_ATTR_HDRSIZE" },
  attributesMax: { attr: 5, type: u32, kernel: "CTRL_ATTR_MAXATTR" },
} as const satisfies AttributeTable;

export interface GenericFamily {
  /** The nlmsg_type of the family's messages. */
  readonly id: number;
  readonly name: string;
  readonly version: number;
}

/** Appends struct genlmsghdr. */
export function writeGenericHeader(writer: MessageWriter, command: number, version: number): void {
  writer.u8(command);
  writer.u8(version);
  writer.u16(0);
}

/** The command of a generic netlink message and the bytes of its attributes. */
export function decodeGeneric(
  message: NetlinkMessage,
): Result<{ readonly command: number; readonly version: number; readonly attributes: Uint8Array }, NetlinkFailure> {
  if (message.payload.length < GENERIC_HEADER_BYTES) {
    return netlinkFailure("truncated", `struct genlmsghdr of ${message.payload.length} bytes`);
  }
  const view = viewOf(message.payload);
  return ok({
    command: view.getUint8(0),
    version: view.getUint8(1),
    attributes: message.payload.subarray(GENERIC_HEADER_BYTES),
  });
}

/** Asks the controller for a family by name (`genl ctrl get name NAME`). The kernel answers ENOENT when it has none. */
export function encodeGetFamily(writer: MessageWriter, familyName: string): void {
  writer.begin(CONTROLLER_FAMILY_ID, NLM_F.request | NLM_F.ack);
  writeGenericHeader(writer, CONTROLLER_COMMAND.getFamily, CONTROLLER_VERSION);
  encodeAttributes(writer, CONTROLLER_ATTRIBUTES, { familyName });
  writer.end();
}

/**
 * The controller's answer.
 * Checked here: that it is one, lengths, and that number and name are there.
 * Left to the caller: that the name is the one asked for.
 */
export function decodeFamily(message: NetlinkMessage): Result<GenericFamily, NetlinkFailure> {
  if (message.type !== CONTROLLER_FAMILY_ID) return netlinkFailure("wrongType", `message type ${message.type}`);
  const generic = decodeGeneric(message);
  if (!generic.ok) return generic;
  if (generic.value.command !== CONTROLLER_COMMAND.newFamily) {
    return netlinkFailure("wrongType", `controller command ${generic.value.command}`);
  }
  const decoded = decodeAttributes(CONTROLLER_ATTRIBUTES, generic.value.attributes);
  if (!decoded.ok) return decoded;
  const { familyId, familyName, version } = decoded.value.attributes;
  if (familyId === undefined) return netlinkFailure("missingAttribute", "CTRL_ATTR_FAMILY_ID");
  if (familyName === undefined) return netlinkFailure("missingAttribute", "CTRL_ATTR_FAMILY_NAME");
  return ok({ id: familyId, name: familyName, version: version ?? 0 });
}
