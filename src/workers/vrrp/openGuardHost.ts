import type { NativeAddon } from "../../io/addon.types.ts";
import { adoptGuardSocket } from "../../io/guardSocket.ts";
import { encodeAddressOperations } from "../../io/hostNetwork.ts";
import { inetAddress, sendControl } from "../../io/sockaddr.ts";
import { decodeAnswer, GUARD_FRAME_BYTES_MAX, writerFrame } from "../../wire/guard.ts";
import { encodeIpv4 } from "../../wire/ipv4.ts";
import { VRRP_PROTOCOL, VRRP_TYPE_OF_SERVICE } from "../../wire/vrrp.ts";
import { addressOperation } from "./hostNetworking.ts";
import type { GuardHost } from "./ports.ts";

/** The real way to a guard: its socket, which is told that this thread writes the addresses, and messages in the kernel's own layout. */
export function openGuardHost(addon: NativeAddon): GuardHost {
  return {
    open: (descriptor) => {
      const socket = adoptGuardSocket(addon, descriptor);
      const frame = writerFrame(addon.threadId());
      socket.send(frame, 0, frame.length, undefined);
      return {
        send: (frame) => {
          socket.send(frame, 0, frame.length, undefined);
        },
        receive: (timeoutMs) => {
          if (timeoutMs > 0 && !socket.waitReadable(timeoutMs)) return undefined;
          const [message] = socket.receive(1, GUARD_FRAME_BYTES_MAX);
          if (message === undefined) return undefined;
          const answer = decodeAnswer(message.data);
          // Nothing at all is the end of the stream.
          if (!answer.ok) throw new Error(`the guard is gone (${answer.error})`);
          return answer.value;
        },
        close: () => socket.close(),
      };
    },
    encodeAddresses: (changes) => encodeAddressOperations(changes.map(addressOperation)),
    readyMade: ({ interfaceIndex, source, destination, timeToLive, message }) => {
      if (source.includes(":")) {
        return {
          kind: "ipv6",
          address: inetAddress(destination, 0, interfaceIndex),
          control: sendControl({ interfaceIndex, source, hopLimit: timeToLive }),
          data: message,
        };
      }
      const header = { typeOfService: VRRP_TYPE_OF_SERVICE, identification: 0, fragment: 0, protocol: VRRP_PROTOCOL };
      return {
        kind: "ipv4",
        address: inetAddress(destination),
        control: sendControl({ interfaceIndex, source }),
        data: encodeIpv4({ ...header, timeToLive, source, destination }, message),
      };
    },
  };
}
