import type { NativeAddon, NativeSocket } from "./addon.types.ts";

/** The lowest number of a duplicate: above the descriptors of any configuration. */
const LEAST = 8_192;

/**
 * A duplicate of the socket to the guard, high in the table of descriptors. At the end of a process the kernel closes what
 * has the greatest number first, and packet sockets take it 8 to 24 ms each: so the guard learns of a death at once.
 * Throws NativeError.
 */
export function adoptGuardSocket(addon: NativeAddon, descriptor: number): NativeSocket {
  return addon.adoptSocket(descriptor, LEAST);
}
