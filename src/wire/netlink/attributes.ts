/**
 * Netlink attributes (linux/netlink.h, struct nlattr) by table: one row an attribute, read by encode and by decode, so
 * that a width or a number cannot differ between the directions.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------------------------------+-+-+---------------------------+
 *     | nla_len: header and payload   |N|O| nla_type                  |
 *     +-------------------------------+-+-+---------------------------+
 *     | payload, then zeros up to a multiple of 4                     |
 *     +---------------------------------------------------------------+
 *
 * N = NLA_F_NESTED: set by us as libnl sets it; kernels set it or not, so it is ignored in answers. O is ignored too:
 * the row knows the byte order.
 */
import { ok, type Result } from "../../core/result.ts";
import { copyOf, viewOf } from "../bytes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { ATTRIBUTE_HEADER_BYTES, align, type MessageWriter, NESTED_FLAG } from "./writer.ts";

/** NLA_TYPE_MASK: the number of an attribute without its two flags. */
const NUMBER_MASK = 0x3fff;

/** How the payload of an attribute becomes a value and back. */
export interface AttributeType<Value> {
  /** NLA_F_NESTED or 0. */
  readonly flag: number;
  /** The payload's length where every value has the same. */
  readonly bytes?: number;
  write(writer: MessageWriter, value: Value): void;
  /** The payload without padding; its length is not trusted. Unknown attributes inside it are added to the tally. */
  read(payload: Uint8Array, tally: UnknownTally): Result<Value, NetlinkFailure>;
  /**
   * There with `bytes`: reads a payload of that length where it lies. A view for each number of a dump would cost more than all the
   * rest of it.
   */
  readAt?(view: DataView, offset: number): Value;
}

/** How many attributes had no row so far. */
export interface UnknownTally {
  unknown: number;
}

export interface AttributeRow<Value> {
  readonly attr: number;
  readonly type: AttributeType<Value>;
  /** The name in the kernel's header; a test compares `attr` with the header's value. */
  readonly kernel: string;
}

export interface AttributeTable {
  readonly [name: string]: AttributeRow<unknown>;
}

/** What a table's attributes decode to; every one may be absent, and the message's own code says which must be there. */
export type AttributeValues<Table extends AttributeTable> = {
  readonly [Name in keyof Table]?: Table[Name] extends AttributeRow<infer Value> ? Value : never;
};

export interface DecodedAttributes<Table extends AttributeTable> {
  /** In the order of the bytes. Of an attribute that comes twice the last one counts, as in the kernel's nla_parse. */
  readonly attributes: AttributeValues<Table>;
  /** Attributes without a row, also inside nested ones: newer kernels have more. */
  readonly unknown: number;
}

/**
 * Appends attributes in the order of the value's keys, so that what was decoded encodes to the same bytes. A key whose
 * value is undefined is left out.
 */
export function encodeAttributes<Table extends AttributeTable>(
  writer: MessageWriter,
  table: Table,
  values: AttributeValues<Table>,
): void {
  for (const name in values) {
    const value = values[name];
    const row = table[name];
    if (value === undefined || row === undefined) continue;
    const { type } = row;
    if (type.bytes !== undefined) {
      writer.fixedAttribute(row.attr, type.bytes);
      type.write(writer, value);
      writer.pad();
      continue;
    }
    const start = writer.beginAttribute(row.attr | type.flag);
    type.write(writer, value);
    writer.endAttribute(start);
  }
}

/**
 * Where the payload of an attribute begins among the attributes from `start` on: for who writes one message many times with other values
 * in it. `path` leads through nested ones. Throws Error where there is none.
 */
export function payloadOffset(message: Uint8Array, start: number, path: readonly AttributeRow<unknown>[]): number {
  const view = viewOf(message);
  let end = message.length;
  let offset = start;
  for (const { attr, kernel } of path) {
    while (offset < end && (view.getUint16(offset + 2, true) & NUMBER_MASK) !== attr) {
      offset += align(view.getUint16(offset, true));
    }
    if (offset >= end) throw new Error(`${kernel} is not in the message`);
    end = offset + view.getUint16(offset, true);
    offset += ATTRIBUTE_HEADER_BYTES;
  }
  return offset;
}

/** The rows of a table by attribute number, made once a table. */
const rowsByNumber = new WeakMap<AttributeTable, ReadonlyMap<number, readonly [string, AttributeRow<unknown>]>>();

function rowsOf(table: AttributeTable): ReadonlyMap<number, readonly [string, AttributeRow<unknown>]> {
  let rows = rowsByNumber.get(table);
  if (rows === undefined) {
    rows = new Map(Object.entries(table).map(([name, row]) => [row.attr, [name, row]] as const));
    rowsByNumber.set(table, rows);
  }
  return rows;
}

/**
 * Checked here: every attribute lies inside the bytes and has a size that its type can have; texts end and are UTF-8.
 * Left to the caller: which attributes must be present, and what values mean together (an address and its family).
 */
export function decodeAttributes<Table extends AttributeTable>(
  table: Table,
  bytes: Uint8Array,
): Result<DecodedAttributes<Table>, NetlinkFailure> {
  const rows = rowsOf(table);
  const view = viewOf(bytes);
  const attributes: Record<string, unknown> = {};
  const tally = { unknown: 0 };
  let offset = 0;
  while (offset < bytes.length) {
    const left = bytes.length - offset;
    if (left < ATTRIBUTE_HEADER_BYTES) return netlinkFailure("truncated", `${left} bytes are no attribute header`);
    const length = view.getUint16(offset, true);
    const number = view.getUint16(offset + 2, true) & NUMBER_MASK;
    if (length < ATTRIBUTE_HEADER_BYTES) {
      return netlinkFailure("badLength", `attribute ${number}: nla_len ${length} is less than its header`);
    }
    if (length > left) return netlinkFailure("truncated", `attribute ${number}: nla_len ${length}, ${left} bytes left`);
    const found = rows.get(number);
    if (found === undefined) {
      tally.unknown++;
    } else {
      const [name, { type, kernel }] = found;
      const payloadAt = offset + ATTRIBUTE_HEADER_BYTES;
      if (type.readAt !== undefined && length - ATTRIBUTE_HEADER_BYTES === type.bytes) {
        attributes[name] = type.readAt(view, payloadAt);
      } else {
        const value = type.read(bytes.subarray(payloadAt, offset + length), tally);
        if (!value.ok) return netlinkFailure(value.error.reason, `${kernel}: ${value.error.detail}`);
        attributes[name] = value.value;
      }
    }
    offset += align(length);
  }
  return ok({ attributes: attributes as AttributeValues<Table>, unknown: tally.unknown });
}

/** A number of fixed width: the payload has exactly these bytes. */
function fixed<Value>(
  bytes: number,
  write: (writer: MessageWriter, value: Value) => void,
  readAt: (view: DataView, offset: number) => Value,
): AttributeType<Value> {
  return {
    flag: 0,
    bytes,
    write,
    readAt,
    read(payload) {
      if (payload.length !== bytes) return netlinkFailure("badLength", `${payload.length} bytes, not ${bytes}`);
      return ok(readAt(viewOf(payload), 0));
    },
  };
}

export const u8 = fixed<number>(
  1,
  (writer, value) => writer.u8(value),
  (view, at) => view.getUint8(at),
);
export const u16 = fixed<number>(
  2,
  (writer, value) => writer.u16(value),
  (view, at) => view.getUint16(at, true),
);
/** Network byte order: ports. */
export const u16be = fixed<number>(
  2,
  (writer, value) => writer.u16be(value),
  (view, at) => view.getUint16(at, false),
);
export const u32 = fixed<number>(
  4,
  (writer, value) => writer.u32(value),
  (view, at) => view.getUint32(at, true),
);
export const s32 = fixed<number>(
  4,
  (writer, value) => writer.u32(value),
  (view, at) => view.getInt32(at, true),
);
/** Network byte order: tunnel ids. */
export const u64be = fixed<bigint>(
  8,
  (writer, value) => writer.u64be(value),
  (view, at) => view.getBigUint64(at, false),
);
/** Network byte order: IPv4 netmasks. */
export const u32be = fixed<number>(
  4,
  (writer, value) => writer.u32be(value),
  (view, at) => view.getUint32(at, false),
);
export const u64 = fixed<bigint>(
  8,
  (writer, value) => writer.u64(value),
  (view, at) => view.getBigUint64(at, true),
);

/** Several u32 in a row: a small struct such as struct ifa_cacheinfo, its fields in the struct's order. */
export function u32Struct<const Field extends string>(
  fields: readonly Field[],
): AttributeType<{ readonly [Name in Field]: number }> {
  return fixed(
    fields.length * 4,
    (writer, value) => {
      for (const field of fields) writer.u32(value[field]);
    },
    (view, at) =>
      Object.fromEntries(fields.map((field, index) => [field, view.getUint32(at + index * 4, true)])) as {
        [Name in Field]: number;
      },
  );
}

/** Bytes as they are, from `bytesMin` to `bytesMax` of them. */
export function binary(bytesMin: number, bytesMax: number): AttributeType<Uint8Array> {
  return {
    flag: 0,
    write: (writer, value) => writer.raw(value),
    read(payload) {
      if (payload.length < bytesMin || payload.length > bytesMax) {
        return netlinkFailure("badLength", `${payload.length} bytes, not ${bytesMin} to ${bytesMax}`);
      }
      return ok(copyOf(payload));
    },
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text written without a NUL and read with or without (NLA_STRING), as iproute2 sends names of kinds and algorithms. */
export const text: AttributeType<string> = {
  flag: 0,
  write: (writer, value) => writer.text(value),
  read(payload) {
    const end = payload.indexOf(0);
    return decodeText(end < 0 ? payload : payload.subarray(0, end));
  },
};

function decodeText(bytes: Uint8Array): Result<string, NetlinkFailure> {
  try {
    return ok(utf8.decode(bytes));
  } catch {
    return netlinkFailure("badText", "text that is no UTF-8");
  }
}

/** Text that ends with a NUL, as the kernel writes all of its strings (NLA_NUL_STRING). */
export const nulString: AttributeType<string> = {
  flag: 0,
  write(writer, value) {
    writer.text(value);
    writer.u8(0);
  },
  read(payload) {
    const end = payload.indexOf(0);
    return end < 0 ? netlinkFailure("badText", "text without its NUL") : decodeText(payload.subarray(0, end));
  },
};

/** As `nested`, without NLA_F_NESTED: what is older than the flag, where iproute2 does not set it either. */
export function nestedUnmarked<Table extends AttributeTable>(table: Table): AttributeType<AttributeValues<Table>> {
  return { ...nested(table), flag: 0 };
}

/** Attributes inside an attribute. */
export function nested<Table extends AttributeTable>(table: Table): AttributeType<AttributeValues<Table>> {
  return {
    flag: NESTED_FLAG,
    write: (writer, value) => encodeAttributes(writer, table, value),
    read(payload, tally) {
      const decoded = decodeAttributes(table, payload);
      if (!decoded.ok) return decoded;
      tally.unknown += decoded.value.unknown;
      return ok(decoded.value.attributes);
    },
  };
}
