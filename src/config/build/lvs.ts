import type { LvsConfig, SyncDaemonConfig } from "../types.ts";
import type { ParsedFile, ParsedGlobal } from "./parsed.ts";

/** What holds for the IPVS of the host as a whole. */
export function buildLvs(file: ParsedFile, global: ParsedGlobal): LvsConfig {
  const { tcp, tcpfin, udp } = global.lvs_timeouts?.value ?? {};
  return {
    syncDaemon: buildSyncDaemon(file, global),
    timeoutsSec: { tcp, tcpfin, udp },
    sloppyTcp: global.lvs_sloppy_tcp.value,
    flushAtStart: global.lvs_flush !== undefined,
    flushAtEnd: global.lvs_flush_on_stop?.value ?? "no",
    namespace: file.net_namespace_ipvs?.value,
  };
}

function buildSyncDaemon(file: ParsedFile, { lvs_sync_daemon }: ParsedGlobal): SyncDaemonConfig | undefined {
  if (lvs_sync_daemon === undefined) return undefined;
  const { instance, syncId, ...line } = lvs_sync_daemon.value;
  const followed = file.vrrp_instance.find(({ header }) => header === instance?.text);
  return {
    ...line,
    instance: instance?.text,
    syncId: syncId ?? followed?.values.virtual_router_id?.value ?? 0,
  };
}
