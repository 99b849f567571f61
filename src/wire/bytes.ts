/** A DataView over exactly these bytes. */
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The bytes themselves, not a view into what they were received in. (`slice` of a Buffer is a view, of a Uint8Array a copy.) */
export const copyOf = (bytes: Uint8Array, start = 0, end: number = bytes.length): Uint8Array =>
  new Uint8Array(bytes.subarray(start, end));

/** Reads big-endian 16-bit sums as RFC 1071 wants; an odd last byte is padded with zero. */
function sum16(bytes: Uint8Array, start: number): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  return sum;
}

/**
 * The Internet checksum (RFC 1071) over several pieces, each of even length except the last. Over bytes that contain their
 * own checksum it is 0 when they are intact.
 */
export function internetChecksum(...pieces: readonly Uint8Array[]): number {
  let sum = 0;
  for (const piece of pieces) sum = sum16(piece, sum);
  while (sum > 0xffff) sum = Math.floor(sum / 0x1_0000) + (sum & 0xffff);
  return ~sum & 0xffff;
}

const IPV4_PSEUDO_BYTES = 12;
const IPV6_PSEUDO_BYTES = 40;

/**
 * The pseudo header that checksums of upper layers cover, for IPv4 (RFC 793 3.1: addresses, zero, protocol, length in 16
 * bits) or IPv6 (RFC 8200 8.1: addresses, length in 32 bits, three zeros, next header), by the length of the addresses.
 * Throws RangeError for addresses of two families.
 */
export function pseudoHeader(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  length: number,
): Uint8Array {
  if (source.length !== destination.length) throw new RangeError("source and destination are of two families");
  const ipv4 = source.length === 4;
  const bytes = new Uint8Array(ipv4 ? IPV4_PSEUDO_BYTES : IPV6_PSEUDO_BYTES);
  bytes.set(source, 0);
  bytes.set(destination, source.length);
  const view = viewOf(bytes);
  if (ipv4) {
    view.setUint8(9, protocol);
    view.setUint16(10, length);
  } else {
    view.setUint32(32, length);
    view.setUint8(39, protocol);
  }
  return bytes;
}
