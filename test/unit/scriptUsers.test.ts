import { expect, test } from "vitest";
import { type NameService, parseGroup, parsePasswd, resolveIdentity } from "../../src/io/scripts/users.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/bash
check:x:990:980::/nonexistent:/usr/sbin/nologin
+::::::
broken:x:many:1::/:/bin/sh
`;
const GROUP = `root:x:0:
checkers:x:980:
haproxy:x:107:check,other
adm:x:4:check
none:x:ten:
`;
const names: NameService = {
  users: () => parsePasswd(PASSWD),
  groups: () => parseGroup(GROUP),
  user: (name) => (name === "directory" ? { name, uid: 70_001, gid: 70_000 } : undefined),
  group: (name) => (name === "staff" ? { name, gid: 70_005, members: [] } : undefined),
};

test("lines that are no entries are passed over", () => {
  expect(parsePasswd(PASSWD).map(({ name }) => name)).toEqual(["root", "check"]);
  expect(parseGroup(GROUP).map(({ name }) => name)).toEqual(["root", "checkers", "haproxy", "adm"]);
});

test.each([
  [
    "a user has its own group and those that list it",
    "check",
    undefined,
    { uid: 990, gid: 980, groups: [4, 107, 980] },
  ],
  ["a written group replaces the own one", "check", "adm", { uid: 990, gid: 4, groups: [4, 107] }],
  ["a group by number", "root", "980", { uid: 0, gid: 980, groups: [980] }],
  ["a user by number that has an entry", "990", undefined, { uid: 990, gid: 980, groups: [4, 107, 980] }],
  ["a user by number without an entry", "1234", undefined, { uid: 1234, gid: 1234, groups: [1234] }],
  ["a user of another source", "directory", "staff", { uid: 70_001, gid: 70_005, groups: [70_005] }],
])("%s", (_title, user, group, identity) => {
  expect(resolveIdentity(user, group, names)).toEqual(identity);
});

test.each([
  ["nobody-knows", undefined, "userUnknown"],
  ["check", "nobody-knows", "groupUnknown"],
  // Not a number that a process can have: (uid_t)-1 means "leave it" to the kernel.
  ["4294967295", undefined, "userUnknown"],
])("%s and group %s: %s", (user, group, reason) => {
  expect(resolveIdentity(user, group, names)).toMatchObject({ reason });
});
