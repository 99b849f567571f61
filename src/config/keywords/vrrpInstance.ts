import { type DurationUs, seconds } from "../../core/units.ts";
import { choice, flag, integer, interfaceName, switchable, text, timer } from "./kinds.ts";
import { type BlockRow, blockTable, type LinesRow, MAN, notYetBlock, notYetRows, type ValueRow } from "./row.ts";
import { type VirtualAddressLine, virtualAddressLine, virtualAddressOptions } from "./virtualIpaddress.ts";

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** keepalived 2.2.7 refuses more: its timer has 32 bits of microseconds. */
const GARP_DELAY_MAX_SEC = 4294;
export const garpDelay = timer({ minSec: 0, maxSec: GARP_DELAY_MAX_SEC });
export const garpRepeat = integer({ min: 1, max: 1000, unit: "COUNT" });
export const garpRefresh = timer({ minSec: 0, maxSec: 86_400 });
/** Version 3 is refused by name; the words of both places. */
export const vrrpVersion = choice("VRRP version", [2], ["3"]);

/** RFC 3768 5.3.4: 255 is the priority of the router that owns the addresses. */
export const OWNER_PRIORITY = 255;
const ADVERT_INT_MAX_SEC = 255;

const NAME_BYTES = 255;

const authenticationTable = blockTable(
  "authentication",
  notYetRows({ auth_type: "PASS or AH.", auth_pass: "Password, eight characters." }),
);

const trackTable = (name: string) =>
  blockTable(name, notYetRows({ weight: "Change of the priority.", reverse: "Reverses the sense." }));

export const trackingRows = notYetRows({
  track_interface: notYetBlock("Interfaces whose state counts.", trackTable("track_interface")),
  track_script: notYetBlock("Scripts whose result counts.", trackTable("track_script")),
  track_file: notYetBlock("Files whose value counts.", trackTable("track_file")),
  track_process: notYetBlock("Processes whose presence counts.", trackTable("track_process")),
  track_bfd: notYetBlock("BFD sessions whose state counts.", trackTable("track_bfd")),
});

export const notifyRows = notYetRows({
  notify_master: "Script to run when becoming MASTER.",
  notify_backup: "Script to run when becoming BACKUP.",
  notify_fault: "Script to run when going to FAULT.",
  notify_stop: "Script to run at a stop.",
  notify_deleted: "Script to run when a reload removes the instance.",
  notify: "Script to run at every change of state.",
  notify_priority_changes: "Tells changes of the priority to the notify FIFOs.",
  smtp_alert: "Mail at changes of state.",
});

export const vrrpInstanceTable = blockTable("vrrp_instance", {
  state: {
    ...value,
    kind: choice("state", ["MASTER", "BACKUP"]),
    default: "BACKUP",
    reload: "live",
    doc: "The priority alone decides the beginning: 255 begins as MASTER, every other as BACKUP and waits three intervals and the skew time. As in keepalived, MASTER without a written priority means 255, and nopreempt does not count with MASTER.",
    example: "state BACKUP",
  } satisfies ValueRow<"MASTER" | "BACKUP">,
  interface: {
    ...value,
    kind: interfaceName,
    reload: "restart",
    doc: "Interface that adverts are sent and received on, and that carries the addresses without `dev`.",
    example: "interface eth0",
  } satisfies ValueRow<string>,
  virtual_router_id: {
    ...value,
    kind: integer({ min: 1, max: 255, unit: "VRID" }),
    reload: "restart",
    doc: "Number of the virtual router: the same on all its routers, different from other virtual routers on the interface.",
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
    doc: "Time between adverts; whole seconds in VRRP version 2. The same on all routers of the virtual router.",
    reference: "keepalived.conf(5), RFC 3768 5.3.7",
    example: "advert_int 1",
  } satisfies ValueRow<DurationUs>,
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
  virtual_ipaddress: {
    ...value,
    shape: "lines",
    line: virtualAddressLine,
    lineExample: "10.0.2.10/24 dev eth0 label eth0:1",
    lineTable: virtualAddressOptions,
    doc: "Addresses that the master holds, one a line; they are what adverts carry.",
    example: "virtual_ipaddress {\n  10.0.2.10/24 dev eth0 label eth0:1\n}",
  } satisfies LinesRow<VirtualAddressLine>,
  garp_master_delay: {
    ...value,
    kind: garpDelay,
    defaultFrom: "vrrp_garp_master_delay",
    doc: "Time from becoming MASTER to the second round of gratuitous ARP; 0 = no second round.",
    example: "garp_master_delay 5",
  } satisfies ValueRow<DurationUs>,
  garp_master_repeat: {
    ...value,
    kind: garpRepeat,
    defaultFrom: "vrrp_garp_master_repeat",
    doc: "Gratuitous ARP messages of a round for each address.",
    example: "garp_master_repeat 5",
  } satisfies ValueRow<number>,
  garp_master_refresh: {
    ...value,
    kind: garpRefresh,
    defaultFrom: "vrrp_garp_master_refresh",
    doc: "Interval of further gratuitous ARP while MASTER; 0 = none.",
    example: "garp_master_refresh 60",
  } satisfies ValueRow<DurationUs>,
  garp_master_refresh_repeat: {
    ...value,
    kind: garpRepeat,
    defaultFrom: "vrrp_garp_master_refresh_repeat",
    doc: "Gratuitous ARP messages of a refresh for each address.",
    example: "garp_master_refresh_repeat 2",
  } satisfies ValueRow<number>,
  version: {
    ...value,
    kind: vrrpVersion,
    defaultFrom: "vrrp_version",
    reload: "restart",
    doc: "Version of VRRP.",
    example: "version 2",
  } satisfies ValueRow<2>,
  strict_mode: {
    ...value,
    kind: switchable,
    defaultFrom: "vrrp_strict",
    doc: "Checks that the instance keeps to the protocol. Never packet-filter rules, unlike keepalived.",
    example: "strict_mode off",
  } satisfies ValueRow<boolean>,
  authentication: notYetBlock("Password in the adverts; removed from VRRP by RFC 3768.", authenticationTable),
  unicast_peer: notYetBlock(
    "Addresses to send adverts to instead of multicast.",
    blockTable("unicast_peer", notYetRows({ min_ttl: "Least TTL.", max_ttl: "Greatest TTL." })),
  ),
  virtual_ipaddress_excluded: notYetBlock("Addresses that adverts do not carry.", virtualAddressOptions),
  virtual_routes: notYetBlock("Routes of the master.", blockTable("virtual_routes", {})),
  virtual_rules: notYetBlock("Rules of the master.", blockTable("virtual_rules", {})),
  ...trackingRows,
  ...notifyRows,
  ...notYetRows({
    vrf: "VRF of a unicast instance without interface.",
    use_vmac: "Virtual MAC interface.",
    use_vmac_addr: "Virtual MAC interfaces for addresses on other devices.",
    vmac_xmit_base: "Adverts from the base interface.",
    use_ipvlan: "ipvlan interface.",
    native_ipv6: "Forces IPv6 (deprecated).",
    dont_track_primary: "Ignores faults of the interface.",
    mcast_src_ip: "Source address of adverts.",
    unicast_src_ip: "Source address of adverts.",
    mcast_dst_ip: "Multicast address of adverts.",
    track_src_ip: "Goes to FAULT without the source address.",
    check_unicast_src: "Checks the source of unicast adverts.",
    unicast_fault_no_peer: "Goes to FAULT without unicast peers.",
    unicast_ttl: "TTL of unicast adverts.",
    old_unicast_checksum: "Checksum of keepalived before 1.3.7.",
    garp_lower_prio_delay: "Delay of the second round after a lower priority was heard.",
    garp_lower_prio_repeat: "Messages after a lower priority was heard.",
    garp_extra_if: "Repeats on other interfaces of the addresses.",
    down_timer_adverts: "Intervals until the master counts as down.",
    lower_prio_no_advert: "Does not answer a lower priority with an advert.",
    higher_prio_send_advert: "Answers a higher priority with an advert.",
    promote_secondaries: "Sets promote_secondaries on the interface.",
    accept: "Accepts packets to the addresses. holdfast always does.",
    no_accept: "Drops packets to the addresses.",
    preempt_delay: "Delay of a preemption.",
    skip_check_adv_addr: "Skips the check of the addresses in adverts.",
    debug: "Debug level.",
    notify_master_rx_lower_pri: "Script to run when a master hears a lower priority.",
    kernel_rx_buf_size: "Receive buffer of the socket.",
    linkbeat_use_polling: "Polls the link state.",
  }),
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
