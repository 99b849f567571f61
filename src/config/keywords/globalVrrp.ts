import type { Ip } from "../../core/ip.ts";
import { type DurationUs, seconds } from "../../core/units.ts";
import { garpGlobalRows } from "./garp.ts";
import { flag, integer, interfaceName, invalid, oneWord, switchable, timer, utf8Bytes } from "./kinds.ts";
import { MAN, type ValueKind, type ValueRow } from "./row.ts";
import { downTimerAdverts, vrrpVersion } from "./vrrpInstance.ts";
import { multicastGroupOf } from "./words.ts";

/** `global_defs`: defaults of VRRP instances and what holds for all of them. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** Behind it come `6`, `.255` and a number that tells devices of one virtual router apart: 15 bytes in all. */
const VMAC_PREFIX_BYTES = 7;

const deviceNamePrefix: ValueKind<string> = oneWord("<PREFIX>", (word) => {
  const parsed = interfaceName.parse([word]);
  if (!parsed.ok) return parsed;
  return utf8Bytes(word.text) > VMAC_PREFIX_BYTES
    ? invalid(
        word,
        `is longer than ${VMAC_PREFIX_BYTES} bytes, so that no room is left for the virtual router's number`,
        "shorten it",
      )
    : parsed;
});

const STARTUP_DELAY_MAX_SEC = 4294;

export const globalVrrpRows = {
  vrrp_strict: {
    ...row,
    kind: flag,
    doc: "Sets strict_mode for all instances. keepalived also drops all packets to the virtual addresses then; holdfast does not.",
    example: "vrrp_strict",
  } satisfies ValueRow<true>,
  vrrp_version: {
    ...row,
    kind: vrrpVersion,
    default: 2,
    reload: "restart",
    doc: "Version of VRRP of IPv4 instances that do not write their own.",
    example: "vrrp_version 2",
  } satisfies ValueRow<2 | 3>,
  vrrp_mcast_group4: {
    ...row,
    kind: multicastGroupOf(4),
    defaultFrom: "224.0.0.18",
    reload: "restart",
    doc: "mcast_dst_ip of IPv4 instances that do not write their own.",
    reference: `${MAN}, RFC 9568 5.1.1.2`,
    example: "vrrp_mcast_group4 224.0.0.18",
  } satisfies ValueRow<Ip>,
  vrrp_mcast_group6: {
    ...row,
    kind: multicastGroupOf(6),
    defaultFrom: "ff02::12",
    reload: "restart",
    doc: "mcast_dst_ip of IPv6 instances that do not write their own.",
    reference: `${MAN}, RFC 9568 5.1.2.2`,
    example: "vrrp_mcast_group6 ff02::12",
  } satisfies ValueRow<Ip>,
  default_interface: {
    ...row,
    kind: interfaceName,
    defaultFrom: "eth0",
    reload: "restart",
    doc: "Interface of static addresses without `dev`, and of unicast instances without `interface`; for the latter it must be written.",
    example: "default_interface eth0",
  } satisfies ValueRow<string>,
  vrrp_down_timer_adverts: {
    ...row,
    kind: downTimerAdverts,
    default: 3,
    doc: "down_timer_adverts of instances that do not write their own.",
    example: "vrrp_down_timer_adverts 3",
  } satisfies ValueRow<number>,
  vrrp_lower_prio_no_advert: {
    ...row,
    kind: switchable,
    defaultFrom: "off, in strict mode on",
    doc: "lower_prio_no_advert of instances that do not write their own.",
    example: "vrrp_lower_prio_no_advert",
  } satisfies ValueRow<boolean>,
  vrrp_higher_prio_send_advert: {
    ...row,
    kind: switchable,
    default: false,
    doc: "higher_prio_send_advert of instances that do not write their own.",
    example: "vrrp_higher_prio_send_advert",
  } satisfies ValueRow<boolean>,
  vrrp_check_unicast_src: {
    ...row,
    kind: flag,
    doc: "Sets check_unicast_src for all instances.",
    example: "vrrp_check_unicast_src",
  } satisfies ValueRow<true>,
  vrrp_skip_check_adv_addr: {
    ...row,
    kind: switchable,
    default: false,
    doc: "skip_check_adv_addr of instances that do not write their own.",
    example: "vrrp_skip_check_adv_addr",
  } satisfies ValueRow<boolean>,
  vrrp_notify_priority_changes: {
    ...row,
    kind: switchable,
    default: false,
    doc: "notify_priority_changes of instances and groups that do not write their own.",
    example: "vrrp_notify_priority_changes on",
  } satisfies ValueRow<boolean>,
  vrrp_startup_delay: {
    ...row,
    kind: timer({ minSec: 0, maxSec: STARTUP_DELAY_MAX_SEC }),
    default: seconds(0),
    reload: "none",
    doc: "Time from the start of the daemon until its instances start, for interfaces that receive nothing at first.",
    example: "vrrp_startup_delay 5.5",
  } satisfies ValueRow<DurationUs>,
  log_unknown_vrids: {
    ...row,
    kind: flag,
    doc: "Logs adverts of virtual routers that are not configured on the interface.",
    example: "log_unknown_vrids",
  } satisfies ValueRow<true>,
  vmac_prefix: {
    ...row,
    kind: deviceNamePrefix,
    default: "vrrp",
    reload: "restart",
    doc: "Beginning of the names of virtual MAC devices.",
    example: "vmac_prefix vrrp",
  } satisfies ValueRow<string>,
  vmac_addr_prefix: {
    ...row,
    kind: deviceNamePrefix,
    defaultFrom: "vmac_prefix",
    reload: "restart",
    doc: "Beginning of the names of virtual MAC devices of single addresses.",
    example: "vmac_addr_prefix vrrp",
  } satisfies ValueRow<string>,
  vrrp_rt_priority: {
    ...row,
    kind: integer({ min: 1, max: 99, unit: "PRIORITY" }),
    defaultFrom: "the command line",
    reload: "none",
    doc: "Real-time priority (SCHED_RR) of the VRRP thread. Taken at the start.",
    example: "vrrp_rt_priority 50",
  } satisfies ValueRow<number>,
  ...garpGlobalRows,
} as const;
