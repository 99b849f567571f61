import { expect, test } from "vitest";
import { decodeEchoReply, encodeEchoRequest } from "../../src/wire/icmp.ts";

const ECHO = { identifier: 0x1234, sequence: 7, data: Uint8Array.of(1, 2, 3) };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("requests: the checksum of ICMP is ours, that of ICMPv6 the kernel's", () => {
  // 0800 + 1234 + 0007 + 0102 + 0300 = 1e3d; its complement is e1c2.
  expect(hex(encodeEchoRequest(4, ECHO))).toBe("0800e1c212340007010203");
  expect(hex(encodeEchoRequest(6, ECHO))).toBe("8000000012340007010203");
});

test("replies, and nothing else", () => {
  const reply = (family: 4 | 6, text: string) => decodeEchoReply(family, Buffer.from(text, "hex"));
  expect(reply(4, "0000e9c212340007010203")).toEqual(ECHO);
  expect(reply(6, "8100abcd12340007010203")).toEqual(ECHO);
  // A request, a damaged one, one with a code, one cut short.
  expect(reply(4, "0800e1c212340007010203")).toBeUndefined();
  expect(reply(4, "0000e9c312340007010203")).toBeUndefined();
  expect(reply(6, "8101abcd12340007010203")).toBeUndefined();
  expect(reply(6, "8100abcd123400")).toBeUndefined();
});
