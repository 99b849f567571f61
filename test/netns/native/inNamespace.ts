import { closeSync, openSync } from "node:fs";
import type { NativeAddon } from "../../../src/io/addon.types.ts";

/**
 * Calls `open` with this thread inside a namespace, and comes back: a socket stays where it was opened. Synchronous
 * only, since everything else of this process would follow.
 */
export function inNamespace<Value>(addon: NativeAddon, path: string, open: () => Value): Value {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    addon.enterNetworkNamespace(path);
    try {
      return open();
    } finally {
      addon.enterNetworkNamespace(`/proc/self/fd/${home}`);
    }
  } finally {
    closeSync(home);
  }
}
