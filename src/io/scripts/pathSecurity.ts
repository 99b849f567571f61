import { lstatSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ScriptProblem } from "../../core/scripts.ts";

/** As many as the kernel follows (path_resolution(7)). */
const LINKS_MAX = 40;
const PATH_DEFAULT = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The program's absolute path: as written, or the first of that name in PATH. */
export function findProgram(name: string): string | ScriptProblem {
  if (name.includes("/")) return name.startsWith("/") ? name : join("/", name);
  for (const folder of (process.env.PATH ?? PATH_DEFAULT).split(":")) {
    if (!folder.startsWith("/")) continue;
    const path = join(folder, name);
    if (executableProblem(path) === undefined) return path;
  }
  return { reason: "notFound", detail: `there is no program ${name} in PATH` };
}

/** Missing, a folder, or without any right to execute; whether its own user may is the kernel's to say. */
export function executableProblem(path: string): ScriptProblem | undefined {
  let found: Stats;
  try {
    found = statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EACCES"
      ? { reason: "notExecutable", detail: `${path}: no permission to look at it` }
      : { reason: "notFound", detail: `there is no ${path}` };
  }
  if (!found.isFile()) return { reason: "notExecutable", detail: `${path} is no file` };
  if ((found.mode & 0o111) === 0) return { reason: "notExecutable", detail: `${path} is not executable (chmod +x)` };
  return undefined;
}

/**
 * What of the path a user other than root may write, in words; undefined when nothing. Every folder that a look-up of the
 * path passes counts, those of symbolic links included: whoever may write one of them can put another program there.
 */
export function writableByOthers(path: string): string | undefined {
  let current = "/";
  let links = 0;
  const rest = ["", ...path.split("/").filter((part) => part !== "")];
  while (rest.length > 0) {
    const part = rest.shift() as string;
    const next = part === ".." ? dirname(current) : join(current, part);
    let found: Stats;
    try {
      found = lstatSync(next);
    } catch {
      return `${next} cannot be looked at`;
    }
    if (found.isSymbolicLink()) {
      if (++links > LINKS_MAX) return `${path} has too many symbolic links`;
      const target = readlinkSync(next);
      if (target.startsWith("/")) current = "/";
      rest.unshift(...target.split("/").filter((each) => each !== "" && each !== "."));
      continue;
    }
    const who = writers(found);
    if (who !== undefined) return `${next} is writable by ${who}`;
    current = next;
  }
  return undefined;
}

function writers(found: Stats): string | undefined {
  if (found.uid !== 0) return `its owner, user ${found.uid}`;
  if (found.gid !== 0 && (found.mode & 0o020) !== 0) return `its group ${found.gid}`;
  return (found.mode & 0o002) === 0 ? undefined : "everybody";
}
