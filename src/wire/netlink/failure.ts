import { fail } from "../../core/result.ts";

/** Why netlink bytes are refused: a closed list, usable as counter labels. */
export type NetlinkFailureReason =
  /** The bytes end before the structure does. */
  | "truncated"
  /** A length field is smaller than its own header, or an attribute has a size that its type cannot have. */
  | "badLength"
  /** A text attribute without its end, or with bytes that are no UTF-8. */
  | "badText"
  /** An attribute without which the message means nothing is absent. */
  | "missingAttribute"
  /** A number outside what the protocol knows: an address family, a forwarding method. */
  | "badValue"
  /** Another message than the one asked for. */
  | "wrongType";

export interface NetlinkFailure {
  readonly reason: NetlinkFailureReason;
  readonly detail: string;
}

/** A refusal as a Result. */
export const netlinkFailure = (
  reason: NetlinkFailureReason,
  detail: string,
): { readonly ok: false; readonly error: NetlinkFailure } => fail({ reason, detail });
