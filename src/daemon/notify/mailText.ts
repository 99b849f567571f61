import type { MailConfig } from "../../config/types.ts";
import type { MailMessage } from "../../core/notify.ts";
import { REASON_WORDS } from "../messages.ts";
import type { NotifyReason, Occasion } from "./occasion.ts";

/** Who we are in mails. */
export interface MailIdentity {
  /** `router_id`, else the host's name: mail filters know keepalived's subjects by it. */
  readonly routerId: string;
  readonly hostName: string;
}

export function reasonWords(reason: NotifyReason): string {
  return reason === "removedByReload" ? "a new configuration does not have it any more" : REASON_WORDS[reason];
}

/** Subject and first line are keepalived's, for whoever sorts mail by them; the reason and its evidence follow. */
export function mailFor(
  occasion: Occasion,
  config: Pick<MailConfig, "from" | "to">,
  who: MailIdentity & { readonly wallMs: number },
): MailMessage {
  const { subject, name, state, reason, evidence, from, priority } = occasion;
  const what = subject === "GROUP" ? "Group" : "Instance";
  const lines = [`=> ${bodyLine(occasion)} <=`, "", `Reason: ${reasonWords(reason)} (${reason})`];
  if (from !== undefined) lines.push(`Before: ${from}`);
  if (subject === "INSTANCE") lines.push(`Priority: ${priority}`);
  for (const [key, value] of Object.entries(evidence)) lines.push(`${EVIDENCE_WORDS[key] ?? key}: ${value}`);
  lines.push(`At: ${new Date(who.wallMs).toISOString()}`, `Host: ${who.hostName}`);
  return {
    from: config.from ?? `keepalived@${who.hostName}`,
    to: config.to,
    subject: `[${who.routerId}] VRRP ${what} ${name} - Entering ${state} state`,
    text: `${lines.join("\n")}\n`,
  };
}

const EVIDENCE_WORDS: Readonly<Record<string, string>> = {
  peer: "Peer",
  peerPriority: "Priority of the peer",
  ownPriority: "Own priority",
  latenessUs: "Timer handled late by (us)",
  detail: "Detail",
};

function bodyLine({ subject, state }: Occasion): string {
  if (subject === "GROUP") return `All VRRP group instances are now in ${state} state`;
  return state === "MASTER" ? "VRRP Instance is now owning VRRP VIPs" : "VRRP Instance is no longer owning VRRP VIPs";
}
