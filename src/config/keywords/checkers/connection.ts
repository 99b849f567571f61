import type { Ip } from "../../../core/ip.ts";
import { ipAddress, port, switchable } from "../kinds.ts";
import { MAN, notYetRows, type ValueRow } from "../row.ts";

/** The keywords that checkers share: where they connect to, and from where. */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

export const connectionRows = {
  connect_ip: {
    ...value,
    kind: ipAddress,
    defaultFrom: "the real server's address",
    doc: "Address to check instead of the real server's.",
    example: "connect_ip 10.0.2.3",
  } satisfies ValueRow<Ip>,
  connect_port: {
    ...value,
    kind: port,
    defaultFrom: "the real server's port",
    doc: "Port to check instead of the real server's; Patroni's REST API for example.",
    example: "connect_port 8008",
  } satisfies ValueRow<number>,
  bindto: {
    ...value,
    kind: ipAddress,
    defaultFrom: "the route to the server",
    doc: "Address that the check's connection comes from.",
    example: "bindto 10.0.2.1",
  } satisfies ValueRow<Ip>,
  alpha: {
    ...value,
    status: "noEffect",
    reload: "none",
    kind: switchable,
    reason: "holdfast always counts a server as down until its first check has passed",
    doc: "Counts the server as down until its first check has passed.",
    example: "alpha",
  } satisfies ValueRow<boolean>,
} as const;

export const connectionNotYet = notYetRows({
  bind_if: "Interface that the check's connection uses.",
  bind_port: "Port that the check's connection comes from.",
  fwmark: "Firewall mark of the check's packets.",
  log_all_failures: "Logs every failure while the server is up.",
});
