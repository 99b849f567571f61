import { decodeMessages, type NetlinkMessage } from "../wire/netlink/message.ts";
import { isNativeError } from "./addon.ts";
import type { NativeAddon, NativeSocket, ReceivedMessage } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import {
  DATAGRAM_BYTES_MAX,
  DATAGRAMS_PER_RECEIVE,
  isFromKernel,
  openNetlink,
  RECEIVE_BUFFER_BYTES_DEFAULT,
} from "./netlinkOpen.ts";
import { intOption } from "./sockaddr.ts";

/** Why a listener has to dump again. */
export type NotificationLoss = "overrun" | "truncated" | "malformed";

/** Notifications of multicast groups (RTNLGRP_*), delivered on this thread's loop. */
export class NetlinkNotifications {
  foreignDatagrams = 0;
  readonly #socket: NativeSocket;

  /**
   * `onLost`: some were lost (ENOBUFS: the buffer was full), so what the owner knows of the kernel is out of date until it
   * dumps again. `onError`: any other failure of receiving. Throws NativeError.
   */
  constructor(
    options: {
      readonly protocol: number;
      readonly groups: readonly number[];
      readonly receiveBufferBytes?: number;
      readonly onMessages: (messages: readonly NetlinkMessage[]) => void;
      readonly onLost: (cause: NotificationLoss) => void;
      readonly onError: (error: Error) => void;
    },
    modules: { readonly addon: NativeAddon },
  ) {
    const receiveBufferBytes = options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES_DEFAULT;
    this.#socket = openNetlink(options.protocol, receiveBufferBytes, modules.addon, (socket) => {
      for (const group of options.groups) {
        socket.setOption(LINUX.SOL_NETLINK, LINUX.NETLINK_ADD_MEMBERSHIP, intOption(group));
      }
      socket.startReceiving(
        DATAGRAMS_PER_RECEIVE,
        DATAGRAM_BYTES_MAX,
        (datagrams) => this.#deliver(datagrams, options.onMessages, options.onLost),
        (error) => (isNativeError(error, "ENOBUFS") ? options.onLost("overrun") : options.onError(error)),
      );
    });
  }

  close(): void {
    this.#socket.close();
  }

  #deliver(
    datagrams: readonly ReceivedMessage[],
    onMessages: (messages: readonly NetlinkMessage[]) => void,
    onLost: (cause: NotificationLoss) => void,
  ): void {
    const messages: NetlinkMessage[] = [];
    let lost: NotificationLoss | undefined;
    for (const datagram of datagrams) {
      if (!isFromKernel(datagram)) {
        this.foreignDatagrams++;
        continue;
      }
      const decoded = decodeMessages(datagram.data);
      if ((datagram.flags & LINUX.MSG_TRUNC) !== 0) lost = "truncated";
      else if (!decoded.ok) lost = "malformed";
      else messages.push(...decoded.value);
    }
    if (messages.length > 0) onMessages(messages);
    if (lost !== undefined) onLost(lost);
  }
}
