/**
 * The one question of ethtool's netlink interface (linux/ethtool_netlink.h, family "ethtool", Linux 5.6): whether a driver
 * sees a link, as `ethtool eth0` shows it. The driver's own function is asked, which reads the PHY where it has one, and
 * not the carrier flag that rtnetlink shows.
 */
import { ok, type Result } from "../../core/result.ts";
import { type AttributeTable, decodeAttributes, encodeAttributes, nested, u8, u32 } from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { decodeGeneric, writeGenericHeader } from "./genl.ts";
import { type NetlinkMessage, NLM_F } from "./message.ts";
import type { MessageWriter } from "./writer.ts";

/** ETHTOOL_GENL_NAME and ETHTOOL_GENL_VERSION */
export const ETHTOOL_FAMILY_NAME = "ethtool";
export const ETHTOOL_VERSION = 1;
/** ETHTOOL_MSG_LINKSTATE_GET and ETHTOOL_MSG_LINKSTATE_GET_REPLY: numbers of different lists. */
export const ETHTOOL_COMMAND = { linkStateGet: 6, linkStateReply: 6 } as const;

export const ETHTOOL_HEADER_ATTRIBUTES = {
  interfaceIndex: { attr: 1, type: u32, kernel: "ETHTOOL_A_HEADER_DEV_INDEX" },
} as const satisfies AttributeTable;

export const LINK_STATE_ATTRIBUTES = {
  header: { attr: 1, type: nested(ETHTOOL_HEADER_ATTRIBUTES), kernel: "ETHTOOL_A_LINKSTATE_HEADER" },
  link: { attr: 2, type: u8, kernel: "ETHTOOL_A_LINKSTATE_LINK" },
} as const satisfies AttributeTable;

/** The kernel answers EOPNOTSUPP for a driver that cannot tell, ENODEV without such an interface. */
export function encodeGetLinkState(writer: MessageWriter, familyId: number, interfaceIndex: number): void {
  writer.begin(familyId, NLM_F.request | NLM_F.ack);
  writeGenericHeader(writer, ETHTOOL_COMMAND.linkStateGet, ETHTOOL_VERSION);
  encodeAttributes(writer, LINK_STATE_ATTRIBUTES, { header: { interfaceIndex } });
  writer.end();
}

/** Undefined where the driver does not tell. Left to the caller: that the message is of the family asked. */
export function decodeLinkState(message: NetlinkMessage): Result<boolean | undefined, NetlinkFailure> {
  const generic = decodeGeneric(message);
  if (!generic.ok) return generic;
  if (generic.value.command !== ETHTOOL_COMMAND.linkStateReply) {
    return netlinkFailure("wrongType", `ethtool command ${generic.value.command}`);
  }
  const decoded = decodeAttributes(LINK_STATE_ATTRIBUTES, generic.value.attributes);
  if (!decoded.ok) return decoded;
  const { link } = decoded.value.attributes;
  return ok(link === undefined ? undefined : link !== 0);
}
