import { closeSync, openSync } from "node:fs";
import { HoldfastError } from "../core/errors.ts";
import { isNativeError, loadAddon } from "./addon.ts";

/** Calls `work` where a socket or a setting belongs; synchronous only, since all else of the thread would follow. */
export type Within = <Value>(work: () => Value) => Value;

/** Where this process is. */
export const here: Within = (work) => work();

/**
 * In the network namespace that `ip netns` knows by this name: the calling thread goes there for the time of one call. What
 * is opened there stays there. Throws HoldfastError `namespaceUnusable` where there is none, or we may not.
 */
export function inNetworkNamespace(name: string): Within {
  const path = `/run/netns/${name}`;
  const addon = loadAddon();
  return (work) => {
    const home = openSync("/proc/thread-self/ns/net", "r");
    try {
      enter(path, name);
      try {
        return work();
      } finally {
        addon.enterNetworkNamespace(`/proc/self/fd/${home}`);
      }
    } finally {
      closeSync(home);
    }
  };

  function enter(file: string, shown: string): void {
    try {
      addon.enterNetworkNamespace(file);
    } catch (error) {
      if (!isNativeError(error)) throw error;
      throw new HoldfastError(
        "namespaceUnusable",
        `net_namespace_ipvs: the network namespace ${shown} cannot be entered (${error.code})`,
        error.code === "ENOENT"
          ? `create it: ip netns add ${shown}`
          : "give the daemon CAP_SYS_ADMIN, in the systemd unit also RestrictNamespaces=net",
        { cause: error },
      );
    }
  }
}
