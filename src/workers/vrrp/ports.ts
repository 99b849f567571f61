import type { Clock } from "../../core/interfaces.ts";
import type { Ip } from "../../core/ip.ts";
import type { DurationUs, Us } from "../../core/units.ts";
import type { HeardAdvert } from "../../vrrp/types.ts";
import type { HostInterface, HostView } from "./hostView.ts";
import type { Lease } from "./leases.ts";

/** What the driver needs of a host: openHost.ts gives the real one, tests and simulations a fake one. */
export interface VrrpHost {
  readonly clock: Clock;
  openTimer(onExpired: () => void): DeadlineTimer;
  /** SCHED_RR for this thread; throws where it is refused. */
  setRealtime(priority: number): void;
  /** A whole dump. Throws HoldfastError when the kernel refuses it. */
  view(): HostView;
  /** Calls for notifications of links and addresses, for lost ones (`overrun`), and for what else receiving fails with. */
  watch(onEvent: (event: HostEvent) => void): void;
  /** In order; up to ADDRESS_BATCH_MAX (io/hostNetwork.ts) of them go in one sendmsg. */
  applyAddresses(changes: readonly AddressChange[]): readonly AddressOutcome[];
  /** Adverts that arrive on this interface, and what receiving fails with (it goes on). Throws NativeError. */
  openReceiver(
    link: HostInterface,
    on: { readonly adverts: (adverts: readonly Received[]) => void; readonly error: (error: Error) => void },
  ): AdvertReceiver;
  /** Throws NativeError. */
  openSender(link: HostInterface): AdvertSender;
  openAnnouncer(link: HostInterface): Announcer;
  close(): void;
}

/** One absolute deadline on CLOCK_MONOTONIC. */
export interface DeadlineTimer {
  arm(at: Us): void;
  disarm(): void;
  close(): void;
}

export type AddressChange =
  /** `ip address replace`: creates or refreshes. `validSec` undefined = for ever (an address of the host's own, put back). */
  | { readonly kind: "set"; readonly lease: Lease; readonly validSec: number | undefined }
  /** `ip address del` */
  | { readonly kind: "delete"; readonly lease: Lease };

/** `code` is the errno's name; "unknown" when the kernel's answer was lost. */
export type AddressOutcome = { readonly ok: true } | { readonly ok: false; readonly code: string };

export type HostEvent =
  | { readonly kind: "changed" }
  | { readonly kind: "overrun" }
  | { readonly kind: "error"; readonly error: Error };

export type Received =
  | { readonly ok: true; readonly virtualRouterId: number; readonly advert: HeardAdvert }
  /** `reason` is a counter's name. */
  | { readonly ok: false; readonly reason: string };

export interface AdvertReceiver {
  /** Reads now what waits: before a deadline is handled, what came before it counts. */
  drain(): void;
  close(): void;
}

export interface AdvertSender {
  /** Hands one advert to the kernel; throws NativeError. */
  send(advert: OutgoingAdvert): void;
  close(): void;
}

export interface OutgoingAdvert {
  readonly source: Ip;
  readonly virtualRouterId: number;
  readonly priority: number;
  readonly advertInterval: DurationUs;
  readonly addresses: readonly Ip[];
}

export interface Announcer {
  /** A gratuitous ARP for each address, once; throws NativeError. */
  announce(addresses: readonly Ip[]): void;
  close(): void;
}
