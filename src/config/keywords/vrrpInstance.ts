import { type DurationUs, seconds } from "../../core/units.ts";
import { garpInstanceRows } from "./garp.ts";
import { choice, flag, integer, interfaceName, switchable, text, timer, truth } from "./kinds.ts";
import { lowerPriorityRow, notifyRows } from "./notify.ts";
import { virtualRoutingRows } from "./routing.ts";
import { type BlockRow, blockTable, type LinesRow, leftOutRows, MAN, type ValueRow } from "./row.ts";
import { trackingRows } from "./tracking.ts";
import { transportRows } from "./transport.ts";
import { type VirtualAddressLine, virtualAddressLine, virtualAddressOptions } from "./virtualIpaddress.ts";
import { virtualMacRows } from "./virtualMac.ts";

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

export const vrrpVersion = choice("VRRP version", [2, 3]);

/** RFC 3768 5.3.4: 255 is the priority of the router that owns the addresses. */
export const OWNER_PRIORITY = 255;
/** RFC 3768 5.3.7: one octet of seconds. Version 3 has less: see the rules. */
const ADVERT_INT_MAX_SEC = 255;
const PREEMPT_DELAY_MAX_SEC = 1000;
const DOWN_TIMER_ADVERTS_MAX = 100;
export const downTimerAdverts = integer({ min: 1, max: DOWN_TIMER_ADVERTS_MAX, unit: "COUNT" });

const NAME_BYTES = 255;

const addressLines = {
  shape: "lines",
  status: "implemented",
  reference: MAN,
  reload: "live",
  line: virtualAddressLine,
  lineExample: "10.0.2.10/24 dev eth0 label eth0:1",
  lineTable: virtualAddressOptions,
} as const;

const electionRows = {
  state: {
    ...value,
    kind: choice("state", ["MASTER", "BACKUP"]),
    default: "BACKUP",
    doc: "The priority alone decides the beginning: 255 begins as MASTER, every other as BACKUP and waits three intervals and the skew time. As in keepalived, MASTER without a written priority means 255, and nopreempt and preempt_delay do not count with MASTER.",
    example: "state BACKUP",
  } satisfies ValueRow<"MASTER" | "BACKUP">,
  interface: {
    ...value,
    kind: interfaceName,
    defaultFrom: "of a unicast instance `default_interface` where that is written",
    reload: "restart",
    doc: "Interface that adverts are sent and received on, and that carries the addresses without `dev`.",
    example: "interface eth0",
  } satisfies ValueRow<string>,
  virtual_router_id: {
    ...value,
    kind: integer({ min: 1, max: 255, unit: "VRID" }),
    reload: "restart",
    doc: "Number of the virtual router: the same on all its routers, different from other virtual routers of the family on the interface, unless their multicast groups differ or they have no unicast peer in common.",
    reference: "keepalived.conf(5), RFC 3768 5.3.3",
    example: "virtual_router_id 51",
  } satisfies ValueRow<number>,
  priority: {
    ...value,
    kind: integer({ min: 1, max: OWNER_PRIORITY, unit: "PRIORITY" }),
    default: 100,
    doc: "The highest priority wins the election; 255 is the owner of the addresses.",
    reference: "keepalived.conf(5), RFC 3768 5.3.4",
    example: "priority 150",
  } satisfies ValueRow<number>,
  advert_int: {
    ...value,
    kind: timer({ minSec: 0.01, maxSec: ADVERT_INT_MAX_SEC }),
    default: seconds(1),
    doc: "Time between adverts: whole seconds in version 2, hundredths of a second up to 40.95 s in version 3. The same on all routers of the virtual router in version 2; in version 3 a backup takes the master's.",
    reference: "keepalived.conf(5), RFC 3768 5.3.7, RFC 9568 5.2.7",
    example: "advert_int 1",
  } satisfies ValueRow<DurationUs>,
  down_timer_adverts: {
    ...value,
    kind: downTimerAdverts,
    defaultFrom: "vrrp_down_timer_adverts",
    doc: "Intervals without an advert, and the skew time, until a backup takes over. The same on all routers; anything but 3 departs from VRRP.",
    example: "down_timer_adverts 3",
  } satisfies ValueRow<number>,
  nopreempt: {
    ...value,
    kind: flag,
    doc: "Does not take over from a master with a lower priority.",
    reference: "keepalived.conf(5), RFC 3768 6.1 Preempt_Mode",
    example: "nopreempt",
  } satisfies ValueRow<true>,
  preempt: {
    ...value,
    kind: flag,
    doc: "Takes over from a master with a lower priority: the default.",
    example: "preempt",
  } satisfies ValueRow<true>,
  preempt_delay: {
    ...value,
    kind: timer({ minSec: 0, maxSec: PREEMPT_DELAY_MAX_SEC }),
    default: seconds(0),
    doc: "Further time to wait before taking over from a lower priority, and at the start.",
    example: "preempt_delay 300",
  } satisfies ValueRow<DurationUs>,
  version: {
    ...value,
    kind: vrrpVersion,
    defaultFrom: "vrrp_version; IPv6 is always version 3",
    reload: "restart",
    doc: "Version of VRRP: 2 is RFC 3768, 3 is RFC 9568.",
    example: "version 3",
  } satisfies ValueRow<2 | 3>,
  native_ipv6: {
    ...value,
    kind: flag,
    reload: "restart",
    doc: "The instance is one of IPv6. The virtual addresses say so too, therefore it is needed only without any (deprecated).",
    example: "native_ipv6",
  } satisfies ValueRow<true>,
} as const;

const behaviourRows = {
  vip_lease: {
    ...value,
    status: "native",
    reference: "holdfast",
    kind: truth,
    default: true,
    doc: "The addresses have a lifetime in the kernel that each advert renews, so that they end with their holder whatever dies. With `off` they stay until they are removed, and nothing is renewed: after a death of daemon and guard together, or in a host that hangs as a whole, two hosts hold them.",
    example: "vip_lease off",
  } satisfies ValueRow<boolean>,
  dont_track_primary: {
    ...value,
    kind: flag,
    doc: "Faults of the instance's interface do not count.",
    example: "dont_track_primary",
  } satisfies ValueRow<true>,
  promote_secondaries: {
    ...value,
    kind: flag,
    doc: "Sets promote_secondaries on the interface.",
    example: "promote_secondaries",
  } satisfies ValueRow<true>,
  strict_mode: {
    ...value,
    kind: switchable,
    defaultFrom: "vrrp_strict",
    doc: "Checks that the instance keeps to the protocol. Never packet-filter rules, unlike keepalived.",
    example: "strict_mode off",
  } satisfies ValueRow<boolean>,
  skip_check_adv_addr: {
    ...value,
    kind: switchable,
    defaultFrom: "vrrp_skip_check_adv_addr",
    doc: "The addresses in adverts of the same master as before are not compared again.",
    example: "skip_check_adv_addr",
  } satisfies ValueRow<boolean>,
  lower_prio_no_advert: {
    ...value,
    kind: switchable,
    defaultFrom: "vrrp_lower_prio_no_advert, else on in strict mode",
    doc: "A lower priority is not answered with an advert at once, as the RFCs have it.",
    example: "lower_prio_no_advert",
  } satisfies ValueRow<boolean>,
  higher_prio_send_advert: {
    ...value,
    kind: switchable,
    defaultFrom: "vrrp_higher_prio_send_advert",
    doc: "A MASTER that hears a higher priority sends one more advert before it becomes BACKUP.",
    example: "higher_prio_send_advert",
  } satisfies ValueRow<boolean>,
  debug: {
    ...value,
    kind: integer({ min: 0, max: 4, unit: "LEVEL" }),
    default: 0,
    doc: "From 1 on every input that is ignored is logged with its reason, from 2 on every input.",
    example: "debug 1",
  } satisfies ValueRow<number>,
  linkbeat_use_polling: {
    ...value,
    kind: flag,
    doc: "Asks the interface's driver for its link as linkbeat_interfaces does (deprecated: use that).",
    example: "linkbeat_use_polling",
  } satisfies ValueRow<true>,
  accept: {
    ...value,
    status: "noEffect",
    reload: "none",
    reason: "holdfast never filters packets, so those to the virtual addresses are always accepted",
    kind: flag,
    doc: "Accepts packets to the virtual addresses.",
    example: "accept",
  } satisfies ValueRow<true>,
  ...leftOutRows({
    no_accept: {
      doc: "Drops packets to the virtual addresses.",
      reason:
        "it needs packet-filter rules, which holdfast never installs: on a load balancer they drop the traffic of IPVS",
      remedy: "remove it; where the addresses must not answer, write a rule into the host's own packet filter",
    },
    vrf: {
      doc: "VRF of a unicast instance without interface.",
      reason: "every instance of holdfast sends by an interface, and its sockets are bound to it",
      remedy: "write interface with a device that is enslaved to the VRF",
    },
    kernel_rx_buf_size: {
      doc: "Receive buffer of the socket.",
      reason:
        "the VRRP thread does nothing else than read its sockets, and the kernel's default holds hundreds of adverts",
      remedy: "remove it",
    },
  }),
} as const;

export const vrrpInstanceTable = blockTable("vrrp_instance", {
  ...electionRows,
  virtual_ipaddress: {
    ...addressLines,
    doc: "Addresses that the master holds, one a line; they are what adverts carry. All of one family.",
    example: "virtual_ipaddress {\n  10.0.2.10/24 dev eth0 label eth0:1\n}",
  } satisfies LinesRow<VirtualAddressLine>,
  virtual_ipaddress_excluded: {
    ...addressLines,
    doc: "Addresses that the master holds, of either family, and that adverts do not carry.",
    example: "virtual_ipaddress_excluded {\n  2001:db8::10/64\n}",
  } satisfies LinesRow<VirtualAddressLine>,
  ...transportRows,
  ...virtualMacRows,
  ...trackingRows,
  ...garpInstanceRows,
  ...behaviourRows,
  ...notifyRows,
  notify_master_rx_lower_pri: lowerPriorityRow,
  ...virtualRoutingRows,
});

/** The name of a block. */
export const blockName = text("NAME", NAME_BYTES);

export const vrrpInstanceRow = {
  shape: "block",
  status: "implemented",
  reference: MAN,
  reload: "live",
  header: blockName,
  table: vrrpInstanceTable,
  doc: "A virtual router: which host holds its addresses is decided by VRRP.",
  example:
    "vrrp_instance PGRW {\n  interface eth0\n  virtual_router_id 1\n  virtual_ipaddress {\n    10.0.2.10/24\n  }\n}",
} as const satisfies BlockRow<string, typeof vrrpInstanceTable.rows>;
