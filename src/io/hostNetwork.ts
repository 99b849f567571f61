import type { HostFacts } from "../config/types.ts";
import type { Ip } from "../core/ip.ts";
import {
  type AddressRequest,
  decodeAddress,
  decodeLink,
  encodeDeleteAddress,
  encodeGetAddresses,
  encodeGetLinks,
  encodeNewAddress,
  IFA_F,
  IFF,
  LIFETIME_FOREVER_SEC,
  localAddress,
  type NewAddressRequest,
  RTNLGRP,
  SCOPE,
} from "../wire/netlink/rtnl.ts";
import { loadAddon } from "./addon.ts";
import type { NativeAddon } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import { NetlinkNotifications } from "./netlinkNotifications.ts";
import { NetlinkSocket } from "./netlinkSocket.ts";

/** A batch of IPv6 addresses is slow, and not even SIGKILL interrupts a running one (docs/decisions.md). */
export const ADDRESS_BATCH_MAX = 64;

/** An interface as a dump shows it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Administratively up, and its carrier is there (IFF_UP and IFF_RUNNING). */
  readonly up: boolean;
  /** 6 bytes on Ethernet. */
  readonly hardwareAddress: Uint8Array | undefined;
  readonly mtu: number | undefined;
}

/** An address as a dump shows it. */
export interface Address {
  readonly linkIndex: number;
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly label: string | undefined;
  readonly scope: "global" | "site" | "link" | "host" | "nowhere";
  /** Without an end (IFA_F_PERMANENT). */
  readonly permanent: boolean;
  /** IPv4: goes when the primary address of its subnet goes. */
  readonly secondary: boolean;
  /** Seconds left; undefined = for ever. */
  readonly validSec: number | undefined;
}

/** `set` is `ip address replace`, `delete` is `ip address del`. */
export type AddressOperation =
  | { readonly kind: "set"; readonly request: NewAddressRequest }
  | { readonly kind: "delete"; readonly request: AddressRequest };

/** `code` is the errno's name; "unknown" when the kernel's answer was lost. */
export type AddressOperationOutcome = { readonly ok: true } | { readonly ok: false; readonly code: string };

/** The host's interfaces and addresses over rtnetlink, synchronously; one for each thread that needs it. */
export class HostNetwork {
  readonly #socket: NetlinkSocket;
  readonly #addon: NativeAddon;
  readonly #notifications: NetlinkNotifications[] = [];

  constructor(addon: NativeAddon = loadAddon()) {
    this.#addon = addon;
    this.#socket = new NetlinkSocket({ protocol: LINUX.NETLINK_ROUTE }, { addon });
  }

  /** `ip link` */
  listLinks(): Link[] {
    return this.#socket.dump(encodeGetLinks).map((message) => {
      const link = unwrap(decodeLink(message));
      const bothUp = IFF.up | IFF.running;
      return {
        index: link.index,
        name: link.name ?? "",
        up: (link.linkFlags & bothUp) === bothUp,
        hardwareAddress: link.hardwareAddress,
        mtu: link.mtu,
      };
    });
  }

  /** `ip address`, IPv4 and IPv6; addresses of other families (MCTP and the like) are left out. */
  listAddresses(): Address[] {
    return this.#socket
      .dump(encodeGetAddresses)
      .map((message) => unwrap(decodeAddress(message)))
      .filter(({ family }) => family === LINUX.AF_INET || family === LINUX.AF_INET6)
      .map((address) => {
        const flags = address.flags ?? address.headerFlags;
        const validSec = address.cacheInfo?.validSec ?? LIFETIME_FOREVER_SEC;
        return {
          linkIndex: address.index,
          ip: unwrap(localAddress(address)),
          prefixLength: address.prefixLength,
          label: address.label,
          scope: scopeWord(address.scope),
          permanent: (flags & IFA_F.permanent) !== 0,
          secondary: (flags & IFA_F.secondary) !== 0,
          validSec: validSec === LIFETIME_FOREVER_SEC ? undefined : validSec,
        };
      });
  }

  /** In order, at most ADDRESS_BATCH_MAX in one sendmsg; one outcome for each. */
  applyAddresses(operations: readonly AddressOperation[]): AddressOperationOutcome[] {
    const { outcomes } = this.#socket.applyBatch((writer) => {
      for (const operation of operations) {
        if (operation.kind === "set") encodeNewAddress(writer, operation.request, "replace");
        else encodeDeleteAddress(writer, operation.request);
      }
    }, ADDRESS_BATCH_MAX);
    return outcomes.map((outcome): AddressOperationOutcome => {
      if (outcome.kind === "applied") return { ok: true };
      return { ok: false, code: outcome.kind === "failed" ? outcome.code : "unknown" };
    });
  }

  /**
   * Tells that links or addresses changed, on this thread's loop. What changed is read by a dump: notifications can be
   * lost (`onOverrun`), a dump cannot.
   */
  watch(
    on: { readonly changed: () => void; readonly overrun: () => void; readonly error: (error: Error) => void },
    options: { readonly receiveBufferBytes?: number } = {},
  ): void {
    this.#notifications.push(
      new NetlinkNotifications(
        {
          protocol: LINUX.NETLINK_ROUTE,
          groups: [RTNLGRP.link, RTNLGRP.ipv4Address, RTNLGRP.ipv6Address],
          ...options,
          onMessages: () => on.changed(),
          onLost: () => on.overrun(),
          onError: on.error,
        },
        { addon: this.#addon },
      ),
    );
  }

  close(): void {
    this.#socket.close();
    for (const notifications of this.#notifications) notifications.close();
  }
}

/** What `validate` compares a configuration with. */
export function readHostFacts(addon: NativeAddon = loadAddon()): HostFacts {
  const network = new HostNetwork(addon);
  try {
    const addresses = network.listAddresses();
    return {
      interfaces: network.listLinks().map(({ name, index }) => ({
        name,
        addresses: addresses
          .filter(({ linkIndex }) => linkIndex === index)
          .map(({ ip, prefixLength }) => ({ ip, prefixLength })),
      })),
    };
  } finally {
    network.close();
  }
}

function scopeWord(scope: number): Address["scope"] {
  switch (scope) {
    case SCOPE.site:
      return "site";
    case SCOPE.link:
      return "link";
    case SCOPE.host:
      return "host";
    case SCOPE.nowhere:
      return "nowhere";
    default:
      return "global";
  }
}

function unwrap<Value>(
  result:
    | { readonly ok: true; readonly value: Value }
    | { readonly ok: false; readonly error: { readonly detail: string } },
): Value {
  if (!result.ok) throw new Error(`the kernel's rtnetlink answer is malformed: ${result.error.detail}`);
  return result.value;
}
