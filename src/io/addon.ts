import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { HoldfastError } from "../core/errors.ts";
import type { NativeAddon, NativeError } from "./addon.types.ts";
import { packageRoot } from "./packageRoot.ts";

export type AddonErrorCode = "addonMissing" | "addonUnusable";

/** Where `npm ci` puts the addon, seen from the folder of package.json. */
const ADDON_FILE = join("build", "Release", "holdfast.node");

/**
 * The native addon of this thread: every worker that calls this gets instance data of its own, closed when it ends.
 * Found from the sources, from dist and from dist-test alike.
 * Throws HoldfastError `addonMissing` or `addonUnusable` (another architecture, a library that is too old).
 */
export function loadAddon(): NativeAddon {
  const file = join(packageRoot(import.meta.dirname), ADDON_FILE);
  if (!existsSync(file)) {
    throw new HoldfastError("addonMissing", `the native addon is missing: ${file}`, "build it by: npm ci");
  }
  try {
    return createRequire(import.meta.url)(file) as NativeAddon;
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new HoldfastError(
      "addonUnusable",
      `the native addon cannot be loaded by Node ${process.version} on ${process.arch}: ${detail}`,
      "build it on this machine by: npm ci",
      { cause },
    );
  }
}

/** True for what the addon throws; with `codes`, only for these errno names. */
export function isNativeError(error: unknown, ...codes: readonly string[]): error is NativeError {
  return (
    error instanceof Error &&
    "errno" in error &&
    typeof error.errno === "number" &&
    "syscall" in error &&
    typeof error.syscall === "string" &&
    "code" in error &&
    typeof error.code === "string" &&
    (codes.length === 0 || codes.includes(error.code))
  );
}

/** The errno's name for a positive number, as in "EEXIST (17)" messages of netlink answers; "E123" where it has none here. */
export function errnoName(errno: number, addon: NativeAddon): string {
  for (const [name, value] of Object.entries(addon.constants)) {
    if (value === errno && ERRNO_NAME.test(name)) return name;
  }
  return `E${errno}`;
}

/** Errno names begin with E and hold no underscore, which no other constant of the addon does. */
const ERRNO_NAME = /^E[A-Z0-9]+$/;
