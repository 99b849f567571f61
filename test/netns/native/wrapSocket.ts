import type { NativeAddon, NativeSocket } from "../../../src/io/addon.types.ts";

/** What a test does beside a real socket's calls. */
export interface SocketHooks {
  readonly opened?: (socket: NativeSocket) => void;
  readonly beforeDetach?: (socket: NativeSocket) => void;
  readonly beforeReceive?: () => void;
  readonly sent?: (data: Uint8Array, offset: number, length: number) => void;
}

/** The real addon whose sockets call `hooks`: the kernel behind it is the real one. */
export function withHooks(addon: NativeAddon, hooks: SocketHooks): NativeAddon {
  return {
    ...addon,
    openSocket: (domain, type, protocol) => {
      const socket = addon.openSocket(domain, type, protocol);
      hooks.opened?.(socket);
      return {
        bind: (address) => socket.bind(address),
        connect: (address) => socket.connect(address),
        setOption: (level, name, value) => socket.setOption(level, name, value),
        attachFilter: (program) => socket.attachFilter(program),
        getOption: (level, name, lengthMax) => socket.getOption(level, name, lengthMax),
        address: () => socket.address(),
        descriptor: () => socket.descriptor(),
        detach: () => {
          hooks.beforeDetach?.(socket);
          return socket.detach();
        },
        send: (data, offset, length, to) => {
          const sent = socket.send(data, offset, length, to);
          hooks.sent?.(data, offset, length);
          return sent;
        },
        receive: (countMax, bytesMax) => {
          hooks.beforeReceive?.();
          return socket.receive(countMax, bytesMax);
        },
        waitReadable: (timeoutMs) => socket.waitReadable(timeoutMs),
        startReceiving: (...options) => socket.startReceiving(...options),
        stopReceiving: () => socket.stopReceiving(),
        close: () => socket.close(),
      };
    },
  };
}
