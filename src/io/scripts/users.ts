import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { ScriptProblem } from "../../core/scripts.ts";

/** passwd(5): what of a user counts for a process. */
export interface UserEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** group(5) */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Whom a script runs as; supplementary groups in ascending order, the own one included. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** Lines with too few fields or no number are skipped, as getpwent(3) does. */
export function parsePasswd(text: string): UserEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", , uid, gid] = line.split(":");
    return isNumber(uid) && isNumber(gid) && name !== "" ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

export function parseGroup(text: string): GroupEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", , gid, members = ""] = line.split(":");
    if (!isNumber(gid) || name === "") return [];
    return [{ name, gid: Number(gid), members: members.split(",").filter((member) => member !== "") }];
  });
}

/** Where names are looked up; tests give their own. */
export interface NameService {
  readonly users: () => readonly UserEntry[];
  readonly groups: () => readonly GroupEntry[];
  /** A user or group that the files do not have, from the host's other sources (nsswitch.conf(5)). */
  readonly user: (name: string) => UserEntry | undefined;
  readonly group: (name: string) => GroupEntry | undefined;
}

export const hostNames: NameService = {
  users: () => parsePasswd(readText("/etc/passwd")),
  groups: () => parseGroup(readText("/etc/group")),
  user: (name) => parsePasswd(getent("passwd", name))[0],
  group: (name) => parseGroup(getent("group", name))[0],
};

/**
 * Names or numbers to ids. Without `group` the user's own; supplementary groups are those that list the user.
 * Fails with `userUnknown` or `groupUnknown`.
 */
export function resolveIdentity(
  user: string,
  group: string | undefined,
  names: NameService = hostNames,
): Identity | ScriptProblem {
  const found = findUser(user, names);
  if (found === undefined) return { reason: "userUnknown", detail: `there is no user ${user}` };
  const gid = group === undefined ? found.gid : findGroup(group, names)?.gid;
  if (gid === undefined) return { reason: "groupUnknown", detail: `there is no group ${group}` };
  const memberOf = names
    .groups()
    .filter(({ members }) => members.includes(found.name))
    .map((entry) => entry.gid);
  return { uid: found.uid, gid, groups: [...new Set([gid, ...memberOf])].sort((a, b) => a - b) };
}

function findUser(user: string, names: NameService): UserEntry | undefined {
  const users = names.users();
  const byName = users.find(({ name }) => name === user) ?? names.user(user);
  if (byName !== undefined || !isNumber(user)) return byName;
  // A number without an entry is a user all the same, but we cannot know its group: its own number then, as with useradd(8).
  return users.find(({ uid }) => uid === Number(user)) ?? { name: user, uid: Number(user), gid: Number(user) };
}

function findGroup(group: string, names: NameService): { readonly gid: number } | undefined {
  const byName = names.groups().find(({ name }) => name === group) ?? names.group(group);
  return byName ?? (isNumber(group) ? { gid: Number(group) } : undefined);
}

/** getent(1) asks every source of nsswitch.conf; a host without it has the files only. */
function getent(database: "passwd" | "group", name: string): string {
  const asked = spawnSync("getent", [database, "--", name], { encoding: "utf8", timeout: GETENT_TIMEOUT_MS });
  return asked.status === 0 ? asked.stdout : "";
}

/** A directory server that does not answer must not stop a start for long. */
const GETENT_TIMEOUT_MS = 2_000;

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // No such file: nobody is known by it.
  }
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) < 0xffff_ffff;
}
