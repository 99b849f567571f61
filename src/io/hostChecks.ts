import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { HoldfastError } from "../core/errors.ts";
import { isNativeError } from "./addon.ts";
import type { NativeAddon, NativeSocket } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import { unixAddress } from "./sockaddr.ts";

/** linux/capability.h */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const;
/** RFC 3768 5.2.4, as /proc/net/raw prints it: the "port" of a raw socket is its protocol. */
const VRRP_PROTOCOL_HEX = "0070";

export type HostErrorCode = "missingCapability" | "keepalivedRunning" | "namespaceTaken";

/** Names of abstract unix sockets are per network namespace, and free when their holder ends, however it ends (unix(7)). */
const NAMESPACE_LOCK = "@holdfast";

/** Throws HoldfastError that names every capability the process lacks of those it needs. */
export function requireCapabilities(): void {
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`,
  );
  const missing = Object.entries(CAPABILITIES)
    .filter(([, bit]) => (effective & (1n << BigInt(bit))) === 0n)
    .map(([name]) => name);
  if (missing.length === 0) return;
  throw new HoldfastError(
    "missingCapability",
    `this process lacks ${missing.join(" and ")}`,
    "start it by systemd/holdfast.service (AmbientCapabilities=), or as root",
  );
}

/** Throws when a keepalived runs in this network namespace: two daemons would fight over addresses and table. */
export function refuseBesideKeepalived(): void {
  for (const processId of keepalivedProcesses()) {
    if (!isInThisNamespace(processId)) continue;
    throw new HoldfastError(
      "keepalivedRunning",
      `keepalived (process ${processId}) runs in this network namespace; both would fight over the same addresses and table`,
      "stop and disable it first: systemctl disable --now keepalived",
    );
  }
}

/**
 * Takes this network namespace for one holdfast: a second one, whatever its run directory, would sweep the addresses of the
 * first as leftovers. Throws HoldfastError `namespaceTaken`; closing the socket gives it back.
 */
export function takeNetworkNamespace(addon: NativeAddon): NativeSocket {
  const socket = addon.openSocket(LINUX.AF_UNIX, LINUX.SOCK_DGRAM, 0);
  try {
    socket.bind(unixAddress(NAMESPACE_LOCK));
  } catch (error) {
    socket.close();
    if (!isNativeError(error, "EADDRINUSE")) throw error;
    throw new HoldfastError(
      "namespaceTaken",
      "another holdfast runs in this network namespace; both would fight over the same addresses and table",
      "stop it first (systemctl stop holdfast), or run this one in a network namespace of its own",
      { cause: error },
    );
  }
  return socket;
}

function keepalivedProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => readText(`/proc/${name}/comm`)?.trim() === "keepalived")
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Whether a keepalived is one of this network namespace: by its namespace link where we may read that, else by the sockets
 * that the kernel lists for this namespace (an unprivileged process may not read another user's namespace links). One that
 * has ended meanwhile is not: the sockets found then would be those of a holdfast.
 */
export function isInThisNamespace(processId: number): boolean {
  try {
    return readlinkSync(`/proc/${processId}/ns/net`) === readlinkSync("/proc/self/ns/net");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return (code === "EACCES" || code === "EPERM") && hasSocketsHere(processId);
  }
}

/** keepalived's netlink sockets carry its process id as port id; its VRRP sockets are raw ones of protocol 112. */
function hasSocketsHere(processId: number): boolean {
  const netlinkPorts = (readText("/proc/net/netlink") ?? "")
    .split("\n")
    .map((line) => Number(line.trim().split(/\s+/)[2]));
  if (netlinkPorts.includes(processId)) return true;
  return (readText("/proc/net/raw") ?? "")
    .split("\n")
    .some((line) => line.trim().split(/\s+/)[1]?.endsWith(`:${VRRP_PROTOCOL_HEX}`) === true);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // The process ended meanwhile, or the file is not for us: both mean "not seen".
  }
}
