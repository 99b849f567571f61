import { describe, expect, test } from "vitest";
import { fromJson, type GoldenCase, goldenCases, toJson } from "./cases.ts";
import { CODECS } from "./codecs.ts";

/**
 * Captured bytes (test/golden/PROTOCOL/NAME.hex, made by test/golden/capture/) against the codecs: what they mean, that
 * the product writes the same, that every truncation is refused, and every flipped bit that a checksum covers.
 */
const NETLINK = ["rtnl", "genl", "ipvs"];
/** Where what a checksum or a fixed value guards begins: the first bytes of an IPv6 header (traffic class, flow label) are free. */
const GUARDED_FROM: Readonly<Record<string, number>> = { vrrp: 0, vrrp6: 4, neighbor: 18 };

for (const [protocol, codec] of Object.entries(CODECS)) {
  describe(protocol, () => {
    const cases = goldenCases(protocol);
    test("has cases", () => expect(cases.length).toBeGreaterThan(0));

    for (const golden of cases) {
      const { name, bytes, expected } = golden;
      if ("error" in expected) {
        test(`${name} is refused`, () => expect(codec.decode(bytes)).toEqual({ ok: false, error: expected.error }));
        continue;
      }
      test(`${name} decodes`, () => {
        const decoded = codec.decode(bytes);
        expect(decoded.ok ? toJson(decoded.value) : decoded).toEqual(expected.value);
      });
      test(`${name} encodes`, () => {
        const encoded = codec.encode(fromJson(expected.value));
        if (encoded !== undefined) expect(hex(withNestedFlags(encoded, golden))).toBe(hex(bytes));
      });
      test(`${name} is refused when truncated`, () => {
        const ends = NETLINK.includes(protocol) ? messageEnds(bytes) : [];
        for (let length = 0; length < bytes.length; length++) {
          // A datagram of fewer messages is whole; padding behind a message may be missing.
          const whole = ends.findLast((end) => end <= length) ?? 0;
          const valid = NETLINK.includes(protocol) && length - whole < 4 && length <= align(whole);
          expect(codec.decode(bytes.subarray(0, length)).ok, `${length} bytes`).toBe(valid);
        }
      });
      const guardedFrom = GUARDED_FROM[protocol];
      if (guardedFrom !== undefined) {
        test(`${name} is refused with any bit flipped`, () => {
          for (let bit = guardedFrom * 8; bit < bytes.length * 8; bit++) {
            const damaged = Uint8Array.from(bytes);
            damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
            expect(codec.decode(damaged).ok, `bit ${bit}`).toBe(false);
          }
        });
      }
      if (NETLINK.includes(protocol)) {
        test(`${name} cut inside a message is refused or means less, never something else`, () => {
          for (let length = 16; length < (messageEnds(bytes)[0] ?? 0); length++) {
            const decoded = codec.decode(shortened(bytes, length));
            if (decoded.ok) expectPart(toJson(decoded.value), [(expected.value as unknown[])[0]], length);
          }
        });
      }
    }
  });
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const align = (length: number): number => (length + 3) & ~3;

/** Where each netlink message of a datagram ends, without its padding. */
function messageEnds(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ends: number[] = [];
  for (let at = 0; at < bytes.length; at = align(ends.at(-1) ?? 0)) ends.push(at + view.getUint32(at, true));
  return ends;
}

/**
 * The IPVS of the kernel does not set NLA_F_NESTED in its answers; we and ipvsadm do. The flag is the only difference
 * allowed, and only in what the kernel wrote: type fields stand at multiples of 4, their upper byte at the end.
 */
function withNestedFlags(encoded: Uint8Array, golden: GoldenCase): Uint8Array {
  const { bytes, protocol } = golden;
  const fromKernel = ((bytes[6] ?? 0) & 0x01) === 0;
  if (protocol !== "ipvs" || !fromKernel) return encoded;
  return encoded.map((byte, index) => (index % 4 === 3 && byte === 0x80 ? (bytes[index] ?? 0) : byte));
}

/** The first message with another length in its header. */
function shortened(bytes: Uint8Array, length: number): Uint8Array {
  const cut = bytes.slice(0, length);
  new DataView(cut.buffer).setUint32(0, length, true);
  return cut;
}

/** Every member of `part` is in `whole` with the same value, except the count of unknown attributes. */
function expectPart(part: unknown, whole: unknown, length: number): void {
  const [message] = part as Record<string, unknown>[];
  const [expected] = whole as Record<string, unknown>[];
  for (const [key, value] of Object.entries(message ?? {})) {
    const members = expected?.[key];
    if (typeof value !== "object" || value === null) {
      expect(value, `${key}, ${length} bytes`).toEqual(members);
      continue;
    }
    const { unknown: _, attributes, ...rest } = value as { unknown?: number; attributes?: object };
    expect(members, `${key}, ${length} bytes`).toMatchObject(rest);
    if (attributes !== undefined) expect((members as Record<string, unknown>).attributes).toMatchObject(attributes);
  }
}
