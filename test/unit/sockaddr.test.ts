import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ip, ipFromBytes } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { LINUX } from "../../src/io/linux.ts";
import {
  decodeControl,
  decodeInetAddress,
  decodeNetlinkAddress,
  decodePacketAddress,
  decodeUnixAddress,
  deviceOption,
  inetAddress,
  intOption,
  ipv4Membership,
  ipv6Membership,
  netlinkAddress,
  packetAddress,
  unixAddress,
} from "../../src/io/sockaddr.ts";

const { constants } = loadAddon();

/** The header's value; a name that the addon does not export is a failure too. */
const header = (name: string): number => constants[name] ?? Number.NaN;

test.each(Object.entries(LINUX))("%s is the header's value", (name, value) => {
  expect(value).toBe(header(name));
});

describe("layouts are those of the headers", () => {
  test("sockaddr_nl", () => {
    const bytes = netlinkAddress(0x01020304);
    expect(bytes.length).toBe(header("sizeof(sockaddr_nl)"));
    expect(bytes.readUInt16LE(0)).toBe(header("AF_NETLINK"));
    expect(bytes.readUInt32LE(header("offsetof(sockaddr_nl, nl_pid)"))).toBe(0x01020304);
    bytes.writeUInt32LE(5, header("offsetof(sockaddr_nl, nl_groups)"));
    expect(decodeNetlinkAddress(bytes)).toEqual({ portId: 0x01020304, groups: 5 });
  });

  test("sockaddr_in and sockaddr_in6", () => {
    const v4 = inetAddress(ip("192.0.2.1"), 0x1234);
    expect(v4.length).toBe(header("sizeof(sockaddr_in)"));
    expect(v4.readUInt16BE(header("offsetof(sockaddr_in, sin_port)"))).toBe(0x1234);
    expect(v4.readUInt32BE(header("offsetof(sockaddr_in, sin_addr)"))).toBe(0xc0000201);
    const v6 = inetAddress(ip("fe80::1"), 80, 3);
    expect(v6.length).toBe(header("sizeof(sockaddr_in6)"));
    expect(v6.readUInt16BE(header("offsetof(sockaddr_in6, sin6_port)"))).toBe(80);
    expect(v6.readUInt8(header("offsetof(sockaddr_in6, sin6_addr)"))).toBe(0xfe);
    expect(v6.readUInt32LE(header("offsetof(sockaddr_in6, sin6_scope_id)"))).toBe(3);
  });

  test("sockaddr_ll", () => {
    const bytes = packetAddress({
      interfaceIndex: 7,
      protocol: 0x0806,
      hardwareAddress: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
    expect(bytes.length).toBe(header("sizeof(sockaddr_ll)"));
    expect(bytes.readUInt16BE(header("offsetof(sockaddr_ll, sll_protocol)"))).toBe(0x0806);
    expect(bytes.readInt32LE(header("offsetof(sockaddr_ll, sll_ifindex)"))).toBe(7);
    expect(bytes.readUInt8(header("offsetof(sockaddr_ll, sll_halen)"))).toBe(6);
    expect(bytes.readUInt8(header("offsetof(sockaddr_ll, sll_addr)"))).toBe(1);
  });

  test("ip_mreqn and ipv6_mreq", () => {
    const v4 = ipv4Membership(ip("224.0.0.18"), 9);
    expect(v4.length).toBe(header("sizeof(ip_mreqn)"));
    expect(v4.readUInt32BE(header("offsetof(ip_mreqn, imr_multiaddr)"))).toBe(0xe0000012);
    expect(v4.readUInt32BE(header("offsetof(ip_mreqn, imr_address)"))).toBe(0);
    expect(v4.readInt32LE(header("offsetof(ip_mreqn, imr_ifindex)"))).toBe(9);
    const v6 = ipv6Membership(ip("ff02::12"), 9);
    expect(v6.length).toBe(header("sizeof(ipv6_mreq)"));
    expect(v6.readInt32LE(header("offsetof(ipv6_mreq, ipv6mr_interface)"))).toBe(9);
  });
});

describe("round trips", () => {
  const port = fc.integer({ min: 0, max: 0xffff });
  const index = fc.integer({ min: 0, max: 0x7fff_ffff });

  test("inet addresses of both families", () => {
    const address = fc
      .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
      .map(ipFromBytes);
    fc.assert(
      fc.property(address, port, (anAddress, aPort) => {
        const decoded = decodeInetAddress(inetAddress(anAddress, aPort));
        expect(decoded).toEqual({ address: anAddress, port: aPort, scopeId: 0 });
      }),
    );
  });

  test("packet addresses", () => {
    fc.assert(
      fc.property(index, port, fc.uint8Array({ maxLength: 8 }), (interfaceIndex, protocol, hardwareAddress) => {
        const decoded = decodePacketAddress(packetAddress({ interfaceIndex, protocol, hardwareAddress }));
        expect(decoded).toEqual({ interfaceIndex, protocol, hardwareAddress: Buffer.from(hardwareAddress) });
      }),
    );
  });

  test.each(["/run/holdfast/control.sock", "@abstract", "@", `/${"x".repeat(106)}`, `@${"x".repeat(107)}`])(
    "unix address %s",
    (path) => {
      expect(decodeUnixAddress(unixAddress(path))).toBe(path);
    },
  );
});

test("an abstract unix name begins with a zero byte and has no end of its own", () => {
  expect([...unixAddress("@ab")]).toEqual([1, 0, 0, 0x61, 0x62]);
  expect([...unixAddress("/a")]).toEqual([1, 0, 0x2f, 0x61, 0]);
});

test("what no structure can hold is refused", () => {
  for (const path of ["", `/${"x".repeat(107)}`, `@${"x".repeat(108)}`, "/a\0b", "@a\0b"]) {
    expect(() => unixAddress(path)).toThrow(RangeError);
  }
  for (const name of ["", "x".repeat(16), "a\0b"]) expect(() => deviceOption(name)).toThrow(RangeError);
  expect(deviceOption("x".repeat(15)).length).toBe(header("IFNAMSIZ"));
  expect(() => ipv4Membership(ip("ff02::12"), 1)).toThrow(RangeError);
  expect(() => ipv6Membership(ip("224.0.0.18"), 1)).toThrow(RangeError);
  expect(() => packetAddress({ interfaceIndex: 1, protocol: 0, hardwareAddress: new Uint8Array(9) })).toThrow(
    RangeError,
  );
});

test("every truncation and every other family decodes to undefined, never to an exception", () => {
  const samples = [
    { bytes: netlinkAddress(1), decode: decodeNetlinkAddress },
    { bytes: inetAddress(ip("192.0.2.1"), 1), decode: decodeInetAddress },
    { bytes: inetAddress(ip("2001:db8::1"), 1), decode: decodeInetAddress },
    {
      bytes: packetAddress({ interfaceIndex: 1, protocol: 1, hardwareAddress: new Uint8Array(8) }),
      decode: decodePacketAddress,
    },
  ];
  for (const { bytes, decode } of samples) {
    for (let length = 0; length < bytes.length; length++) expect(decode(bytes.subarray(0, length))).toBeUndefined();
    expect(decode(unixAddress("/run/x-long-enough-for-all-of-them"))).toBeUndefined();
  }
  expect(decodeUnixAddress(netlinkAddress())).toBeUndefined();
  expect(decodeUnixAddress(Buffer.of(1))).toBeUndefined();
  expect(decodeUnixAddress(Buffer.of(1, 0))).toBe("");
});

describe("ancillary data", () => {
  const item = (level: number, type: number, payload: Buffer): Buffer => {
    const bytes = Buffer.alloc((16 + payload.length + 7) & ~7);
    bytes.writeBigUInt64LE(BigInt(16 + payload.length), 0);
    bytes.writeInt32LE(level, header("offsetof(cmsghdr, cmsg_level)"));
    bytes.writeInt32LE(type, header("offsetof(cmsghdr, cmsg_type)"));
    payload.copy(bytes, header("sizeof(cmsghdr)"));
    return bytes;
  };
  const pktinfo = Buffer.alloc(header("sizeof(in_pktinfo)"));
  pktinfo.writeInt32LE(4, header("offsetof(in_pktinfo, ipi_ifindex)"));
  pktinfo.set([192, 0, 2, 1], header("offsetof(in_pktinfo, ipi_spec_dst)"));
  pktinfo.set([224, 0, 0, 18], header("offsetof(in_pktinfo, ipi_addr)"));
  const pktinfo6 = Buffer.alloc(header("sizeof(in6_pktinfo)"));
  pktinfo6.set([0xff, 2], header("offsetof(in6_pktinfo, ipi6_addr)"));
  pktinfo6.writeInt32LE(5, header("offsetof(in6_pktinfo, ipi6_ifindex)"));

  test("hop limit, interface and destination of both families", () => {
    const v4 = Buffer.concat([
      item(header("IPPROTO_IP"), header("IP_TTL"), intOption(255)),
      item(header("SOL_SOCKET"), 999, Buffer.from("an unknown kind")),
      item(header("IPPROTO_IP"), header("IP_PKTINFO"), pktinfo),
    ]);
    expect(decodeControl(v4)).toEqual({ hopLimit: 255, interfaceIndex: 4, destination: "224.0.0.18" });
    const v6 = Buffer.concat([
      item(header("IPPROTO_IPV6"), header("IPV6_PKTINFO"), pktinfo6),
      item(header("IPPROTO_IPV6"), header("IPV6_HOPLIMIT"), intOption(64)),
    ]);
    expect(decodeControl(v6)).toEqual({ hopLimit: 64, interfaceIndex: 5, destination: "ff02::" });
  });

  test("when the kernel received it", () => {
    const timespec = Buffer.alloc(16);
    timespec.writeBigInt64LE(1_790_000_000n, 0);
    timespec.writeBigInt64LE(123_456_789n, 8);
    const stamped = item(header("SOL_SOCKET"), header("SO_TIMESTAMPNS"), timespec);
    expect(decodeControl(stamped)).toEqual({ receivedAtUs: 1_790_000_000_123_456 });
  });

  test("a cut end gives what came before it; arbitrary bytes give no exception", () => {
    const whole = Buffer.concat([
      item(header("IPPROTO_IP"), header("IP_TTL"), intOption(255)),
      item(header("IPPROTO_IP"), header("IP_PKTINFO"), pktinfo),
    ]);
    expect(decodeControl(whole.subarray(0, whole.length - 8))).toEqual({ hopLimit: 255 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeControl(Buffer.from(bytes))));
  });
});
