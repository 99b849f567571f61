/**
 * For each keyword of the VRRP half that is implemented: the tests that show it acting, as `file: words of the title` (or,
 * for a table, of its row). keywordProofs.test.ts holds it against the keyword tables and the files.
 */
export type Proofs = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

const ACTS = "unit/vrrpKeywords.test.ts";
const KERNEL = "netns/keywordsInKernel.test.ts";
const STATICS = "unit/vrrpStatics.test.ts";
const VALUES = "unit/config/vrrpValues.test.ts";
const ELECTIONS = "interop/elections.test.ts: election, resignation, return and death";
const SCRIPTS = "netns/daemonNotify.test.ts: every transition starts its script and `notify`, in order";
const OWN_SCRIPT = "unit/notifier.test.ts: the state's own, then notify with keepalived's four words";
const STOPS = "unit/notifier.test.ts: at the end it is STOP";
const DELETED = "unit/notifier.test.ts: removed by a reload, notify_deleted written";
const MAIL = "netns/daemonNotify.test.ts: FIFO and mail tell the same, in keepalived's words";
const FIFO = "unit/notifier.test.ts: keepalived's lines, in order, groups with priority 0";
const READER = "unit/notifier.test.ts: the script that reads it gets its name last";
const PROCESSES = "unit/trackers.test.ts: processes: quorum, and delays that a quick restart does not outlast";
const GROUP = "interop/groups.test.ts: a sync group moves as one";
const MERGED = `${VALUES}: give their trackers to all members`;
const LINKBEAT = "unit/vrrpLinkbeat.test.ts: a driver that says what the kernel was never told";
const STATIC_ROUTES = "netns/virtualRoutes.test.ts: come with the master, are put back when others delete them";
const ADDRESS_OPTIONS = `${KERNEL}: static_ipaddress and virtual_ipaddress: label, scope, brd, peer, home, mngtmpaddr, noprefixroute, autojoin, preferred_lft`;
const PEERS = "interop/options.test.ts: unicast_ttl, min_ttl and max_ttl: outside of the range is no peer";
const PASSWORD = "interop/options.test.ts: PASS: another password, or none, is no peer";
const WEIGHT = "unit/vrrpTracking.test.ts: what %s do";

const acts = (...keywords: readonly string[]): Record<string, string> =>
  Object.fromEntries(keywords.map((keyword) => [keyword, `${ACTS}: ${keyword}`]));
/** A line of the table has it, and what iproute2 shows of it stands beside. */
const inKernel = (keywords: string): Record<string, string> =>
  Object.fromEntries(keywords.split(" ").map((keyword) => [keyword, `${KERNEL}: ${keyword}`]));

const ADDRESS_LINE = {
  dev: `${STATICS}: static_ipaddress on default_interface, and on one that comes late`,
  ...Object.fromEntries(
    ["label", "scope", "brd", "peer", "home", "mngtmpaddr", "noprefixroute", "autojoin", "preferred_lft"].map(
      (keyword) => [keyword, ADDRESS_OPTIONS],
    ),
  ),
};
const ROUTE_LINE = {
  ...inKernel(
    "to unicast local broadcast multicast throw unreachable prohibit blackhole inet inet6 via or dev onlink src from table protocol scope metric realms expires pref",
  ),
  ...inKernel(
    "mtu window rtt rttvar ssthresh cwnd advmss reordering hoplimit initcwnd rto_min initrwnd quickack fastopen_no_cookie features congctl nexthop",
  ),
  tos: `${KERNEL}: dsfield 0x10`,
  append: "netns/hostRouting.test.ts: a route that others added is found behind ours by `append` only",
  no_track: "unit/vrrpRouting.test.ts: no_track: what others remove stays away until the next term",
};
const RULE_LINE = {
  ...inKernel(
    "from to not inet inet6 iif oif tos fwmark uidrange ipproto sport dport tun_id table goto l3mdev nop blackhole unreachable prohibit preference realms suppress_prefixlength suppress_ifgroup protocol",
  ),
  no_track: "unit/vrrpRouting.test.ts: no_track: what others remove stays away until the next term",
};
const NOTIFICATIONS = {
  notify_master: [SCRIPTS, OWN_SCRIPT],
  notify_backup: [SCRIPTS, OWN_SCRIPT],
  notify_fault: [SCRIPTS, OWN_SCRIPT],
  notify_stop: STOPS,
  notify: [SCRIPTS, OWN_SCRIPT],
  notify_deleted: ["netns/daemonNotify.test.ts: an instance that a reload removes is told as DELETED", DELETED],
  notify_priority_changes: "unit/notifier.test.ts: changes of priority only where they are asked for",
  smtp_alert: MAIL,
};
const STATIC_GROUP = `${STATICS}: track_group: an instance of the group is in FAULT while a static address is missing`;

export const PROOFS: Proofs = {
  "the top level": {
    global_defs: ELECTIONS,
    vrrp_instance: ELECTIONS,
    vrrp_sync_group: GROUP,
    track_group: STATIC_GROUP,
    vrrp_script: "netns/daemonNotify.test.ts: a tracked script: its failure is FAULT with its name",
    vrrp_track_process: "netns/daemonNotify.test.ts: a tracked file changes the priority, a tracked process too",
    track_file: "interop/groups.test.ts: a tracked file's number moves the mastership, and back",
    static_ipaddress: `${STATICS}: static_ipaddress: there from the start, put back when somebody deletes it`,
    static_routes: STATIC_ROUTES,
    static_rules: STATIC_ROUTES,
    garp_group: `${ACTS}: garp_group`,
    interface_up_down_delays: `${ACTS}: interface_up_down_delays: a change counts after it has lasted`,
    linkbeat_interfaces: [LINKBEAT, "netns/driverLinks.test.ts: a veth has a link while its other end is up"],
    linkbeat_use_polling: [LINKBEAT, `${VALUES}: polls the links of one instance or of all`],
  },
  global_defs: {
    router_id: MAIL,
    vrrp_strict: `${ACTS}: vrrp_strict`,
    vrrp_version: `${ACTS}: ["vrrp_version"`,
    ...acts("vrrp_mcast_group4", "vrrp_mcast_group6", "vrrp_startup_delay", "log_unknown_vrids"),
    default_interface: `${STATICS}: static_ipaddress on default_interface`,
    vrrp_down_timer_adverts: `${ACTS}: bothWays("down_timer_adverts"`,
    vrrp_lower_prio_no_advert: `${ACTS}: bothWays("lower_prio_no_advert"`,
    vrrp_higher_prio_send_advert: `${ACTS}: bothWays("higher_prio_send_advert"`,
    vrrp_skip_check_adv_addr: `${ACTS}: bothWays("skip_check_adv_addr"`,
    vrrp_check_unicast_src: [
      `${VALUES}: a TTL of a peer turns the check of the source on`,
      "interop/options.test.ts: check_unicast_src: who is no configured peer is not heard",
    ],
    vrrp_notify_priority_changes: [
      `${VALUES}: vrrp_notify_priority_changes`,
      "unit/notifier.test.ts: changes of priority only where they are asked for",
    ],
    ...acts("vmac_prefix", "vmac_addr_prefix"),
    vrrp_rt_priority: `${KERNEL}: vrrp_rt_priority: the VRRP thread has it`,
    vrrp_garp_master_delay: `${ACTS}: bothWays("garp_master_delay"`,
    vrrp_garp_master_repeat: `${ACTS}: bothWays("garp_master_repeat"`,
    vrrp_garp_master_refresh: `${ACTS}: bothWays("garp_master_refresh"`,
    vrrp_garp_master_refresh_repeat: `${ACTS}: bothWays("garp_master_refresh_repeat"`,
    vrrp_garp_lower_prio_delay: `${ACTS}: bothWays("garp_lower_prio_delay"`,
    vrrp_garp_lower_prio_repeat: `${ACTS}: bothWays("garp_lower_prio_repeat"`,
    vrrp_garp_extra_if: `${ACTS}: bothWays("garp_extra_if"`,
    ...acts("vrrp_garp_interval", "vrrp_gna_interval", "vrrp_min_garp"),
    enable_script_security: "netns/scripts.test.ts: enable_script_security: what others may write does not run as root",
    script_user: SCRIPTS,
    startup_script: "unit/daemon.test.ts: startup_script comes before everything",
    startup_script_timeout: [
      `${VALUES}: scripts of the daemon have their times`,
      "netns/scripts.test.ts: a run that takes too long is told at once and killed with its children",
    ],
    shutdown_script: "unit/daemon.test.ts: at the end notifications, then shutdown_script, behind our rows",
    shutdown_script_timeout: [
      `${VALUES}: scripts of the daemon have their times`,
      "netns/scripts.test.ts: a run that takes too long is told at once and killed with its children",
    ],
    notify_fifo: FIFO,
    notify_fifo_script: READER,
    vrrp_notify_fifo: MAIL,
    vrrp_notify_fifo_script: READER,
    fifo_write_vrrp_states_on_reload:
      "unit/notifier.test.ts: states are written again at a reload where that is asked for",
    notification_email: MAIL,
    notification_email_from: MAIL,
    smtp_server: MAIL,
    smtp_helo_name: [`${VALUES}: go by mail`, "netns/notifySinks.test.ts: with the name that was configured"],
    smtp_connect_timeout: [`${VALUES}: go by mail`, "netns/notifySinks.test.ts: is a failure in bounded time"],
    smtp_alert: MAIL,
    smtp_alert_vrrp: `${VALUES}: mail is asked for by`,
    no_email_faults: "unit/notifier.test.ts: no_email_faults",
  },
  vrrp_instance: {
    state: `${ACTS}: state: MASTER without a priority is the owner's, 255`,
    interface: "unit/vrrpDriver.test.ts: a missing interface is a FAULT at the start, and recovers when it appears",
    virtual_router_id: "unit/vrrpDriver.test.ts: counts what is not acted on, by reason",
    priority: ELECTIONS,
    advert_int: "interop/preemption.test.ts: a BACKUP of another interval learns the MASTER's",
    down_timer_adverts: `${ACTS}: bothWays("down_timer_adverts"`,
    nopreempt: [
      `${ACTS}: ["nopreempt", "BACKUP"]`,
      "interop/preemption.test.ts: nopreempt: waits beside a lower priority",
    ],
    preempt: `${ACTS}: ["preempt", "MASTER"]`,
    preempt_delay: [`${ACTS}: preempt_delay`, "interop/preemption.test.ts: preempt_delay: first so long beside"],
    version: `${ACTS}: ["version"`,
    native_ipv6: `${ACTS}: native_ipv6: listens to IPv6`,
    virtual_ipaddress: "unit/vrrpDriver.test.ts: sends the advert, then adds the lease, then announces",
    virtual_ipaddress_excluded: "interop/options.test.ts: excluded addresses come and go with the state",
    mcast_src_ip: `${ACTS}: ["mcast_src_ip"`,
    unicast_src_ip: ELECTIONS,
    mcast_dst_ip: "interop/options.test.ts: mcast_dst_ip: a group of its own",
    track_src_ip:
      "unit/vrrpLeases.test.ts: is the configured source where the host has it; else the interface's, or a fault",
    check_unicast_src: "interop/options.test.ts: check_unicast_src: who is no configured peer is not heard",
    unicast_peer: ELECTIONS,
    unicast_fault_no_peer: [
      "scenario/vrrp/unicast-without-peer.txt: link=no-peer",
      "unit/vrrpLeases.test.ts: a unicast instance without peers has nobody to talk to",
    ],
    unicast_ttl: PEERS,
    authentication: PASSWORD,
    v3_checksum: "interop/options.test.ts: v3_checksum without_pseudo_header: heard by holdfast, refused by keepalived",
    use_vmac: "interop/virtualMac.test.ts: one address on the wire, whoever is MASTER",
    use_vmac_addr: `${ACTS}: ["use_vmac_addr"`,
    vmac_xmit_base: "interop/virtualMac.test.ts: IPv4 with a name and vmac_xmit_base",
    use_ipvlan: [
      `${ACTS}: use_ipvlan: the addresses and the adverts are on a device`,
      "guest/ipvlan.test.ts: adverts leave from its own address",
    ],
    track_interface: "interop/groups.test.ts: a tracked interface's weight moves the mastership, and back",
    track_script: "interop/groups.test.ts: a tracked script's weight moves the mastership, and back",
    track_file: "interop/groups.test.ts: a tracked file's number moves the mastership, and back",
    track_process: "netns/daemonNotify.test.ts: a tracked file changes the priority, a tracked process too",
    garp_master_delay: `${ACTS}: bothWays("garp_master_delay"`,
    garp_master_repeat: `${ACTS}: bothWays("garp_master_repeat"`,
    garp_master_refresh: `${ACTS}: bothWays("garp_master_refresh"`,
    garp_master_refresh_repeat: `${ACTS}: bothWays("garp_master_refresh_repeat"`,
    garp_lower_prio_delay: `${ACTS}: bothWays("garp_lower_prio_delay"`,
    garp_lower_prio_repeat: `${ACTS}: bothWays("garp_lower_prio_repeat"`,
    garp_extra_if: `${ACTS}: bothWays("garp_extra_if"`,
    vip_lease: [
      "unit/vrrpDriver.test.ts: vip_lease off: sets addresses that outlive it",
      "netns/vrrpWorker.test.ts: vip_lease off",
    ],
    dont_track_primary: `${ACTS}: dont_track_primary: the interface being down is no fault`,
    promote_secondaries: "unit/vrrpBorrowedSettings.test.ts: promote_secondaries is given back at the end",
    strict_mode: `${VALUES}: does not answer lower priorities in strict mode`,
    skip_check_adv_addr: `${ACTS}: bothWays("skip_check_adv_addr"`,
    lower_prio_no_advert: `${ACTS}: bothWays("lower_prio_no_advert"`,
    higher_prio_send_advert: [
      `${ACTS}: bothWays("higher_prio_send_advert"`,
      "interop/preemption.test.ts: higher_prio_send_advert: whoever yields says so once more",
    ],
    debug: `${ACTS}: debug %i: what is ignored, and every input, is logged`,
    linkbeat_use_polling: [LINKBEAT, `${VALUES}: polls the links of one instance or of all`],
    ...NOTIFICATIONS,
    notify_master_rx_lower_pri: "unit/notifier.test.ts: a lower priority heard by a MASTER runs its own script alone",
    virtual_routes: STATIC_ROUTES,
    virtual_rules: STATIC_ROUTES,
  },
  "a virtual_ipaddress line": {
    ...ADDRESS_LINE,
    dev: `${ACTS}: 10.0.3.10 dev eth1`,
    no_track: `${ACTS}: no_track: an address that somebody deletes stays away until the next term`,
    use_vmac: `${ACTS}: ["use_vmac of one address"`,
  },
  "a unicast_peer line": { min_ttl: PEERS, max_ttl: PEERS },
  authentication: { auth_type: PASSWORD, auth_pass: PASSWORD },
  "a track_interface line": { weight: WEIGHT },
  "a track_script line": { weight: WEIGHT },
  "a track_file line": { weight: "unit/vrrpTracking.test.ts: what files do" },
  "a track_process line": { weight: WEIGHT },
  "a virtual_routes line": ROUTE_LINE,
  "a virtual_rules line": RULE_LINE,
  vrrp_sync_group: {
    group: GROUP,
    track_interface: MERGED,
    track_script: MERGED,
    track_file: MERGED,
    track_process: MERGED,
    ...NOTIFICATIONS,
    notify_stop: STOPS,
    global_tracking: `${VALUES}: share the members' trackers with global_tracking`,
    sync_group_tracking_weight: `${VALUES}: let weights of members count with sync_group_tracking_weight`,
  },
  track_group: { group: STATIC_GROUP },
  vrrp_script: {
    script: "netns/daemonNotify.test.ts: a tracked script: its failure is FAULT with its name",
    interval: "unit/trackers.test.ts: a script runs at once and then every interval",
    timeout: "unit/trackers.test.ts: a timeout is a failure when it happens",
    weight: "interop/groups.test.ts: a tracked script's weight moves the mastership, and back",
    rise: "unit/trackerKeywords.test.ts: rise",
    fall: "unit/trackers.test.ts: the first at once, then after fall failures",
    user: "netns/scripts.test.ts: as another user: its groups, no capabilities",
    init_fail: "unit/trackers.test.ts: init_fail is down before the first run",
  },
  vrrp_track_process: {
    process: "netns/daemonNotify.test.ts: a tracked file changes the priority, a tracked process too",
    param_match: "unit/trackerKeywords.test.ts: param_match partial",
    weight: WEIGHT,
    quorum: [PROCESSES, "unit/trackRules.test.ts: quorum %j, at most %j: %j running"],
    quorum_max: "unit/trackRules.test.ts: quorum %j, at most %j: %j running",
    fork_delay: PROCESSES,
    terminate_delay: PROCESSES,
    delay: "unit/trackerKeywords.test.ts: delay",
    full_command: "unit/trackers.test.ts: command lines are read only where something needs them",
  },
  track_file: {
    file: "netns/trackSources.test.ts: a watched file: written, replaced, removed",
    weight: "interop/groups.test.ts: a tracked file's number moves the mastership, and back",
    init_file: "netns/trackSources.test.ts: init_file: created when it is not there",
  },
  "a static_ipaddress line": {
    ...ADDRESS_LINE,
    no_track: `${STATICS}: no_track: a static address that somebody deletes stays away`,
    track_group: STATIC_GROUP,
  },
  "a static_routes line": { ...ROUTE_LINE, track_group: `${STATICS}: track_group: a static route` },
  "a static_rules line": { ...RULE_LINE, track_group: `${STATICS}: track_group: a static rule` },
  garp_group: acts("garp_interval", "gna_interval", "interface", "interfaces"),
};

/** Of the rows of notifications and mail in global_defs: those of services. */
export const ELSEWHERE: ReadonlySet<string> = new Set([
  ...["smtp_alert_checker", "rs_init_notifies", "lvs_notify_fifo", "lvs_notify_fifo_script"],
]);
