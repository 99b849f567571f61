import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import {
  type AttributeTable,
  binary,
  decodeAttributes,
  encodeAttributes,
  nested,
  nulString,
  s32,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u32Struct,
  u64,
} from "../../src/wire/netlink/attributes.ts";
import { decodeFamily, decodeGeneric, encodeGetFamily } from "../../src/wire/netlink/genl.ts";
import { decodeIpvs, decodeIpvsInfo } from "../../src/wire/netlink/ipvs.ts";
import {
  decodeAcknowledgement,
  decodeDone,
  decodeMessages,
  type NetlinkMessage,
  NLM_F,
  NLMSG,
} from "../../src/wire/netlink/message.ts";
import {
  type AddressMessage,
  decodeAddress,
  decodeLink,
  encodeAddress,
  encodeDeleteAddress,
  encodeGetAddresses,
  encodeGetLinks,
  encodeNewAddress,
  IFA_F,
  localAddress,
  RTM,
  SCOPE,
} from "../../src/wire/netlink/rtnl.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";
import { goldenBytes } from "../golden/cases.ts";

const INNER = { wide: { attr: 1, type: u64, kernel: "WIDE" } } as const satisfies AttributeTable;
const TABLE = {
  byte: { attr: 1, type: u8, kernel: "BYTE" },
  half: { attr: 2, type: u16, kernel: "HALF" },
  port: { attr: 3, type: u16be, kernel: "PORT" },
  word: { attr: 4, type: u32, kernel: "WORD" },
  signed: { attr: 5, type: s32, kernel: "SIGNED" },
  mask: { attr: 6, type: u32be, kernel: "MASK" },
  pair: { attr: 7, type: u32Struct(["first", "second"]), kernel: "PAIR" },
  text: { attr: 8, type: nulString, kernel: "TEXT" },
  bytes: { attr: 9, type: binary(2, 6), kernel: "BYTES" },
  inner: { attr: 10, type: nested(INNER), kernel: "INNER" },
} as const satisfies AttributeTable;

const number = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const values = fc.record(
  {
    byte: number(0xff),
    half: number(0xffff),
    port: number(0xffff),
    word: number(0xffff_ffff),
    signed: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    mask: number(0xffff_ffff),
    pair: fc.record({ first: number(0xffff_ffff), second: number(0xffff_ffff) }),
    text: fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
    bytes: fc.uint8Array({ minLength: 2, maxLength: 6 }),
    inner: fc.record({ wide: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);

/** The attributes alone, from a message that was written around them. */
function attributeBytes(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter(16);
  writer.begin(0x20, 0);
  write(writer);
  writer.end();
  return only(writer.bytes).payload.slice();
}

function only(bytes: Uint8Array): NetlinkMessage {
  const decoded = decodeMessages(bytes);
  if (!decoded.ok) throw new Error(decoded.error.detail);
  const [message, ...others] = decoded.value;
  if (message === undefined || others.length > 0) throw new Error(`${decoded.value.length} messages`);
  return message;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("attributes", () => {
  test("every value survives encoding", () => {
    fc.assert(
      fc.property(values, (attributes) => {
        const bytes = attributeBytes((writer) => encodeAttributes(writer, TABLE, attributes));
        expect(decodeAttributes(TABLE, bytes)).toEqual({ ok: true, value: { attributes, unknown: 0 } });
      }),
      { numRuns: 500 },
    );
  });

  test("unknown ones are skipped and counted, also inside nested ones", () => {
    const bytes = attributeBytes((writer) => {
      writer.endAttribute(writer.beginAttribute(99));
      encodeAttributes(writer, TABLE, { byte: 7 });
      const outer = writer.beginAttribute(10);
      writer.endAttribute(writer.beginAttribute(55));
      encodeAttributes(writer, INNER, { wide: 5n });
      writer.endAttribute(outer);
    });
    expect(decodeAttributes(TABLE, bytes)).toEqual({
      ok: true,
      value: { attributes: { byte: 7, inner: { wide: 5n } }, unknown: 2 },
    });
  });

  test.each([
    ["truncated", [4, 0, 1]],
    ["truncated", [8, 0, 4, 0, 1, 2, 3]],
    ["badLength", [3, 0, 1, 0]],
    ["badLength", [6, 0, 1, 0, 1, 2, 0, 0]],
    ["badLength", [7, 0, 4, 0, 1, 2, 3, 0]],
    ["badLength", [5, 0, 9, 0, 1, 0, 0, 0]],
    ["badLength", [11, 0, 9, 0, 1, 2, 3, 4, 5, 6, 7, 0]],
    ["badText", [6, 0, 8, 0, 0x61, 0x62, 0, 0]],
    ["badText", [7, 0, 8, 0, 0x61, 0xff, 0, 0]],
    ["truncated", [8, 0, 10, 0x80, 12, 0, 1, 0]],
  ])("%s: %j", (reason, bytes) => {
    const decoded = decodeAttributes(TABLE, Uint8Array.from(bytes));
    expect(decoded).toMatchObject({ ok: false, error: { reason } });
  });

  test("the flags in the attribute's number are no part of it", () => {
    // NLA_F_NET_BYTEORDER, then NLA_F_NESTED.
    const bytes = Uint8Array.of(5, 0, 1, 0x40, 7, 0, 0, 0, 6, 0, 2, 0x80, 9, 0, 0, 0);
    expect(decodeAttributes(TABLE, bytes)).toEqual({
      ok: true,
      value: { attributes: { byte: 7, half: 9 }, unknown: 0 },
    });
  });

  test("an attribute that does not fit its length field is an error of ours", () => {
    const writer = new MessageWriter();
    writer.begin(0x20, 0);
    expect(() => encodeAttributes(writer, TABLE, { text: "x".repeat(70_000) })).toThrow("does not fit");
  });
});

describe("messages", () => {
  test("many in one buffer, each with its span and its own number", () => {
    const writer = new MessageWriter(16, 0xffff_fffe);
    for (const text of ["a", "bcd", ""]) {
      writer.begin(0x30, NLM_F.request);
      writer.text(text);
      writer.end();
    }
    writer.addFlags(writer.span(2), NLM_F.ack);
    const decoded = decodeMessages(writer.bytes);
    if (!decoded.ok) throw new Error(decoded.error.detail);
    expect(decoded.value.map((message) => Buffer.from(message.payload).toString())).toEqual(["a", "bcd", ""]);
    expect(decoded.value.map(({ flags }) => flags)).toEqual([1, 1, 5]);
    // 0 is the number of notifications.
    expect(decoded.value.map(({ sequence }) => sequence)).toEqual([0xffff_fffe, 0xffff_ffff, 1]);
    expect(writer.count).toBe(3);
    expect([0, 1, 2].map((place) => writer.span(place))).toEqual([
      { offset: 0, length: 20, sequence: 0xffff_fffe },
      { offset: 20, length: 20, sequence: 0xffff_ffff },
      { offset: 40, length: 16, sequence: 1 },
    ]);
    expect([0xffff_fffd, 0xffff_fffe, 0xffff_ffff, 0, 1, 2].map((sequence) => writer.placeOf(sequence))).toEqual([
      -1, 0, 1, -1, 2, -1,
    ]);
    writer.clear();
    expect(writer.length).toBe(0);
    expect(writer.begin(0x30, 0)).toBe(2);
  });

  test.each([0, 1, 15])("a length of %i does not cover its own header", (length) => {
    const bytes = new Uint8Array(32);
    bytes[0] = length;
    expect(decodeMessages(bytes)).toMatchObject({ ok: false, error: { reason: "badLength" } });
  });

  test("begin and end come in pairs", () => {
    const writer = new MessageWriter();
    expect(() => writer.end()).toThrow("no message");
    writer.begin(1, 0);
    expect(() => writer.begin(1, 0)).toThrow("not ended");
    expect(() => writer.append(new Uint8Array(16))).toThrow("not ended");
    writer.end();
    expect(writer.append(new Uint8Array(16))).toBe(16);
    expect(writer.count).toBe(2);
  });

  test("an answer without extended text, and one that repeats the request whole", () => {
    const request = [0x28, 0, 0, 0, 0x14, 0, 5, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    const answer = (flags: number, errno: number, rest: number[]): NetlinkMessage => ({
      type: NLMSG.error,
      flags,
      sequence: 9,
      portId: 1,
      payload: Uint8Array.from([
        errno === 0 ? 0 : 256 - errno,
        ...new Array(3).fill(errno === 0 ? 0 : 255),
        ...request,
        ...rest,
      ]),
    });
    expect(decodeAcknowledgement(answer(0, 0, []))).toEqual({ ok: true, value: { errno: 0, sequence: 9 } });
    expect(decodeAcknowledgement(answer(NLM_F.capped, 17, []))).toEqual({
      ok: true,
      value: { errno: 17, sequence: 9 },
    });
    const text = [9, 0, 1, 0, 0x77, 0x68, 0x79, 0x3f, 0, 0, 0, 0];
    expect(decodeAcknowledgement(answer(NLM_F.capped | NLM_F.ackAttributes, 17, text))).toEqual({
      ok: true,
      value: { errno: 17, sequence: 9, text: "why?" },
    });
    const body = new Array<number>(0x28 - 16).fill(0xaa);
    expect(decodeAcknowledgement(answer(NLM_F.ackAttributes, 17, [...body, ...text]))).toMatchObject({
      value: { text: "why?" },
    });
    expect(decodeAcknowledgement(answer(NLM_F.ackAttributes, 17, body.slice(1)))).toMatchObject({
      error: { reason: "truncated" },
    });
  });
});

describe("rtnetlink", () => {
  const message: fc.Arbitrary<AddressMessage> = fc.record(
    {
      family: number(255),
      prefixLength: number(128),
      headerFlags: number(255),
      scope: number(255),
      index: number(0x7fff_ffff),
      address: fc.uint8Array({ maxLength: 32 }),
      local: fc.uint8Array({ maxLength: 32 }),
      label: fc.string({ maxLength: 15 }).filter((text) => !text.includes("\0")),
      flags: number(0xffff_ffff),
      cacheInfo: fc.record({
        preferredSec: number(0xffff_ffff),
        validSec: number(0xffff_ffff),
        createdCs: number(0xffff_ffff),
        updatedCs: number(0xffff_ffff),
      }),
      protocol: number(255),
    },
    { requiredKeys: ["family", "prefixLength", "headerFlags", "scope", "index"] },
  );

  test("every address survives encoding", () => {
    fc.assert(
      fc.property(message, (value) => {
        const writer = new MessageWriter(16);
        encodeAddress(writer, RTM.newAddress, 0, value);
        expect(decodeAddress(only(writer.bytes))).toEqual({ ok: true, value: { ...value, unknown: 0 } });
      }),
      { numRuns: 300 },
    );
  });

  /** Our message with the flags, the sequence number and the acknowledgement of the captured one. */
  function likeCaptured(name: string, write: (writer: MessageWriter) => void): { ours: string; theirs: string } {
    const captured = goldenBytes("rtnl", name);
    const writer = new MessageWriter(64, only(captured).sequence);
    write(writer);
    writer.addFlags(writer.span(0), NLM_F.ack);
    return { ours: hex(writer.bytes), theirs: hex(captured) };
  }

  test("adding, refreshing and deleting are iproute2's requests, byte for byte", () => {
    const vip = {
      ip: ip("192.0.2.100"),
      prefixLength: 32,
      linkIndex: 10,
      label: "eth0:1",
      scope: SCOPE.link,
      flags: 0,
    };
    const lifetime = (validSec: number) => ({ preferredSec: 0, validSec });
    for (const { ours, theirs } of [
      likeCaptured("address-replace", (w) => encodeNewAddress(w, { ...vip, lifetime: lifetime(2) }, "replace")),
      likeCaptured("address-add-label", (w) => encodeNewAddress(w, { ...vip, lifetime: lifetime(10) }, "exclusive")),
      likeCaptured("address-add-again", (w) =>
        encodeNewAddress(
          w,
          {
            ip: ip("192.0.2.11"),
            prefixLength: 24,
            linkIndex: 10,
            label: undefined,
            scope: SCOPE.universe,
            lifetime: undefined,
            flags: 0,
          },
          "exclusive",
        ),
      ),
      likeCaptured("address-add-ipv6", (w) =>
        encodeNewAddress(
          w,
          {
            ip: ip("2001:db8::100"),
            prefixLength: 128,
            linkIndex: 10,
            label: undefined,
            scope: SCOPE.universe,
            lifetime: lifetime(10),
            flags: IFA_F.noDad | IFA_F.noPrefixRoute,
          },
          "exclusive",
        ),
      ),
      likeCaptured("address-delete", (w) =>
        encodeDeleteAddress(w, { ip: ip("198.51.100.7"), prefixLength: 32, linkIndex: 10 }),
      ),
    ]) {
      expect(ours).toBe(theirs);
    }
  });

  test("dump requests ask for every family and every link", () => {
    const writer = new MessageWriter();
    encodeGetAddresses(writer);
    expect(only(writer.bytes)).toMatchObject({ type: 22, flags: 0x301, payload: Buffer.alloc(8) });
    writer.clear();
    encodeGetLinks(writer);
    expect(only(writer.bytes)).toMatchObject({ type: 18, flags: 0x301, payload: Buffer.alloc(16) });
  });

  test("the address of an interface is IFA_LOCAL, and IFA_ADDRESS where there is none", () => {
    const base = { family: 2, prefixLength: 32, headerFlags: 0, scope: 0, index: 1 };
    const one = Uint8Array.from([192, 0, 2, 1]);
    const peer = Uint8Array.from([192, 0, 2, 2]);
    expect(localAddress({ ...base, local: one, address: peer })).toEqual({ ok: true, value: "192.0.2.1" });
    expect(localAddress({ ...base, address: peer })).toEqual({ ok: true, value: "192.0.2.2" });
    expect(localAddress(base)).toMatchObject({ error: { reason: "missingAttribute" } });
    expect(localAddress({ ...base, local: new Uint8Array(16) })).toMatchObject({ error: { reason: "badLength" } });
    expect(localAddress({ ...base, family: 45, local: one })).toMatchObject({ error: { reason: "badValue" } });
  });
});

describe("generic netlink", () => {
  test("the request for a family, and the answer", () => {
    const writer = new MessageWriter();
    encodeGetFamily(writer, "nlctrl");
    const request = only(writer.bytes);
    const captured = only(goldenBytes("genl", "get-family"));
    expect(request).toMatchObject({ type: captured.type, flags: captured.flags });
    // iproute2 leaves the version at 0; the attributes are the same.
    expect(hex(request.payload.subarray(4))).toBe(hex(captured.payload.subarray(4)));
    expect(decodeFamily(only(goldenBytes("genl", "family")))).toEqual({
      ok: true,
      value: { id: 16, name: "nlctrl", version: 2 },
    });
    expect(decodeFamily(captured)).toMatchObject({ error: { reason: "wrongType" } });
    expect(decodeFamily({ ...captured, type: 0x11 })).toMatchObject({ error: { reason: "wrongType" } });
  });

  test("a family without a number means nothing", () => {
    const writer = new MessageWriter();
    encodeGetFamily(writer, "nlctrl");
    const answer = only(writer.bytes);
    answer.payload[0] = 1;
    expect(decodeFamily(answer)).toMatchObject({ error: { reason: "missingAttribute" } });
  });
});

test("decoders never throw, whatever the bytes", () => {
  const real = fc.constantFrom(
    goldenBytes("rtnl", "dump-addresses"),
    goldenBytes("rtnl", "dump-links"),
    goldenBytes("rtnl", "error-extended"),
    goldenBytes("genl", "family"),
    goldenBytes("ipvs", "dump-services"),
    goldenBytes("ipvs", "dump-destinations-1"),
  );
  const mutated = fc
    .tuple(real, fc.array(fc.tuple(fc.nat(1_500), number(255)), { maxLength: 12 }))
    .map(([bytes, changes]) => {
      const copy = Uint8Array.from(bytes);
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });
  const decoders = [
    decodeAcknowledgement,
    decodeDone,
    decodeAddress,
    decodeLink,
    decodeFamily,
    decodeGeneric,
    decodeIpvs,
    decodeIpvsInfo,
  ];
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
      const messages = decodeMessages(bytes);
      for (const message of messages.ok ? messages.value : []) {
        for (const decode of decoders) decode(message);
      }
      // The same bytes as a payload of every type.
      for (const type of [NLMSG.error, NLMSG.done, RTM.newLink, RTM.newAddress]) {
        for (const decode of decoders) decode({ type, flags: 0x2ff, sequence: 1, portId: 0, payload: bytes });
      }
    }),
    { numRuns: 3_000 },
  );
});
