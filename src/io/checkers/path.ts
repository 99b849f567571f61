import { connect, Socket } from "node:net";
import type { CheckPath } from "../../config/check.types.ts";
import { family, type Ip, ip } from "../../core/ip.ts";
import type { NativeAddon, NativeSocket } from "../addon.types.ts";
import { LINUX } from "../linux.ts";
import { deviceOption, inetAddress, intOption, lingerOption } from "../sockaddr.ts";
import { opened } from "../socketSetup.ts";

/** Sockets of checks, bound to what `bindto`, `bind_port`, `bind_if` and `fwmark` say. */

/** The part of the addon that opens sockets. */
export type SocketOpener = Pick<NativeAddon, "openSocket">;

/**
 * Begins a TCP connection. Options that Node has no call for are set on a socket of the addon's, whose descriptor Node
 * then connects like one of its own. Throws what the kernel refuses of them (no such interface, no right to mark).
 */
export function connectTo(path: CheckPath, addon: () => SocketOpener): Socket {
  const { connectIp: host, connectPort: port, bindIp, bindPort } = path;
  const from = {
    ...(bindIp === undefined ? {} : { localAddress: bindIp }),
    ...(bindPort === undefined ? {} : { localPort: bindPort }),
  };
  if (path.bindInterface === undefined && path.firewallMark === undefined && bindPort === undefined) {
    return connect({ host, port, noDelay: true, ...from });
  }
  const native = opened(addon().openSocket(domainOf(path), LINUX.SOCK_STREAM, 0), (socket) => {
    setOptions(socket, path);
    // Without it the port would wait a minute for stray packets before it can connect to the same server again.
    if (bindPort !== undefined) socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_LINGER, lingerOption(true, 0));
  });
  const socket = new Socket({ fd: native.detach(), readable: true, writable: true });
  socket.connect({ host, port, noDelay: true, ...from });
  return socket;
}

/** A datagram or raw socket of the addon's, bound and connected: it receives from the checked host alone, ICMP errors too. */
export function openConnected(
  path: CheckPath,
  { type, protocol }: { readonly type: number; readonly protocol: number },
  addon: () => SocketOpener,
): NativeSocket {
  return opened(addon().openSocket(domainOf(path), type, protocol), (socket) => {
    setOptions(socket, path);
    const { connectIp, connectPort, bindIp, bindPort = 0 } = path;
    if (bindPort !== 0) socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_REUSEADDR, intOption(1));
    if (bindIp !== undefined || bindPort !== 0) socket.bind(inetAddress(bindIp ?? anyAddress(path), bindPort));
    socket.connect(inetAddress(connectIp, connectPort));
  });
}

function setOptions(socket: NativeSocket, { bindInterface, firewallMark }: CheckPath): void {
  if (bindInterface !== undefined) {
    socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_BINDTODEVICE, deviceOption(bindInterface));
  }
  if (firewallMark !== undefined) socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_MARK, intOption(firewallMark | 0));
}

const domainOf = ({ connectIp }: CheckPath): number => (family(connectIp) === 6 ? LINUX.AF_INET6 : LINUX.AF_INET);

const anyAddress = ({ connectIp }: CheckPath): Ip => ip(family(connectIp) === 6 ? "::" : "0.0.0.0");
