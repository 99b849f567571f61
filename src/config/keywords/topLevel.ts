import { directiveRows } from "./directives.ts";
import { globalDefsTable } from "./globalDefs.ts";
import { flag } from "./kinds.ts";
import { type BlockRow, blockTable, MAN, notYetBlock, notYetRows } from "./row.ts";
import { virtualAddressOptions } from "./virtualIpaddress.ts";
import { lvsRows } from "./virtualServer.ts";
import { notifyRows, trackingRows, vrrpInstanceRow } from "./vrrpInstance.ts";

/** The blocks and keywords of the file's top level. */

const syncGroupTable = blockTable("vrrp_sync_group", {
  group: notYetBlock("Names of the instances.", blockTable("group", {})),
  ...trackingRows,
  ...notifyRows,
  ...notYetRows({
    global_tracking: "Tracking of one instance counts for all (deprecated).",
    sync_group_tracking_weight: "Members may have differing weights.",
  }),
});

const trackProcessTable = blockTable(
  "vrrp_track_process",
  notYetRows({
    process: "Process to watch.",
    param_match: "How parameters are compared.",
    weight: "Change of the priority.",
    quorum: "Least number of processes.",
    quorum_max: "Greatest number of processes.",
    fork_delay: "Delay until a new process counts.",
    terminate_delay: "Delay until a gone process counts.",
    delay: "Both delays.",
    full_command: "Compares the whole command line.",
  }),
);

const bfdInstanceTable = blockTable(
  "bfd_instance",
  notYetRows({
    neighbor_ip: ["Address of the neighbour.", "neighbour_ip"],
    source_ip: "Own address.",
    min_rx: "Least interval of receiving.",
    min_tx: "Least interval of sending.",
    idle_tx: "Interval of sending when idle.",
    multiplier: "Missed packets until the session is down.",
    passive: "Waits for the neighbour.",
    ttl: "TTL of packets.",
    hoplimit: "Hop limit of packets.",
    max_hops: "Greatest reduction of the TTL.",
    weight: "Change of the priority.",
    vrrp: "Tells the VRRP process only.",
    checker: "Tells the checker process only.",
  }),
);

const vrrpScriptTable = blockTable(
  "vrrp_script",
  notYetRows({
    script: "Script to run.",
    interval: "Time between runs.",
    timeout: "Time allowed for a run.",
    weight: "Change of the priority.",
    rise: "Successes until it counts as up.",
    fall: "Failures until it counts as down.",
    user: "User and group to run it as.",
    init_fail: "Begins as failed.",
  }),
);

const garpGroupTable = blockTable("garp_group", {
  ...notYetRows({
    garp_interval: "Pause between gratuitous ARP messages.",
    gna_interval: "Pause between neighbour advertisements.",
    interface: "Interface that the pauses are for.",
  }),
  interfaces: notYetBlock("Interfaces that share the pauses.", blockTable("interfaces", {})),
});

const trackFileTable = blockTable(
  "track_file",
  notYetRows({ file: "File to watch.", weight: "Factor of its value.", init_file: "Creates the file." }),
);

export const topLevelTable = blockTable("the top level", {
  global_defs: {
    shape: "block",
    status: "implemented",
    reference: MAN,
    reload: "live",
    header: flag,
    table: globalDefsTable,
    doc: "What holds for the whole daemon.",
    example: "global_defs {\n  router_id KAD1\n}",
  } satisfies BlockRow<true, typeof globalDefsTable.rows>,
  vrrp_instance: vrrpInstanceRow,
  ...lvsRows,
  vrrp_sync_group: notYetBlock("Instances that change state together.", syncGroupTable),
  vrrp_script: notYetBlock("A script whose result instances track.", vrrpScriptTable),
  vrrp_track_process: notYetBlock("A process whose presence instances track.", trackProcessTable),
  track_file: notYetBlock("A file whose value instances track.", trackFileTable, "vrrp_track_file"),
  track_group: notYetBlock(
    "Instances that track static addresses, routes and rules.",
    blockTable("track_group", { group: notYetBlock("Names of the instances.", blockTable("group", {})) }),
  ),
  bfd_instance: notYetBlock("A BFD session.", bfdInstanceTable),
  garp_group: notYetBlock("Pauses between gratuitous ARP messages by interface.", garpGroupTable),
  interface_up_down_delays: notYetBlock("Debouncing of link changes.", blockTable("interface_up_down_delays", {})),
  linkbeat_interfaces: notYetBlock(
    "Interfaces whose link state is polled.",
    blockTable(
      "linkbeat_interfaces",
      notYetRows({ MII: "Polls by MII.", ETHTOOL: "Polls by ethtool.", IOCTL: "Polls by ioctl." }),
    ),
  ),
  static_ipaddress: notYetBlock("Addresses that stay.", virtualAddressOptions),
  static_routes: notYetBlock("Routes that stay.", blockTable("static_routes", {})),
  static_rules: notYetBlock("Rules that stay.", blockTable("static_rules", {})),
  ...notYetRows({
    net_namespace: "Network namespace to run in.",
    net_namespace_ipvs: "Network namespace of IPVS.",
    namespace_with_ipsets: "ipsets in a namespace on old kernels.",
    instance: "Name of this instance in names of files.",
    use_pid_dir: "Where pid files are.",
    linkbeat_use_polling: "Polls link states.",
    child_wait_time: "Time allowed for child processes to end.",
  }),
  ...directiveRows,
});
