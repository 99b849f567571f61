import { downTimerAdvertsOf, effectivePriority, familyOf, isStrict, versionOf } from "../build/effective.ts";
import { placeOf } from "../build/written.ts";
import { OWNER_PRIORITY } from "../keywords/vrrpInstance.ts";
import type { SourceSpan } from "../types.ts";
import { isLinkLocal } from "./addresses.ts";
import type { InstanceRule } from "./rule.ts";

/** What strict mode demands: keepalived.conf(5), vrrp_strict, sentence by sentence. Addresses are in addresses.ts. */

/** A rule that looks at strict instances only. */
const inStrictMode =
  (rule: InstanceRule): InstanceRule =>
  (instance, global, found) => {
    if (isStrict(instance.values, global)) rule(instance, global, found);
  };

const OFF = "or strict_mode off";

/** "State MASTER can be configured if and only if priority is 255" */
const stateMatchesPriority: InstanceRule = ({ header, values, at }, _global, found) => {
  const priority = effectivePriority(values);
  if ((values.state.value === "MASTER") === (priority === OWNER_PRIORITY)) return;
  const message = `vrrp_instance ${header}: strict mode wants state MASTER with priority ${OWNER_PRIORITY} and with no other; state ${values.state.value} with priority ${priority} begins as ${priority === OWNER_PRIORITY ? "MASTER" : "BACKUP"}`;
  found.warning(
    "strict-state",
    placeOf(values.state, placeOf(values.priority, at)),
    message,
    priority === OWNER_PRIORITY ? "write state MASTER" : "write state BACKUP",
  );
};

/** "Gratuitous ARP repeats cannot be enabled" */
const noRefresh: InstanceRule = ({ header, values, at }, global, found) => {
  const refresh = values.garp_master_refresh ?? global.vrrp_garp_master_refresh;
  if (refresh.value === 0) return;
  const place: SourceSpan = refresh.written ? refresh.at : at;
  found.error(
    "strict-garp-refresh",
    place,
    `vrrp_instance ${header}: strict mode does not allow repeated gratuitous ARP`,
    `set garp_master_refresh 0, ${OFF}`,
  );
};

/** "unicast peers not allowed" */
const noUnicast: InstanceRule = ({ header, values }, _global, found) => {
  const [peer] = values.unicast_peer;
  if (peer === undefined) return;
  const message = `vrrp_instance ${header}: strict mode does not allow unicast peers, which are no part of VRRP`;
  found.error("strict-unicast", peer.at, message, `remove unicast_peer, ${OFF}`);
};

/** "IPv6 addresses not allowed in VRRP version 2" */
const noIpv6InVersion2: InstanceRule = ({ header, values }, _global, found) => {
  if (values.version?.value !== 2 || familyOf(values) !== 6) return;
  const message = `vrrp_instance ${header}: strict mode does not allow IPv6 addresses with version 2`;
  found.error("strict-ipv6-version", values.version.at, message, "write version 3");
};

/** "First IPv6 VIP is not link local" is what is refused. */
const firstIpv6IsLinkLocal: InstanceRule = ({ header, values }, _global, found) => {
  const [first] = values.virtual_ipaddress;
  if (first === undefined || familyOf(values) !== 6 || isLinkLocal(first.value.address)) return;
  const message = `vrrp_instance ${header}: strict mode wants a link-local address (fe80::/10) as the first of an IPv6 virtual router, not ${first.value.address}`;
  found.error("strict-link-local", first.at, message, `write one before it, the same on all routers, ${OFF}`);
};

/** "Authentication is not supported" */
const noAuthentication: InstanceRule = ({ header, values }, _global, found) => {
  const [authentication] = values.authentication;
  if (authentication === undefined) return;
  const message = `vrrp_instance ${header}: strict mode does not allow authentication, which RFC 3768 removed from VRRP`;
  found.error("strict-authentication", authentication.at, message, `remove it on all routers, ${OFF}`);
};

/** "Preempt delay is not supported" */
const noPreemptDelay: InstanceRule = ({ header, values: { preempt_delay }, at }, _global, found) => {
  if (preempt_delay.value === 0) return;
  const message = `vrrp_instance ${header}: strict mode does not allow preempt_delay`;
  found.error("strict-preempt-delay", placeOf(preempt_delay, at), message, `remove it, ${OFF}`);
};

/** "Accept mode cannot be set for VRRPv2" */
const noAcceptInVersion2: InstanceRule = ({ header, values }, global, found) => {
  if (values.accept === undefined || versionOf(values, global) !== 2) return;
  const message = `vrrp_instance ${header}: strict mode does not allow accept with version 2, which has no accept mode`;
  found.error("strict-accept", values.accept.at, message, `remove it (holdfast always accepts), ${OFF}`);
};

/** "Cannot clear lower_prio_no_advert", "Cannot set higher_prio_send_advert" */
const lowerPriorityIsNotAnswered: InstanceRule = ({ header, values, at }, global, found) => {
  const lower = values.lower_prio_no_advert ?? global.vrrp_lower_prio_no_advert;
  if (lower?.value === false) {
    const message = `vrrp_instance ${header}: strict mode does not allow lower_prio_no_advert off`;
    found.error("strict-lower-prio", lower.at, message, `remove it, ${OFF}`);
  }
  const higher = values.higher_prio_send_advert ?? global.vrrp_higher_prio_send_advert;
  if (higher.value) {
    const message = `vrrp_instance ${header}: strict mode does not allow higher_prio_send_advert`;
    found.error("strict-higher-prio", placeOf(higher, at), message, `remove it, ${OFF}`);
  }
};

/** "Cannot use vmac_xmit_base" */
const noTransmitFromBase: InstanceRule = ({ header, values: { vmac_xmit_base } }, _global, found) => {
  if (vmac_xmit_base === undefined) return;
  const message = `vrrp_instance ${header}: strict mode does not allow vmac_xmit_base: adverts come from the virtual MAC`;
  found.error("strict-xmit-base", vmac_xmit_base.at, message, `remove it, ${OFF}`);
};

const DOWN_TIMER_ADVERTS = 3;
/** As keepalived 2.2.7 does: RFC 9568 6.1 has three intervals and no other number. */
const threeIntervals: InstanceRule = ({ header, values, at }, global, found) => {
  if (downTimerAdvertsOf(values, global) === DOWN_TIMER_ADVERTS) return;
  const written = values.down_timer_adverts ?? global.vrrp_down_timer_adverts;
  const message = `vrrp_instance ${header}: strict mode does not allow down_timer_adverts ${written.value}: VRRP has ${DOWN_TIMER_ADVERTS}`;
  found.error("strict-down-timer", placeOf(written, at), message, `remove it, ${OFF}`);
};

export const STRICT_RULES: readonly InstanceRule[] = [
  stateMatchesPriority,
  noRefresh,
  noUnicast,
  noIpv6InVersion2,
  firstIpv6IsLinkLocal,
  noAuthentication,
  noPreemptDelay,
  noAcceptInVersion2,
  lowerPriorityIsNotAnswered,
  noTransmitFromBase,
  threeIntervals,
].map(inStrictMode);
