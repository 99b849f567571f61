import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageRoot } from "./packageRoot.ts";

/** The version of package.json: the one place that has it. */
export function readVersion(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(join(packageRoot(dirname(import.meta.filename)), "package.json"), "utf8"),
  );
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
}
