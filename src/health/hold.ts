import type { CheckConfig, CheckPath, TcpCheckConfig } from "../config/check.types.ts";
import { mayTellRole } from "../config/exclusive.ts";
import { between, type DurationUs, durationUs, seconds, type Us } from "../core/units.ts";
import { newCheck, probeFor } from "./configure.ts";
import { asksPort } from "./roleLoss.ts";
import { dropProbe, wakeProbe } from "./schedule.ts";
import type { CheckState, HealthState, ServerState, ServiceState } from "./state.ts";

/**
 * Silence is not "no". A REST API that does not answer says nothing about the role, and until another member has it there
 * is nowhere else to send a write. So the holder of an exclusive service whose role checks are all that is silent keeps
 * its weight for `role_hold`, while its service port accepts connections. The port is asked only for as long.
 */
const PORT_INTERVAL: DurationUs = seconds(1);
const PORT_TIMEOUT: DurationUs = seconds(1);

/** Begins or ends to ask the service port of a holder that has fallen silent, and of a server that is drained after a loss. */
export function askPorts(state: HealthState, service: ServiceState, now: Us): void {
  for (const server of service.servers) {
    const check = portCheck(service, server);
    if (check === undefined) stopAsking(state, server, now);
    else if (server.port === undefined) startAsking(state, service, server, check, now);
  }
}

/** True while silence does not count against this server. Before the port's first verdict it has the benefit of the doubt. */
export function isHeld(service: ServiceState, server: ServerState, now: Us): boolean {
  if (!mayBeHeld(service, server) || server.port?.verdict === "down") return false;
  const silent = silentChecks(server);
  // Its first silence is being judged.
  if (silent.length === 0) return true;
  const since = Math.min(...silent.map((check) => check.silentSince ?? now));
  return isRoleAlone(silent) && between(since as Us, now) < service.config.roleHold;
}

/** The hold has ended, by time or because the port does not accept connections: silence that used up its retries counts. */
export function endHold(service: ServiceState, now: Us): void {
  for (const server of service.servers) {
    if (server.port === undefined || isHeld(service, server, now)) continue;
    const why = server.port.verdict === "down" ? `its port too: ${server.port.reason}` : "held for role_hold";
    for (const check of server.checks) {
      if (check.silentSince === undefined || check.verdict !== "up" || check.failures <= check.config.timing.retry)
        continue;
      check.verdict = "down";
      check.reason = `${check.reason}; ${why}`;
    }
  }
}

/**
 * The time for first verdicts of an adopted server is over: checks without one that may tell its role are silent, and as the
 * holder's they are held. Returns the others, which count as failed.
 */
export function holdUnknown(service: ServiceState, server: ServerState, now: Us): CheckState[] {
  const unknown = server.checks.filter(({ verdict }) => verdict === "unknown");
  if (server.assumed?.up !== true || !isHeld(service, server, now)) return unknown;
  for (const check of unknown.filter(({ config }) => mayTellRole(config))) {
    check.silentSince ??= now;
    check.failures = check.config.timing.retry + 1;
    check.verdict = "up";
    check.reason = `no verdict in the worst-case time of the check (${check.reason}); kept while its service port answers`;
  }
  return unknown.filter(({ verdict }) => verdict === "unknown");
}

function mayBeHeld(service: ServiceState, server: ServerState): boolean {
  return service.exclusive && service.holder === server.id && service.config.roleHold > 0;
}

function silentChecks(server: ServerState): CheckState[] {
  return server.checks.filter((check) => check.silentSince !== undefined);
}

/** True when some check is silent, and nothing but those that may tell a role. */
function isRoleAlone(silent: readonly CheckState[]): silent is readonly [CheckState, ...CheckState[]] {
  return silent.length > 0 && silent.every((check) => mayTellRole(check.config));
}

function startAsking(
  state: HealthState,
  service: ServiceState,
  server: ServerState,
  check: TcpCheckConfig,
  now: Us,
): void {
  server.port = newCheck(check);
  const probe = probeFor(state, server.port);
  probe.users.push({ service, server, check: server.port });
  if (probe.inFlightSince === undefined) wakeProbe(state, probe, now);
}

function stopAsking(state: HealthState, server: ServerState, now: Us): void {
  const { port } = server;
  if (port === undefined) return;
  server.port = undefined;
  const probe = state.probes.get(port.key);
  if (probe === undefined) return;
  probe.users = probe.users.filter(({ check }) => check !== port);
  if (probe.users.length === 0) dropProbe(state, probe, now);
}

/** The question to the service port; undefined = there is none now. */
function portCheck(service: ServiceState, server: ServerState): TcpCheckConfig | undefined {
  const silent = mayBeHeld(service, server) ? silentChecks(server) : [];
  // As patient as the check whose silence it explains.
  if (isRoleAlone(silent)) return tcpCheck(server, silent[0].config, silent[0].config.timing);
  if (!asksPort(service, server)) return undefined;
  // The server has failed already: one more failure is enough.
  const [first] = server.checks;
  const connectTimeout = first?.config.timing.connectTimeout ?? PORT_TIMEOUT;
  return tcpCheck(server, first?.config, { connectTimeout, retry: 0, delayBeforeRetry: durationUs(0) });
}

function tcpCheck(
  { config }: ServerState,
  like: CheckConfig | undefined,
  patience: Pick<CheckConfig["timing"], "connectTimeout" | "retry" | "delayBeforeRetry">,
): TcpCheckConfig {
  // On the way of the check that it goes beside.
  const way: Partial<CheckPath> = like !== undefined && "connectIp" in like ? like : {};
  const { bindIp, bindInterface, firewallMark } = way;
  const { address: connectIp, port: connectPort } = config;
  const { connectTimeout, retry, delayBeforeRetry } = patience;
  const timing = { connectTimeout, retry, delayBeforeRetry, delayLoop: PORT_INTERVAL, warmup: durationUs(0) };
  return { kind: "TCP_CHECK", connectIp, connectPort, bindIp, bindInterface, firewallMark, timing };
}
