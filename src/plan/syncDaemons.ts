import type { Ip } from "../core/ip.ts";

/**
 * The kernel's connection sync (ipvsadm(8), --start-daemon): one thread that sends and one that receives, at most one of
 * each. The nouns, and the difference between what should run and what runs.
 */

/** `master` sends what connections this host has, `backup` receives them. */
export type SyncRole = "master" | "backup";

export interface SyncDaemon {
  readonly role: SyncRole;
  readonly interface: string;
  /** 0 to 255; a backup ignores messages of others. */
  readonly syncId: number;
  /** Bytes of a message; undefined = what the kernel takes by itself, by the interface's MTU. */
  readonly lengthMax: number | undefined;
  readonly port: number;
  readonly ttl: number;
  readonly group: Ip;
}

/** A thread that runs. Kernels before 4.3 tell role, interface and id alone. */
export type FoundSyncDaemon = Pick<SyncDaemon, "role" | "interface" | "syncId"> &
  Partial<Pick<SyncDaemon, "lengthMax" | "port" | "ttl" | "group">>;

export type SyncStep =
  | { readonly kind: "stop"; readonly role: SyncRole }
  | { readonly kind: "start"; readonly daemon: SyncDaemon };

/** The kernel as far as connection sync goes; `io` implements it by netlink. Throws HoldfastError when IPVS is missing. */
export interface SyncKernel {
  syncDaemons(): readonly FoundSyncDaemon[];
  /** What the kernel refuses is told in its words. */
  performSync(step: SyncStep): { readonly ok: true } | { readonly ok: false; readonly detail: string };
}

/**
 * What makes the wanted threads run: those that are as they should be are left alone, so a restart of ours interrupts none.
 * @param ours roles that were started by us: one of them that is not wanted any more is stopped, somebody else's is not
 * @param programmed what was last started by this process: the kernel does not tell a length that was asked for from its own
 */
export function syncSteps(
  wanted: readonly SyncDaemon[],
  found: readonly FoundSyncDaemon[],
  ours: ReadonlySet<SyncRole>,
  programmed: ReadonlyMap<SyncRole, SyncDaemon>,
): SyncStep[] {
  const stops: SyncStep[] = [];
  const starts: SyncStep[] = [];
  for (const running of found) {
    const daemon = wanted.find(({ role }) => role === running.role);
    if (daemon === undefined ? !ours.has(running.role) : isAsWanted(running, daemon, programmed.get(daemon.role)))
      continue;
    stops.push({ kind: "stop", role: running.role });
    if (daemon !== undefined) starts.push({ kind: "start", daemon });
  }
  for (const daemon of wanted) {
    if (!found.some(({ role }) => role === daemon.role)) starts.push({ kind: "start", daemon });
  }
  return [...stops, ...starts];
}

function isAsWanted(running: FoundSyncDaemon, daemon: SyncDaemon, programmed: SyncDaemon | undefined): boolean {
  const told = (["interface", "syncId", "port", "ttl", "group"] as const).every(
    (name) => running[name] === undefined || running[name] === daemon[name],
  );
  if (!told) return false;
  if (daemon.lengthMax === undefined) return programmed?.lengthMax === undefined;
  return running.lengthMax === undefined || running.lengthMax === daemon.lengthMax;
}

/** `master on eth0, id 51, group 224.0.0.81 port 8848`, as logs and status say it. */
export function syncDaemonText({ role, interface: device, syncId, group, port }: FoundSyncDaemon): string {
  const where = group === undefined ? "" : `, group ${group} port ${port}`;
  return `${role} on ${device}, id ${syncId}${where}`;
}
