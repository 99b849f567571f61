import { type Ip, ip } from "../../core/ip.ts";
import { durationUs } from "../../core/units.ts";
import type { GarpConfig, TransportConfig, VrrpInstanceConfig } from "../vrrp.types.ts";
import { buildVirtualAddress } from "./addresses.ts";
import {
  downTimerAdvertsOf,
  effectivePriority,
  familyOf,
  interfaceOf,
  isStrict,
  isUnicast,
  nopreemptCounts,
  preemptDelayCounts,
  versionOf,
} from "./effective.ts";
import { buildNotify } from "./notify.ts";
import type { InstanceValues, ParsedFile, ParsedGlobal, ParsedInstance } from "./parsed.ts";
import { buildTracking } from "./tracking.ts";
import type { VirtualMacPlan } from "./virtualMac.ts";

/** RFC 9568 5.1.1.2 and 5.1.2.2 */
const VRRP_MULTICAST_IPV4 = ip("224.0.0.18");
const VRRP_MULTICAST_IPV6 = ip("ff02::12");
/** RFC 9568 5.1.1.3: 255, so that a receiver can tell that an advert came from its own link. */
const TIME_TO_LIVE = 255;
/** keepalived.conf(5): "Only the first eight (8) characters are used." */
export const PASSWORD_BYTES = 8;

/** Undefined where a required keyword is missing, which the rules have reported as an error. */
export function buildInstance(
  file: ParsedFile,
  global: ParsedGlobal,
  instance: ParsedInstance,
  plan: VirtualMacPlan,
): VrrpInstanceConfig | undefined {
  const { header, values } = instance;
  const instanceInterface = interfaceOf(values, global);
  if (instanceInterface === undefined || values.virtual_router_id === undefined) return undefined;
  const strict = isStrict(values, global);
  return {
    name: header,
    version: versionOf(values, global),
    family: familyOf(values),
    initialState: values.state.value,
    interface: instanceInterface,
    virtualRouterId: values.virtual_router_id.value,
    priority: effectivePriority(values),
    advertInterval: values.advert_int.value,
    downTimerAdverts: downTimerAdvertsOf(values, global),
    nopreempt: values.nopreempt !== undefined && nopreemptCounts(values),
    preemptDelay: preemptDelayCounts(values) ? values.preempt_delay.value : durationUs(0),
    strict,
    transport: buildTransport(values, global),
    sourceAddress: isUnicast(values) ? values.unicast_src_ip?.value : multicastSource(values),
    trackSourceAddress: values.track_src_ip !== undefined,
    authPassword: buildPassword(values, global),
    checksumForm: values.v3_checksum.value,
    virtualMac: plan.own,
    trackPrimary: values.dont_track_primary === undefined,
    vipLease: values.vip_lease.value,
    promoteSecondaries: values.promote_secondaries !== undefined,
    virtualAddresses: values.virtual_ipaddress.map(({ value }) => buildVirtualAddress(value, instanceInterface, plan)),
    excludedAddresses: values.virtual_ipaddress_excluded.map(({ value }) =>
      buildVirtualAddress(value, instanceInterface, plan),
    ),
    virtualRoutes: values.virtual_routes.map(({ value }) => value.route),
    virtualRules: values.virtual_rules.map(({ value }) => value.rule),
    track: buildTracking(file, global, instance),
    garp: buildGarp(values, global),
    skipCheckAdvAddr: values.skip_check_adv_addr?.value ?? global.vrrp_skip_check_adv_addr.value,
    higherPrioSendAdvert: values.higher_prio_send_advert?.value ?? global.vrrp_higher_prio_send_advert.value,
    lowerPrioNoAdvert: values.lower_prio_no_advert?.value ?? global.vrrp_lower_prio_no_advert?.value ?? strict,
    debugLevel: values.debug.value,
    notify: buildNotify(values, global),
  };
}

function buildTransport(values: InstanceValues, global: ParsedGlobal): TransportConfig {
  if (!isUnicast(values)) return { kind: "multicast", group: multicastGroupOf(values, global) };
  const peers = values.unicast_peer.map(({ value }) => value);
  const limited = peers.some(({ timeToLiveMin, timeToLiveMax }) => (timeToLiveMin ?? timeToLiveMax) !== undefined);
  return {
    kind: "unicast",
    peers,
    timeToLive: values.unicast_ttl?.value ?? TIME_TO_LIVE,
    checkSource: values.check_unicast_src !== undefined || global.vrrp_check_unicast_src !== undefined || limited,
  };
}

export function multicastGroupOf(values: InstanceValues, global: ParsedGlobal): Ip {
  if (values.mcast_dst_ip !== undefined) return values.mcast_dst_ip.value;
  return familyOf(values) === 4
    ? (global.vrrp_mcast_group4?.value ?? VRRP_MULTICAST_IPV4)
    : (global.vrrp_mcast_group6?.value ?? VRRP_MULTICAST_IPV6);
}

function buildPassword(values: InstanceValues, global: ParsedGlobal): string | undefined {
  const written = values.authentication.at(-1)?.values.auth_pass?.value;
  return written === undefined || versionOf(values, global) !== 2 ? undefined : firstBytes(written, PASSWORD_BYTES);
}

/** As many whole characters as fit. */
function firstBytes(text: string, maximum: number): string {
  let taken = "";
  for (const character of text) {
    if (new TextEncoder().encode(taken + character).length > maximum) break;
    taken += character;
  }
  return taken;
}

/** The instance's own word, else the global one, else what `vrrp_min_garp` leaves, else the default. */
function buildGarp(values: InstanceValues, global: ParsedGlobal): GarpConfig {
  const minimal = global.vrrp_min_garp.value;
  const masterDelay =
    values.garp_master_delay?.value ?? globalOr(global.vrrp_garp_master_delay, minimal, durationUs(0));
  const masterRepeat = values.garp_master_repeat?.value ?? globalOr(global.vrrp_garp_master_repeat, minimal, 1);
  const extra = values.garp_extra_if?.value ?? global.vrrp_garp_extra_if.value;
  return {
    masterDelay,
    masterRepeat,
    masterRefresh: values.garp_master_refresh?.value ?? global.vrrp_garp_master_refresh.value,
    masterRefreshRepeat: values.garp_master_refresh_repeat?.value ?? global.vrrp_garp_master_refresh_repeat.value,
    lowerPrioDelay: values.garp_lower_prio_delay?.value ?? global.vrrp_garp_lower_prio_delay?.value ?? masterDelay,
    lowerPrioRepeat: values.garp_lower_prio_repeat?.value ?? global.vrrp_garp_lower_prio_repeat?.value ?? masterRepeat,
    extraInterval: extra.interval,
    extraAll: extra.all,
  };
}

function globalOr<Value>(global: { readonly value: Value; readonly written: boolean }, minimal: boolean, least: Value) {
  return minimal && !global.written ? least : global.value;
}

/** An ipvlan device has the address that is written with it so that adverts leave from there. */
function multicastSource(values: InstanceValues): Ip | undefined {
  return values.mcast_src_ip?.value ?? values.use_ipvlan?.value.address?.address;
}
