import { ip } from "../core/ip.ts";
import { durationUs } from "../core/units.ts";
import { exclusiveSetting } from "./exclusive.ts";
import type { httpGetTable, tcpCheckTable } from "./keywords/checkers.ts";
import type { BlockValues, ParsedBlock, Written } from "./keywords/row.ts";
import type { topLevelTable } from "./keywords/topLevel.ts";
import type { Endpoint, realServerTable, virtualServerTable } from "./keywords/virtualServer.ts";
import { OWNER_PRIORITY, type vrrpInstanceTable } from "./keywords/vrrpInstance.ts";
import type { CheckConfig, CheckTiming, Config, GlobalConfig, RealServerConfig, VirtualServerConfig } from "./types.ts";
import type { GarpConfig, NotifyConfig, VrrpInstanceConfig } from "./vrrp.types.ts";

const NONE = durationUs(0);
/** RFC 3768 5.2.2 */
const VRRP_MULTICAST_IPV4 = ip("224.0.0.18");

const NO_NOTIFICATIONS: NotifyConfig = {
  master: undefined,
  backup: undefined,
  fault: undefined,
  stop: undefined,
  deleted: undefined,
  tellsDeleted: false,
  masterRxLowerPri: undefined,
  any: undefined,
  priorityChanges: false,
  smtpAlert: false,
};

/** From parsed blocks to the configuration: defaults come from the rows, inheritance from here, nothing is checked any more. */

export type ParsedFile = BlockValues<typeof topLevelTable.rows>;
export type ParsedGlobal = ParsedFile["global_defs"][number]["values"];
export type ParsedInstance = ParsedBlock<string, typeof vrrpInstanceTable.rows>;
export type ParsedService = ParsedBlock<Endpoint & { readonly port: number }, typeof virtualServerTable.rows>;
export type ParsedServer = ParsedBlock<Endpoint, typeof realServerTable.rows>;
type ParsedHttp = ParsedBlock<true, typeof httpGetTable.rows>;
type ParsedTcp = ParsedBlock<true, typeof tcpCheckTable.rows>;

export function buildConfig(file: ParsedFile, global: ParsedGlobal): Config {
  return deepFreeze({
    global: buildGlobal(global),
    vrrp: {
      instances: file.vrrp_instance.flatMap((instance) => buildInstance(instance, global) ?? []),
      syncGroups: [],
      staticAddresses: [],
      staticRoutes: [],
      staticRules: [],
      trackGroups: {},
      announcePacing: [],
      garpInterval: NONE,
      gnaInterval: NONE,
      startupDelay: NONE,
      linkbeatInterfaces: [],
      linkDelays: [],
      logUnknownVrids: false,
    },
    scripts: [],
    trackProcesses: [],
    trackFiles: [],
    virtualServers: file.virtual_server.map(buildService),
  });
}

function buildGlobal(global: ParsedGlobal): GlobalConfig {
  return {
    routerId: global.router_id?.value,
    vrrpStrict: global.vrrp_strict !== undefined,
    enableScriptSecurity: global.enable_script_security !== undefined,
    scriptUser: global.script_user?.value,
    fifos: [],
    mail: undefined,
    startupScript: undefined,
    shutdownScript: undefined,
    fifoWriteStatesOnReload: false,
    vrrpRealtimePriority: undefined,
  };
}

/** Undefined where a required keyword is missing, which the rules have reported as an error. */
function buildInstance({ header, values }: ParsedInstance, global: ParsedGlobal): VrrpInstanceConfig | undefined {
  if (values.interface === undefined || values.virtual_router_id === undefined) return undefined;
  const instanceInterface = values.interface.value;
  return {
    name: header,
    version: 2,
    family: 4,
    initialState: values.state.value,
    interface: instanceInterface,
    virtualRouterId: values.virtual_router_id.value,
    priority: effectivePriority(values),
    advertInterval: values.advert_int.value,
    downTimerAdverts: 3,
    nopreempt: values.nopreempt !== undefined && nopreemptCounts(values),
    preemptDelay: NONE,
    strict: isStrict(values, global),
    transport: { kind: "multicast", group: VRRP_MULTICAST_IPV4 },
    sourceAddress: undefined,
    trackSourceAddress: false,
    authPassword: undefined,
    checksumForm: "withPseudoHeader",
    virtualMac: undefined,
    trackPrimary: true,
    promoteSecondaries: false,
    virtualAddresses: values.virtual_ipaddress.map(({ value: { address, prefixLength, device, label, scope } }) => ({
      address,
      prefixLength,
      device: device ?? instanceInterface,
      ownVirtualMac: undefined,
      baseInterface: undefined,
      label,
      scope,
      broadcast: undefined,
      peer: undefined,
      home: false,
      manageTemporaryAddresses: false,
      noPrefixRoute: false,
      autojoin: false,
      noTrack: false,
      preferredLifetime: "lease" as const,
      trackGroup: undefined,
    })),
    excludedAddresses: [],
    virtualRoutes: [],
    virtualRules: [],
    track: { interfaces: [], scripts: [], files: [], processes: [] },
    skipCheckAdvAddr: false,
    higherPrioSendAdvert: false,
    lowerPrioNoAdvert: false,
    debugLevel: 0,
    notify: NO_NOTIFICATIONS,
    garp: buildGarp(values, global),
  };
}

function buildGarp(values: ParsedInstance["values"], global: ParsedGlobal): GarpConfig {
  const masterDelay = firstWritten([values.garp_master_delay], global.vrrp_garp_master_delay);
  const masterRepeat = firstWritten([values.garp_master_repeat], global.vrrp_garp_master_repeat);
  return {
    masterDelay,
    masterRepeat,
    masterRefresh: firstWritten([values.garp_master_refresh], global.vrrp_garp_master_refresh),
    masterRefreshRepeat: firstWritten([values.garp_master_refresh_repeat], global.vrrp_garp_master_refresh_repeat),
    lowerPrioDelay: masterDelay,
    lowerPrioRepeat: masterRepeat,
    extraInterval: NONE,
    extraAll: false,
  };
}

/** keepalived 2.2.7 takes `state MASTER` without any priority as the owner's; its manual page does not say so. */
export function effectivePriority(values: ParsedInstance["values"]): number {
  const ownerByState = values.state.value === "MASTER" && !values.priority.written;
  return ownerByState ? OWNER_PRIORITY : values.priority.value;
}

/** keepalived.conf(5): "For this to work, the initial state must not be MASTER"; an owner always preempts (RFC 3768 6.1). */
export function nopreemptCounts(values: ParsedInstance["values"]): boolean {
  return values.state.value !== "MASTER" && effectivePriority(values) !== OWNER_PRIORITY;
}

export function isStrict(values: ParsedInstance["values"], global: ParsedGlobal): boolean {
  return values.strict_mode?.value ?? global.vrrp_strict !== undefined;
}

function buildService(service: ParsedService): VirtualServerConfig {
  const { header, values, at } = service;
  const realServers = values.real_server.map((server) => buildServer(server, service));
  return {
    address: header.address,
    port: header.port,
    protocol: "TCP",
    scheduler: values.lvs_sched.value,
    forwarding: "DR",
    persistenceTimeoutSec: values.persistence_timeout.value,
    exclusive: exclusiveSetting(values.exclusive?.value, realServers),
    roleWatch: values.role_watch.value,
    realServers,
    at,
  };
}

function buildServer(server: ParsedServer, service: ParsedService): RealServerConfig {
  const { header, values } = server;
  const port = header.port ?? service.header.port;
  const endpoint = { address: header.address, port };
  return {
    ...endpoint,
    weight: values.weight.value,
    inhibitOnFailure: firstWritten(
      [values.inhibit_on_failure, service.values.inhibit_on_failure],
      values.inhibit_on_failure,
    ),
    checks: checksInOrder(server).map((check) => buildCheck(check, { endpoint, server, service })),
  };
}

type ParsedCheck =
  | { readonly kind: "HTTP_GET"; readonly parsed: ParsedHttp }
  | { readonly kind: "TCP_CHECK"; readonly parsed: ParsedTcp };

/** The rows of a block are kept by keyword; the text's order is restored, so that status lists checks as written. */
function checksInOrder({ values }: ParsedServer): readonly ParsedCheck[] {
  const checks: ParsedCheck[] = [
    ...values.HTTP_GET.map((parsed) => ({ kind: "HTTP_GET", parsed }) as const),
    ...values.TCP_CHECK.map((parsed) => ({ kind: "TCP_CHECK", parsed }) as const),
  ];
  return checks.toSorted(({ parsed: a }, { parsed: b }) => a.at.line - b.at.line || a.at.column - b.at.column);
}

interface CheckContext {
  readonly endpoint: { readonly address: RealServerConfig["address"]; readonly port: number };
  readonly server: ParsedServer;
  readonly service: ParsedService;
}

function buildCheck(check: ParsedCheck, { endpoint, server, service }: CheckContext): CheckConfig {
  const { values } = check.parsed;
  const common = {
    connectIp: values.connect_ip?.value ?? endpoint.address,
    connectPort: values.connect_port?.value ?? endpoint.port,
    timing: buildTiming(values, server.values, service.values),
  };
  if (check.kind === "TCP_CHECK") return { kind: "TCP_CHECK", ...common };
  const urls = check.parsed.values.url.flatMap((url) =>
    url.values.path === undefined ? [] : [{ path: url.values.path.value, statusCodes: url.values.status_code.value }],
  );
  return { kind: "HTTP_GET", ...common, urls };
}

/** keepalived.conf(5): the virtual server's setting is the default for real servers, the real server's for checkers. */
function buildTiming(
  checker: ParsedHttp["values"] | ParsedTcp["values"],
  server: ParsedServer["values"],
  service: ParsedService["values"],
): CheckTiming {
  const delayLoop = firstWritten([checker.delay_loop, server.delay_loop, service.delay_loop], checker.delay_loop);
  const warmup = [checker.warmup, server.warmup, service.warmup].find((each) => each !== undefined);
  return {
    delayLoop,
    connectTimeout: firstWritten(
      [checker.connect_timeout, server.connect_timeout, service.connect_timeout],
      checker.connect_timeout,
    ),
    retry: firstWritten([checker.retry, server.retry, service.retry], checker.retry),
    delayBeforeRetry: firstWritten(
      [checker.delay_before_retry, server.delay_before_retry, service.delay_before_retry],
      checker.delay_before_retry,
    ),
    warmup: warmup === undefined ? delayLoop : warmup.value,
  };
}

/** The innermost written value, else the default of the row that has one. */
function firstWritten<Value>(candidates: readonly (Written<Value> | undefined)[], fallback: Written<Value>): Value {
  return (candidates.find((each) => each?.written === true) ?? fallback).value;
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const each of Object.values(value)) deepFreeze(each);
    Object.freeze(value);
  }
  return value;
}
