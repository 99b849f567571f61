import { globalElsewhereRows } from "./globalElsewhere.ts";
import { globalKickRows } from "./globalKick.ts";
import { globalLvsRows } from "./globalLvs.ts";
import { globalNotifyRows } from "./globalNotify.ts";
import { globalVrrpRows } from "./globalVrrp.ts";
import { text } from "./kinds.ts";
import { blockTable, MAN, type ValueRow } from "./row.ts";

const ROUTER_ID_BYTES = 255;

export const globalDefsTable = blockTable("global_defs", {
  router_id: {
    shape: "value",
    status: "implemented",
    reference: MAN,
    reload: "live",
    kind: text("STRING", ROUTER_ID_BYTES),
    defaultFrom: "the host's name",
    doc: "Name of this load balancer in logs, mail and status.",
    example: "router_id KAD1",
  } satisfies ValueRow<string>,
  ...globalVrrpRows,
  ...globalNotifyRows,
  ...globalLvsRows,
  ...globalKickRows,
  ...globalElsewhereRows,
});
