import { blockTable } from "../row.ts";
import { connectionTimingRows } from "../timing.ts";
import { connectionRows } from "./connection.ts";

/** PING_CHECK: an echo has no ports. */

const { connect_port, bind_port, ...rows } = connectionRows;
const withoutPorts = {
  status: "noEffect",
  reload: "none",
  reason: "an ICMP echo has no ports",
} as const;

export const pingCheckTable = blockTable("PING_CHECK", {
  ...rows,
  ...connectionTimingRows,
  connect_port: { ...connect_port, ...withoutPorts },
  bind_port: { ...bind_port, ...withoutPorts },
});
