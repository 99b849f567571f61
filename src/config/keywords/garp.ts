import { ok } from "../../core/result.ts";
import { type DurationUs, seconds } from "../../core/units.ts";
import { integer, invalid, switchable, timer } from "./kinds.ts";
import { MAN, type ValueKind, type ValueRow } from "./row.ts";

/** Gratuitous ARP and unsolicited neighbour advertisements: of an instance, and the defaults in `global_defs`. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** keepalived 2.2.7 refuses more: its timer has 32 bits of microseconds. */
const GARP_DELAY_MAX_SEC = 4294;
const DAY_SEC = 86_400;
const garpDelay = timer({ minSec: 0, maxSec: GARP_DELAY_MAX_SEC });
const garpRepeat = integer({ min: 1, max: 1000, unit: "COUNT" });
/** keepalived takes 0 here: no messages after a lower priority. */
const garpRepeatOrNone = integer({ min: 0, max: 1000, unit: "COUNT" });
const garpRefresh = timer({ minSec: 0, maxSec: DAY_SEC });
export const garpPause = timer({ minSec: 0, maxSec: GARP_DELAY_MAX_SEC });

export interface ExtraInterfaces {
  readonly interval: DurationUs;
  readonly all: boolean;
}

const extraInterval = timer({ minSec: 0, maxSec: DAY_SEC });
const extraInterfaces: ValueKind<ExtraInterfaces> = {
  syntax: `[all] ${extraInterval.syntax}`,
  minimumWords: 1,
  maximumWords: 2,
  parse: ([first, second]) => {
    const all = first?.text === "all";
    if (first !== undefined && !all && second !== undefined)
      return invalid(first, "is not all", "write the seconds alone, or all before them: all 100");
    if (first !== undefined && all && second === undefined)
      return invalid(first, "has no seconds behind it", "write all 100");
    const parsed = extraInterval.parse([first, second].filter((word) => word !== undefined).slice(-1));
    return parsed.ok ? ok({ interval: parsed.value, all }) : parsed;
  },
  format: ({ interval, all }) => `${all ? "all " : ""}${extraInterval.format(interval)}`,
};

export const garpInstanceRows = {
  garp_master_delay: {
    ...row,
    kind: garpDelay,
    defaultFrom: "vrrp_garp_master_delay",
    doc: "Time from becoming MASTER to the second round of gratuitous ARP; 0 = no second round.",
    example: "garp_master_delay 5",
  } satisfies ValueRow<DurationUs>,
  garp_master_repeat: {
    ...row,
    kind: garpRepeat,
    defaultFrom: "vrrp_garp_master_repeat",
    doc: "Gratuitous ARP messages of a round for each address.",
    example: "garp_master_repeat 5",
  } satisfies ValueRow<number>,
  garp_master_refresh: {
    ...row,
    kind: garpRefresh,
    defaultFrom: "vrrp_garp_master_refresh",
    doc: "Interval of further gratuitous ARP while MASTER; 0 = none.",
    example: "garp_master_refresh 60",
  } satisfies ValueRow<DurationUs>,
  garp_master_refresh_repeat: {
    ...row,
    kind: garpRepeat,
    defaultFrom: "vrrp_garp_master_refresh_repeat",
    doc: "Gratuitous ARP messages of a refresh for each address.",
    example: "garp_master_refresh_repeat 2",
  } satisfies ValueRow<number>,
  garp_lower_prio_delay: {
    ...row,
    kind: garpDelay,
    defaultFrom: "vrrp_garp_lower_prio_delay, else garp_master_delay",
    doc: "Time from hearing a lower priority while MASTER to the second round; 0 = no second round.",
    example: "garp_lower_prio_delay 10",
  } satisfies ValueRow<DurationUs>,
  garp_lower_prio_repeat: {
    ...row,
    kind: garpRepeatOrNone,
    defaultFrom: "vrrp_garp_lower_prio_repeat, else garp_master_repeat",
    doc: "Gratuitous ARP messages of such a round for each address; 0 = none.",
    example: "garp_lower_prio_repeat 1",
  } satisfies ValueRow<number>,
  garp_extra_if: {
    ...row,
    kind: extraInterfaces,
    defaultFrom: "vrrp_garp_extra_if",
    doc: "Interval of gratuitous ARP on other interfaces than the instance's while MASTER: on virtual MAC devices, with `all` on every one; 0 = none.",
    example: "garp_extra_if all 100",
  } satisfies ValueRow<ExtraInterfaces>,
} as const;

export const garpGlobalRows = {
  vrrp_garp_master_delay: {
    ...row,
    kind: garpDelay,
    default: seconds(5),
    doc: "garp_master_delay of instances that do not write their own.",
    example: "vrrp_garp_master_delay 5",
  } satisfies ValueRow<DurationUs>,
  vrrp_garp_master_repeat: {
    ...row,
    kind: garpRepeat,
    default: 5,
    doc: "garp_master_repeat of instances that do not write their own.",
    example: "vrrp_garp_master_repeat 5",
  } satisfies ValueRow<number>,
  vrrp_garp_master_refresh: {
    ...row,
    kind: garpRefresh,
    default: seconds(0),
    doc: "garp_master_refresh of instances that do not write their own.",
    example: "vrrp_garp_master_refresh 60",
  } satisfies ValueRow<DurationUs>,
  vrrp_garp_master_refresh_repeat: {
    ...row,
    kind: garpRepeat,
    default: 1,
    doc: "garp_master_refresh_repeat of instances that do not write their own.",
    example: "vrrp_garp_master_refresh_repeat 2",
  } satisfies ValueRow<number>,
  vrrp_garp_lower_prio_delay: {
    ...row,
    kind: garpDelay,
    defaultFrom: "garp_master_delay of the instance",
    doc: "garp_lower_prio_delay of instances that do not write their own.",
    example: "vrrp_garp_lower_prio_delay 10",
  } satisfies ValueRow<DurationUs>,
  vrrp_garp_lower_prio_repeat: {
    ...row,
    kind: garpRepeatOrNone,
    defaultFrom: "garp_master_repeat of the instance",
    doc: "garp_lower_prio_repeat of instances that do not write their own.",
    example: "vrrp_garp_lower_prio_repeat 1",
  } satisfies ValueRow<number>,
  vrrp_garp_interval: {
    ...row,
    kind: garpPause,
    default: seconds(0),
    doc: "Pause between gratuitous ARP messages on an interface that is in no garp_group.",
    example: "vrrp_garp_interval 0.001",
  } satisfies ValueRow<DurationUs>,
  vrrp_gna_interval: {
    ...row,
    kind: garpPause,
    default: seconds(0),
    doc: "Pause between unsolicited neighbour advertisements on an interface that is in no garp_group.",
    example: "vrrp_gna_interval 0.001",
  } satisfies ValueRow<DurationUs>,
  vrrp_min_garp: {
    ...row,
    kind: switchable,
    default: false,
    doc: "One gratuitous ARP message and no second round, where no garp keyword says otherwise.",
    example: "vrrp_min_garp",
  } satisfies ValueRow<boolean>,
  vrrp_garp_extra_if: {
    ...row,
    kind: extraInterfaces,
    default: { interval: seconds(0), all: false },
    doc: "garp_extra_if of instances that do not write their own.",
    example: "vrrp_garp_extra_if all 100",
  } satisfies ValueRow<ExtraInterfaces>,
} as const;
