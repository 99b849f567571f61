import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import {
  decodeAnswer,
  encodeFrame,
  encodeWill,
  GUARD_FRAME,
  GUARD_FRAME_BYTES_MAX,
  GUARD_LIMIT_MS_MAX,
  WILL_BYTES_MAX,
  type WillItem,
  willFrames,
} from "../../src/wire/guard.ts";

const header = readFileSync(new URL("../../native/guard_protocol.h", import.meta.url), "utf8");

/** The value of an enumerator of the guard's own header. */
function native(name: string): number {
  const text = new RegExp(`\\b${name} = ([^,]+),`).exec(header)?.[1];
  if (text === undefined) throw new Error(`${name} is not in guard_protocol.h`);
  const [base = "", shift] = text.split("<<");
  return shift === undefined ? Number(base) : Number(base) << Number(shift);
}

it("speaks the guard's own numbers", () => {
  for (const [name, value] of Object.entries(GUARD_FRAME)) {
    expect([name, value]).toEqual([name, native(`GUARD_${name.toUpperCase()}`)]);
  }
  expect(GUARD_FRAME_BYTES_MAX).toBe(native("GUARD_FRAME_MAX"));
  expect(WILL_BYTES_MAX).toBe(native("GUARD_WILL_MAX"));
  expect(GUARD_LIMIT_MS_MAX).toBe(native("GUARD_LIMIT_MS_MAX"));
  expect(new DataView(encodeFrame(1, 0).buffer).getUint32(0, true)).toBe(native("GUARD_MAGIC"));
});

const item = (dataBytes: number, changes: Partial<WillItem> = {}): WillItem => ({
  kind: "netlink",
  address: new Uint8Array(),
  control: new Uint8Array(),
  data: new Uint8Array(dataBytes).fill(0xaa),
  ...changes,
});

it("pads items to four bytes, in their order", () => {
  const will = encodeWill([
    item(1),
    item(4, { kind: "ipv6", address: Uint8Array.of(1, 2), control: Uint8Array.of(3) }),
  ]);
  expect(Buffer.from(will ?? []).toString("hex")).toBe(
    `${"0100000000000000" + "01000000"}aa000000${"0300020001000000" + "04000000"}010203aaaaaaaa00`,
  );
});

it("divides a large will among frames that a guard takes, and has none that is too large for it", () => {
  const will = encodeWill([item(200_000)]) ?? new Uint8Array();
  const frames = willFrames(will, 300, 7);
  const types = frames.map((frame) => new DataView(frame.buffer, frame.byteOffset).getUint16(6, true));
  expect(types).toEqual([GUARD_FRAME.begin, ...[1, 2, 3, 4].map(() => GUARD_FRAME.data), GUARD_FRAME.commit]);
  expect(Math.max(...frames.map((frame) => frame.length))).toBe(GUARD_FRAME_BYTES_MAX);
  expect(Buffer.concat(frames.slice(1, -1).map((frame) => frame.subarray(16)))).toEqual(Buffer.from(will));
  expect(encodeWill([item(WILL_BYTES_MAX)])).toBeUndefined();
});

it("refuses answers that are none, at every length", () => {
  const refused = encodeFrame(GUARD_FRAME.refused, 3, Uint8Array.of(2, 0, 0, 0));
  expect(decodeAnswer(refused)).toEqual({ ok: true, value: { kind: "refused", sequence: 3, reason: "tooLarge" } });
  for (let length = 0; length < refused.length; length++) {
    expect(decodeAnswer(refused.subarray(0, length)).ok).toBe(false);
  }
  expect(decodeAnswer(refused.with(0, 0))).toEqual({ ok: false, error: "notAGuard" });
  expect(decodeAnswer(refused.with(4, 9))).toEqual({ ok: false, error: "notAGuard" });
  expect(decodeAnswer(encodeFrame(55, 0))).toEqual({ ok: false, error: "unknownFrame" });
});
