/** The Ethernet II header (IEEE 802.3 3.1.1): destination, source, type. VLAN tags never reach a packet socket's bytes. */
import { viewOf } from "./bytes.ts";

export const MAC_BYTES = 6;
export const ETHERNET_HEADER_BYTES = 14;
/** ETH_P_IP */
export const ETHERTYPE_IPV4 = 0x0800;
/** ETH_P_ARP */
export const ETHERTYPE_ARP = 0x0806;
/** ETH_P_IPV6 */
export const ETHERTYPE_IPV6 = 0x86dd;

/** Throws RangeError for hardware addresses that do not have 6 bytes. */
export function putHardwareAddress(bytes: Uint8Array, address: Uint8Array, offset: number): void {
  if (address.length !== MAC_BYTES) throw new RangeError(`a hardware address of ${address.length} bytes`);
  bytes.set(address, offset);
}

/** Throws RangeError as `putHardwareAddress`. */
export function putEthernetHeader(
  bytes: Uint8Array,
  header: { readonly destination: Uint8Array; readonly source: Uint8Array; readonly type: number },
): void {
  putHardwareAddress(bytes, header.destination, 0);
  putHardwareAddress(bytes, header.source, MAC_BYTES);
  viewOf(bytes).setUint16(12, header.type);
}
