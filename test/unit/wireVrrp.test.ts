import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { decodeArp, encodeArp, encodeGratuitousArp } from "../../src/wire/arp.ts";
import { internetChecksum } from "../../src/wire/bytes.ts";
import { decodeIpv4, encodeIpv4, type Ipv4Header } from "../../src/wire/ipv4.ts";
import {
  decodeAdvert,
  decodeAdvertPacket,
  encodeAdvert,
  PACKET_DISCARD_REASONS,
  VRRP_MULTICAST_IPV4,
  type VrrpAdvert,
} from "../../src/wire/vrrp.ts";
import { goldenBytes } from "../golden/cases.ts";

const byte = fc.integer({ min: 0, max: 255 });
const ipv4: fc.Arbitrary<Ip> = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipFromBytes);
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
const advert: fc.Arbitrary<VrrpAdvert> = fc.record({
  virtualRouterId: byte,
  priority: byte,
  advertIntervalSec: byte,
  addresses: fc.array(ipv4, { maxLength: 255 }),
});
const header: fc.Arbitrary<Ipv4Header> = fc.record({
  typeOfService: byte,
  identification: fc.integer({ min: 0, max: 0xffff }),
  fragment: fc.integer({ min: 0, max: 0xffff }),
  timeToLive: fc.constant(255),
  protocol: fc.constant(112),
  source: ipv4,
  destination: ipv4,
});

const ADVERT: VrrpAdvert = {
  virtualRouterId: 51,
  priority: 100,
  advertIntervalSec: 1,
  addresses: [ip("192.0.2.100"), ip("192.0.2.101")],
};
const HEADER: Ipv4Header = {
  typeOfService: 0xc0,
  identification: 1,
  fragment: 0,
  timeToLive: 255,
  protocol: 112,
  source: ip("192.0.2.11"),
  destination: VRRP_MULTICAST_IPV4,
};

/** The advert with one byte replaced and its checksum made right again. */
function patched(offset: number, value: number): Uint8Array {
  const bytes = encodeAdvert(ADVERT);
  bytes[offset] = value;
  bytes.fill(0, 6, 8);
  new DataView(bytes.buffer).setUint16(6, internetChecksum(bytes));
  return bytes;
}

describe("adverts", () => {
  test("every advert survives encoding, alone and in its packet", () => {
    fc.assert(
      fc.property(advert, header, (value, ipHeader) => {
        expect(decodeAdvert(encodeAdvert(value))).toEqual({ ok: true, value });
        expect(decodeAdvertPacket(encodeIpv4(ipHeader, encodeAdvert(value)))).toEqual({
          ok: true,
          value: { header: ipHeader, advert: value },
        });
      }),
      { numRuns: 200 },
    );
  });

  test("keepalived's packet is the product's, byte for byte", () => {
    const captured = goldenBytes("vrrp", "one-address");
    const packet = encodeIpv4(HEADER, encodeAdvert({ ...ADVERT, addresses: [ip("192.0.2.100")] }));
    expect(Buffer.from(packet).toString("hex")).toBe(Buffer.from(captured).toString("hex"));
  });

  test.each([
    ["truncated", encodeAdvert(ADVERT).subarray(0, 7)],
    ["truncated", encodeAdvert(ADVERT).subarray(0, 23)],
    // One address more than there is room for.
    ["truncated", patched(3, 3)],
    ["addressCountMismatch", patched(3, 1)],
    ["wrongVersion", patched(0, 0x31)],
    ["wrongType", patched(0, 0x22)],
    ["authTypeUnsupported", patched(4, 1)],
    ["badChecksum", encodeAdvert(ADVERT).with(2, 101)],
  ])("%s", (reason, bytes) => {
    expect(decodeAdvert(bytes)).toEqual({ ok: false, error: reason });
    expect(decodeAdvertPacket(encodeIpv4(HEADER, bytes))).toEqual({ ok: false, error: reason });
    expect(PACKET_DISCARD_REASONS).toContain(reason);
  });

  test.each([
    ["ttlNot255", encodeIpv4({ ...HEADER, timeToLive: 254 }, encodeAdvert(ADVERT))],
    ["wrongProtocol", encodeIpv4({ ...HEADER, protocol: 17 }, encodeAdvert(ADVERT))],
    ["ipTruncated", encodeIpv4(HEADER, encodeAdvert(ADVERT)).subarray(0, 40)],
    ["ipTruncated", new Uint8Array(19)],
    ["ipWrongVersion", encodeIpv4(HEADER, encodeAdvert(ADVERT)).with(0, 0x65)],
    ["ipBadHeaderLength", encodeIpv4(HEADER, encodeAdvert(ADVERT)).with(0, 0x44)],
    ["ipBadHeaderLength", encodeIpv4(HEADER, encodeAdvert(ADVERT)).with(0, 0x4f)],
    ["ipBadChecksum", encodeIpv4(HEADER, encodeAdvert(ADVERT)).with(1, 0)],
  ])("%s", (reason, packet) => {
    expect(decodeAdvertPacket(packet)).toEqual({ ok: false, error: reason });
    expect(PACKET_DISCARD_REASONS).toContain(reason);
  });

  test("options of the IP header are skipped, bytes behind the packet are ignored", () => {
    const plain = encodeIpv4(HEADER, encodeAdvert(ADVERT));
    const options = Uint8Array.from([...plain.subarray(0, 20), 1, 1, 1, 0, ...plain.subarray(20), 0xff, 0xff, 0xff]);
    options[0] = 0x46;
    const view = new DataView(options.buffer);
    view.setUint16(2, plain.length + 4);
    view.setUint16(10, 0);
    view.setUint16(10, internetChecksum(options.subarray(0, 24)));
    expect(decodeAdvertPacket(options)).toEqual({ ok: true, value: { header: HEADER, advert: ADVERT } });
  });

  test("what does not fit is refused, not cut", () => {
    expect(() => encodeAdvert({ ...ADVERT, priority: 256 })).toThrow(RangeError);
    expect(() => encodeAdvert({ ...ADVERT, virtualRouterId: -1 })).toThrow(RangeError);
    expect(() => encodeAdvert({ ...ADVERT, advertIntervalSec: 0.5 })).toThrow(RangeError);
    expect(() => encodeAdvert({ ...ADVERT, addresses: [ip("2001:db8::1")] })).toThrow(RangeError);
    expect(() => encodeAdvert({ ...ADVERT, addresses: new Array<Ip>(256).fill(ip("192.0.2.1")) })).toThrow(RangeError);
  });
});

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
});

test("decoders never throw, whatever the bytes", () => {
  const real = fc.constantFrom(goldenBytes("vrrp", "three-addresses"), goldenBytes("arp", "gratuitous"));
  const mutated = fc
    .tuple(real, fc.array(fc.tuple(fc.nat(80), byte), { maxLength: 8 }), fc.nat(80))
    .map(([bytes, changes, length]) => {
      const copy = Uint8Array.from(bytes.subarray(0, length));
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), mutated), (bytes) => {
      decodeAdvert(bytes);
      decodeAdvertPacket(bytes);
      decodeIpv4(bytes);
      decodeArp(bytes);
    }),
    { numRuns: 5_000 },
  );
});
