/**
 * Policy routing rules of rtnetlink (linux/fib_rules.h): requests, dumps and notifications, which have one form.
 *
 *     struct fib_rule_hdr
 *     +--------+--------+--------+--------+
 *     | family | dst_len| src_len| tos    |
 *     +--------+--------+--------+--------+
 *     | table  | 0      | 0      | action |
 *     +--------+--------+--------+--------+
 *     | flags (FIB_RULE_*)                |
 *     +-----------------------------------+
 *     | attributes (FRA_*)                |
 */
import { type Family, ipBytes, ipFromBytes } from "../../core/ip.ts";
import { ok, type Result } from "../../core/result.ts";
import { viewOf } from "../bytes.ts";
import {
  type AttributeTable,
  type AttributeType,
  type AttributeValues,
  binary,
  decodeAttributes,
  encodeAttributes,
  nulString,
  u8,
  u32,
  u32Struct,
  u64be,
} from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { type NetlinkMessage, NLM_F } from "./message.ts";
import { AF_INET, AF_INET6, RT_TABLE, RTM } from "./rtnlConstants.ts";
import type { Prefix } from "./rtnlRouteRequest.ts";
import type { MessageWriter } from "./writer.ts";

const RULE_HEADER_BYTES = 12;

/** FR_ACT_* */
export const RULE_ACTION = {
  unspecified: 0,
  table: 1,
  goto: 2,
  nop: 3,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
} as const;
export type RuleActionName = Exclude<keyof typeof RULE_ACTION, "unspecified">;

/** FIB_RULE_INVERT: `not`. */
export const FIB_RULE_INVERT = 0x2;

/** struct fib_rule_port_range: both ends included. */
const portRange: AttributeType<{ readonly from: number; readonly to: number }> = {
  flag: 0,
  write(writer, range) {
    writer.u16(range.from);
    writer.u16(range.to);
  },
  read(payload) {
    if (payload.length !== 4) return netlinkFailure("badLength", `${payload.length} bytes, not 4`);
    const view = viewOf(payload);
    return ok({ from: view.getUint16(0, true), to: view.getUint16(2, true) });
  },
};

const ipAddress = binary(0, 32);

export const RULE_ATTRIBUTES = {
  destination: { attr: 1, type: ipAddress, kernel: "FRA_DST" },
  source: { attr: 2, type: ipAddress, kernel: "FRA_SRC" },
  inputInterface: { attr: 3, type: nulString, kernel: "FRA_IIFNAME" },
  goto: { attr: 4, type: u32, kernel: "FRA_GOTO" },
  priority: { attr: 6, type: u32, kernel: "FRA_PRIORITY" },
  mark: { attr: 10, type: u32, kernel: "FRA_FWMARK" },
  flow: { attr: 11, type: u32, kernel: "FRA_FLOW" },
  tunnelId: { attr: 12, type: u64be, kernel: "FRA_TUN_ID" },
  suppressInterfaceGroup: { attr: 13, type: u32, kernel: "FRA_SUPPRESS_IFGROUP" },
  suppressPrefixLength: { attr: 14, type: u32, kernel: "FRA_SUPPRESS_PREFIXLEN" },
  table: { attr: 15, type: u32, kernel: "FRA_TABLE" },
  markMask: { attr: 16, type: u32, kernel: "FRA_FWMASK" },
  outputInterface: { attr: 17, type: nulString, kernel: "FRA_OIFNAME" },
  l3mdev: { attr: 19, type: u8, kernel: "FRA_L3MDEV" },
  /** struct fib_rule_uid_range: both ends included. */
  uidRange: { attr: 20, type: u32Struct(["from", "to"]), kernel: "FRA_UID_RANGE" },
  protocol: { attr: 21, type: u8, kernel: "FRA_PROTOCOL" },
  ipProtocol: { attr: 22, type: u8, kernel: "FRA_IP_PROTO" },
  sourcePorts: { attr: 23, type: portRange, kernel: "FRA_SPORT_RANGE" },
  destinationPorts: { attr: 24, type: portRange, kernel: "FRA_DPORT_RANGE" },
} as const satisfies AttributeTable;

/** struct fib_rule_hdr and its attributes. */
export interface RuleMessage extends AttributeValues<typeof RULE_ATTRIBUTES> {
  readonly family: number;
  readonly destinationLength: number;
  readonly sourceLength: number;
  readonly typeOfService: number;
  /** The lower eight bits; `table` of the attribute has all. */
  readonly headerTable: number;
  /** FR_ACT_* */
  readonly action: number;
  readonly ruleFlags: number;
}

/** Appends a rule message of `type` RTM_NEWRULE, RTM_DELRULE or RTM_GETRULE; returns its sequence number. */
export function encodeRule(writer: MessageWriter, type: number, flags: number, message: RuleMessage): number {
  const { family, destinationLength, sourceLength, typeOfService, headerTable, action, ruleFlags, ...attributes } =
    message;
  const sequence = writer.begin(type, flags);
  for (const byte of [family, destinationLength, sourceLength, typeOfService, headerTable, 0, 0, action]) {
    writer.u8(byte);
  }
  writer.u32(ruleFlags);
  encodeAttributes(writer, RULE_ATTRIBUTES, attributes);
  writer.end();
  return sequence;
}

/**
 * A rule of a dump or a notification.
 * Checked here: message type, lengths, UTF-8 of the interfaces' names.
 * Left to the caller: that the family is one it knows and that address lengths fit it.
 */
export function decodeRule(
  message: NetlinkMessage,
): Result<RuleMessage & { readonly unknown: number }, NetlinkFailure> {
  if (message.type < RTM.newRule || message.type > RTM.getRule) {
    return netlinkFailure("wrongType", `message type ${message.type} is no RTM_*RULE`);
  }
  if (message.payload.length < RULE_HEADER_BYTES) {
    return netlinkFailure("truncated", `struct fib_rule_hdr of ${message.payload.length} bytes`);
  }
  const view = viewOf(message.payload);
  const decoded = decodeAttributes(RULE_ATTRIBUTES, message.payload.subarray(RULE_HEADER_BYTES));
  if (!decoded.ok) return decoded;
  return ok({
    family: view.getUint8(0),
    destinationLength: view.getUint8(1),
    sourceLength: view.getUint8(2),
    typeOfService: view.getUint8(3),
    headerTable: view.getUint8(4),
    action: view.getUint8(7),
    ruleFlags: view.getUint32(8, true),
    ...decoded.value.attributes,
    unknown: decoded.value.unknown,
  });
}

/** A rule as `virtual_rules` describes it. Interfaces are names: the kernel follows them through deletion and re-creation. */
export interface RuleRequest {
  readonly family: Family;
  readonly action: RuleActionName;
  readonly from: Prefix | undefined;
  readonly to: Prefix | undefined;
  readonly not: boolean;
  readonly typeOfService: number;
  readonly fwmark: { readonly value: number; readonly mask: number } | undefined;
  readonly inputInterface: string | undefined;
  readonly outputInterface: string | undefined;
  readonly table: number | undefined;
  readonly goto: number | undefined;
  /** Undefined: the kernel takes one below the lowest of the rules behind the first. */
  readonly preference: number | undefined;
  readonly realms: number | undefined;
  readonly tunnelId: bigint | undefined;
  readonly suppressPrefixLength: number | undefined;
  readonly suppressInterfaceGroup: number | undefined;
  readonly l3mdev: boolean;
  readonly uidRange: { readonly from: number; readonly to: number } | undefined;
  /** RTPROT_*: who made it. */
  readonly protocol: number | undefined;
  readonly ipProtocol: number | undefined;
  readonly sourcePorts: { readonly from: number; readonly to: number } | undefined;
  readonly destinationPorts: { readonly from: number; readonly to: number } | undefined;
}

/** `ip rule add`: EEXIST when there is exactly this one (without NLM_F_EXCL the kernel would make a second). */
export function encodeNewRule(writer: MessageWriter, request: RuleRequest): number {
  return encodeRule(writer, RTM.newRule, NLM_F.request | NLM_F.create | NLM_F.exclusive, ruleMessage(request));
}

/** `ip rule del`: the first rule that has all of this; ENOENT when none has. */
export function encodeDeleteRule(writer: MessageWriter, request: RuleRequest): number {
  return encodeRule(writer, RTM.deleteRule, NLM_F.request, ruleMessage(request));
}

/** Dump of all rules of all families. */
export function encodeGetRules(writer: MessageWriter): number {
  return encodeRule(writer, RTM.getRule, NLM_F.request | NLM_F.dump, {
    family: 0,
    destinationLength: 0,
    sourceLength: 0,
    typeOfService: 0,
    headerTable: 0,
    action: 0,
    ruleFlags: 0,
  });
}

/** The attributes stand in the order of `ip rule` where it has one, so that its bytes can be compared with ours. */
function ruleMessage(request: RuleRequest): RuleMessage {
  const { from, to, fwmark, table } = request;
  return {
    family: request.family === 4 ? AF_INET : AF_INET6,
    destinationLength: to?.prefixLength ?? 0,
    sourceLength: from?.prefixLength ?? 0,
    typeOfService: request.typeOfService,
    headerTable: table !== undefined && table < 256 ? table : RT_TABLE.unspecified,
    action: RULE_ACTION[request.action],
    ruleFlags: request.not ? FIB_RULE_INVERT : 0,
    ...(from !== undefined && from.prefixLength > 0 ? { source: ipBytes(from.address) } : {}),
    ...(to !== undefined && to.prefixLength > 0 ? { destination: ipBytes(to.address) } : {}),
    ...defined({
      priority: request.preference,
      mark: fwmark?.value,
      markMask: fwmark?.mask,
      flow: request.realms,
      protocol: request.protocol,
      tunnelId: request.tunnelId,
      table: table !== undefined && table >= 256 ? table : undefined,
      suppressPrefixLength: request.suppressPrefixLength,
      suppressInterfaceGroup: request.suppressInterfaceGroup,
      inputInterface: request.inputInterface,
      outputInterface: request.outputInterface,
      l3mdev: request.l3mdev ? 1 : undefined,
      uidRange: request.uidRange,
      ipProtocol: request.ipProtocol,
      sourcePorts: request.sourcePorts,
      destinationPorts: request.destinationPorts,
      goto: request.goto,
    }),
  };
}

type Defined<Value> = { readonly [Key in keyof Value]?: Exclude<Value[Key], undefined> };

/** Without the members that are undefined: an attribute is there or not. */
function defined<Value extends object>(value: Value): Defined<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Defined<Value>;
}

/** A rule of a dump, in the words of a request. Undefined for other families, actions and malformed addresses. */
export function listedRule(message: RuleMessage): RuleRequest | undefined {
  const family = message.family === AF_INET ? 4 : message.family === AF_INET6 ? 6 : undefined;
  const action = (Object.keys(RULE_ACTION) as (keyof typeof RULE_ACTION)[]).find(
    (name) => RULE_ACTION[name] === message.action,
  );
  if (family === undefined || action === undefined || action === "unspecified") return undefined;
  return {
    family,
    action,
    from: prefixOf(message.source, message.sourceLength),
    to: prefixOf(message.destination, message.destinationLength),
    not: (message.ruleFlags & FIB_RULE_INVERT) !== 0,
    typeOfService: message.typeOfService,
    fwmark:
      message.mark === undefined && message.markMask === undefined
        ? undefined
        : { value: message.mark ?? 0, mask: message.markMask ?? 0xffff_ffff },
    inputInterface: message.inputInterface,
    outputInterface: message.outputInterface,
    table: action === "table" && message.l3mdev !== 1 ? (message.table ?? message.headerTable) : undefined,
    goto: message.goto,
    // The kernel leaves 0 out.
    preference: message.priority ?? 0,
    realms: message.flow,
    tunnelId: message.tunnelId,
    suppressPrefixLength: suppressed(message.suppressPrefixLength),
    suppressInterfaceGroup: suppressed(message.suppressInterfaceGroup),
    l3mdev: message.l3mdev === 1,
    uidRange: message.uidRange,
    protocol: message.protocol,
    ipProtocol: message.ipProtocol,
    sourcePorts: message.sourcePorts,
    destinationPorts: message.destinationPorts,
  };
}

function prefixOf(bytes: Uint8Array | undefined, prefixLength: number): Prefix | undefined {
  if (bytes === undefined || (bytes.length !== 4 && bytes.length !== 16)) return undefined;
  return { address: ipFromBytes(bytes), prefixLength };
}

/** The kernel says -1 where nothing is suppressed. */
const suppressed = (value: number | undefined): number | undefined => (value === 0xffff_ffff ? undefined : value);

/** Whether a dumped rule is the one that was asked for. What the request leaves to the kernel (preference, protocol) may be anything. */
export function isRequestedRule(request: RuleRequest, listed: RuleRequest): boolean {
  const wanted: RuleRequest = {
    ...request,
    from: request.from?.prefixLength === 0 ? undefined : request.from,
    to: request.to?.prefixLength === 0 ? undefined : request.to,
    preference: request.preference ?? listed.preference,
    // Linux before 4.17 does not keep it.
    protocol: listed.protocol === undefined ? undefined : (request.protocol ?? listed.protocol),
    table: request.l3mdev || request.action !== "table" ? undefined : request.table,
  };
  return (Object.keys(listed) as (keyof RuleRequest)[]).every((key) => same(wanted[key], listed[key]));
}

function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  return Object.keys({ ...left, ...right }).every((key) => left[key] === right[key]);
}
