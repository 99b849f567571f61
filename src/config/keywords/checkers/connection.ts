import type { Ip } from "../../../core/ip.ts";
import { integer, interfaceName, ipAddress, port, switchable } from "../kinds.ts";
import { MAN, type ValueRow } from "../row.ts";

/** The keywords that checkers share: where they connect to, and from where. */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** linux/socket.h: SO_MARK has 32 bits. */
const FWMARK_MAX = 0xffff_ffff;

/** What every checker has that asks something. */
export const commonRows = {
  alpha: {
    ...value,
    status: "noEffect",
    reload: "none",
    kind: switchable,
    reason: "holdfast always counts a server as down until its first check has passed",
    doc: "Counts the server as down until its first check has passed.",
    example: "alpha",
  } satisfies ValueRow<boolean>,
  log_all_failures: {
    ...value,
    kind: switchable,
    default: false,
    doc: "Tells every failure of a server that is up, also those that `retry` tolerates.",
    example: "log_all_failures",
  } satisfies ValueRow<boolean>,
} as const;

export const connectionRows = {
  ...commonRows,
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
  bind_port: {
    ...value,
    kind: port,
    defaultFrom: "the kernel's choice",
    doc: "Port that the check's connection comes from. TCP connections from it end with a reset, so that the next check can use it again.",
    example: "bind_port 40000",
  } satisfies ValueRow<number>,
  bind_if: {
    ...value,
    kind: interfaceName,
    doc: "Interface that the check's packets leave by and come back by; needed where an address is an IPv6 link-local one.",
    example: "bind_if eth0",
  } satisfies ValueRow<string>,
  fwmark: {
    ...value,
    kind: integer({ min: 1, max: FWMARK_MAX, unit: "MARK" }),
    doc: "Firewall mark of the check's packets, for rules of routing and of the packet filter.",
    example: "fwmark 7",
  } satisfies ValueRow<number>,
} as const;
