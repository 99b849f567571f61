import type { MailConfig, RealServerConfig, VirtualServerConfig } from "../../config/types.ts";
import type { MailMessage } from "../../core/notify.ts";
import { REASON_WORDS } from "../messages.ts";
import type { NotifyReason, Occasion } from "./occasion.ts";
import type { ServiceOccasion } from "./serviceNotices.ts";

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

/** As `mailFor`, of a server or a service's quorum. */
export function serviceMailFor(
  { service, server, to, reason }: ServiceOccasion,
  config: Pick<MailConfig, "from" | "to">,
  who: MailIdentity & { readonly wallMs: number },
): MailMessage {
  const word = to.toUpperCase();
  const ofService = serviceText(service);
  const what =
    server === undefined
      ? `Virtualserver ${ofService}`
      : `Realserver ${serverText(server, service)} of virtual server ${ofService}`;
  const lines = [
    `=> ${what} is ${to} <=`,
    "",
    `Reason: ${reason}`,
    `At: ${new Date(who.wallMs).toISOString()}`,
    `Host: ${who.hostName}`,
  ];
  return {
    from: config.from ?? `keepalived@${who.hostName}`,
    to: config.to,
    subject: `[${who.routerId}] ${what} - ${word}`,
    text: `${lines.join("\n")}\n`,
  };
}

/** `[192.168.201.15]:tcp:80`, `FWM 30`; a group as keepalived 2.2.7 logs it, `[NAME]:0`. */
export function serviceText({ name, targets }: VirtualServerConfig): string {
  const group = / group (.*)$/.exec(name)?.[1];
  if (group !== undefined) return `[${group}]:0`;
  const [target] = targets;
  if (target === undefined || target.protocol === "FWM") return `FWM ${target?.mark ?? 0}`;
  return `[${target.address}]:${target.protocol.toLowerCase()}:${target.port}`;
}

export function serverText({ address, port }: RealServerConfig, { targets }: VirtualServerConfig): string {
  const protocol = targets.find((target) => target.protocol !== "FWM")?.protocol.toLowerCase() ?? "none";
  return `[${address}]:${protocol}:${port}`;
}
