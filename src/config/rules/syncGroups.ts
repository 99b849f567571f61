import { effectivePriority, memberNames } from "../build/effective.ts";
import type { ParsedSyncGroup } from "../build/parsed.ts";
import type { Name } from "../keywords/words.ts";
import type { FileRule } from "./rule.ts";
import { reportUnknownName } from "./tracking.ts";

/** Groups of instances. */

const membersOf = ({ values }: ParsedSyncGroup): readonly Name[] => values.group.flatMap(({ value }) => value);

const membersExist: FileRule = ({ file }, found) => {
  const names = file.vrrp_instance.map(({ header }) => header);
  const groups = [
    ...file.vrrp_sync_group.map((group) => membersOf(group)),
    ...file.track_group.map(({ values }) => values.group.flatMap(({ value }) => value)),
  ];
  for (const { text, word } of groups.flat()) {
    if (!names.includes(text)) reportUnknownName("group", word, { block: "vrrp_instance", names }, found);
  }
};

const groupsHaveMembers: FileRule = ({ file }, found) => {
  for (const group of file.vrrp_sync_group) {
    const members = memberNames(group);
    if (members.length === 0) {
      const message = `vrrp_sync_group ${group.header} has no members`;
      found.error("empty-group", group.at, message, "add group { ... } with the names of instances");
    } else if (members.length === 1) {
      const message = `vrrp_sync_group ${group.header} has only one member, which has nobody to change state with`;
      found.warning("group-of-one", group.at, message, "add another instance, or remove the group");
    }
  }
  for (const { header, at, values } of file.track_group) {
    if (values.group.length > 0) continue;
    found.error(
      "empty-group",
      at,
      `track_group ${header} has no members`,
      "add group { ... } with the names of instances",
    );
  }
};

const instancesAreInOneGroup: FileRule = ({ file }, found) => {
  const groupOf = new Map<string, ParsedSyncGroup>();
  for (const group of file.vrrp_sync_group) {
    for (const { text, word } of membersOf(group)) {
      const earlier = groupOf.get(text);
      groupOf.set(text, earlier ?? group);
      if (earlier === undefined) continue;
      const where = earlier === group ? "this group" : `vrrp_sync_group ${earlier.header}`;
      found.error("two-groups", word.at, `${text} is a member of ${where} already`, "name it in one group, once");
    }
  }
};

/** keepalived.conf(5): with differing priorities "half instances ... will lead to constant re-elections". */
const membersAgree: FileRule = ({ file }, found) => {
  for (const group of file.vrrp_sync_group) {
    const members = file.vrrp_instance.filter(({ header }) => memberNames(group).includes(header));
    const priorities = new Set(members.map(({ values }) => effectivePriority(values)));
    const preemption = new Set(members.map(({ values }) => values.nopreempt !== undefined));
    if (preemption.size > 1) {
      const message = `members of vrrp_sync_group ${group.header} differ in nopreempt: one would take the others along that must not preempt`;
      found.warning("trap-group-nopreempt", group.at, message, "write nopreempt in all of them or in none");
    }
    if (priorities.size > 1 && priorities.has(255)) {
      const message = `vrrp_sync_group ${group.header} has an owner of addresses (priority 255) among other members: it cannot wait for them as a group demands`;
      found.warning("trap-group-owner", group.at, message, "write priorities below 255");
    }
  }
};

export const SYNC_GROUP_RULES: readonly FileRule[] = [
  membersExist,
  groupsHaveMembers,
  instancesAreInOneGroup,
  membersAgree,
];
