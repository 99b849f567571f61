import fc from "fast-check";
import { expect, test } from "vitest";
import { compareIp, inSubnet, ip, ipBytes, ipFromBytes, parseIp } from "../../src/core/ip.ts";

test.each([
  ["10.0.2.10", "10.0.2.10"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["::", "::"],
  ["::1", "::1"],
  ["fe80::1", "fe80::1"],
  ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
  ["::ffff:192.0.2.1", "::ffff:c000:201"],
])("%s is written %s (RFC 5952)", (text, canonical) => expect(parseIp(text)).toBe(canonical));

test.each([
  "",
  "10.0.2",
  "10.0.2.256",
  "010.0.2.1",
  "10.0.2.1/24",
  "1:2:3",
  "1::2::3",
  ":::",
  "1:2:3:4:5:6:7:8:9",
  "g::",
  "fe80::1%eth0",
])("%s is no address", (text) => expect(parseIp(text)).toBeUndefined());

test("bytes and text are the same address, for every address", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(bytes, (original) => {
      const text = ipFromBytes(original);
      expect([...ipBytes(text)]).toEqual([...original]);
      expect(parseIp(text)).toBe(text);
    }),
  );
});

test("subnets are compared by bits, families never match", () => {
  expect(inSubnet(ip("10.0.2.10"), ip("10.0.3.1"), 23)).toBe(true);
  expect(inSubnet(ip("10.0.2.10"), ip("10.0.3.1"), 24)).toBe(false);
  expect(inSubnet(ip("10.0.2.10"), ip("10.0.2.10"), 32)).toBe(true);
  expect(inSubnet(ip("::a"), ip("::b"), 120)).toBe(true);
  expect(inSubnet(ip("10.0.2.10"), ip("::a"), 0)).toBe(false);
});

test("addresses compare as unsigned numbers (RFC 3768 6.4.3)", () => {
  expect(compareIp(ip("10.0.2.200"), ip("10.0.2.9"))).toBeGreaterThan(0);
  expect(compareIp(ip("9.255.255.255"), ip("10.0.0.0"))).toBeLessThan(0);
  expect(compareIp(ip("10.0.0.1"), ip("10.0.0.1"))).toBe(0);
});
