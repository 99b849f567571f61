import { type Family, family, type Ip } from "../../core/ip.ts";
import type { DurationUs } from "../../core/units.ts";
import { OWNER_PRIORITY } from "../keywords/vrrpInstance.ts";
import type { VrrpVersion } from "../vrrp.types.ts";
import type { InstanceValues, ParsedFile, ParsedGlobal, ParsedInstance, ParsedSyncGroup } from "./parsed.ts";

/** What follows from several keywords at once: the rules and the building of a configuration must agree about it. */

/** keepalived 2.2.7 takes `state MASTER` without any priority as the owner's; its manual page does not say so. */
export function effectivePriority(values: InstanceValues): number {
  const ownerByState = values.state.value === "MASTER" && !values.priority.written;
  return ownerByState ? OWNER_PRIORITY : values.priority.value;
}

/** keepalived.conf(5): "For this to work, the initial state must not be MASTER"; an owner always preempts (RFC 3768 6.1). */
export function nopreemptCounts(values: InstanceValues): boolean {
  return values.state.value !== "MASTER" && effectivePriority(values) !== OWNER_PRIORITY;
}

/** The same sentence, and nothing is delayed that never happens. */
export function preemptDelayCounts(values: InstanceValues): boolean {
  return nopreemptCounts(values) && values.nopreempt === undefined;
}

export function isStrict(values: InstanceValues, global: ParsedGlobal): boolean {
  return values.strict_mode?.value ?? global.vrrp_strict !== undefined;
}

/** The addresses of adverts decide; without any, what else is of one family. */
export function familyOf(values: InstanceValues): Family {
  const decisive = firstAddress(values);
  if (decisive !== undefined) return family(decisive);
  return values.native_ipv6 === undefined ? 4 : 6;
}

function firstAddress(values: InstanceValues): Ip | undefined {
  const [advertised] = values.virtual_ipaddress;
  if (advertised !== undefined) return advertised.value.address;
  if (values.native_ipv6 !== undefined) return undefined;
  const [peer] = values.unicast_peer;
  const source = values.unicast_src_ip ?? values.mcast_src_ip ?? values.mcast_dst_ip;
  const [excluded] = values.virtual_ipaddress_excluded;
  return peer?.value.address ?? source?.value ?? excluded?.value.address;
}

export function versionOf(values: InstanceValues, global: ParsedGlobal): VrrpVersion {
  if (familyOf(values) === 6) return 3;
  return values.version?.value ?? global.vrrp_version.value;
}

export function downTimerAdvertsOf(values: InstanceValues, global: ParsedGlobal): number {
  return values.down_timer_adverts?.value ?? global.vrrp_down_timer_adverts.value;
}

/** Unicast: there are peers, or `unicast_fault_no_peer` says that their absence is a fault. */
export function isUnicast(values: InstanceValues): boolean {
  return values.unicast_peer.length > 0 || values.unicast_fault_no_peer !== undefined;
}

/** A unicast instance may leave it to `default_interface`, if that is written: the built-in eth0 would be a guess. */
export function interfaceOf(values: InstanceValues, global: ParsedGlobal): string | undefined {
  if (values.interface !== undefined) return values.interface.value;
  return isUnicast(values) ? global.default_interface?.value : undefined;
}

/** keepalived.conf(5): "sets the default interface for static addresses (default: eth0)". */
const DEFAULT_INTERFACE = "eth0";
export function staticInterface(global: ParsedGlobal): string {
  return global.default_interface?.value ?? DEFAULT_INTERFACE;
}

/** The group that an instance is a member of. The rules have refused a second one. */
export function syncGroupOf(file: ParsedFile, instance: ParsedInstance): ParsedSyncGroup | undefined {
  return file.vrrp_sync_group.find((group) => memberNames(group).includes(instance.header));
}

export function memberNames({
  values,
}: {
  readonly values: Pick<ParsedSyncGroup["values"], "group">;
}): readonly string[] {
  return values.group.flatMap(({ value }) => value.map(({ text }) => text));
}

/** The span in which a peer of ours would not take over: link changes must be noticed within it. */
export function shortestSilence(values: InstanceValues, global: ParsedGlobal): DurationUs {
  return ((downTimerAdvertsOf(values, global) - 1) * values.advert_int.value) as DurationUs;
}
