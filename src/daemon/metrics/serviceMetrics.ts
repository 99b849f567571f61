import { toSeconds } from "../../core/units.ts";
import type { ServerHealth } from "../../health/types.ts";
import type { DaemonStatus, ServiceStatus } from "../control.types.ts";
import { each, type Metric, secondsOf, single } from "./types.ts";

const services = (status: DaemonStatus): readonly ServiceStatus[] => status.services;

function ofService(
  type: "gauge" | "counter",
  name: string,
  help: string,
  value: (service: ServiceStatus) => number | boolean | undefined,
): Metric {
  return each(type, name, help, ["service"], services, (it) => ({ labels: [it.service], value: value(it) }));
}

function ofServer(
  name: string,
  help: string,
  value: (server: ServerHealth, service: ServiceStatus) => number | boolean | undefined,
): Metric {
  const all = (status: DaemonStatus) =>
    services(status).flatMap((service) => service.servers.map((server) => ({ service, server })));
  return each("gauge", name, help, ["service", "server"], all, ({ service, server }) => ({
    labels: [service.service, server.server],
    value: value(server, service),
  }));
}

const VERDICT_VALUES = { up: 1, down: 0, unknown: undefined } as const;

export const SERVICE_METRICS: readonly Metric[] = [
  ofServer(
    "holdfast_server_up",
    "1 up, 0 down; absent before the first verdict.",
    ({ verdict }) => VERDICT_VALUES[verdict],
  ),
  ofServer(
    "holdfast_server_weight",
    "Weight that the server should have in the kernel's table.",
    ({ weight }) => weight,
  ),
  ofServer("holdfast_server_last_result_age_seconds", "Since the last answer of its checks.", ({ lastResultAge }) =>
    lastResultAge === undefined ? undefined : toSeconds(lastResultAge),
  ),
  ofServer("holdfast_server_timeline", "PostgreSQL's timeline as Patroni says it.", ({ timeline }) => timeline),
  ofServer(
    "holdfast_server_lag_bytes",
    "How far the replica's replay is behind its leader, from Patroni's answers; absent where that is not known.",
    ({ lagBytes }) => lagBytes,
  ),
  ofServer(
    "holdfast_server_holds_role",
    "Exclusive services: 1 for the server that connections go to.",
    ({ server }, it) => (it.exclusive ? server === it.holder : undefined),
  ),
  ofServer(
    "holdfast_server_override_weight",
    "Weight that an operator has said for the server, 0 = drained; absent without such a word.",
    ({ override }) => override?.weight,
  ),
  ofServer(
    "holdfast_server_lost_connections",
    "Connections left of a server that may have no weight any more, while `role_loss` is not done with them.",
    ({ loss }) => loss?.connections,
  ),
  each(
    ...(["gauge", "holdfast_override_end_timestamp_seconds"] as const),
    "When an operator's word over a weight ends by itself; absent when it is to be taken back.",
    ["target"],
    ({ operator }) => operator.overrides,
    ({ target, endsAtMs }) => ({ labels: [target], value: endsAtMs === undefined ? undefined : secondsOf(endsAtMs) }),
  ),
  single("gauge", "holdfast_repair_paused", "1 while the kernel's table is left to an administrator.", (status) =>
    Number(status.operator.repairPausedUntilMs !== undefined),
  ),
  ofService("gauge", "holdfast_service_conflict", "1 while several servers claim the role.", (it) => it.conflict),
  ofService("gauge", "holdfast_service_hunting", "1 while the role's holder is looked for.", (it) => it.hunting),
  ofService("gauge", "holdfast_service_quorum", "1 while the servers that are up have the quorum.", (it) =>
    it.quorum === undefined ? undefined : it.quorum === "up",
  ),
  ofService(
    "gauge",
    "holdfast_service_fallback",
    "1 while servers with the second role have the connections; absent without `fallback`.",
    (it) => it.fallback,
  ),
  ofService(
    "gauge",
    "holdfast_service_members",
    "`patroni_cluster`: members that are known; absent without.",
    (it) => it.members?.known,
  ),
  ofService(
    "gauge",
    "holdfast_service_members_age_seconds",
    "Since the list of members was told that counts; absent before the first one.",
    (it) => (it.members?.age === undefined ? undefined : toSeconds(it.members.age)),
  ),
  ofService(
    "gauge",
    "holdfast_service_members_problem",
    "1 while answers about the members do not count, or not wholly; absent without `patroni_cluster`.",
    (it) => it.members && it.members.problem !== undefined,
  ),
  ofService("gauge", "holdfast_service_in_sync", "1 when the kernel's rows are as they should be.", (it) => it.inSync),
  ofService(
    "counter",
    "holdfast_service_drifts_total",
    "Repairs of rows that somebody else had changed.",
    (it) => it.drifts,
  ),
];
