import { flag } from "./kinds.ts";
import { notifyRows } from "./notify.ts";
import { type BlockRow, blockTable, type LinesRow, MAN, type ValueRow } from "./row.ts";
import { trackingRows } from "./tracking.ts";
import { blockName } from "./vrrpInstance.ts";
import { type Name, names } from "./words.ts";

/** `vrrp_sync_group` and `track_group`: blocks that name instances. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

const memberLines = {
  shape: "lines",
  status: "implemented",
  reference: MAN,
  reload: "live",
  line: names("INSTANCE"),
  lineExample: "VI_1",
} as const;

export const syncGroupTable = blockTable("vrrp_sync_group", {
  group: {
    ...memberLines,
    doc: "Names of the instances, in the order in which they change state.",
    example: "group {\n  VI_1\n  VI_2\n}",
  } satisfies LinesRow<readonly Name[]>,
  ...trackingRows,
  ...notifyRows,
  global_tracking: {
    ...row,
    kind: flag,
    doc: "The trackers of every member count for all members (deprecated: write them in the group).",
    example: "global_tracking",
  } satisfies ValueRow<true>,
  sync_group_tracking_weight: {
    ...row,
    kind: flag,
    doc: "Weights of the members' own trackers count; without it they are taken as 0, so that the members keep together.",
    example: "sync_group_tracking_weight",
  } satisfies ValueRow<true>,
});

export const syncGroupRow = {
  shape: "block",
  status: "implemented",
  reference: MAN,
  reload: "live",
  header: blockName,
  table: syncGroupTable,
  doc: "Instances that change state together.",
  example: "vrrp_sync_group VG_1 {\n  group {\n    VI_1\n    VI_2\n  }\n}",
} as const satisfies BlockRow<string, typeof syncGroupTable.rows>;

export const trackGroupTable = blockTable("track_group", {
  group: {
    ...memberLines,
    doc: "Names of the instances.",
    example: "group {\n  VI_1\n}",
  } satisfies LinesRow<readonly Name[]>,
});

export const trackGroupRow = {
  shape: "block",
  status: "implemented",
  reference: MAN,
  reload: "live",
  header: blockName,
  table: trackGroupTable,
  doc: "Instances that go to FAULT when a static address, route or rule of this group cannot be kept.",
  example: "track_group GROUP1 {\n  group {\n    VI_1\n  }\n}",
} as const satisfies BlockRow<string, typeof trackGroupTable.rows>;
