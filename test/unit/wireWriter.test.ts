import { expect, test } from "vitest";
import { decodeMessages, NLM_F } from "../../src/wire/netlink/message.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";

test("a writer grows at every kind of write, and what was written stays", () => {
  for (const [name, write] of Object.entries<(writer: MessageWriter) => void>({
    u8: (writer) => writer.u8(0x11),
    u16: (writer) => writer.u16(0x1111),
    u16be: (writer) => writer.u16be(0x1111),
    u32: (writer) => writer.u32(0x11111111),
    u32be: (writer) => writer.u32be(0x11111111),
    u64: (writer) => writer.u64(0x1111111111111111n),
    raw: (writer) => writer.raw(new Uint8Array(5).fill(0x11)),
    text: (writer) => writer.text("\u0011\u0011\u0011"),
  })) {
    const writer = new MessageWriter(16);
    writer.begin(7, NLM_F.request);
    for (let i = 0; i < 100; i++) write(writer);
    writer.end();
    const decoded = decodeMessages(writer.bytes);
    if (!decoded.ok) throw new Error(`${name}: ${decoded.error.detail}`);
    const [message] = decoded.value;
    expect(message?.type, name).toBe(7);
    expect([...new Set(message?.payload)], name).toEqual([0x11]);
    expect(message?.payload.length, name).toBeGreaterThanOrEqual(100);
  }
});
