import type { NativeAddon, NativeSocket, ReceivedMessage } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import { decodeNetlinkAddress, netlinkAddress } from "./sockaddr.ts";
import { opened, setReceiveBuffer } from "./socketSetup.ts";

/** The kernel builds dump answers of up to 32 KiB; a longer datagram would be cut short (MSG_TRUNC). */
export const DATAGRAM_BYTES_MAX = 64 << 10;
export const DATAGRAMS_PER_RECEIVE = 16;
export const RECEIVE_BUFFER_BYTES_DEFAULT = 4 << 20;

/** A netlink socket with a port of its own, set up; closed when that fails. Throws NativeError. */
export function openNetlink(
  protocol: number,
  receiveBufferBytes: number,
  addon: NativeAddon,
  setUp: (socket: NativeSocket) => void,
): NativeSocket {
  return opened(addon.openSocket(LINUX.AF_NETLINK, LINUX.SOCK_RAW, protocol), (socket) => {
    setReceiveBuffer(socket, receiveBufferBytes);
    socket.bind(netlinkAddress());
    setUp(socket);
  });
}

/** Any process may send to a netlink port; only the kernel's own is 0. */
export function isFromKernel(datagram: ReceivedMessage): boolean {
  return decodeNetlinkAddress(datagram.from)?.portId === 0;
}
