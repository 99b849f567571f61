import { isNativeError } from "./addon.ts";
import type { NativeSocket } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import { intOption } from "./sockaddr.ts";

/** The socket, set up; closed when that fails. */
export function opened(socket: NativeSocket, setUp: (socket: NativeSocket) => void): NativeSocket {
  try {
    setUp(socket);
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

/** Beyond the host's limit (net.core.rmem_max) where CAP_NET_ADMIN permits it, else up to that limit. Bytes. */
export function setReceiveBuffer(socket: NativeSocket, bytes: number): void {
  setBuffer(socket, LINUX.SO_RCVBUFFORCE, LINUX.SO_RCVBUF, bytes);
}

/** As setReceiveBuffer, with net.core.wmem_max. */
export function setSendBuffer(socket: NativeSocket, bytes: number): void {
  setBuffer(socket, LINUX.SO_SNDBUFFORCE, LINUX.SO_SNDBUF, bytes);
}

function setBuffer(socket: NativeSocket, byForce: number, withinLimit: number, bytes: number): void {
  try {
    socket.setOption(LINUX.SOL_SOCKET, byForce, intOption(bytes));
  } catch (error) {
    if (!isNativeError(error, "EPERM")) throw error;
    socket.setOption(LINUX.SOL_SOCKET, withinLimit, intOption(bytes));
  }
}
