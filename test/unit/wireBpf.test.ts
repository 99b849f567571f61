import { describe, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { encodeArp, encodeGratuitousArp } from "../../src/wire/arp.ts";
import {
  BPF,
  FILTER_ADDRESSES_MAX,
  foreignArpFilter,
  foreignNeighborFilter,
  INSTRUCTION_BYTES,
  ownSourceFilter,
} from "../../src/wire/bpf.ts";
import { encodeIpv4 } from "../../src/wire/ipv4.ts";
import { encodeUnsolicitedNeighborAdvertisement } from "../../src/wire/neighbor.ts";

const { constants } = loadAddon();

/** Runs a program as the kernel does: the instructions that are used here. Loads beyond the end drop the frame. */
function accepts(program: Uint8Array, frame: Uint8Array, packetType = 0): boolean {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const bytes = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let accumulator = 0;
  for (let at = 0; at < program.length; at += INSTRUCTION_BYTES) {
    const k = code.getUint32(at + 4, true);
    switch (code.getUint16(at, true)) {
      case 0x20:
        if (k === BPF.packetType) accumulator = packetType;
        else if (k + 4 > frame.length) return false;
        else accumulator = bytes.getUint32(k);
        break;
      case 0x28:
        if (k + 2 > frame.length) return false;
        accumulator = bytes.getUint16(k);
        break;
      case 0x30:
        if (k + 1 > frame.length) return false;
        accumulator = bytes.getUint8(k);
        break;
      case 0x15:
        at += code.getUint8(at + (accumulator === k ? 2 : 3)) * INSTRUCTION_BYTES;
        break;
      case 0x06:
        return k !== 0;
      default:
        throw new Error(`instruction ${code.getUint16(at, true)}`);
    }
  }
  throw new Error("the program has no end");
}

const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
const VIRTUAL = Uint8Array.of(0, 0, 0x5e, 0, 1, 51);
const FOREIGN = Uint8Array.of(2, 0, 0, 0, 0, 9);
const VIP = ip("192.0.2.100");
const OTHER_VIP = ip("192.0.2.101");
const OTHER_HOST = 3;
const OUTGOING = 4;

test.each([
  ["BPF_LD", BPF.load],
  ["BPF_JMP", BPF.jump],
  ["BPF_RET", BPF.return],
  ["BPF_W", BPF.word],
  ["BPF_H", BPF.half],
  ["BPF_B", BPF.byte],
  ["BPF_ABS", BPF.absolute],
  ["BPF_JEQ", BPF.equal],
  ["BPF_K", BPF.constant],
  ["BPF_MAXINSNS", BPF.instructionsMax],
  ["sizeof(sock_filter)", INSTRUCTION_BYTES],
] as const)("%s is the header's value", (name, value) => expect(value).toBe(constants[name]));

test("the packet type's place and value are the header's", () => {
  expect(BPF.packetType | 0).toBe((constants.SKF_AD_OFF ?? 0) + (constants.SKF_AD_PKTTYPE ?? 0));
  expect(constants.PACKET_OUTGOING).toBe(OUTGOING);
  expect(constants.PACKET_OTHERHOST).toBe(OTHER_HOST);
});

describe("the filter for foreign ARP", () => {
  const filter = foreignArpFilter([VIP, OTHER_VIP], [OWN, VIRTUAL]);
  const reply = (sender: Ip) =>
    encodeArp({
      destination: OWN,
      source: FOREIGN,
      operation: 2,
      senderHardware: FOREIGN,
      senderIp: sender,
      targetHardware: OWN,
      targetIp: ip("192.0.2.1"),
    });

  test("takes requests and replies of a foreign sender for each address", () => {
    for (const address of [VIP, OTHER_VIP]) {
      expect(accepts(filter, encodeGratuitousArp(address, FOREIGN))).toBe(true);
      expect(accepts(filter, reply(address))).toBe(true);
    }
  });

  test("leaves out other addresses, our own and virtual hardware addresses, what we send or is for others, and other protocols", () => {
    expect(accepts(filter, encodeGratuitousArp(ip("192.0.2.102"), FOREIGN))).toBe(false);
    expect(accepts(filter, encodeGratuitousArp(VIP, OWN))).toBe(false);
    expect(accepts(filter, encodeGratuitousArp(VIP, VIRTUAL))).toBe(false);
    expect(accepts(filter, encodeGratuitousArp(VIP, FOREIGN), OUTGOING)).toBe(false);
    expect(accepts(filter, encodeGratuitousArp(VIP, FOREIGN), OTHER_HOST)).toBe(false);
    expect(accepts(filter, encodeGratuitousArp(VIP, FOREIGN).with(13, 0))).toBe(false);
    expect(accepts(filter, encodeGratuitousArp(VIP, FOREIGN).subarray(0, 30))).toBe(false);
    // The lower or the upper half alone does not make an address ours.
    expect(accepts(filter, encodeGratuitousArp(VIP, OWN.with(5, 9)))).toBe(true);
    expect(accepts(filter, encodeGratuitousArp(VIP, OWN.with(0, 6)))).toBe(true);
  });

  test("the most addresses; above them every foreign one passes", () => {
    const addresses = (count: number) =>
      Array.from({ length: count }, (_, n) => ipFromBytes(Uint8Array.of(10, 0, n >> 8, n & 0xff)));
    const most = foreignArpFilter(addresses(FILTER_ADDRESSES_MAX), new Array<Uint8Array>(10).fill(OWN));
    const [last = VIP, next = VIP] = addresses(FILTER_ADDRESSES_MAX + 1).slice(-2);
    expect(accepts(most, encodeGratuitousArp(last, FOREIGN))).toBe(true);
    expect(accepts(most, encodeGratuitousArp(next, FOREIGN))).toBe(false);
    const open = foreignArpFilter(addresses(FILTER_ADDRESSES_MAX + 1), [OWN]);
    expect(accepts(open, encodeGratuitousArp(VIP, FOREIGN))).toBe(true);
    expect(accepts(open, encodeGratuitousArp(VIP, OWN))).toBe(false);
  });

  test("without addresses nothing passes", () => {
    expect(accepts(foreignArpFilter([], [OWN]), encodeGratuitousArp(VIP, FOREIGN))).toBe(false);
  });

  test("what does not fit is refused", () => {
    expect(() => foreignArpFilter([ip("2001:db8::1")], [OWN])).toThrow(RangeError);
    expect(() => foreignArpFilter([VIP], [new Uint8Array(8)])).toThrow(RangeError);
    expect(() => foreignArpFilter([VIP], new Array<Uint8Array>(1_000).fill(OWN))).toThrow(RangeError);
  });
});

describe("the filter for foreign neighbour advertisements", () => {
  const VIP6 = ip("2001:db8::100");
  const filter = foreignNeighborFilter([VIP6, ip("2001:db8::101")], [OWN, VIRTUAL]);
  const advertisement = (target: Ip, hardware = FOREIGN) =>
    encodeUnsolicitedNeighborAdvertisement(target, hardware, { router: false });

  test("takes those of a foreign sender for each address", () => {
    expect(accepts(filter, advertisement(VIP6))).toBe(true);
    expect(accepts(filter, advertisement(ip("2001:db8::101")))).toBe(true);
    // The lower or the upper half alone does not make a hardware address ours.
    expect(accepts(filter, advertisement(VIP6, OWN.with(5, 9)))).toBe(true);
    expect(accepts(filter, advertisement(VIP6, OWN.with(0, 6)))).toBe(true);
  });

  test("leaves out other addresses, our own and virtual hardware addresses, what we send or is for others, and other messages", () => {
    const frame = advertisement(VIP6);
    expect(accepts(filter, advertisement(ip("2001:db8::102")))).toBe(false);
    expect(accepts(filter, advertisement(VIP6, OWN))).toBe(false);
    expect(accepts(filter, advertisement(VIP6, VIRTUAL))).toBe(false);
    expect(accepts(filter, frame, OUTGOING)).toBe(false);
    expect(accepts(filter, frame, OTHER_HOST)).toBe(false);
    expect(accepts(filter, frame.with(13, 0))).toBe(false);
    // UDP; a neighbour solicitation; a frame that ends before its target.
    expect(accepts(filter, frame.with(20, 17))).toBe(false);
    expect(accepts(filter, frame.with(54, 135))).toBe(false);
    expect(accepts(filter, frame.subarray(0, 76))).toBe(false);
  });

  test("the most addresses; above them every foreign one passes", () => {
    const addresses = (count: number) =>
      Array.from({ length: count }, (_, n) => ip(`2001:db8::1:${(n + 1).toString(16)}`));
    const most = foreignNeighborFilter(addresses(FILTER_ADDRESSES_MAX), new Array<Uint8Array>(10).fill(OWN));
    expect(accepts(most, advertisement(addresses(FILTER_ADDRESSES_MAX).at(-1) ?? VIP6))).toBe(true);
    expect(accepts(most, advertisement(VIP6))).toBe(false);
    const open = foreignNeighborFilter(addresses(FILTER_ADDRESSES_MAX + 1), [OWN]);
    expect(accepts(open, advertisement(VIP6))).toBe(true);
    expect(accepts(open, advertisement(VIP6, OWN))).toBe(false);
  });

  test("what does not fit is refused", () => {
    expect(() => foreignNeighborFilter([VIP], [OWN])).toThrow(RangeError);
    expect(() => foreignNeighborFilter([VIP6], [new Uint8Array(8)])).toThrow(RangeError);
  });
});

describe("the filter for our own source", () => {
  const SOURCE = ip("192.0.2.11");
  const filter = ownSourceFilter([SOURCE, ip("192.0.2.12")]);
  const frame = (source: Ip, protocol = 112, type = 0x0800) => {
    const header = { typeOfService: 0, identification: 1, fragment: 0, timeToLive: 255, protocol, source };
    const packet = encodeIpv4({ ...header, destination: ip("224.0.0.18") }, new Uint8Array(20));
    const bytes = new Uint8Array(14 + packet.length);
    new DataView(bytes.buffer).setUint16(12, type);
    bytes.set(packet, 14);
    return bytes;
  };

  test("takes adverts that arrive with one of the sources and nothing else", () => {
    expect(accepts(filter, frame(SOURCE))).toBe(true);
    expect(accepts(filter, frame(ip("192.0.2.12")))).toBe(true);
    expect(accepts(filter, frame(SOURCE), OUTGOING)).toBe(false);
    expect(accepts(filter, frame(SOURCE), OTHER_HOST)).toBe(false);
    expect(accepts(filter, frame(ip("192.0.2.13")))).toBe(false);
    expect(accepts(filter, frame(SOURCE, 17))).toBe(false);
    expect(accepts(filter, frame(SOURCE, 112, 0x86dd))).toBe(false);
    expect(() => ownSourceFilter([ip("fe80::1")])).toThrow(RangeError);
    expect(() => ownSourceFilter(new Array<Ip>(FILTER_ADDRESSES_MAX + 1).fill(SOURCE))).toThrow(RangeError);
  });
});
