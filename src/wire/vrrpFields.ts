/** What the adverts of both versions have in common. */
import { type Ip, ipBytes } from "../core/ip.ts";
import type { VrrpAdvert } from "./vrrp.types.ts";

/** The IP protocol number (RFC 3768 5.2.4). */
export const VRRP_PROTOCOL = 112;
export const HEADER_BYTES = 8;
export const CHECKSUM_OFFSET = 6;
export const TYPE_ADVERTISEMENT = 1;

/** Throws RangeError: the configuration has been validated before. */
export function inByte(name: string, value: number): number {
  return inRange(name, value, 0xff);
}

export function inRange(name: string, value: number, max: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max) throw new RangeError(`${name} ${value} does not fit`);
  return value;
}

/** Version, type, virtual router id, priority, number of addresses. */
export function putHead(view: DataView, advert: VrrpAdvert): void {
  view.setUint8(0, (advert.version << 4) | TYPE_ADVERTISEMENT);
  view.setUint8(1, inByte("virtual router id", advert.virtualRouterId));
  view.setUint8(2, inByte("priority", advert.priority));
  view.setUint8(3, inByte("number of addresses", advert.addresses.length));
}

/** Throws RangeError for an address of another family. */
export function putAddresses(bytes: Uint8Array, addresses: readonly Ip[], addressBytes: number): void {
  addresses.forEach((address, index) => {
    const octets = ipBytes(address);
    if (octets.length !== addressBytes) throw new RangeError(`${address} in an advert of the other family`);
    bytes.set(octets, HEADER_BYTES + index * addressBytes);
  });
}
