/**
 * VRRP version 3 adverts (RFC 9568 5.1, RFC 5798 5.1), for IPv4 and IPv6.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------+-------+---------------+---------------+---------------+
 *     |Version| Type  | Virtual Rtr ID|   Priority    |IPvX Addr Count|
 *     +-------+-------+---------------+---------------+---------------+
 *     |Reserve| Max Advertise Interval|          Checksum             |
 *     +-------+-----------------------+-------------------------------+
 *     |                      IPvX Address(es)                         |
 *     +---------------------------------------------------------------+
 *
 * The interval is in hundredths of a second. The reserved bits are zero when sent and ignored when received (5.2.6). The
 * checksum covers the message and, see ChecksumForm, the pseudo header of the packet (RFC 8200 8.1).
 */
import { IPV4_BYTES, ipBytes, ipFromBytes } from "../core/ip.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { internetChecksum, pseudoHeader, viewOf } from "./bytes.ts";
import type { AdvertDiscardReason, AdvertEndpoints, ChecksumForm, VrrpAdvert } from "./vrrp.types.ts";
import {
  CHECKSUM_OFFSET,
  HEADER_BYTES,
  inRange,
  putAddresses,
  putHead,
  TYPE_ADVERTISEMENT,
  VRRP_PROTOCOL,
} from "./vrrpFields.ts";

const INTERVAL_CS_MAX = 0xfff;

/** Throws RangeError for what does not fit. */
export function encodeAdvertV3(advert: VrrpAdvert, endpoints: AdvertEndpoints): Uint8Array {
  const { addresses, checksumForm } = advert;
  const source = ipBytes(endpoints.source);
  const addressBytes = source.length;
  if (addresses.length === 0) throw new RangeError("an advert of version 3 without addresses");
  if (checksumForm === "withoutPseudoHeader" && addressBytes !== IPV4_BYTES) {
    throw new RangeError("an IPv6 advert is summed with its pseudo header");
  }
  const bytes = new Uint8Array(HEADER_BYTES + addresses.length * addressBytes);
  const view = viewOf(bytes);
  putHead(view, advert);
  view.setUint16(4, inRange("advert interval", advert.advertIntervalCs, INTERVAL_CS_MAX));
  putAddresses(bytes, addresses, addressBytes);
  const checksum =
    checksumForm === "withoutPseudoHeader"
      ? internetChecksum(bytes)
      : internetChecksum(pseudoHeader(source, ipBytes(endpoints.destination), VRRP_PROTOCOL, bytes.length), bytes);
  view.setUint16(CHECKSUM_OFFSET, checksum);
  return bytes;
}

/**
 * Checked here: type, at least one address, length against their number, checksum in either form.
 * Version is the caller's.
 */
export function decodeAdvertV3(bytes: Uint8Array, endpoints: AdvertEndpoints): Result<VrrpAdvert, AdvertDiscardReason> {
  const view = viewOf(bytes);
  if ((view.getUint8(0) & 0x0f) !== TYPE_ADVERTISEMENT) return fail("wrongType");
  const source = ipBytes(endpoints.source);
  const addressBytes = source.length;
  const count = view.getUint8(3);
  if (count === 0) return fail("noAddresses");
  const expected = HEADER_BYTES + count * addressBytes;
  if (bytes.length < expected) return fail("truncated");
  if (bytes.length > expected) return fail("addressCountMismatch");
  const form = checksumForm(bytes, source, ipBytes(endpoints.destination));
  if (form === undefined) return fail("badChecksum");
  return ok({
    version: 3,
    virtualRouterId: view.getUint8(1),
    priority: view.getUint8(2),
    advertIntervalCs: view.getUint16(4) & INTERVAL_CS_MAX,
    addresses: Array.from({ length: count }, (_, index) =>
      ipFromBytes(bytes.subarray(HEADER_BYTES + index * addressBytes, HEADER_BYTES + (index + 1) * addressBytes)),
    ),
    ...(addressBytes === IPV4_BYTES ? { checksumForm: form } : {}),
  });
}

function checksumForm(bytes: Uint8Array, source: Uint8Array, destination: Uint8Array): ChecksumForm | undefined {
  const pseudo = pseudoHeader(source, destination, VRRP_PROTOCOL, bytes.length);
  if (internetChecksum(pseudo, bytes) === 0) return "withPseudoHeader";
  return source.length === IPV4_BYTES && internetChecksum(bytes) === 0 ? "withoutPseudoHeader" : undefined;
}
