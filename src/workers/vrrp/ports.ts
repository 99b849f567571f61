import type { RouteConfig, RuleConfig } from "../../config/vrrp.types.ts";
import type { Clock } from "../../core/interfaces.ts";
import type { Family, Ip } from "../../core/ip.ts";
import type { Us } from "../../core/units.ts";
import type { GuardAnswer, WillItem } from "../../wire/guard.ts";
import type { HostInterface, HostView } from "./hostView.ts";
import type { Lease } from "./leases.ts";

/** What the driver needs of a host: openHost.ts gives the real one, tests and simulations a fake one. */
export interface VrrpHost extends RoutingHost, DeviceHost {
  readonly clock: Clock;
  openTimer(onExpired: () => void): DeadlineTimer;
  /** SCHED_RR for this thread; throws where it is refused. */
  setRealtime(priority: number): void;
  /** A whole dump. Throws HoldfastError when the kernel refuses it. */
  view(): HostView;
  /** Asks the driver itself (`linkbeat_interfaces`). Undefined where it cannot tell. */
  driverLink(linkIndex: number): boolean | undefined;
  /**
   * Calls for notifications of links and addresses, for lost ones (`overrun`), and for what else receiving fails with.
   * What this host's own `applyAddresses` changed is not told.
   */
  watch(onEvent: (event: HostEvent) => void): void;
  /** From now on `watch` tells of routes and rules too. */
  watchRouting(): void;
  /** In order; up to ADDRESS_BATCH_MAX (io/hostNetwork.ts) of them go in one sendmsg. */
  applyAddresses(changes: readonly AddressChange[]): readonly ChangeOutcome[];
  /** Adverts that arrive on this interface, and what receiving fails with (it goes on). Throws NativeError. */
  openReceiver(
    link: HostInterface,
    options: ReceiverOptions,
    on: { readonly datagrams: (datagrams: readonly Datagram[]) => void; readonly error: (error: Error) => void },
  ): AdvertReceiver;
  /** Throws NativeError. */
  openSender(link: HostInterface, options: SenderOptions): AdvertSender;
  /** Throws NativeError. */
  openAnnouncer(link: HostInterface): Announcer;
  /**
   * ARP frames that others send on this interface with one of `senders` as their sender address, and IPv4 adverts that
   * others send with one of `sources`. Throws NativeError.
   */
  openFrameWatch(link: HostInterface, on: FrameWatchListener): FrameWatch;
  close(): void;
}

/** `ip route`, `ip rule`. */
export interface RoutingHost {
  /** In order; one outcome for each. */
  applyRoutes(changes: readonly RoutingChange[]): readonly ChangeOutcome[];
  /** Which of these are in the kernel's tables now; one answer for each. */
  findRoutes(wanted: readonly RoutingObject[]): readonly boolean[];
}

/** `ip link`, and sysctls of interfaces. */
export interface DeviceHost {
  /** `ip link add`, down, with its alias, and without addresses of its own making. */
  createDevice(request: DeviceRequest): ChangeOutcome;
  /** `ip link set alias` */
  setDeviceAlias(linkIndex: number, alias: string): ChangeOutcome;
  /** `ip link set up` */
  setDeviceUp(linkIndex: number): ChangeOutcome;
  /** `ip link del` */
  deleteDevice(linkIndex: number): ChangeOutcome;
  /** Below /proc/sys/net, without that prefix: `ipv4/conf/eth0/arp_ignore`. Undefined where there is none. */
  readSysctl(path: string): string | undefined;
  /** Outcome `code` is the errno's name: EROFS where tunables are protected. */
  writeSysctl(path: string, value: string): ChangeOutcome;
}

/** What a last will needs of a host; openGuardHost.ts gives the real one. */
export interface GuardHost {
  /** The socket to the guard, whose descriptor the main thread has. Throws NativeError. */
  open(descriptor: number): GuardLink;
  /** Requests in bytes, a batch each: executed when nobody here lives any more. */
  encodeAddresses(changes: readonly AddressChange[]): readonly Uint8Array[];
  readyMade(advert: ReadyMadeAdvert): WillItem;
}

export interface GuardLink {
  /** Throws NativeError when the guard is gone. */
  send(frame: Uint8Array): void;
  /** The next answer, waited for up to `timeoutMs`; undefined when there is none. Throws when the guard is gone. */
  receive(timeoutMs: number): GuardAnswer | undefined;
  close(): void;
}

/** One VRRP message with everything that its way needs. */
export interface ReadyMadeAdvert {
  readonly interfaceIndex: number;
  readonly source: Ip;
  readonly destination: Ip;
  readonly timeToLive: number;
  readonly message: Uint8Array;
}

/** One absolute deadline on CLOCK_MONOTONIC. */
export interface DeadlineTimer {
  arm(at: Us): void;
  disarm(): void;
  close(): void;
}

export type AddressChange =
  /** `ip address replace`: creates or refreshes, as one of ours (IFA_PROTO). */
  | { readonly kind: "set"; readonly lease: Lease; readonly validSec: number; readonly preferredSec: number }
  /** Puts an address of the host's own back; `validSec` undefined = for ever. */
  | { readonly kind: "putBack"; readonly lease: Lease; readonly validSec: number | undefined }
  /** `ip address del` */
  | { readonly kind: "delete"; readonly lease: Lease };

export type RoutingObject =
  | { readonly kind: "route"; readonly route: RouteConfig }
  | { readonly kind: "rule"; readonly rule: RuleConfig };

export interface RoutingChange {
  readonly action: "add" | "delete";
  readonly object: RoutingObject;
}

/** `code` is the errno's name; "unknown" when the kernel's answer was lost. */
export type ChangeOutcome = { readonly ok: true } | { readonly ok: false; readonly code: string };

export interface DeviceRequest {
  readonly kind: "macvlan" | "ipvlan";
  readonly name: string;
  readonly baseIndex: number;
  /** macvlan only. */
  readonly hardwareAddress: Uint8Array | undefined;
  readonly ipvlanMode: "bridge" | "private" | "vepa" | undefined;
  /** IFLA_IFALIAS: whose it is. */
  readonly alias: string;
}

export type HostEvent =
  | { readonly kind: "changed" }
  /** Routes or rules changed. */
  | { readonly kind: "routing" }
  | { readonly kind: "overrun" }
  | { readonly kind: "error"; readonly error: Error };

export interface ReceiverOptions {
  readonly family: Family;
  /** Multicast groups to join on the interface; what is sent to the host itself arrives anyway. */
  readonly groups: readonly Ip[];
}

/** One packet of protocol 112 as it arrived. */
export interface Datagram {
  /** IPv4: the whole packet with its header, as raw(7) gives it. IPv6: the VRRP message. */
  readonly bytes: Uint8Array;
  /** Of the packet. Of IPv4 the header's own counts. */
  readonly source: Ip | undefined;
  readonly destination: Ip | undefined;
  /** TTL or hop limit, from the ancillary data. Of IPv4 the header's own counts. */
  readonly timeToLive: number | undefined;
  /** When the kernel had it, where it says so: a little earlier than now at most. */
  readonly receivedAt: Us | undefined;
}

export interface AdvertReceiver {
  /** Reads now what waits: before a deadline is handled, what came before it counts. */
  drain(): void;
  close(): void;
}

export interface SenderOptions {
  readonly family: Family;
  /** TTL or hop limit of unicast adverts; multicast ones always have 255. */
  readonly timeToLive: number;
}

export interface AdvertSender {
  /** Hands one VRRP message to the kernel; throws NativeError. */
  send(source: Ip, destination: Ip, message: Uint8Array): void;
  close(): void;
}

export interface Announcer {
  /** A gratuitous ARP or an unsolicited neighbour advertisement for each address, once; throws NativeError. */
  announce(addresses: readonly Ip[]): void;
  close(): void;
}

export interface FrameWatchListener {
  readonly arp: (claim: { readonly address: Ip; readonly hardwareAddress: string }) => void;
  readonly neighbor: (claim: { readonly address: Ip; readonly hardwareAddress: string }) => void;
  readonly ownSource: (heard: { readonly source: Ip; readonly hardwareAddress: string }) => void;
  readonly error: (error: Error) => void;
}

export interface FrameWatch {
  /** What is looked for from now on; nothing of the rest is handed over. */
  look(at: { readonly senders: readonly Ip[]; readonly sources: readonly Ip[] }): void;
  close(): void;
}
