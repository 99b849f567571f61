/**
 * Classic BPF programs (linux/filter.h; bpf(4) of BSD has the instructions) for packet sockets, as the bytes that
 * SO_ATTACH_FILTER takes: an array of struct sock_filter in the host's byte order, which is little-endian wherever holdfast runs.
 *
 *     +-----------------+--------+--------+-----------------------------------+
 *     | code (16)       | jt (8) | jf (8) | k (32)                            |
 *     +-----------------+--------+--------+-----------------------------------+
 *
 * Offsets are those of a whole Ethernet frame (SOCK_RAW). Loads are in network order.
 */
import { IPV4_BYTES, IPV6_BYTES, type Ip, ipBytes } from "../core/ip.ts";
import { viewOf } from "./bytes.ts";
import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, MAC_BYTES } from "./ethernet.ts";
import { ICMPV6, NEIGHBOR_ADVERTISEMENT } from "./neighbor.ts";
import { VRRP_PROTOCOL } from "./vrrpFields.ts";

/** BPF_* of linux/bpf_common.h and filter.h, compared with the headers by a test. */
export const BPF = {
  load: 0x00,
  jump: 0x05,
  return: 0x06,
  word: 0x00,
  half: 0x08,
  byte: 0x10,
  absolute: 0x20,
  equal: 0x10,
  constant: 0x00,
  /** BPF_MAXINSNS */
  instructionsMax: 4096,
  /** SKF_AD_OFF + SKF_AD_PKTTYPE: PACKET_* of the frame instead of its bytes. */
  packetType: 0xffff_f004,
} as const;

/** For another host: also what comes with a VLAN tag that no device of this host takes, whoever it is for. */
const PACKET_OTHERHOST = 3;
/** A frame that this host sends on the device. */
const PACKET_OUTGOING = 4;

export const INSTRUCTION_BYTES = 8;
/** Truncation that a filter's result can ask for: the whole frame. */
const WHOLE = 0xffff_ffff;

interface Instruction {
  readonly code: number;
  /** How many instructions are passed over when the comparison holds, and when it does not. */
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly k: number;
}

const statement = (code: number, k: number): Instruction => ({ code, ifTrue: 0, ifFalse: 0, k });
const loadWord = (offset: number): Instruction => statement(BPF.load | BPF.word | BPF.absolute, offset);
const loadHalf = (offset: number): Instruction => statement(BPF.load | BPF.half | BPF.absolute, offset);
const loadByte = (offset: number): Instruction => statement(BPF.load | BPF.byte | BPF.absolute, offset);
const jumpEqual = (k: number, ifTrue: number, ifFalse: number): Instruction => ({
  code: BPF.jump | BPF.equal | BPF.constant,
  ifTrue,
  ifFalse,
  k,
});
const accept = statement(BPF.return | BPF.constant, WHOLE);
const drop = statement(BPF.return | BPF.constant, 0);
/** Goes on when equal. Jumps reach 255 instructions only, so each comparison carries its own end. */
const mustEqual = (k: number): Instruction[] => [jumpEqual(k, 1, 0), drop];
const acceptAny = (values: readonly number[]): Instruction[] => values.flatMap((k) => [jumpEqual(k, 0, 1), accept]);

/** The bytes of a program. Throws RangeError above BPF_MAXINSNS. */
function encodeProgram(program: readonly Instruction[]): Uint8Array {
  if (program.length > BPF.instructionsMax) throw new RangeError(`a filter of ${program.length} instructions`);
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = viewOf(bytes);
  program.forEach(({ code, ifTrue, ifFalse, k }, index) => {
    const offset = index * INSTRUCTION_BYTES;
    view.setUint16(offset, code, true);
    view.setUint8(offset + 2, ifTrue);
    view.setUint8(offset + 3, ifFalse);
    view.setUint32(offset + 4, k, true);
  });
  return bytes;
}

/** Frames of others for this host or for all on this link: neither what we send nor what belongs to another VLAN. */
const incoming: readonly Instruction[] = [
  loadWord(BPF.packetType),
  ...[PACKET_OUTGOING, PACKET_OTHERHOST].flatMap((type) => [jumpEqual(type, 0, 1), drop]),
];

/**
 * Above it `foreignArpFilter` and `foreignNeighborFilter` let every foreign frame of their kind pass. The kernel charges its own form of a
 * program, at most 32 bytes for each address, to net.core.optmem_max, beside the one that is being replaced: 20 480 bytes before Linux 6.7.
 */
export const FILTER_ADDRESSES_MAX = 250;

/** Drops the frames that carry one of these hardware addresses (6 bytes each) at `offset`. Throws RangeError for other lengths. */
function dropOwn(hardwareAddresses: readonly Uint8Array[], offset: number): Instruction[] {
  return hardwareAddresses.flatMap((address) => {
    if (address.length !== MAC_BYTES) throw new RangeError(`a hardware address of ${address.length} bytes`);
    const view = viewOf(address);
    return [
      loadWord(offset),
      jumpEqual(view.getUint32(0), 0, 3),
      loadHalf(offset + 4),
      jumpEqual(view.getUint16(4), 0, 1),
      drop,
    ];
  });
}

/** Accepts what claims one of the addresses, whose words the accumulator is compared with; all of it when they are too many. */
function acceptClaims(words: readonly number[]): Instruction[] {
  return words.length > FILTER_ADDRESSES_MAX ? [accept] : acceptAny(words);
}

/**
 * ARP (request or reply) whose sender claims one of `addresses` (IPv4) and is none of `ownHardwareAddresses` (6 bytes each,
 * our own and virtual ones, at most 20). With more than FILTER_ADDRESSES_MAX addresses: ARP of any foreign sender, so the receiver compares in
 * any case. Throws RangeError for addresses of another kind.
 */
export function foreignArpFilter(addresses: readonly Ip[], ownHardwareAddresses: readonly Uint8Array[]): Uint8Array {
  return encodeProgram([
    ...incoming,
    loadHalf(12),
    ...mustEqual(ETHERTYPE_ARP),
    ...dropOwn(ownHardwareAddresses, 22),
    loadWord(28),
    ...acceptClaims(addresses.map(asWord)),
    drop,
  ]);
}

/**
 * Neighbour advertisements whose target is one of `addresses` (IPv6) and that come from none of `ownHardwareAddresses` (6 bytes
 * each, at most 20). Compared are the last four bytes of the target, so the receiver compares in any case; one with extension headers, which
 * no host sends, does not pass. Throws RangeError for addresses of another kind.
 */
export function foreignNeighborFilter(
  addresses: readonly Ip[],
  ownHardwareAddresses: readonly Uint8Array[],
): Uint8Array {
  return encodeProgram([
    ...incoming,
    loadHalf(12),
    ...mustEqual(ETHERTYPE_IPV6),
    loadByte(20),
    ...mustEqual(ICMPV6),
    loadByte(54),
    ...mustEqual(NEIGHBOR_ADVERTISEMENT),
    ...dropOwn(ownHardwareAddresses, MAC_BYTES),
    loadWord(74),
    ...acceptClaims([...new Set(addresses.map(asLastWord))]),
    drop,
  ]);
}

/**
 * IPv4 packets of protocol 112 that arrive with one of our own `sources`: the kernel drops them as martians before any raw
 * socket sees them, so only a packet socket can tell of them. Throws RangeError for more than FILTER_ADDRESSES_MAX sources or an IPv6 one.
 */
export function ownSourceFilter(sources: readonly Ip[]): Uint8Array {
  if (sources.length > FILTER_ADDRESSES_MAX) throw new RangeError(`a filter of ${sources.length} addresses`);
  return encodeProgram([
    ...incoming,
    loadHalf(12),
    ...mustEqual(ETHERTYPE_IPV4),
    loadByte(23),
    ...mustEqual(VRRP_PROTOCOL),
    loadWord(26),
    ...acceptAny(sources.map(asWord)),
    drop,
  ]);
}

function asWord(address: Ip): number {
  const bytes = ipBytes(address);
  if (bytes.length !== IPV4_BYTES) throw new RangeError(`${address} is no IPv4 address`);
  return viewOf(bytes).getUint32(0);
}

function asLastWord(address: Ip): number {
  const bytes = ipBytes(address);
  if (bytes.length !== IPV6_BYTES) throw new RangeError(`${address} is no IPv6 address`);
  return viewOf(bytes).getUint32(IPV6_BYTES - 4);
}
