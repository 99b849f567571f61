import { ok } from "../../core/result.ts";
import { choice, flag, integer, invalid, switchable, text } from "./kinds.ts";
import { leftOutRows, MAN, type ValueKind, type ValueRow } from "./row.ts";
import { BFD_REASON } from "./tracking.ts";

/** `global_defs`: keywords about keepalived's own processes and about what holdfast leaves to others, each with its reason. */

const noEffect = { shape: "value", status: "noEffect", reference: MAN, reload: "none" } as const;

const BUFFER_REASON =
  "the buffers are needed where netlink overruns are lost; holdfast reads everything again after an overrun";
const byteCount = integer({ min: 0, max: 2_147_483_647, unit: "BYTES" });
const buffer = (keyword: string) =>
  ({
    ...noEffect,
    reason: BUFFER_REASON,
    kind: byteCount,
    doc: "Netlink buffer size.",
    example: `${keyword} 1048576`,
  }) as const satisfies ValueRow<number>;
const bufferForce = (keyword: string) =>
  ({
    ...noEffect,
    reason: BUFFER_REASON,
    kind: switchable,
    doc: "Netlink buffer size by force.",
    example: `${keyword} on`,
  }) as const satisfies ValueRow<boolean>;

const maximumAutoPriority: ValueKind<number> = {
  ...integer({ min: -1, max: 99, unit: "PRIORITY" }),
  syntax: "[<PRIORITY -1..99>]",
  minimumWords: 0,
  parse: (words) => (words.length === 0 ? ok(99) : integer({ min: -1, max: 99, unit: "PRIORITY" }).parse(words)),
};

const reloadCheck: ValueKind<true> = {
  ...flag,
  maximumWords: 1,
  parse: ([word]) =>
    word === undefined
      ? ok(true)
      : invalid(
          word,
          "is a log file, which holdfast does not write",
          "remove it: the findings are in the daemon's log",
        ),
};

const dynamicInterfaces: ValueKind<"allow_if_changes" | undefined> = {
  syntax: "[allow_if_changes]",
  minimumWords: 0,
  maximumWords: 1,
  parse: (words) => (words.length === 0 ? ok(undefined) : choice("option", ["allow_if_changes"]).parse(words)),
  format: (value) => value ?? "",
};

const noEffectRows = {
  process_names: {
    ...noEffect,
    reason: "it asks for the default names, and holdfast's only process always has its own",
    kind: flag,
    doc: "Default names of the processes.",
    example: "process_names",
  } satisfies ValueRow<true>,
  dynamic_interfaces: {
    ...noEffect,
    reason: "interfaces that come later, go, or change are always allowed",
    kind: dynamicInterfaces,
    doc: "Allows interfaces that do not exist yet.",
    example: "dynamic_interfaces allow_if_changes",
  } satisfies ValueRow<"allow_if_changes" | undefined>,
  reload_check_config: {
    ...noEffect,
    reason: "a reload always checks the new configuration first and keeps the old one where it is wrong",
    kind: reloadCheck,
    doc: "Checks a configuration before a reload.",
    example: "reload_check_config",
  } satisfies ValueRow<true>,
  vrrp_no_swap: {
    ...noEffect,
    reason: "the systemd unit forbids swap for the whole daemon",
    kind: flag,
    doc: "Locks the VRRP process in memory.",
    example: "vrrp_no_swap",
  } satisfies ValueRow<true>,
  checker_no_swap: {
    ...noEffect,
    reason: "the systemd unit forbids swap for the whole daemon",
    kind: flag,
    doc: "Locks the checker process in memory.",
    example: "checker_no_swap",
  } satisfies ValueRow<true>,
  vrrp_priority: {
    ...noEffect,
    reason: "the VRRP thread has real-time scheduling (vrrp_rt_priority), which comes before every niceness",
    kind: integer({ min: -20, max: 19, unit: "NICENESS" }),
    doc: "Niceness of the VRRP process.",
    example: "vrrp_priority -20",
  } satisfies ValueRow<number>,
  max_auto_priority: {
    ...noEffect,
    reason: "the VRRP thread has real-time scheduling from its start, so that it need not be raised when it is late",
    kind: maximumAutoPriority,
    doc: "Greatest priority of a process that is late.",
    example: "max_auto_priority 99",
  } satisfies ValueRow<number>,
  min_auto_priority_delay: {
    ...noEffect,
    reason: "the VRRP thread has real-time scheduling from its start, so that it need not be raised when it is late",
    kind: integer({ min: 1, max: 10_000_000, unit: "MICROSECONDS" }),
    doc: "Lateness from which the priority is raised.",
    example: "min_auto_priority_delay 1000000",
  } satisfies ValueRow<number>,
  tmp_config_directory: {
    ...noEffect,
    reason: "the file is read once by the one process, so that no copy is needed",
    kind: { ...flag, syntax: "<DIRECTORY>", minimumWords: 1, maximumWords: 1 },
    doc: "Where the configuration is copied to while it is read.",
    example: "tmp_config_directory /var/tmp",
  } satisfies ValueRow<true>,
  vrrp_netlink_cmd_rcv_bufs: buffer("vrrp_netlink_cmd_rcv_bufs"),
  vrrp_netlink_cmd_rcv_bufs_force: bufferForce("vrrp_netlink_cmd_rcv_bufs_force"),
  vrrp_netlink_monitor_rcv_bufs: buffer("vrrp_netlink_monitor_rcv_bufs"),
  vrrp_netlink_monitor_rcv_bufs_force: bufferForce("vrrp_netlink_monitor_rcv_bufs_force"),
  lvs_netlink_cmd_rcv_bufs: buffer("lvs_netlink_cmd_rcv_bufs"),
  lvs_netlink_cmd_rcv_bufs_force: bufferForce("lvs_netlink_cmd_rcv_bufs_force"),
  lvs_netlink_monitor_rcv_bufs: buffer("lvs_netlink_monitor_rcv_bufs"),
  lvs_netlink_monitor_rcv_bufs_force: bufferForce("lvs_netlink_monitor_rcv_bufs_force"),
  process_monitor_rcv_bufs: buffer("process_monitor_rcv_bufs"),
  process_monitor_rcv_bufs_force: bufferForce("process_monitor_rcv_bufs_force"),
  no_checker_emails: {
    ...noEffect,
    reason: "mail is sent when a server changes, and never for each of its checks",
    kind: flag,
    doc: "No mail for every change of a check, only when a server is added or removed.",
    example: "no_checker_emails",
  } satisfies ValueRow<true>,
} as const;

const FILTER = {
  reason: "holdfast never touches the packet filter",
  remedy: "remove it; rules that are wanted belong into the host's own packet filter",
} as const;
const SNMP = {
  reason: "holdfast has no SNMP agent; its states and counters are metrics for Prometheus",
  remedy: "remove it, and read the metrics or `holdfast status --json`",
} as const;
const DBUS = {
  reason: "holdfast has no D-Bus interface; its control socket answers `holdfast status --json`",
  remedy: "remove it, and use the control socket, a notify script or a FIFO",
} as const;
const PROCESS_NAME = {
  reason: "holdfast is one process, and its name says what it is",
  remedy: "remove it; who watches processes finds `holdfast`",
} as const;
const UNIT = "remove it, and set it in the systemd unit: ";
const CHECKS_RUN_INSIDE = {
  reason: "checks run in the main thread of holdfast's only process; systemd sets what holds for it",
} as const;
const GROUP_BY_MARK = {
  reason:
    "holdfast never touches the packet filter; a group's addresses are services of their own, which cost little here",
  remedy:
    "remove it; where thousands of addresses share servers, mark them in the host's own packet filter and write virtual_server fwmark",
} as const;
const RX_BUFFERS = {
  reason: "the VRRP thread does nothing else than read its sockets, and the kernel's default holds hundreds of adverts",
  remedy: "remove it",
} as const;
const DUMPS = {
  reason: "holdfast writes no dump files",
  remedy: "remove it; `holdfast status --json` and `holdfast record` show the same at any time",
} as const;
const RELOAD = {
  reason: "a reload is asked for by whoever changed the file, at the time that is wanted",
  remedy: "remove it; run `systemctl reload holdfast` from a timer (systemd-run --on-calendar=...)",
} as const;

const leftOut = leftOutRows({
  config_save_dir: { ...DUMPS, doc: "Where configurations are kept for debugging." },
  process_name: { ...PROCESS_NAME, doc: "Name of the main process." },
  vrrp_process_name: { ...PROCESS_NAME, doc: "Name of the VRRP process." },
  checker_process_name: { ...PROCESS_NAME, doc: "Name of the checker process." },
  bfd_process_name: { ...PROCESS_NAME, doc: "Name of the BFD process." },
  nftables: { ...FILTER, doc: "Packet filter by nftables." },
  nftables_priority: { ...FILTER, doc: "Priority of the nftables chains." },
  nftables_counters: { ...FILTER, doc: "Counters in the nftables rules." },
  nftables_ifindex: { ...FILTER, doc: "Interface numbers in the nftables sets." },
  vrrp_iptables: { ...FILTER, doc: "Packet filter by iptables." },
  vrrp_ipsets: { ...FILTER, doc: "Names of ipsets." },
  disable_local_igmp: {
    doc: "Switches IGMP reports for link-local groups off.",
    reason: "it is a setting of the whole host that outlives the daemon",
    remedy: "remove it; write net.ipv4.igmp_link_local_mcast_reports = 0 into /etc/sysctl.d where it is wanted",
  },
  vrrp_cpu_affinity: {
    doc: "Processors of the VRRP process.",
    reason: "systemd binds the daemon to processors",
    remedy: `${UNIT}CPUAffinity=`,
  },
  vrrp_rlimit_rttime: {
    doc: "Limit of real-time processor use of VRRP.",
    reason:
      "the kernel would kill the whole daemon; its guard notices a VRRP loop that hangs, and releases the addresses too",
    remedy: "remove it",
  },
  umask: { doc: "Permissions of files that are made.", reason: "systemd sets it", remedy: `${UNIT}UMask=` },
  snmp_socket: { ...SNMP, doc: "Socket of the SNMP agent." },
  enable_snmp_vrrp: { ...SNMP, doc: "SNMP for VRRP." },
  enable_snmp_checker: { ...SNMP, doc: "SNMP for checkers." },
  enable_snmp_rfc: { ...SNMP, doc: "SNMP by RFC 2787 and RFC 6527." },
  enable_snmp_rfcv2: { ...SNMP, doc: "SNMP by RFC 2787." },
  enable_snmp_rfcv3: { ...SNMP, doc: "SNMP by RFC 6527." },
  enable_traps: { ...SNMP, doc: "SNMP traps." },
  enable_dbus: { ...DBUS, doc: "D-Bus interface." },
  dbus_service_name: { ...DBUS, doc: "Name on D-Bus." },
  nftables_ipvs: { ...GROUP_BY_MARK, doc: "nftables for virtual server groups." },
  nftables_ipvs_priority: { ...GROUP_BY_MARK, doc: "Priority of its chains." },
  nftables_ipvs_start_fwmark: { ...GROUP_BY_MARK, doc: "First firewall mark of virtual server groups." },
  checker_priority: { ...CHECKS_RUN_INSIDE, doc: "Niceness of the checker process.", remedy: `${UNIT}Nice=` },
  checker_cpu_affinity: {
    ...CHECKS_RUN_INSIDE,
    doc: "Processors of the checker process.",
    remedy: `${UNIT}CPUAffinity=`,
  },
  checker_rt_priority: {
    doc: "Real-time priority of the checker process.",
    reason:
      "only adverts are worth more than everything else on the host; checks with real-time priority would delay them",
    remedy: "remove it",
  },
  checker_rlimit_rttime: {
    doc: "Limit of real-time processor use of checkers.",
    reason: "checks have no real-time priority",
    remedy: "remove it",
  },
  bfd_priority: { ...BFD_REASON, doc: "Niceness of the BFD process." },
  bfd_no_swap: { ...BFD_REASON, doc: "Locks the BFD process in memory." },
  bfd_cpu_affinity: { ...BFD_REASON, doc: "Processors of the BFD process." },
  bfd_rt_priority: { ...BFD_REASON, doc: "Real-time priority of the BFD process." },
  bfd_rlimit_rttime: { ...BFD_REASON, doc: "Limit of real-time processor use of BFD." },
  vrrp_rx_bufs_policy: { ...RX_BUFFERS, doc: "Receive buffers of VRRP sockets." },
  vrrp_rx_bufs_multiplier: { ...RX_BUFFERS, doc: "Receive buffers of VRRP sockets." },
  reload_time_file: { ...RELOAD, doc: "File that tells the time of a reload." },
  reload_repeat: { ...RELOAD, doc: "Repeats the reload every day." },
  reload_file: {
    doc: "File that exists while the configuration is read.",
    reason: "the file is read in one go, so that there is no time in which it must not change",
    remedy: "remove it; write the new configuration beside the file and rename it over it",
  },
  random_seed: {
    doc: "Seed of the random parameter.",
    reason:
      "the parameter _RANDOM is left out: every reload, and every host, would have another configuration than was checked",
    remedy: "remove it, and write the numbers",
  },
  data_use_instance: { ...DUMPS, doc: "Names of dump files." },
});

const implemented = {
  checker_log_all_failures: {
    shape: "value",
    status: "implemented",
    reference: MAN,
    reload: "live",
    kind: switchable,
    default: false,
    doc: "Tells each failure of a check of a server that is up, where the check does not say so itself (`log_all_failures`).",
    example: "checker_log_all_failures",
  },
  include_check: {
    shape: "value",
    status: "implemented",
    reference: MAN,
    reload: "live",
    kind: {
      ...text("OPTIONS", 255),
      syntax: "[+|-][readable|match|wildcard_match|brace_match] ...",
      minimumWords: 0,
      maximumWords: 8,
    },
    doc: "What is an error of the include lines behind it, in this file and those that it includes; without options everything. A file that cannot be read always is.",
    example: "include_check +match",
  },
} as const satisfies Readonly<Record<string, ValueRow<boolean> | ValueRow<string>>>;

export const globalElsewhereRows = { ...noEffectRows, ...leftOut, ...implemented } as const;
