import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ip, ipBytes, ipFromBytes } from "../../src/core/ip.ts";
import { internetChecksum, pseudoHeader } from "../../src/wire/bytes.ts";
import { decodeIpv4, encodeIpv4, type Ipv4Header } from "../../src/wire/ipv4.ts";
import { decodeIpv6, encodeIpv6, type Ipv6Header } from "../../src/wire/ipv6.ts";
import {
  authProblem,
  decodeAdvert,
  decodeAdvertMessage,
  decodeAdvertPacket,
  decodeIpv6AdvertPacket,
  encodeAdvert,
  isMulticast,
  PACKET_DISCARD_REASONS,
  VRRP_MULTICAST_IPV4,
  VRRP_MULTICAST_IPV6,
  type VrrpAdvert,
} from "../../src/wire/vrrp.ts";
import { goldenBytes } from "../golden/cases.ts";

const byte = fc.integer({ min: 0, max: 255 });
const ipv4: fc.Arbitrary<Ip> = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipFromBytes);
const ipv6: fc.Arbitrary<Ip> = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipFromBytes);
const password = fc.string({ unit: "grapheme" }).filter((text) => Buffer.byteLength(text) <= 8 && !text.includes("\0"));

const version2: fc.Arbitrary<VrrpAdvert> = fc.record(
  {
    version: fc.constant(2 as const),
    virtualRouterId: byte,
    priority: byte,
    advertIntervalCs: byte.map((seconds) => seconds * 100),
    addresses: fc.array(ipv4, { maxLength: 255 }),
    authPassword: password,
  },
  { requiredKeys: ["version", "virtualRouterId", "priority", "advertIntervalCs", "addresses"] },
);
const version3 = (addresses: fc.Arbitrary<Ip>) => ({
  version: fc.constant(3 as const),
  virtualRouterId: byte,
  priority: byte,
  advertIntervalCs: fc.integer({ min: 0, max: 4095 }),
  addresses: fc.array(addresses, { minLength: 1, maxLength: 255 }),
});
const version3Ipv4: fc.Arbitrary<VrrpAdvert> = fc.record({
  ...version3(ipv4),
  checksumForm: fc.constantFrom("withPseudoHeader" as const, "withoutPseudoHeader" as const),
});
const version3Ipv6: fc.Arbitrary<VrrpAdvert> = fc.record(version3(ipv6));
const header: fc.Arbitrary<Ipv4Header> = fc.record({
  typeOfService: byte,
  identification: fc.integer({ min: 0, max: 0xffff }),
  fragment: fc.integer({ min: 0, max: 0xffff }),
  timeToLive: fc.constant(255),
  protocol: fc.constant(112),
  source: ipv4,
  destination: ipv4,
});
const header6: fc.Arbitrary<Ipv6Header> = fc.record({
  trafficClass: byte,
  flowLabel: fc.integer({ min: 0, max: 0xf_ffff }),
  nextHeader: fc.constant(112),
  hopLimit: fc.constant(255),
  source: ipv6,
  destination: ipv6,
});

const ADVERT: VrrpAdvert = {
  version: 2,
  virtualRouterId: 51,
  priority: 100,
  advertIntervalCs: 100,
  addresses: [ip("192.0.2.100"), ip("192.0.2.101")],
};
const ADVERT3: VrrpAdvert = { ...ADVERT, version: 3, advertIntervalCs: 37, checksumForm: "withPseudoHeader" };
const ADVERT6: VrrpAdvert = {
  version: 3,
  virtualRouterId: 51,
  priority: 100,
  advertIntervalCs: 4095,
  addresses: [ip("fe80::100"), ip("2001:db8::100")],
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
const HEADER6: Ipv6Header = {
  trafficClass: 0xc0,
  flowLabel: 0,
  nextHeader: 112,
  hopLimit: 255,
  source: ip("fe80::11"),
  destination: VRRP_MULTICAST_IPV6,
};
const endpointsOf = (advert: VrrpAdvert) => (advert.addresses === ADVERT6.addresses ? HEADER6 : HEADER);

/** The advert with one byte replaced and its checksum made right again. */
function patched(advert: VrrpAdvert, offset: number, value: number): Uint8Array {
  const endpoints = endpointsOf(advert);
  const bytes = encodeAdvert(advert, endpoints);
  bytes[offset] = value;
  bytes.fill(0, 6, 8);
  const pseudo = pseudoHeader(ipBytes(endpoints.source), ipBytes(endpoints.destination), 112, bytes.length);
  const checksum = advert.version === 2 ? internetChecksum(bytes) : internetChecksum(pseudo, bytes);
  new DataView(bytes.buffer).setUint16(6, checksum);
  return bytes;
}

describe("adverts", () => {
  test("every advert survives encoding, alone and in its packet", () => {
    fc.assert(
      fc.property(fc.oneof(version2, version3Ipv4), header, (value, ipHeader) => {
        const bytes = encodeAdvert(value, ipHeader);
        const decoded = decodeAdvert(bytes, ipHeader);
        // Where the pseudo header sums to zero the forms are one.
        if (decoded.ok && decoded.value.checksumForm !== value.checksumForm) return;
        expect(decoded).toEqual({ ok: true, value });
        expect(decodeAdvertPacket(encodeIpv4(ipHeader, bytes))).toEqual({
          ok: true,
          value: { header: ipHeader, advert: value },
        });
      }),
      { numRuns: 300 },
    );
  });

  test("every IPv6 advert survives encoding, alone and in its packet", () => {
    fc.assert(
      fc.property(version3Ipv6, header6, (value, ipHeader) => {
        const bytes = encodeAdvert(value, ipHeader);
        expect(decodeAdvertMessage(bytes, ipHeader)).toEqual({ ok: true, value });
        expect(decodeIpv6AdvertPacket(encodeIpv6(ipHeader, bytes))).toEqual({
          ok: true,
          value: { header: ipHeader, advert: value },
        });
      }),
      { numRuns: 100 },
    );
  });

  test("keepalived's packet is the product's, byte for byte", () => {
    const captured = goldenBytes("vrrp", "one-address");
    const packet = encodeIpv4(HEADER, encodeAdvert({ ...ADVERT, addresses: [ip("192.0.2.100")] }, HEADER));
    expect(Buffer.from(packet).toString("hex")).toBe(Buffer.from(captured).toString("hex"));
  });

  const encoded = encodeAdvert(ADVERT, HEADER);
  const encoded3 = encodeAdvert(ADVERT3, HEADER);
  test.each([
    ["truncated", encoded.subarray(0, 7)],
    ["truncated", encoded.subarray(0, 23)],
    // One address more than there is room for.
    ["truncated", patched(ADVERT, 3, 3)],
    ["addressCountMismatch", patched(ADVERT, 3, 1)],
    ["wrongVersion", patched(ADVERT, 0, 0x41)],
    ["wrongType", patched(ADVERT, 0, 0x22)],
    ["authTypeUnsupported", patched(ADVERT, 4, 2)],
    ["badChecksum", encoded.with(2, 101)],
    ["truncated", encoded3.subarray(0, 7)],
    ["truncated", encoded3.subarray(0, 15)],
    ["truncated", patched(ADVERT3, 3, 3)],
    ["addressCountMismatch", patched(ADVERT3, 3, 1)],
    ["noAddresses", patched(ADVERT3, 3, 0)],
    ["wrongType", patched(ADVERT3, 0, 0x32)],
    ["badChecksum", encoded3.with(2, 101)],
  ])("%s", (reason, bytes) => {
    expect(decodeAdvert(bytes, HEADER)).toEqual({ ok: false, error: reason });
    expect(decodeAdvertPacket(encodeIpv4(HEADER, bytes))).toEqual({ ok: false, error: reason });
    expect(PACKET_DISCARD_REASONS).toContain(reason);
  });

  test("version 2 knows no IPv6", () => {
    expect(decodeAdvert(encoded, HEADER6)).toEqual({ ok: false, error: "wrongVersion" });
    expect(() => encodeAdvert(ADVERT, HEADER6)).toThrow(RangeError);
  });

  test.each([
    ["ttlNot255", encodeIpv4({ ...HEADER, timeToLive: 254 }, encoded)],
    ["wrongProtocol", encodeIpv4({ ...HEADER, protocol: 17 }, encoded)],
    ["ipTruncated", encodeIpv4(HEADER, encoded).subarray(0, 40)],
    ["ipTruncated", new Uint8Array(19)],
    ["ipWrongVersion", encodeIpv4(HEADER, encoded).with(0, 0x65)],
    ["ipBadHeaderLength", encodeIpv4(HEADER, encoded).with(0, 0x44)],
    ["ipBadHeaderLength", encodeIpv4(HEADER, encoded).with(0, 0x4f)],
    ["ipBadChecksum", encodeIpv4(HEADER, encoded).with(1, 0)],
  ])("%s", (reason, packet) => {
    expect(decodeAdvertPacket(packet)).toEqual({ ok: false, error: reason });
    expect(PACKET_DISCARD_REASONS).toContain(reason);
  });

  const encoded6 = encodeIpv6(HEADER6, encodeAdvert(ADVERT6, HEADER6));
  test.each([
    ["ttlNot255", encoded6.with(7, 64)],
    ["wrongProtocol", encoded6.with(6, 58)],
    ["ipTruncated", encoded6.subarray(0, 60)],
    ["ipTruncated", new Uint8Array(39)],
    ["ipWrongVersion", encoded6.with(0, 0x45)],
    ["badChecksum", encoded6.with(23, 0x12)],
  ])("IPv6: %s", (reason, packet) => {
    expect(decodeIpv6AdvertPacket(packet)).toEqual({ ok: false, error: reason });
  });

  test("options of the IP header are skipped, bytes behind the packet are ignored", () => {
    const plain = encodeIpv4(HEADER, encoded);
    const options = Uint8Array.from([...plain.subarray(0, 20), 1, 1, 1, 0, ...plain.subarray(20), 0xff, 0xff, 0xff]);
    options[0] = 0x46;
    const view = new DataView(options.buffer);
    view.setUint16(2, plain.length + 4);
    view.setUint16(10, 0);
    view.setUint16(10, internetChecksum(options.subarray(0, 24)));
    expect(decodeAdvertPacket(options)).toEqual({ ok: true, value: { header: HEADER, advert: ADVERT } });
    expect(decodeIpv6AdvertPacket(Uint8Array.from([...encoded6, 0xff, 0xff]))).toEqual({
      ok: true,
      value: { header: HEADER6, advert: ADVERT6 },
    });
  });

  test("what does not fit is refused, not cut", () => {
    const encoding = (advert: VrrpAdvert, change: Partial<VrrpAdvert>) => () =>
      encodeAdvert({ ...advert, ...change }, endpointsOf(advert));
    expect(encoding(ADVERT, { priority: 256 })).toThrow(RangeError);
    expect(encoding(ADVERT, { virtualRouterId: -1 })).toThrow(RangeError);
    expect(encoding(ADVERT, { advertIntervalCs: 50 })).toThrow(RangeError);
    expect(encoding(ADVERT, { addresses: [ip("2001:db8::1")] })).toThrow(RangeError);
    expect(encoding(ADVERT, { addresses: new Array<Ip>(256).fill(ip("192.0.2.1")) })).toThrow(RangeError);
    expect(encoding(ADVERT, { authPassword: "123456789" })).toThrow(RangeError);
    expect(encoding(ADVERT3, { advertIntervalCs: 4096 })).toThrow(RangeError);
    expect(encoding(ADVERT3, { advertIntervalCs: 0.5 })).toThrow(RangeError);
    expect(encoding(ADVERT3, { addresses: [] })).toThrow(RangeError);
    expect(encoding(ADVERT3, { addresses: [ip("2001:db8::1")] })).toThrow(RangeError);
    expect(encoding(ADVERT6, { checksumForm: "withoutPseudoHeader" })).toThrow(RangeError);
    expect(() => encodeAdvert(ADVERT3, { source: HEADER.source, destination: VRRP_MULTICAST_IPV6 })).toThrow(
      RangeError,
    );
  });

  test("the reserved bits of version 3 are zero when sent and ignored when received", () => {
    const interval = encodeAdvert({ ...ADVERT3, advertIntervalCs: 0xfff }, HEADER)[4];
    expect(interval).toBe(0x0f);
    expect(decodeAdvert(patched(ADVERT3, 4, 0xf0), HEADER)).toEqual({ ok: true, value: ADVERT3 });
  });

  test("version 3 over IPv4 is taken with and without pseudo header, and the decoder says which; IPv6 only with it", () => {
    const without = { ...ADVERT3, checksumForm: "withoutPseudoHeader" } as const;
    expect(encodeAdvert(without, HEADER)).not.toEqual(encoded3);
    expect(decodeAdvert(encodeAdvert(without, HEADER), HEADER)).toEqual({ ok: true, value: without });
    expect(decodeAdvert(encoded3, HEADER)).toEqual({ ok: true, value: ADVERT3 });
    const { checksumForm: _, ...plain } = ADVERT3;
    expect(encodeAdvert(plain, HEADER)).toEqual(encoded3);
    const bytes = encodeAdvert(ADVERT6, HEADER6);
    bytes.fill(0, 6, 8);
    new DataView(bytes.buffer).setUint16(6, internetChecksum(bytes));
    expect(decodeAdvert(bytes, HEADER6)).toEqual({ ok: false, error: "badChecksum" });
  });

  test("unicast: any TTL, or the range that was asked for; multicast always 255", () => {
    const at = (timeToLive: number, destination: Ip) => encodeIpv4({ ...HEADER, timeToLive, destination }, encoded);
    const own = ip("192.0.2.12");
    const range = { min: 250, max: 254 };
    expect(decodeAdvertPacket(at(1, own)).ok).toBe(true);
    expect(decodeAdvertPacket(at(250, own), range).ok).toBe(true);
    expect(decodeAdvertPacket(at(254, own), range).ok).toBe(true);
    expect(decodeAdvertPacket(at(249, own), range)).toEqual({ ok: false, error: "ttlOutsideRange" });
    expect(decodeAdvertPacket(at(255, own), range)).toEqual({ ok: false, error: "ttlOutsideRange" });
    expect(decodeAdvertPacket(at(254, VRRP_MULTICAST_IPV4), range)).toEqual({ ok: false, error: "ttlNot255" });
    expect(decodeAdvertPacket(at(255, VRRP_MULTICAST_IPV4), range).ok).toBe(true);
    expect(isMulticast(ip("239.255.255.255")) && !isMulticast(ip("240.0.0.0")) && !isMulticast(ip("fe80::1"))).toBe(
      true,
    );
  });

  test("authentication: the configured one and no other", () => {
    const secret = { ...ADVERT, authPassword: "secret" };
    expect(authProblem(ADVERT, undefined)).toBeUndefined();
    expect(authProblem(secret, "secret")).toBeUndefined();
    expect(authProblem(secret, "Secret")).toBe("authMismatch");
    expect(authProblem(secret, undefined)).toBe("authTypeMismatch");
    expect(authProblem(ADVERT, "")).toBe("authTypeMismatch");
    // Bytes that are no text equal no password.
    const decoded = decodeAdvert(patched({ ...ADVERT, authPassword: "a" }, 16, 0xff), HEADER);
    expect(decoded.ok && authProblem(decoded.value, "a")).toBe("authMismatch");
  });
});

test("decoders never throw, whatever the bytes", () => {
  const real = fc.constantFrom(
    goldenBytes("vrrp", "three-addresses"),
    goldenBytes("vrrp", "version3-fast"),
    goldenBytes("vrrp", "password"),
    goldenBytes("vrrp6", "two-addresses"),
  );
  const mutated = fc
    .tuple(real, fc.array(fc.tuple(fc.nat(90), byte), { maxLength: 8 }), fc.nat(90))
    .map(([bytes, changes, length]) => {
      const copy = Uint8Array.from(bytes.subarray(0, length));
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), mutated), (bytes) => {
      for (const endpoints of [HEADER, HEADER6]) decodeAdvert(bytes, endpoints);
      decodeAdvertPacket(bytes);
      decodeIpv6AdvertPacket(bytes);
      decodeIpv4(bytes);
      decodeIpv6(bytes);
    }),
    { numRuns: 5_000 },
  );
});
