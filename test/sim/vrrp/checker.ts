import type { Transition } from "../../../src/vrrp/types.ts";
import type { Packet } from "./lan.ts";
import type { Seat, SentAdvert } from "./seat.ts";
import type { AddressEvent, StoredAddress, StoredLink } from "./simKernel.ts";
import type { SimRouter } from "./simRouter.ts";

/** An address event on an interface, and whose virtual address it is. */
export interface AddressChanged {
  readonly router: SimRouter;
  readonly link: StoredLink;
  readonly address: StoredAddress;
  readonly event: AddressEvent;
  readonly seat: Seat;
}

/**
 * One invariant. It is told what can be seen from outside of the routers, and throws `Violation`. Seats have what was
 * seen before the event at hand, except where it says otherwise.
 */
export interface Checker {
  readonly name: string;
  advertSent?(seat: Seat, priority: number): void;
  /** An advert is in the socket of this seat's router; it has not been read. */
  advertArrived?(seat: Seat, packet: Packet, advert: SentAdvert): void;
  /** It was read, and everything that follows from it is done: seats have what is true now. */
  advertTaken?(seat: Seat, packet: Packet, advert: SentAdvert): void;
  transition?(seat: Seat, transition: Transition): void;
  addressChanged?(change: AddressChanged): void;
  /** The process has done everything that there was to do: seats have what is true now. */
  entryEnded?(router: SimRouter): void;
  /** Once a second. */
  sweep?(): void;
}

/** What must never happen did. */
export class Violation extends Error {
  /** The checker's name. */
  readonly invariant: string;
  /** Names of routers and seats that the story is about. */
  readonly about: readonly string[];

  constructor(invariant: string, message: string, about: readonly string[]) {
    super(message);
    this.name = "Violation";
    this.invariant = invariant;
    this.about = about;
  }
}

export const ms = (us: number): string => `${(us / 1000).toFixed(3)} ms`;
