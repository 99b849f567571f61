import { durationUs, seconds, toSeconds, US_PER_SECOND } from "../../core/units.ts";
import {
  effectivePriority,
  familyOf,
  interfaceOf,
  isStrict,
  isUnicast,
  nopreemptCounts,
  preemptDelayCounts,
  versionOf,
} from "../build/effective.ts";
import { placeOf } from "../build/written.ts";
import { OWNER_PRIORITY, vrrpInstanceTable } from "../keywords/vrrpInstance.ts";
import type { InstanceRule } from "./rule.ts";

/** Version, interval, priority and preemption of an instance. */

const requiredKeywordsAreWritten: InstanceRule = ({ header, at, seen, values }, global, found) => {
  if (!seen.has("virtual_router_id")) {
    const { example } = vrrpInstanceTable.rows.virtual_router_id;
    const message = `vrrp_instance ${header} has no virtual_router_id`;
    found.error("missing-keyword", at, message, `add it, for example: ${example}`);
  }
  if (seen.has("interface") || interfaceOf(values, global) !== undefined) return;
  const { example } = vrrpInstanceTable.rows.interface;
  found.error(
    "missing-keyword",
    at,
    `vrrp_instance ${header} has no interface`,
    isUnicast(values)
      ? `add the one that its peers are reached by, for example: ${example}; or default_interface in global_defs`
      : `add it, for example: ${example}`,
  );
};

/** RFC 9568 5.2.7: twelve bits of centiseconds. */
const INTERVAL_MAX_V3 = seconds(40.95);
const INTERVAL_STEP_V3 = durationUs(10_000);

/** RFC 3768 5.3.7: the field of the advert has whole seconds from 1 to 255. */
const advertIntervalFitsTheVersion: InstanceRule = ({ values, at: block }, global, found) => {
  const { value } = values.advert_int;
  const at = placeOf(values.advert_int, block);
  const version = versionOf(values, global);
  if (version === 2) {
    if (value % US_PER_SECOND === 0 && value >= US_PER_SECOND) return;
    const message = `advert_int: ${toSeconds(value)} is not a whole number of seconds, and VRRP version 2 carries nothing else`;
    found.error("out-of-range", at, message, "write whole seconds from 1 to 255, or version 3 on all routers");
  } else if (value > INTERVAL_MAX_V3) {
    const message = `advert_int: ${toSeconds(value)} is more than ${toSeconds(INTERVAL_MAX_V3)} s, the longest that VRRP version 3 carries`;
    found.error("out-of-range", at, message, "write seconds from 0.01 to 40.95");
  } else if (value % INTERVAL_STEP_V3 !== 0) {
    const message = `advert_int: ${toSeconds(value)} is not a whole number of hundredths of a second, and VRRP version 3 carries nothing else`;
    found.error("out-of-range", at, message, "write for example 0.02 or 1.5");
  }
};

const ipv6IsVersion3: InstanceRule = ({ header, values }, global, found) => {
  if (values.version?.value !== 2 || familyOf(values) !== 6 || isStrict(values, global)) return;
  const message = `vrrp_instance ${header} speaks version 3 in spite of version 2: version 2 knows no IPv6 addresses`;
  found.warning("ipv6-is-version-3", values.version.at, message, "write version 3, or remove it");
};

const preemptionIsSaidOnce: InstanceRule = ({ values }, _global, found) => {
  if (values.preempt === undefined || values.nopreempt === undefined) return;
  found.error("contradiction", values.nopreempt.at, "nopreempt and preempt contradict each other", "keep one of them");
};

const nopreemptHasAnEffect: InstanceRule = ({ header, values }, _global, found) => {
  if (values.nopreempt === undefined || nopreemptCounts(values)) return;
  const because =
    effectivePriority(values) === OWNER_PRIORITY
      ? `priority ${OWNER_PRIORITY} always preempts`
      : "it does not count with state MASTER";
  found.warning(
    "nopreempt-ignored",
    values.nopreempt.at,
    `nopreempt has no effect in vrrp_instance ${header}: ${because}`,
    "write state BACKUP and a priority below 255, or remove nopreempt",
  );
};

const preemptDelayHasAnEffect: InstanceRule = ({ header, values, at }, _global, found) => {
  const { preempt_delay, nopreempt } = values;
  if (preempt_delay.value === 0 || preemptDelayCounts(values)) return;
  const because =
    nopreempt !== undefined && nopreemptCounts(values)
      ? "with nopreempt there is no preemption to delay"
      : effectivePriority(values) === OWNER_PRIORITY
        ? `priority ${OWNER_PRIORITY} always preempts at once`
        : "it does not count with state MASTER";
  found.warning(
    "preempt-delay-ignored",
    placeOf(preempt_delay, at),
    `preempt_delay has no effect in vrrp_instance ${header}: ${because}`,
    "write state BACKUP, a priority below 255 and no nopreempt, or remove preempt_delay",
  );
};

const masterWithoutPriorityIsOwner: InstanceRule = ({ header, values, at }, _global, found) => {
  if (values.priority.written || effectivePriority(values) !== OWNER_PRIORITY) return;
  const message = `vrrp_instance ${header} has state MASTER and no priority: as in keepalived that means ${OWNER_PRIORITY}, the owner of the addresses`;
  found.warning("owner-by-state", placeOf(values.state, at), message, "write the priority that is meant");
};

/** keepalived.conf(5), down_timer_adverts: "Setting this to any other value is a deviation from the VRRP protocol". */
const SILENT_ADVERTS_MIN = 2;
const oneLostAdvertIsNoFailure: InstanceRule = ({ header, values, at }, global, found) => {
  const written = values.down_timer_adverts ?? global.vrrp_down_timer_adverts;
  if (isStrict(values, global) || written.value >= SILENT_ADVERTS_MIN) return;
  const message = `vrrp_instance ${header} takes over after a single advert that is late: down_timer_adverts ${written.value}`;
  found.warning(
    "trap-down-timer",
    placeOf(written, at),
    message,
    "write 3, as VRRP has it, and the same on all routers",
  );
};

export const ELECTION_RULES: readonly InstanceRule[] = [
  requiredKeywordsAreWritten,
  advertIntervalFitsTheVersion,
  ipv6IsVersion3,
  preemptionIsSaidOnce,
  nopreemptHasAnEffect,
  preemptDelayHasAnEffect,
  masterWithoutPriorityIsOwner,
  oneLostAdvertIsNoFailure,
];
