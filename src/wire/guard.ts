/**
 * The frames between a daemon and its holdfast-guard, and the last will that they carry (native/guard_protocol.h, which
 * has the pictures). Both ends are on one machine: every number is in its byte order, which is little-endian here.
 */
import { fail, ok, type Result } from "../core/result.ts";
import { viewOf } from "./bytes.ts";

const MAGIC = 0x48464721;
const VERSION = 1;
const FRAME_HEADER_BYTES = 16;
const ITEM_HEADER_BYTES = 12;
/** GUARD_FRAME_MAX, header included. */
export const GUARD_FRAME_BYTES_MAX = 65_536;
/** GUARD_WILL_MAX */
export const WILL_BYTES_MAX = 1 << 20;
/** GUARD_LIMIT_MS_MAX */
export const GUARD_LIMIT_MS_MAX = 600_000;

/** enum guard_type */
export const GUARD_FRAME = {
  begin: 1,
  data: 2,
  commit: 3,
  beat: 4,
  extend: 5,
  ward: 6,
  goodbye: 7,
  writer: 8,
  hello: 101,
  confirmed: 102,
  refused: 103,
  late: 104,
} as const;

/** enum guard_refusal */
const REFUSALS = ["", "malformedFrame", "tooLarge", "wrongOrder", "malformedItem", "unknownWard"] as const;
export type GuardRefusal = Exclude<(typeof REFUSALS)[number], ""> | "unknown";

/** enum guard_item_kind */
const ITEM_KIND = { netlink: 1, ipv4: 2, ipv6: 3 } as const;

/**
 * One message that is sent when the will is executed: netlink requests first, then packets. `netlink`: a whole batch of
 * requests. `ipv4`: a packet with its IP header. `ipv6`: the payload of a packet of protocol 112.
 */
export interface WillItem {
  readonly kind: keyof typeof ITEM_KIND;
  /** struct sockaddr of the destination; empty for netlink. */
  readonly address: Uint8Array;
  /** Ancillary data (interface, source, hop limit) in the kernel's layout. */
  readonly control: Uint8Array;
  readonly data: Uint8Array;
}

/** The bytes of a will; undefined when it is larger than a guard holds. */
export function encodeWill(items: readonly WillItem[]): Uint8Array | undefined {
  const total = items.reduce((sum, item) => sum + itemBytes(item), 0);
  if (total > WILL_BYTES_MAX) return undefined;
  const bytes = new Uint8Array(total);
  const view = viewOf(bytes);
  let at = 0;
  for (const item of items) {
    view.setUint16(at, ITEM_KIND[item.kind], true);
    view.setUint16(at + 2, item.address.length, true);
    view.setUint16(at + 4, item.control.length, true);
    view.setUint32(at + 8, item.data.length, true);
    bytes.set(item.address, at + ITEM_HEADER_BYTES);
    bytes.set(item.control, at + ITEM_HEADER_BYTES + item.address.length);
    bytes.set(item.data, at + ITEM_HEADER_BYTES + item.address.length + item.control.length);
    at += itemBytes(item);
  }
  return bytes;
}

function itemBytes({ address, control, data }: WillItem): number {
  return (ITEM_HEADER_BYTES + address.length + control.length + data.length + 3) & ~3;
}

/**
 * The frames that replace the will: BEGIN, DATA as often as needed, COMMIT with `sequence`, which the guard answers.
 * @param limitMs how long a heartbeat may be missing; 0 = not watched
 */
export function willFrames(will: Uint8Array, limitMs: number, sequence: number): Uint8Array[] {
  const frames = [encodeFrame(GUARD_FRAME.begin, sequence, words(will.length, limitMs))];
  const room = GUARD_FRAME_BYTES_MAX - FRAME_HEADER_BYTES;
  for (let at = 0; at < will.length; at += room) {
    frames.push(encodeFrame(GUARD_FRAME.data, sequence, will.subarray(at, at + room)));
  }
  frames.push(encodeFrame(GUARD_FRAME.commit, sequence));
  return frames;
}

export const beatFrame = (): Uint8Array => encodeFrame(GUARD_FRAME.beat, 0);
export const goodbyeFrame = (): Uint8Array => encodeFrame(GUARD_FRAME.goodbye, 0);
/** No heartbeat counts as missing for this long: the loop is being replaced. */
export const extendFrame = (ms: number): Uint8Array => encodeFrame(GUARD_FRAME.extend, 0, words(ms));
/** Another process is watched from now on; the guard answers. */
export const wardFrame = (processId: number, sequence: number): Uint8Array =>
  encodeFrame(GUARD_FRAME.ward, sequence, words(processId));

/** The thread of the ward that alone writes addresses: once it ends, none comes back. */
export const writerFrame = (threadId: number): Uint8Array => encodeFrame(GUARD_FRAME.writer, 0, words(threadId));

export function encodeFrame(type: number, sequence: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  const view = viewOf(bytes);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, type, true);
  view.setUint32(8, sequence, true);
  view.setUint32(12, payload.length, true);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = viewOf(bytes);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  return bytes;
}

export type GuardAnswer =
  | { readonly kind: "hello"; readonly processId: number; readonly lockedInMemory: boolean; readonly realtime: boolean }
  | { readonly kind: "confirmed"; readonly sequence: number }
  | { readonly kind: "refused"; readonly sequence: number; readonly reason: GuardRefusal }
  | { readonly kind: "late"; readonly lateMs: number };

/** A frame from the guard. Checked here: magic, version, lengths, type. */
export function decodeAnswer(bytes: Uint8Array): Result<GuardAnswer, "truncated" | "notAGuard" | "unknownFrame"> {
  if (bytes.length < FRAME_HEADER_BYTES) return fail("truncated");
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== MAGIC || view.getUint16(4, true) !== VERSION) return fail("notAGuard");
  const type = view.getUint16(6, true);
  const sequence = view.getUint32(8, true);
  const length = view.getUint32(12, true);
  if (length !== bytes.length - FRAME_HEADER_BYTES || length % 4 !== 0) return fail("truncated");
  const word = (index: number): number => view.getUint32(FRAME_HEADER_BYTES + index * 4, true);
  if (type === GUARD_FRAME.hello && length === 8) {
    const flags = word(1);
    return ok({ kind: "hello", processId: word(0), lockedInMemory: (flags & 1) !== 0, realtime: (flags & 2) !== 0 });
  }
  if (type === GUARD_FRAME.confirmed && length === 0) return ok({ kind: "confirmed", sequence });
  if (type === GUARD_FRAME.refused && length === 4) {
    const reason = REFUSALS[word(0)];
    return ok({ kind: "refused", sequence, reason: reason === undefined || reason === "" ? "unknown" : reason });
  }
  if (type === GUARD_FRAME.late && length === 4) return ok({ kind: "late", lateMs: word(0) });
  return fail("unknownFrame");
}
