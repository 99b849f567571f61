import { blockTable } from "../row.ts";
import { connectionTimingRows } from "../timing.ts";
import { connectionRows } from "./connection.ts";

/** TCP_CHECK */

export const tcpCheckTable = blockTable("TCP_CHECK", {
  ...connectionRows,
  ...connectionTimingRows,
});
