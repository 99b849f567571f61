import { writtenChecks } from "./build/checks.ts";
import { effectivePriority } from "./build/effective.ts";
import type { ParsedFile, ParsedGlobal } from "./build/parsed.ts";
import { patroniBlocks } from "./build/patroni.ts";
import { placeOf } from "./build/written.ts";
import type { DiagnosticList } from "./diagnostics.ts";
import { formatHeader } from "./keywords/serviceKinds.ts";
import { OWNER_PRIORITY } from "./keywords/vrrpInstance.ts";
import type { Config, LvsConfig, VirtualServerConfig } from "./types.ts";

/** What is valid but does not do what it seems to do. Warnings only. */

export interface TrapInput {
  readonly file: ParsedFile;
  readonly global: ParsedGlobal;
  readonly config: Config;
}

export function warnOfTraps(input: TrapInput, found: DiagnosticList): void {
  for (const trap of TRAPS) trap(input, found);
}

/** keepalived 2.4.3 with the article's file: no connection to either address succeeds (packet filter). */
function strictIsNoPacketFilter({ global }: TrapInput, found: DiagnosticList): void {
  if (global.vrrp_strict === undefined) return;
  found.warning(
    "trap-vrrp-strict",
    global.vrrp_strict.at,
    "vrrp_strict makes keepalived drop every packet to the virtual addresses, IPVS traffic included; holdfast keeps the protocol checks and never filters",
    "remove it if this file is also used by keepalived",
  );
}

/** keepalived logs a "security violation" for every script without it; what matters is a script that somebody else may change. */
function rootScriptsAreSecure({ global, config }: TrapInput, found: DiagnosticList): void {
  const { script_user } = global;
  if (script_user?.value.user !== "root" || config.global.enableScriptSecurity || !runsScripts(config)) return;
  found.warning(
    "trap-script-security",
    script_user.at,
    "scripts run as root, also those that somebody else may change, because enable_script_security is not written",
    "write enable_script_security, or another script_user",
  );
}

function runsScripts({ global, vrrp, scripts, virtualServers }: Config): boolean {
  const notified = [...vrrp.instances, ...vrrp.syncGroups].some(({ notify }) =>
    [notify.master, notify.backup, notify.fault, notify.stop, notify.deleted, notify.masterRxLowerPri, notify.any].some(
      (command) => command !== undefined,
    ),
  );
  const ofDaemon =
    global.startupScript ?? global.shutdownScript ?? global.fifos.find(({ script }) => script !== undefined);
  const ofServices = virtualServers.some(
    ({ notify, realServers }) =>
      (notify.quorumUp ?? notify.quorumDown) !== undefined ||
      realServers.some((server) => (server.notify.up ?? server.notify.down) !== undefined),
  );
  return notified || ofServices || scripts.length > 0 || ofDaemon !== undefined;
}

/** RFC 3768, 10: the passwords were removed because they gave no real security. */
function passwordIsNoProtection({ file }: TrapInput, found: DiagnosticList): void {
  for (const { header, values } of file.vrrp_instance) {
    const authentication = values.authentication.at(-1);
    if (authentication === undefined) continue;
    const message = `the password of vrrp_instance ${header} travels in clear text in every advert: it keeps routers of another configuration out, not attackers`;
    found.warning("trap-authentication", authentication.at, message, "keep it only where all routers have it");
  }
}

/** Alerts are off unless they are asked for, and go nowhere without an address: both are often forgotten. */
function mailIsSent({ file, global, config }: TrapInput, found: DiagnosticList): void {
  const servers = config.virtualServers.flatMap(({ realServers }) => realServers);
  const able = [...config.vrrp.instances, ...config.vrrp.syncGroups, ...config.virtualServers, ...servers];
  const alerting = able.some(({ notify }) => notify.smtpAlert);
  const [address] = global.notification_email;
  if (alerting && address === undefined) {
    const written = [
      global.smtp_alert,
      global.smtp_alert_vrrp,
      global.smtp_alert_checker,
      ...file.virtual_server.flatMap(({ values }) => [
        values.smtp_alert,
        ...values.real_server.map((server) => server.values.smtp_alert),
      ]),
      ...file.vrrp_instance.map(({ values }) => values.smtp_alert),
    ];
    const at = written.find((each) => each?.value === true)?.at;
    const ofGroup = file.vrrp_sync_group.find(({ values }) => values.smtp_alert?.value === true)?.values.smtp_alert?.at;
    const place = at ?? ofGroup;
    if (place === undefined) return;
    const message = "smtp_alert is on, but there is no address that mail could go to";
    found.warning("trap-mail-address", place, message, "write notification_email { ... } in global_defs");
  } else if (!alerting && address !== undefined && config.vrrp.instances.length > 0) {
    const message = "there is an address for mail, but no mail is sent: smtp_alert is off unless it is written";
    found.warning("trap-mail-alert", address.at, message, "write smtp_alert on in global_defs, or in the instances");
  }
}

/** The priority decides (RFC 3768 6.4.1), as keepalived.conf(5) says of `state`. Strict mode says so itself. */
function stateDoesNotDecide({ file, config }: TrapInput, found: DiagnosticList): void {
  for (const [index, { header, values }] of file.vrrp_instance.entries()) {
    if (config.vrrp.instances[index]?.strict === true || !values.state.written) continue;
    const owner = effectivePriority(values) === OWNER_PRIORITY;
    if (values.state.value === "MASTER" && !owner) {
      const message = `vrrp_instance ${header} begins as BACKUP in spite of state MASTER and waits three intervals and the skew time, because its priority is not ${OWNER_PRIORITY}`;
      found.warning("trap-state-master", values.state.at, message, "rely on priority; write state BACKUP on all hosts");
    } else if (values.state.value === "BACKUP" && owner) {
      const message = `vrrp_instance ${header} begins as MASTER in spite of state BACKUP, because its priority is ${OWNER_PRIORITY}`;
      found.warning("trap-state-backup", values.state.at, message, "write state MASTER, or a priority below 255");
    }
  }
}

/** Somebody who writes so short a time usually wants none. */
const SUSPICIOUS_PERSISTENCE_SEC = 10;

function persistenceIsAffinity({ file, config }: TrapInput, found: DiagnosticList): void {
  for (const [index, { values, at: block }] of file.virtual_server.entries()) {
    const { persistence_timeout: written } = values;
    if (written.value === 0) continue;
    const at = placeOf(written, block);
    const exclusive = config.virtualServers[index]?.exclusive;
    if (exclusive === "detected" || exclusive === "on") {
      const message = `persistence_timeout ${written.value} is not programmed, because this service is exclusive: with it, a client that keeps connecting would be sent to a demoted server for ever`;
      found.warning("trap-persistence-exclusive", at, message, "remove it, or write persistence_timeout 0");
    } else if (written.value <= SUSPICIOUS_PERSISTENCE_SEC) {
      const message = `persistence_timeout ${written.value} switches affinity on: all connections of a client within ${written.value} s of each other go to one server`;
      found.warning(
        "trap-persistence",
        at,
        message,
        "to spread the connections of one client, remove it or write persistence_timeout 0",
      );
    }
  }
}

/** They watch and hold the holder of an exclusive service, which there is none of elsewhere. */
function roleKeywordsHaveAnEffect({ file, config }: TrapInput, found: DiagnosticList): void {
  for (const [index, { values }] of file.virtual_server.entries()) {
    const exclusive = config.virtualServers[index]?.exclusive;
    if (exclusive !== "no" && exclusive !== "off") continue;
    const off = exclusive === "off";
    const why = off ? "with exclusive off" : "on a service that is not exclusive";
    const remedy = off ? "remove one of them" : "remove it, or write exclusive on";
    for (const keyword of ["role_watch", "role_hold"] as const) {
      const value = values[keyword];
      if (value.written) found.warning("role-timing-ignored", value.at, `${keyword} has no effect ${why}`, remedy);
    }
  }
}

/** keepalived.conf(5) says UDP nowhere; it logs "no protocol set - defaulting to UDP". */
function protocolIsUdp({ file }: TrapInput, found: DiagnosticList): void {
  for (const { header, at, seen } of file.virtual_server) {
    if (seen.has("protocol") || header.kind === "fwmark") continue;
    const message = `virtual_server ${formatHeader(header)} is a service of UDP, because no protocol is written`;
    found.warning("trap-protocol", at, message, "write protocol TCP or protocol UDP");
  }
}

function addressesAreHeld({ file, config }: TrapInput, found: DiagnosticList): void {
  // Without any instance the addresses are somebody else's business, a static address or another daemon.
  if (config.vrrp.instances.length === 0) return;
  const held = new Set<string>(
    [
      ...config.vrrp.instances.flatMap(({ virtualAddresses, excludedAddresses }) => [
        ...virtualAddresses,
        ...excludedAddresses,
      ]),
      ...config.vrrp.staticAddresses,
    ].map(({ address }) => address),
  );
  for (const { header, at } of file.virtual_server) {
    // What reaches a group or a firewall mark may come by any address.
    if (header.kind !== "address" || held.has(header.address)) continue;
    const message = `no vrrp_instance holds ${header.address}, so this service gets traffic only if the host has the address by other means`;
    found.warning("trap-address-not-held", at, message, "add it to the virtual_ipaddress of an instance");
  }
}

function serversAreChecked({ file }: TrapInput, found: DiagnosticList): void {
  for (const service of file.virtual_server) {
    for (const server of service.values.real_server) {
      const { header, at } = server;
      if (writtenChecks(server).length > 0 || patroniBlocks(server, service).length > 0) continue;
      found.warning(
        "trap-no-check",
        at,
        `real_server ${header.address} has no check: it counts as up for ever`,
        "add patroni, HTTP_GET or TCP_CHECK",
      );
    }
  }
}

/** ip_vs_proto_tcp.c: IP_VS_TCP_S_ESTABLISHED is forgotten after so long without a packet, unless lvs_timeouts says otherwise. */
const TCP_LIMIT_DEFAULT_SEC = 900;
/** tcp(7), tcp_keepalive_time: what PostgreSQL and its clients have on Linux, where nobody says otherwise. */
const TCP_KEEPALIVE_SEC = 7_200;
const POSTGRESQL_PORT = 5432;

/** A pool's idle session is reset, or hangs, at its first query after the pause. Once for the file: the limit is the host's. */
function idleSessionsAreForgotten({ file, config, global }: TrapInput, found: DiagnosticList): void {
  const limit = config.lvs.timeoutsSec.tcp ?? TCP_LIMIT_DEFAULT_SEC;
  const index = config.virtualServers.findIndex((service) => forgetsSessions(service, config.lvs.sloppyTcp));
  const service = file.virtual_server[index];
  if (limit > TCP_KEEPALIVE_SEC || service === undefined) return;
  const whose = global.lvs_timeouts === undefined ? "unless the kernel was told otherwise, " : "";
  const message = `${whose}IPVS forgets a session of virtual_server ${formatHeader(service.header)} after ${limit} s without a packet, and Linux sends keepalives only after ${TCP_KEEPALIVE_SEC} s: idle sessions of PostgreSQL are cut`;
  const remedy = `write lvs_timeouts tcp ${TCP_KEEPALIVE_SEC + 60} in global_defs, or tcp_keepalives_idle below ${limit} in PostgreSQL`;
  found.warning("trap-idle-limit", (global.lvs_timeouts ?? service).at, message, remedy);
}

/** Under direct routing a forgotten session of an exclusive service goes on by sloppy_tcp: there is one server only. */
function forgetsSessions(service: VirtualServerConfig, sloppy: LvsConfig["sloppyTcp"]): boolean {
  const exclusive = service.exclusive === "on" || service.exclusive === "detected";
  const ports = [
    ...service.targets.map((target) => ("port" in target ? target.port : 0)),
    ...service.realServers.map(({ port }) => port),
  ];
  if (!service.targets.some(({ protocol }) => protocol === "TCP") || !(exclusive || ports.includes(POSTGRESQL_PORT)))
    return false;
  const direct = service.realServers.every(({ forwarding }) => forwarding.method !== "NAT");
  return !(exclusive && direct && sloppy !== "off");
}

/** The kernel sends a connection when packets pass, and never the whole table. */
function syncHasTimeToCatchUp({ config, global }: TrapInput, found: DiagnosticList): void {
  const { lvs_sync_daemon: written } = global;
  const instance = config.vrrp.instances.find(({ name }) => name === config.lvs.syncDaemon?.instance);
  if (written === undefined || instance === undefined) return;
  if (instance.nopreempt || instance.preemptDelay > 0) return;
  const message = `vrrp_instance ${instance.name} takes its addresses back as soon as it is there again, when connection sync has told it little: a connection is sent when packets of it pass`;
  found.warning("trap-sync-preempts", written.at, message, "write preempt_delay 60 or nopreempt into the instance");
}

/** ipvsadm(8): rr and lc take no account of weights, except that 0 means no new connections. */
function weightsCount({ file, config }: TrapInput, found: DiagnosticList): void {
  for (const [index, { values, at }] of file.virtual_server.entries()) {
    const service = config.virtualServers[index];
    if (service === undefined || (service.scheduler !== "rr" && service.scheduler !== "lc")) continue;
    const weights = new Set(service.realServers.map(({ weight }) => weight).filter((weight) => weight > 0));
    if (weights.size < 2) continue;
    const message = `the weights ${[...weights].join(", ")} make no difference: ${service.scheduler} takes no account of them`;
    found.warning("trap-weights-ignored", placeOf(values.lvs_sched, at), message, `use w${service.scheduler}`);
  }
}

function thereIsSomethingToDo({ file, config }: TrapInput, found: DiagnosticList): void {
  const [at] = file.global_defs;
  const { instances, staticAddresses, staticRoutes, staticRules } = config.vrrp;
  const things = [instances, staticAddresses, staticRoutes, staticRules, config.virtualServers];
  if (at === undefined || things.some((each) => each.length > 0)) return;
  found.warning(
    "trap-nothing-to-do",
    at.at,
    "there is neither a vrrp_instance nor a virtual_server: the daemon would do nothing",
    "add one",
  );
}

const TRAPS: readonly ((input: TrapInput, found: DiagnosticList) => void)[] = [
  strictIsNoPacketFilter,
  rootScriptsAreSecure,
  passwordIsNoProtection,
  mailIsSent,
  stateDoesNotDecide,
  persistenceIsAffinity,
  roleKeywordsHaveAnEffect,
  protocolIsUdp,
  addressesAreHeld,
  serversAreChecked,
  weightsCount,
  idleSessionsAreForgotten,
  syncHasTimeToCatchUp,
  thereIsSomethingToDo,
];
