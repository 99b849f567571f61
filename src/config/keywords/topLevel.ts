import { ok } from "../../core/result.ts";
import { directiveRows } from "./directives.ts";
import { globalDefsTable } from "./globalDefs.ts";
import { interfaceRows } from "./interfaces.ts";
import { flag, invalid, oneWord } from "./kinds.ts";
import { staticRoutingRows } from "./routing.ts";
import { type BlockRow, blockTable, type LinesRow, leftOutRows, MAN, type ValueKind, type ValueRow } from "./row.ts";
import { syncGroupRow, trackGroupRow } from "./syncGroup.ts";
import { BFD_REASON, trackFileTable, trackProcessTable, vrrpScriptTable } from "./tracking.ts";
import { staticAddressLine, staticAddressOptions, type VirtualAddressLine } from "./virtualIpaddress.ts";
import { lvsRows } from "./virtualServer.ts";
import { blockName, vrrpInstanceRow } from "./vrrpInstance.ts";

/** The blocks and keywords of the file's top level. */

const bfd = (doc: string, ...aliases: string[]) => ({ ...BFD_REASON, doc, ...(aliases.length > 0 ? { aliases } : {}) });

const bfdInstanceTable = blockTable(
  "bfd_instance",
  leftOutRows({
    neighbor_ip: bfd("Address of the neighbour.", "neighbour_ip"),
    source_ip: bfd("Own address."),
    min_rx: bfd("Least interval of receiving."),
    min_tx: bfd("Least interval of sending."),
    idle_tx: bfd("Interval of sending when idle."),
    multiplier: bfd("Missed packets until the session is down."),
    passive: bfd("Waits for the neighbour."),
    ttl: bfd("TTL of packets."),
    hoplimit: bfd("Hop limit of packets."),
    max_hops: bfd("Greatest reduction of the TTL."),
    weight: bfd("Change of the priority."),
    vrrp: bfd("Tells the VRRP process only."),
    checker: bfd("Tells the checker process only."),
  }),
);

const block = { shape: "block", status: "implemented", reference: MAN, reload: "live" } as const;

const trackerRows = {
  vrrp_script: {
    ...block,
    header: blockName,
    table: vrrpScriptTable,
    doc: "A script that is run again and again, and whose result instances track.",
    example: 'vrrp_script check_app {\n  script "/usr/local/bin/check.sh 5432"\n  interval 2\n}',
  } satisfies BlockRow<string, typeof vrrpScriptTable.rows>,
  vrrp_track_process: {
    ...block,
    header: blockName,
    table: trackProcessTable,
    doc: "A process whose presence instances track.",
    example: "vrrp_track_process haproxy {\n  process haproxy\n}",
  } satisfies BlockRow<string, typeof trackProcessTable.rows>,
  track_file: {
    ...block,
    aliases: ["vrrp_track_file"],
    header: blockName,
    table: trackFileTable,
    doc: "A file whose value instances track.",
    example: "track_file maintenance {\n  file /run/holdfast/maintenance\n  weight -1\n}",
  } satisfies BlockRow<string, typeof trackFileTable.rows>,
} as const;

const staticRows = {
  static_ipaddress: {
    shape: "lines",
    status: "implemented",
    reference: MAN,
    reload: "live",
    line: staticAddressLine,
    lineTable: staticAddressOptions,
    lineExample: "192.168.1.1/24 dev eth0",
    doc: "Addresses that are added at the start and stay on the host.",
    example: "static_ipaddress {\n  192.168.1.1/24 dev eth0\n}",
  } satisfies LinesRow<VirtualAddressLine>,
  ...staticRoutingRows,
} as const;

/** A file below /run/netns; keepalived takes its default namespace without a name, which is where it was started: ours. */
const namespaceName: ValueKind<string> = oneWord("<NAME>", (word) =>
  /^[^/\s\p{C}]+$/u.test(word.text) && word.text !== "." && word.text !== ".."
    ? ok(word.text)
    : invalid(
        word,
        "is no name of a network namespace",
        "write a name that `ip netns list` shows, or remove the keyword",
      ),
);

const RUNS_ONCE = {
  reason: "systemd starts a daemon for each unit, with a run directory of its own (--run-dir)",
  remedy: "remove it, and use a unit of its own",
} as const;

const processRows = {
  use_pid_dir: {
    shape: "value",
    status: "noEffect",
    reference: MAN,
    reload: "none",
    reason: "files of a run are always in the run directory",
    kind: flag,
    doc: "Creates pid files in a folder of their own.",
    example: "use_pid_dir",
  } satisfies ValueRow<true>,
  ...leftOutRows({
    net_namespace: {
      doc: "Network namespace to run in.",
      reason: "systemd starts the daemon in its namespace, so that it needs no right to change it",
      remedy: "remove it, and set it in the systemd unit: NetworkNamespacePath=/run/netns/NAME",
    },
    namespace_with_ipsets: {
      doc: "ipsets in a namespace on old kernels.",
      reason: "holdfast never touches the packet filter",
      remedy: "remove it",
    },
    instance: { ...RUNS_ONCE, doc: "Name of this instance in names of files." },
    child_wait_time: {
      doc: "Time allowed for child processes to end.",
      reason: "systemd limits the time of a stop",
      remedy: "remove it, and set it in the systemd unit: TimeoutStopSec=",
    },
  }),
  net_namespace_ipvs: {
    shape: "value",
    status: "implemented",
    reference: MAN,
    reload: "none",
    kind: namespaceName,
    defaultFrom: "the daemon's own",
    doc: "Network namespace (ip netns) of the IPVS table, its connection sync, idle limits and settings; checks stay in the daemon's own. Taken at the start. The daemon needs CAP_SYS_ADMIN for it, and in the systemd unit RestrictNamespaces=net.",
    example: "net_namespace_ipvs traffic",
  } satisfies ValueRow<string>,
} as const;

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
  vrrp_sync_group: syncGroupRow,
  track_group: trackGroupRow,
  ...trackerRows,
  ...staticRows,
  ...interfaceRows,
  bfd_instance: { ...leftOutRows({ bfd_instance: bfd("A BFD session.") }).bfd_instance, table: bfdInstanceTable },
  ...processRows,
  ...directiveRows,
});
