import { DiagnosticList } from "../diagnostics.ts";
import { exemplaryServers } from "../discovery.ts";
import { exclusiveSetting } from "../exclusive.ts";
import { PERSISTENCE_DEFAULT_SEC, realServerTable } from "../keywords/virtualServer.ts";
import { parseBlock } from "../parser.ts";
import type { RealServerConfig, SorryServerConfig, VirtualServerConfig } from "../types.ts";
import { buildChecks } from "./checks.ts";
import { buildDiscovery, TEMPLATE_ADDRESS } from "./discovery.ts";
import type { ParsedFile, ParsedGlobal, ParsedServer, ParsedService } from "./parsed.ts";
import { buildFallback, buildPatroniCheck } from "./patroni.ts";
import { buildTargets, forwardingOf, serviceName } from "./targets.ts";
import { firstWritten } from "./written.ts";

/** `virtual_server` and what is inside it. */

/** What of a file a virtual server refers to. */
export type ServiceFile = Pick<ParsedFile, "virtual_server_group" | "SSL" | "track_file">;

export function buildService(
  service: ParsedService,
  file: ServiceFile,
  global: AlertDefaults = {},
): VirtualServerConfig {
  const { values, at } = service;
  const realServers = values.real_server.map((server) => buildServer(server, { service, file, global }));
  const discovery = values.patroni_cluster && buildDiscovery(service, buildMember({ service, file, global }));
  return {
    name: serviceName(service),
    targets: buildTargets(service, file.virtual_server_group),
    scheduler: values.lvs_sched.value,
    schedulerFlags: schedulerFlags(values),
    onePacket: values.ops !== undefined,
    persistenceTimeoutSec: persistenceSec(values),
    persistencePrefix: values.persistence_granularity?.value.prefix,
    persistenceEngine: values.persistence_engine?.value ?? "",
    quorum: countingQuorum(service),
    hysteresis: values.hysteresis.value,
    sorryServer: buildSorryServer(service),
    notify: {
      quorumUp: values.quorum_up?.value,
      quorumDown: values.quorum_down?.value,
      smtpAlert: values.smtp_alert?.value ?? checkerAlert(global) ?? false,
      downAtEnd: values.omega !== undefined,
    },
    haSuspend: values.ha_suspend !== undefined,
    exclusive: exclusiveSetting(
      values.exclusive?.value,
      exemplaryServers({ realServers, ...(discovery && { discovery }) }),
    ),
    roleWatch: values.role_watch.value,
    roleHold: values.role_hold.value,
    ...(values.fallback === undefined ? {} : { fallbackAfter: values.fallback.value.after }),
    roleLoss: values.role_loss?.value,
    realServers,
    ...(discovery && { discovery }),
    at,
  };
}

/** What an empty `real_server` block would be here. */
function buildMember(context: Omit<ServerContext, "server">): RealServerConfig {
  const { values, seen } = parseBlock(realServerTable, [], new DiagnosticList());
  const header = { address: TEMPLATE_ADDRESS, port: undefined };
  return buildServer({ header, at: context.service.at, values, free: [], seen }, context);
}

interface ServerContext {
  readonly service: ParsedService;
  readonly file: ServiceFile;
  readonly global: AlertDefaults;
}

/** The keywords of global_defs whose value counts where a service or a server writes none. */
type AlertDefaults = Partial<Pick<ParsedGlobal, "smtp_alert" | "smtp_alert_checker" | "checker_log_all_failures">>;

const checkerAlert = (global: AlertDefaults): boolean | undefined =>
  (global.smtp_alert_checker ?? global.smtp_alert)?.value;

/** Granularity or engine alone switch affinity on, as keepalived 2.2.7 does. */
function persistenceSec({
  persistence_timeout,
  persistence_granularity,
  persistence_engine,
}: ParsedService["values"]): number {
  const implied = persistence_granularity !== undefined || persistence_engine !== undefined;
  return implied && !persistence_timeout.written ? PERSISTENCE_DEFAULT_SEC : persistence_timeout.value;
}

/** keepalived 2.2.7 reduces a quorum that all servers together cannot reach, with a warning. */
export function countingQuorum(service: ParsedService): number {
  const { quorum, patroni_cluster, real_server } = service.values;
  // How many members there will be nobody knows here.
  if (patroni_cluster !== undefined) return quorum.value;
  const total = real_server.reduce((sum, server) => sum + serverWeight(server, service), 0);
  return total === 0 ? quorum.value : Math.min(quorum.value, total);
}

const serverWeight = ({ values }: ParsedServer, service: ParsedService): number =>
  firstWritten([values.weight, service.values.weight], values.weight);

function buildSorryServer({ header, values }: ParsedService): SorryServerConfig | undefined {
  const { sorry_server, sorry_server_inhibit, sorry_server_lvs_method, lvs_method } = values;
  if (sorry_server === undefined) return undefined;
  return {
    address: sorry_server.value.address,
    port: sorry_server.value.port ?? (header.kind === "address" ? (header.port ?? 0) : 0),
    forwarding: sorry_server_lvs_method?.value ?? lvs_method.value,
    inhibit: sorry_server_inhibit !== undefined,
  };
}

/** keepalived.conf(5) and ipvsadm(8), -b: bits 0 to 2 are flag-1 to flag-3. */
function schedulerFlags(values: ParsedService["values"]): number {
  const bits = [
    values["flag-1"] ?? values["sh-fallback"] ?? values["mh-fallback"],
    values["flag-2"] ?? values["sh-port"] ?? values["mh-port"],
    values["flag-3"],
  ];
  return bits.reduce((sum, written, bit) => sum | (written === undefined ? 0 : 1 << bit), 0);
}

function buildServer(server: ParsedServer, context: ServerContext): RealServerConfig {
  const { service, file, global } = context;
  const { header, values } = server;
  const port = header.port ?? (service.header.kind === "address" ? (service.header.port ?? 0) : 0);
  const endpoint = { address: header.address, port };
  // Written out: a file may have thousands, and a spread of each costs a fifth of the reading and more.
  const built = {
    address: header.address,
    port,
    forwarding: forwardingOf(server, service.values.lvs_method.value),
    notify: {
      up: values.notify_up?.value,
      down: values.notify_down?.value,
      // keepalived.conf(5): on for servers, off for the quorum, where nothing is written.
      smtpAlert: values.smtp_alert?.value ?? checkerAlert(global) ?? true,
    },
    upperThreshold: values.uthreshold.value,
    lowerThreshold: values.lthreshold.value,
    weight: serverWeight(server, service),
    inhibitOnFailure: firstWritten(
      [values.inhibit_on_failure, service.values.inhibit_on_failure],
      values.inhibit_on_failure,
    ),
    checks: [
      ...buildPatroniCheck(endpoint, server, service),
      ...buildChecks({
        endpoint,
        server,
        service,
        file,
        logAllFailures: global.checker_log_all_failures?.value ?? false,
      }),
    ],
  };
  const fallback = buildFallback(endpoint, server, service);
  return fallback === undefined ? built : { ...built, fallback };
}
