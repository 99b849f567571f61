import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { arpClaim, decodeArp, encodeArp, encodeGratuitousArp } from "../../src/wire/arp.ts";
import {
  decodeNeighborAdvertisement,
  encodeNeighborAdvertisement,
  encodeUnsolicitedNeighborAdvertisement,
  neighborClaim,
} from "../../src/wire/neighbor.ts";
import { goldenBytes } from "../golden/cases.ts";

const byte = fc.integer({ min: 0, max: 255 });
const ipv4: fc.Arbitrary<Ip> = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipFromBytes);
const ipv6: fc.Arbitrary<Ip> = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipFromBytes);
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });

describe("ARP", () => {
  test("every frame survives encoding, also with the padding of a short Ethernet frame", () => {
    const frames = fc.record({
      destination: mac,
      source: mac,
      operation: fc.constantFrom(1, 2),
      senderHardware: mac,
      senderIp: ipv4,
      targetHardware: mac,
      targetIp: ipv4,
    });
    fc.assert(
      fc.property(frames, (frame) => {
        const bytes = encodeArp(frame);
        expect(decodeArp(bytes)).toEqual({ ok: true, value: frame });
        expect(decodeArp(Uint8Array.from([...bytes, ...new Uint8Array(18)]))).toEqual({ ok: true, value: frame });
      }),
      { numRuns: 200 },
    );
  });

  test("keepalived's gratuitous request is the product's, byte for byte", () => {
    const frame = encodeGratuitousArp(ip("192.0.2.100"), Uint8Array.from([2, 0, 0, 0, 0, 0x0a]));
    expect(Buffer.from(frame).toString("hex")).toBe(Buffer.from(goldenBytes("arp", "gratuitous")).toString("hex"));
  });

  test.each([
    ["notArp", 12, 0x86],
    ["wrongProtocol", 15, 6],
    ["wrongProtocol", 16, 0x86],
    ["wrongProtocol", 18, 8],
    ["wrongProtocol", 19, 16],
    ["wrongOperation", 21, 3],
  ])("%s", (reason, offset, value) => {
    expect(decodeArp(goldenBytes("arp", "gratuitous").with(offset, value))).toEqual({ ok: false, error: reason });
  });

  test("a hardware address of another length is refused", () => {
    expect(() => encodeGratuitousArp(ip("192.0.2.100"), new Uint8Array(8))).toThrow(RangeError);
    expect(() => encodeGratuitousArp(ip("2001:db8::1"), new Uint8Array(6))).toThrow(RangeError);
  });

  test("the sender of any frame claims its address; a probe claims none", () => {
    const hardware = Uint8Array.of(2, 0, 0, 0, 0, 0x0a);
    const decoded = decodeArp(goldenBytes("arp", "gratuitous"));
    if (!decoded.ok) throw new Error(decoded.error);
    expect(arpClaim(decoded.value)).toEqual({ address: "192.0.2.100", hardwareAddress: hardware });
    expect(arpClaim({ ...decoded.value, operation: 2 })).toBeDefined();
    expect(arpClaim({ ...decoded.value, senderIp: ip("0.0.0.0") })).toBeUndefined();
  });
});

describe("neighbour advertisements", () => {
  const VIP6 = ip("2001:db8::58");
  const OWN = Uint8Array.of(2, 0, 0, 0, 0, 0x0a);

  test("every one survives encoding, also with bytes behind the packet", () => {
    const frames = fc.record({
      destinationHardware: mac,
      sourceHardware: mac,
      trafficClass: byte,
      flowLabel: fc.integer({ min: 0, max: 0xf_ffff }),
      source: ipv6,
      destination: ipv6,
      router: fc.boolean(),
      solicited: fc.boolean(),
      override: fc.boolean(),
      target: ipv6,
      targetHardware: fc.option(mac, { nil: undefined }),
    });
    fc.assert(
      fc.property(frames, (frame) => {
        const bytes = encodeNeighborAdvertisement(frame);
        expect(decodeNeighborAdvertisement(bytes)).toEqual({ ok: true, value: frame });
        expect(decodeNeighborAdvertisement(Uint8Array.from([...bytes, 1, 2]))).toEqual({ ok: true, value: frame });
      }),
      { numRuns: 200 },
    );
  });

  test("keepalived's unsolicited one is the product's, byte for byte", () => {
    const frame = encodeUnsolicitedNeighborAdvertisement(VIP6, OWN, { router: false });
    expect(Buffer.from(frame).toString("hex")).toBe(
      Buffer.from(goldenBytes("neighbor", "unsolicited")).toString("hex"),
    );
  });

  test("the link-layer address it tells is claimed, else the frame's own", () => {
    const decoded = decodeNeighborAdvertisement(encodeUnsolicitedNeighborAdvertisement(VIP6, OWN, { router: true }));
    if (!decoded.ok) throw new Error(decoded.error);
    const sourceHardware = Uint8Array.of(2, 0, 0, 0, 0, 0x0b);
    const proxied = { ...decoded.value, sourceHardware };
    expect(neighborClaim(proxied)).toEqual({ address: VIP6, hardwareAddress: OWN });
    expect(neighborClaim({ ...proxied, targetHardware: undefined })).toEqual({
      address: VIP6,
      hardwareAddress: sourceHardware,
    });
  });

  test("a virtual hardware address stands in both places, the router flag as asked for", () => {
    const virtual = Uint8Array.of(0, 0, 0x5e, 0, 2, 58);
    const decoded = decodeNeighborAdvertisement(
      encodeUnsolicitedNeighborAdvertisement(VIP6, virtual, { router: true }),
    );
    expect(decoded).toMatchObject({
      ok: true,
      value: { sourceHardware: virtual, targetHardware: virtual, router: true, override: true, solicited: false },
    });
  });

  const captured = goldenBytes("neighbor", "unsolicited");
  test.each([
    ["truncated", captured.subarray(0, 13)],
    ["ipTruncated", captured.subarray(0, 60)],
    ["notIpv6", captured.with(12, 8)],
    ["ipWrongVersion", captured.with(14, 0x45)],
    ["notNeighborAdvertisement", captured.with(20, 6)],
    ["notNeighborAdvertisement", captured.with(54, 135)],
    ["hopLimitNot255", captured.with(21, 64)],
    ["badChecksum", captured.with(79, 9)],
    // An option of length 0 and one longer than the message, their checksums right.
    ["badOption", captured.with(79, 0).with(57, (captured[57] ?? 0) + 1)],
    ["badOption", captured.with(79, 2).with(57, (captured[57] ?? 0) - 1)],
  ])("%s", (reason, bytes) => {
    expect(decodeNeighborAdvertisement(bytes)).toEqual({ ok: false, error: reason });
  });

  test("what does not fit is refused", () => {
    expect(() => encodeUnsolicitedNeighborAdvertisement(ip("192.0.2.1"), OWN, { router: false })).toThrow(RangeError);
    expect(() => encodeUnsolicitedNeighborAdvertisement(VIP6, new Uint8Array(8), { router: false })).toThrow(
      RangeError,
    );
  });
});

test("decoders never throw, whatever the bytes", () => {
  const real = fc.constantFrom(goldenBytes("neighbor", "unsolicited"), goldenBytes("arp", "gratuitous"));
  const mutated = fc
    .tuple(real, fc.array(fc.tuple(fc.nat(90), byte), { maxLength: 8 }), fc.nat(90))
    .map(([bytes, changes, length]) => {
      const copy = Uint8Array.from(bytes.subarray(0, length));
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), mutated), (bytes) => {
      decodeArp(bytes);
      decodeNeighborAdvertisement(bytes);
    }),
    { numRuns: 5_000 },
  );
});
