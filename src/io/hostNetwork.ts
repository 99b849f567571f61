import type { HostFacts } from "../config/types.ts";
import { type Ip, ipFromBytes } from "../core/ip.ts";
import type { NetlinkMessage } from "../wire/netlink/message.ts";
import {
  ADDRESS_GENERATION,
  type AddressMessage,
  type AddressRequest,
  decodeAddress,
  decodeLink,
  encodeDeleteAddress,
  encodeDeleteLink,
  encodeGetAddresses,
  encodeGetLinks,
  encodeNewAddress,
  encodeNewLink,
  encodeSetLink,
  IFA_F,
  IFAPROT_HOLDFAST,
  IFF,
  LIFETIME_FOREVER_SEC,
  localAddress,
  type NewAddressRequest,
  type NewLinkRequest,
  RTM,
  RTNLGRP,
  SCOPE,
} from "../wire/netlink/rtnl.ts";
import { MessageWriter } from "../wire/netlink/writer.ts";
import { loadAddon } from "./addon.ts";
import type { NativeAddon } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import { NetlinkNotifications } from "./netlinkNotifications.ts";
import { NetlinkSocket } from "./netlinkSocket.ts";

export { IFAPROT_HOLDFAST, isMarkedDevice } from "../wire/netlink/rtnl.ts";

/** A batch of IPv6 addresses is slow, and not even SIGKILL interrupts a running one (docs/decisions.md). */
export const ADDRESS_BATCH_MAX = 64;

/** An interface as a dump shows it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Administratively up, and its carrier is there (IFF_UP and IFF_RUNNING). */
  readonly up: boolean;
  /** IFF_UP alone. */
  readonly administrativelyUp: boolean;
  /** 6 bytes on Ethernet. */
  readonly hardwareAddress: Uint8Array | undefined;
  readonly mtu: number | undefined;
  /** IFLA_INFO_KIND: `macvlan`, `veth`, ...; undefined for hardware and the loopback. */
  readonly kind: string | undefined;
  /** IFLA_LINK: the interface that this one stands on; of a veth the other end, which may be in another namespace. */
  readonly baseIndex: number | undefined;
  /** IFLA_IFALIAS: `isMarkedDevice` knows ours by it. Bytes that are no UTF-8 are replaced. */
  readonly alias: string | undefined;
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
  /** IPv6: duplicate address detection runs or has failed; nothing can be sent from it. */
  readonly tentative: boolean;
  readonly broadcast: Ip | undefined;
  /** Other end of a point-to-point link, where it differs from `ip`. */
  readonly peer: Ip | undefined;
  /** Seconds left; undefined = for ever. */
  readonly validSec: number | undefined;
  /** IFA_PROTO: IFAPROT_HOLDFAST for ours. */
  readonly protocol: number | undefined;
}

/** `set` is `ip address replace`, `delete` is `ip address del`. */
export type AddressOperation =
  | { readonly kind: "set"; readonly request: NewAddressRequest }
  | { readonly kind: "delete"; readonly request: AddressRequest };

/** `code` is the errno's name; "unknown" when the kernel's answer was lost. */
export type OperationOutcome = { readonly ok: true } | { readonly ok: false; readonly code: string };

/** The host's interfaces and addresses over rtnetlink, synchronously; one for each thread that needs it. */
export class HostNetwork {
  readonly #socket: NetlinkSocket;
  readonly #addon: NativeAddon;
  readonly #notifications: NetlinkNotifications[] = [];
  /** What `applyAddresses` marked as ours and did not delete. */
  readonly #ownAddresses = new Set<string>();

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
        administrativelyUp: (link.linkFlags & IFF.up) !== 0,
        hardwareAddress: link.hardwareAddress,
        mtu: link.mtu,
        kind: link.info?.kind,
        baseIndex: link.link,
        alias: link.alias === undefined ? undefined : aliasText(link.alias),
      };
    });
  }

  /** `ip address`, IPv4 and IPv6; addresses of other families (MCTP and the like) are left out. */
  listAddresses(): Address[] {
    return this.#socket
      .dump(encodeGetAddresses)
      .map((message) => unwrap(decodeAddress(message)))
      .filter(({ family }) => family === LINUX.AF_INET || family === LINUX.AF_INET6)
      .map(listedAddress);
  }

  /** In order, at most ADDRESS_BATCH_MAX in one sendmsg; one outcome for each. */
  applyAddresses(operations: readonly AddressOperation[]): OperationOutcome[] {
    for (const { kind, request } of operations) {
      const key = addressKey(request.linkIndex, request.ip, request.prefixLength);
      if (kind === "set" && request.protocol === IFAPROT_HOLDFAST) this.#ownAddresses.add(key);
      else this.#ownAddresses.delete(key);
    }
    return this.#apply((writer) => {
      for (const operation of operations) encodeOperation(writer, operation);
    }, ADDRESS_BATCH_MAX);
  }

  /** `ip link add`: down, with an alias, and so that it will make no IPv6 address of its own. EEXIST when the name is taken. */
  createLink(request: NewLinkRequest, alias: string): OperationOutcome {
    const device = { name: request.name };
    const [created] = this.#apply((writer) => encodeNewLink(writer, request));
    // Behind its answer: where the name is taken, the other one is not ours to mark.
    if (created?.ok === true) {
      this.#apply((writer) => {
        // By itself: the kernel reads no alias in the request that creates, and the one behind may be refused.
        encodeSetLink(writer, { device, alias });
        // EAFNOSUPPORT where IPv6 is switched off: then there is nothing to prevent.
        encodeSetLink(writer, { device, addressGeneration: ADDRESS_GENERATION.none });
      });
    }
    return created ?? UNKNOWN;
  }

  /** `ip link set up`. ENODEV when it is gone, ENETDOWN for a macvlan whose base is down. */
  setLinkUp(index: number): OperationOutcome {
    const [outcome] = this.#apply((writer) => encodeSetLink(writer, { device: { index }, up: true }));
    return outcome ?? UNKNOWN;
  }

  /** `ip link set alias`. ENODEV when it is gone. */
  setLinkAlias(index: number, alias: string): OperationOutcome {
    const [outcome] = this.#apply((writer) => encodeSetLink(writer, { device: { index }, alias }));
    return outcome ?? UNKNOWN;
  }

  /** `ip link del`. ENODEV when it is gone. */
  deleteLink(index: number): OperationOutcome {
    const [outcome] = this.#apply((writer) => encodeDeleteLink(writer, index));
    return outcome ?? UNKNOWN;
  }

  /**
   * Tells that links or addresses changed, on this thread's loop. What changed is read by a dump: notifications can be
   * lost (`overrun`), a dump cannot. That an address is there which `applyAddresses` marked as ours is no news: each
   * refresh of a lease would be.
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
          onMessages: (messages) => {
            if (!messages.every((message) => this.#isOwnRefresh(message))) on.changed();
          },
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

  #apply(encode: (writer: MessageWriter) => void, messagesPerSend?: number): OperationOutcome[] {
    return this.#socket.applyBatch(encode, messagesPerSend).outcomes.map((outcome): OperationOutcome => {
      if (outcome.kind === "applied") return { ok: true };
      return outcome.kind === "failed" ? { ok: false, code: outcome.code } : UNKNOWN;
    });
  }

  #isOwnRefresh(message: NetlinkMessage): boolean {
    if (message.type !== RTM.newAddress || this.#ownAddresses.size === 0) return false;
    const decoded = decodeAddress(message);
    if (!decoded.ok) return false;
    const address = localAddress(decoded.value);
    const { index, prefixLength } = decoded.value;
    return address.ok && this.#ownAddresses.has(addressKey(index, address.value, prefixLength));
  }
}

const UNKNOWN: OperationOutcome = { ok: false, code: "unknown" };

const addressKey = (linkIndex: number, address: Ip, prefixLength: number): string =>
  `${linkIndex} ${address}/${prefixLength}`;

function listedAddress(message: AddressMessage): Address {
  const flags = message.flags ?? message.headerFlags;
  const validSec = message.cacheInfo?.validSec ?? LIFETIME_FOREVER_SEC;
  const ip = unwrap(localAddress(message));
  // IFA_ADDRESS is the other end where there is IFA_LOCAL, which IPv4 always has.
  const other = message.address === undefined || message.local === undefined ? ip : ipFromBytes(message.address);
  const unusable = (flags & IFA_F.tentative) !== 0 && (flags & IFA_F.optimistic) === 0;
  return {
    linkIndex: message.index,
    ip,
    prefixLength: message.prefixLength,
    label: message.label,
    scope: scopeWord(message.scope),
    permanent: (flags & IFA_F.permanent) !== 0,
    secondary: (flags & IFA_F.secondary) !== 0,
    tentative: unusable || (flags & IFA_F.dadFailed) !== 0,
    broadcast: message.broadcast === undefined ? undefined : ipFromBytes(message.broadcast),
    peer: other === ip ? undefined : other,
    validSec: validSec === LIFETIME_FOREVER_SEC ? undefined : validSec,
    protocol: message.protocol,
  };
}

function encodeOperation(writer: MessageWriter, operation: AddressOperation): void {
  if (operation.kind === "set") encodeNewAddress(writer, operation.request, "replace");
  else encodeDeleteAddress(writer, operation.request);
}

/** The requests of these operations, at most ADDRESS_BATCH_MAX in each batch, for another process to send. */
export function encodeAddressOperations(operations: readonly AddressOperation[]): Uint8Array[] {
  const batches: Uint8Array[] = [];
  for (let at = 0; at < operations.length; at += ADDRESS_BATCH_MAX) {
    const writer = new MessageWriter();
    for (const operation of operations.slice(at, at + ADDRESS_BATCH_MAX)) encodeOperation(writer, operation);
    batches.push(Uint8Array.from(writer.bytes));
  }
  return batches;
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

const utf8 = new TextDecoder();

function aliasText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
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
