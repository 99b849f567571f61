import { describeVrrpAlarm } from "../daemon/messages.ts";
import type {
  GroupStatus,
  HostObjectStatus,
  InstanceStatus,
  PeerStatus,
  VipStatus,
  VrrpStatus,
} from "../workers/vrrp/protocol.ts";
import { time } from "./timeText.ts";

/** What `holdfast status` says of VRRP: instances, groups, static objects, what was refused and how late timers were. */
export function vrrpSection(vrrp: VrrpStatus): string[] {
  const discarded = countsText(vrrp.discarded);
  const { maxUs } = vrrp.timerLateness;
  return [
    "",
    `VRRP  (${vrrp.realtime ? "real-time priority" : "NO REAL-TIME PRIORITY"}, timers at most ${(maxUs / 1_000).toFixed(1)} ms late)`,
    ...(vrrp.instances.length === 0 ? ["  no instances"] : []),
    ...vrrp.instances.flatMap(instanceLines),
    ...vrrp.groups.map(groupLine),
    ...objectLines("  static", vrrp.statics),
    ...(discarded === "" ? [] : [`  packets discarded: ${discarded}`]),
    ...(vrrp.announcementsWaiting > 0 ? [`  announcements waiting: ${vrrp.announcementsWaiting}`] : []),
  ];
}

function instanceLines(instance: InstanceStatus): string[] {
  const { name, state, priority, priorityEffective, virtualRouterId, last } = instance;
  const why =
    last === undefined ? "waiting for the first programming" : `${last.reason}${evidence(last)} at ${time(last.atMs)}`;
  const effective =
    priorityEffective === priority ? `priority ${priority}` : `priority ${priorityEffective} (configured ${priority})`;
  const discarded = countsText(instance.discarded);
  return [
    `  ${name}  ${state}  ${effective}, VRID ${virtualRouterId} on ${instance.interface}: ${why}`,
    ...instance.alarms.map((alarm) => `      ALARM ${describeVrrpAlarm(name, alarm)}`),
    ...instance.faults.map((fault) => `      in FAULT by the ${fault.kind} ${fault.name}`),
    ...(instance.master === undefined
      ? []
      : [`      master is ${instance.master.address} with priority ${instance.master.priority}`]),
    `      ${transportText(instance)}`,
    ...instance.peers.map(peerLine),
    ...(instance.virtualMac === undefined ? [] : [`      ${virtualMacText(instance.virtualMac)}`]),
    ...instance.addresses.map(vipLine),
    ...objectLines("      route", instance.routes),
    ...objectLines("      rule", instance.rules),
    ...(discarded === "" ? [] : [`      adverts discarded: ${discarded}`]),
  ];
}

/** What a reason is about, where it is about one thing of several. */
function evidence({ evidence }: NonNullable<InstanceStatus["last"]>): string {
  const facts = [evidence.peer, evidence.detail].filter((fact) => fact !== undefined);
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`;
}

function transportText({ version, family, transport, sourceAddress, group, leaseLifetimeSec }: InstanceStatus): string {
  const to = transport.kind === "multicast" ? `to ${transport.group}` : `to ${transport.peers.length} unicast peers`;
  const from = sourceAddress === undefined ? ", NO SOURCE ADDRESS" : ` from ${sourceAddress}`;
  const together = group === undefined ? "" : `, in sync group ${group}`;
  const lease =
    leaseLifetimeSec === undefined
      ? "addresses STAY without adverts (vip_lease off)"
      : `addresses last ${leaseLifetimeSec} s without adverts`;
  return `version ${version} over IPv${family} ${to}${from}, ${lease}${together}`;
}

function peerLine(peer: PeerStatus): string {
  const { address, priority, claimsMaster, configured, checksumForm, silentSec } = peer;
  const heard =
    priority === undefined
      ? `never heard, for ${Math.round(silentSec)} s`
      : `priority ${priority}, ${claimsMaster ? "claims to be master" : "no master"}, heard ${silentSec.toFixed(1)} s ago`;
  const form = checksumForm === undefined ? "" : `, checksum ${checksumForm}`;
  return `      ${configured ? "peer" : "heard"} ${address}: ${heard}${form}`;
}

function virtualMacText({ device, present, hardwareAddress }: NonNullable<InstanceStatus["virtualMac"]>): string {
  return `virtual MAC ${hardwareAddress ?? "of the interface"} on ${device}${present ? "" : ": DEVICE MISSING"}`;
}

function vipLine(vip: VipStatus): string {
  const held = vip.permanent ? "permanent, not ours to move" : vip.held ? "HELD" : "not held";
  const programmed =
    vip.prefixProgrammed !== undefined && vip.prefixProgrammed !== vip.prefixConfigured
      ? ` (programmed as /${vip.prefixProgrammed})`
      : "";
  const label = vip.label === undefined ? "" : ` label ${vip.label}`;
  const excluded = vip.advertised ? "" : ", not advertised";
  return `      ${vip.address}/${vip.prefixConfigured}${programmed} dev ${vip.device}${label}: ${held}${excluded}`;
}

function groupLine({ name, state, members }: GroupStatus): string {
  return `  sync group ${name}  ${state}  of ${members.join(", ")}`;
}

function objectLines(what: string, objects: readonly HostObjectStatus[]): string[] {
  return objects.map(({ text, present }) => `${what} ${text}: ${present ? "present" : "absent"}`);
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(", ");
}
