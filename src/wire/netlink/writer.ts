import { Buffer } from "node:buffer";
import { type Family, IPV4_BYTES, IPV6_BYTES, type Ip, writeIp } from "../../core/ip.ts";

/** sizeof(struct nlmsghdr) */
export const HEADER_BYTES = 16;
/** sizeof(struct nlattr) */
export const ATTRIBUTE_HEADER_BYTES = 4;
/** Messages and attributes begin at multiples of 4 (NLMSG_ALIGNTO, NLA_ALIGNTO). */
export const align = (length: number): number => (length + 3) & ~3;

/** NLA_F_NESTED */
export const NESTED_FLAG = 0x8000;
const ATTRIBUTE_BYTES_MAX = 0xffff;
const BUFFER_BYTES_DEFAULT = 65_536;
const SHORT_BYTES = 32;

/** Of nlmsg_seq in struct nlmsghdr. */
const SEQUENCE_OFFSET = 8;
/** Sequence numbers go from 1 to this: 0 is left out, since unsolicited notifications carry it. */
const SEQUENCES = 0xffff_ffff;

/** Where one message lies in the writer's bytes, and the number that its answer will carry. */
export interface MessageSpan {
  readonly offset: number;
  /** With the padding behind it. */
  readonly length: number;
  readonly sequence: number;
}

/**
 * A cursor in one preallocated buffer to which many netlink messages are appended and sent at once: many small buffers
 * joined cost 30 times as much. The buffer doubles when it is full, so a batch never fails for its size.
 * Every message gets the next sequence number, also after `clear`, so that a late answer is never taken for another's.
 * Numbers are little-endian, as every host is that holdfast runs on; `u16be` is for what netlink carries in network order.
 */
export class MessageWriter {
  #buffer: Buffer;
  #view: DataView;
  #length = 0;
  #sequence: number;
  #begun = -1;
  /** Where each finished message begins, and where the last one ends: a batch has thousands of messages, and no object for each. */
  readonly #borders: number[] = [0];

  constructor(bytesInitial: number = BUFFER_BYTES_DEFAULT, sequenceFirst = 1) {
    this.#buffer = Buffer.alloc(bytesInitial);
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, bytesInitial);
    this.#sequence = sequenceFirst;
  }

  /** What was written so far: a view, valid until the next write or `clear`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  /** How many messages are finished. */
  get count(): number {
    return this.#borders.length - 1;
  }

  /** Where the finished message at a place begins; at `count` where the last one ends. */
  offsetOf(place: number): number {
    const offset = this.#borders[place];
    if (offset === undefined) throw new Error(`there is no message ${place}`);
    return offset;
  }

  /** The finished message at a place. */
  span(place: number): MessageSpan {
    const offset = this.offsetOf(place);
    return { offset, length: this.offsetOf(place + 1) - offset, sequence: this.#sequenceAt(offset) };
  }

  /** The place of the finished message with a sequence number: they follow each other. -1 = none has it. */
  placeOf(sequence: number): number {
    if (this.count === 0 || sequence === 0) return -1;
    const first = this.#sequenceAt(0);
    const place = sequence >= first ? sequence - first : sequence - first + SEQUENCES;
    return place < this.count ? place : -1;
  }

  /** Forgets the messages, keeps the buffer and the count of sequence numbers. */
  clear(): void {
    this.#length = 0;
    this.#begun = -1;
    this.#borders.length = 1;
  }

  /** Begins a message (struct nlmsghdr; the port is 0: the kernel fills it in); returns its sequence number. */
  begin(type: number, flags: number): number {
    this.#expectEnded();
    this.#begun = this.#length;
    const sequence = this.#nextSequence();
    this.u32(0);
    this.u16(type);
    this.u16(flags);
    this.u32(sequence);
    this.u32(0);
    return sequence;
  }

  /** Ends the message that was begun: its length and its span are known now. */
  end(): void {
    const offset = this.#begun;
    if (offset < 0) throw new Error("no message was begun");
    this.#begun = -1;
    this.#view.setUint32(offset, this.#length - offset, true);
    this.pad();
    this.#borders.push(this.#length);
  }

  /** Appends a copy of a whole message, padded, with a number of its own; returns where it begins. Its values may then be set. */
  append(message: Uint8Array): number {
    this.#expectEnded();
    const at = this.#reserve(message.length);
    this.#buffer.set(message, at);
    this.#view.setUint32(at + SEQUENCE_OFFSET, this.#nextSequence(), true);
    this.#borders.push(this.#length);
    return at;
  }

  /** Writes over what is there. */
  setU16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }

  setU16be(at: number, value: number): void {
    this.#view.setUint16(at, value, false);
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** An address in a field of 16 bytes (union nf_inet_addr); tells its family. */
  setInetAddress(at: number, address: Ip): Family {
    const written = writeIp(address, this.#buffer, at);
    if (written === 4) for (let rest = at + IPV4_BYTES; rest < at + IPV6_BYTES; rest += 4) this.setU32(rest, 0);
    return written;
  }

  /** Adds flags to a finished message: NLM_F_ACK on the last one of a batch. */
  addFlags(span: MessageSpan, flags: number): void {
    this.#view.setUint16(span.offset + 6, this.#view.getUint16(span.offset + 6, true) | flags, true);
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, true);
  }

  u16be(value: number): void {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, false);
  }

  /** Also for signed numbers: both are stored modulo 2^32. */
  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  u32be(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, false);
  }

  u64(value: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value, true);
  }

  u64be(value: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value, false);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    // Addresses, nearly always: a call into the runtime costs more than a few bytes written here.
    if (bytes.length > SHORT_BYTES) this.#buffer.set(bytes, at);
    else for (let i = 0; i < bytes.length; i++) this.#buffer[at + i] = bytes[i] ?? 0;
  }

  /** UTF-8, without an end of its own. */
  text(value: string): void {
    const length = Buffer.byteLength(value);
    const at = this.#reserve(length);
    this.#buffer.write(value, at, "utf8");
  }

  /** Zeros up to the next multiple of 4. */
  pad(): void {
    while (this.#length % 4 !== 0) this.u8(0);
  }

  /** Begins an attribute; give what it returns to `endAttribute`. Attributes nest. */
  beginAttribute(attr: number): number {
    const start = this.#length;
    this.u16(0);
    this.u16(attr);
    return start;
  }

  /** The header of an attribute whose payload of so many bytes is written next; `pad` ends it. */
  fixedAttribute(attr: number, payloadBytes: number): void {
    this.u32(((attr << 16) | (ATTRIBUTE_HEADER_BYTES + payloadBytes)) >>> 0);
  }

  endAttribute(start: number): void {
    const length = this.#length - start;
    if (length > ATTRIBUTE_BYTES_MAX) throw new Error(`an attribute of ${length} bytes does not fit nla_len`);
    this.#view.setUint16(start, length, true);
    this.pad();
  }

  #expectEnded(): void {
    if (this.#begun >= 0) throw new Error("the message before is not ended");
  }

  #sequenceAt(offset: number): number {
    return this.#view.getUint32(offset + SEQUENCE_OFFSET, true);
  }

  #nextSequence(): number {
    const sequence = this.#sequence;
    this.#sequence = sequence === SEQUENCES ? 1 : sequence + 1;
    return sequence;
  }

  /** May replace buffer and view: read neither before this has returned. */
  #reserve(bytes: number): number {
    const at = this.#length;
    if (at + bytes > this.#buffer.length) this.#grow(at + bytes);
    this.#length = at + bytes;
    return at;
  }

  #grow(bytesAtLeast: number): void {
    let size = Math.max(this.#buffer.length, HEADER_BYTES);
    while (size < bytesAtLeast) size *= 2;
    const larger = Buffer.alloc(size);
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer, larger.byteOffset, size);
  }
}
