import type { Family } from "../core/ip.ts";
import { copyOf, internetChecksum, viewOf } from "./bytes.ts";

/** Echo messages of ICMP (RFC 792) and ICMPv6 (RFC 4443 4.1 and 4.2): type, code, checksum, identifier, sequence number, data. */
export interface Echo {
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

export const ECHO_HEADER_BYTES = 8;
const ECHO_TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

/** An echo request. The checksum of ICMPv6 covers addresses that the kernel chooses: it computes that one itself (raw(7)). */
export function encodeEchoRequest(family: Family, { identifier, sequence, data }: Echo): Uint8Array {
  const bytes = new Uint8Array(ECHO_HEADER_BYTES + data.length);
  const view = viewOf(bytes);
  view.setUint8(0, ECHO_TYPES[family].request);
  view.setUint16(4, identifier);
  view.setUint16(6, sequence);
  bytes.set(data, ECHO_HEADER_BYTES);
  if (family === 4) view.setUint16(2, internetChecksum(bytes));
  return bytes;
}

/** An echo reply without its IP header; undefined for any other message, and for one that is damaged. */
export function decodeEchoReply(family: Family, bytes: Uint8Array): Echo | undefined {
  if (bytes.length < ECHO_HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  if (view.getUint8(0) !== ECHO_TYPES[family].reply || view.getUint8(1) !== 0) return undefined;
  if (family === 4 && internetChecksum(bytes) !== 0) return undefined;
  return {
    identifier: view.getUint16(4),
    sequence: view.getUint16(6),
    data: copyOf(bytes, ECHO_HEADER_BYTES),
  };
}
