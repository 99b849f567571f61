/**
 * VRRP version 2 adverts (RFC 3768 5.1), with the authentication by a password of RFC 2338 5.3.6, as keepalived sends them.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+-------+---------------+---------------+---------------+
 *     |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
 *     +-------+-------+---------------+---------------+---------------+
 *     |   Auth Type   |   Adver Int   |          Checksum             |
 *     +---------------+---------------+-------------------------------+
 *     |                         IP Address (1) ... (n)                |
 *     +---------------------------------------------------------------+
 *     |                     Authentication Data (1)                   |
 *     +---------------------------------------------------------------+
 *     |                     Authentication Data (2)                   |
 *     +---------------------------------------------------------------+
 *
 * The checksum covers the whole message, authentication data included, and no pseudo header.
 */
import { IPV4_BYTES, ipFromBytes } from "../core/ip.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { internetChecksum, viewOf } from "./bytes.ts";
import type { AdvertDiscardReason, VrrpAdvert } from "./vrrp.types.ts";
import { CHECKSUM_OFFSET, HEADER_BYTES, inByte, putAddresses, putHead, TYPE_ADVERTISEMENT } from "./vrrpFields.ts";

const AUTH_NONE = 0;
const AUTH_PASSWORD = 1;
export const AUTH_DATA_BYTES = 8;
const CENTISECONDS_PER_SECOND = 100;

const utf8 = new TextDecoder();
const toUtf8 = new TextEncoder();

/** Throws RangeError for what does not fit. */
export function encodeAdvertV2(advert: VrrpAdvert): Uint8Array {
  const { addresses, authPassword } = advert;
  const authOffset = HEADER_BYTES + addresses.length * IPV4_BYTES;
  const bytes = new Uint8Array(authOffset + AUTH_DATA_BYTES);
  const view = viewOf(bytes);
  putHead(view, advert);
  view.setUint8(4, authPassword === undefined ? AUTH_NONE : AUTH_PASSWORD);
  view.setUint8(5, inByte("advert interval in seconds", advert.advertIntervalCs / CENTISECONDS_PER_SECOND));
  putAddresses(bytes, addresses, IPV4_BYTES);
  if (authPassword !== undefined) bytes.set(passwordBytes(authPassword), authOffset);
  view.setUint16(CHECKSUM_OFFSET, internetChecksum(bytes));
  return bytes;
}

/**
 * Checked here: type, length against the number of addresses, authentication type being known, checksum.
 * Version is the caller's.
 */
export function decodeAdvertV2(bytes: Uint8Array): Result<VrrpAdvert, AdvertDiscardReason> {
  const view = viewOf(bytes);
  if ((view.getUint8(0) & 0x0f) !== TYPE_ADVERTISEMENT) return fail("wrongType");
  const count = view.getUint8(3);
  const authOffset = HEADER_BYTES + count * IPV4_BYTES;
  const expected = authOffset + AUTH_DATA_BYTES;
  if (bytes.length < expected) return fail("truncated");
  if (bytes.length > expected) return fail("addressCountMismatch");
  const authType = view.getUint8(4);
  // Before the checksum: an operator must read of the authentication that is not supported.
  if (authType !== AUTH_NONE && authType !== AUTH_PASSWORD) return fail("authTypeUnsupported");
  if (internetChecksum(bytes) !== 0) return fail("badChecksum");
  return ok({
    version: 2,
    virtualRouterId: view.getUint8(1),
    priority: view.getUint8(2),
    advertIntervalCs: view.getUint8(5) * CENTISECONDS_PER_SECOND,
    addresses: Array.from({ length: count }, (_, index) =>
      ipFromBytes(bytes.subarray(HEADER_BYTES + index * IPV4_BYTES, HEADER_BYTES + (index + 1) * IPV4_BYTES)),
    ),
    ...(authType === AUTH_PASSWORD ? { authPassword: passwordText(bytes.subarray(authOffset)) } : {}),
  });
}

/** The password with zeros up to eight bytes, as keepalived sends it. Throws RangeError above eight bytes. */
function passwordBytes(password: string): Uint8Array {
  const bytes = toUtf8.encode(password);
  if (bytes.length > AUTH_DATA_BYTES) throw new RangeError(`a password of ${bytes.length} bytes`);
  return bytes;
}

/** Bytes that are no UTF-8 become U+FFFD, which equals no password that was written. */
function passwordText(data: Uint8Array): string {
  let end = data.length;
  while (end > 0 && data[end - 1] === 0) end--;
  return utf8.decode(data.subarray(0, end));
}
