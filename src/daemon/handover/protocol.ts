import type { VrrpConfig } from "../../config/vrrp.types.ts";
import type { GuardStatus } from "../../workers/vrrp/handle.types.ts";
import type { Surrender } from "../../workers/vrrp/protocol.ts";

/**
 * What a daemon and its successor say to each other, in this order: offer, ready (or refused), surrender, adopted,
 * yours, listening. Until `surrender` the predecessor goes on whatever happens to the other; from there on the successor
 * is responsible, and the guard watches it.
 */
export const HANDOVER_VERSION = 3;

/** A virtual router, as both must see it in the file: else what one holds, the other does not know. */
export interface RouterKey {
  readonly name: string;
  readonly interface: string;
  readonly virtualRouterId: number;
  readonly family: number;
}

export type FromPredecessor =
  | {
      readonly kind: "offer";
      readonly version: number;
      /** Its socket is among the inherited descriptors. */
      readonly guard: GuardStatus;
    }
  | { readonly kind: "surrender"; readonly surrender: Surrender }
  /** Control socket, metrics port and the service manager's attention are free. */
  | { readonly kind: "yours" };

export type FromSuccessor =
  /** Its checks and trackers have results, its VRRP listens. */
  | { readonly kind: "ready"; readonly routers: readonly RouterKey[] }
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "adopted" }
  | { readonly kind: "listening" };

/** The other process: what it says, in order. */
export interface Peer<Said, Heard> {
  send(message: Said): void;
  /** The next message. Rejects with a HoldfastError when it does not come in time or the other has ended. */
  next(timeoutMs: number): Promise<Heard>;
}

export function routerKeys({ instances }: VrrpConfig): RouterKey[] {
  return instances.map(({ name, interface: device, virtualRouterId, family }) => ({
    name,
    interface: device,
    virtualRouterId,
    family,
  }));
}

export function sameRouters(a: readonly RouterKey[], b: readonly RouterKey[]): boolean {
  const words = (keys: readonly RouterKey[]): string =>
    keys
      .map((key) => `${key.name} ${key.interface} ${key.virtualRouterId} ${key.family}`)
      .sort()
      .join("\n");
  return words(a) === words(b);
}
