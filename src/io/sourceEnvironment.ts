import { lstatSync, readdirSync, statSync } from "node:fs";
import { hasWildcard, matchesName } from "../config/source/patterns.ts";
import { MATCHES_MAX, type SourceEnvironment } from "../config/source/types.ts";
import { fail } from "../core/result.ts";
import { readConfigFile } from "./configFile.ts";
import { hostName } from "./hostName.ts";

/**
 * The files of this host.
 * @param configId what `@name` lines mean; none, or an empty one (a unit's variable that was taken back): the first part of the host's name
 */
export function hostEnvironment(configId: string | undefined): SourceEnvironment {
  const isNamed = configId !== undefined && configId !== "";
  return {
    configId: isNamed ? configId : (hostName().split(".", 1)[0] ?? ""),
    match: matchFiles,
    read: (file) => {
      const read = readConfigFile(file);
      // An included file may have nothing in it yet.
      if (read.ok || read.error.code === "empty-file") return read.ok ? read : { ok: true, value: "" };
      const { code, message, remedy } = read.error;
      return fail({ code, message, remedy });
    },
  };
}

/** glob(7) without braces: the paths that are there, in the order of their names; folders are none. Undefined: too many on the way. */
function matchFiles(pattern: string): readonly string[] | undefined {
  const parts = pattern.split("/");
  let paths = [""];
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    paths = paths
      .flatMap((path) => {
        const prefix = index === 0 ? "" : `${path}/`;
        if (!hasWildcard(part)) return [prefix + part];
        return namesIn(index === 0 ? "." : path || "/")
          .filter((name) => matchesName(part, name))
          .map((name) => prefix + name);
      })
      .filter((path) => (last ? isThere(path) : true));
    if (paths.length > MATCHES_MAX) return undefined;
  }
  return paths;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** A dangling link is there, and cannot be read. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink() && statSync(path, { throwIfNoEntry: false }) === undefined
      ? true
      : !statSync(path).isDirectory();
  } catch {
    return false;
  }
}
