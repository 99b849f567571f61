import { type DurationUs, durationUs } from "../core/units.ts";
import type { CheckConfig, PatroniCheckConfig } from "./check.types.ts";
import { exemplaryServers } from "./discovery.ts";
import { isLeaderRole, mayTellRole } from "./exclusive.ts";
import type { RealServerConfig, VirtualServerConfig } from "./types.ts";

/**
 * How long a service is wrong at worst, from its timing alone. Scheduling, jitter (which only shortens) and the few
 * milliseconds that a probe rests behind a slow answer are left out.
 */
export interface ServiceTiming {
  /**
   * From the moment when a server stops answering to the verdict. Where a service is exclusive, of the server that holds
   * the role, which is watched more closely.
   */
  readonly detection: DurationUs;
  /**
   * From the moment when the role checks of the holder fall silent, its service port goes on accepting connections and nobody
   * else gets the role, to the verdict; only where a service is exclusive and has a `role_hold`.
   */
  readonly silence: DurationUs | undefined;
  /**
   * From the moment when the holder of the role, or a server with another role that `patroni` wants, says that it lost it;
   * only where a service is exclusive, or every server has such a check.
   */
  readonly roleLoss: DurationUs | undefined;
  /** From the moment when a member's answers begin to leave its lag or its kind open to the verdict; only with `patroni`. */
  readonly open: DurationUs | undefined;
  /** From the moment when a server answers again to the verdict. A hunt for a new holder is faster. */
  readonly recovery: DurationUs;
}

/** Undefined where a server has no check, so that nothing is ever detected. */
export function serviceTiming(service: VirtualServerConfig): ServiceTiming | undefined {
  const realServers = exemplaryServers(service);
  if (realServers.length === 0 || realServers.some(({ checks }) => checks.length === 0)) return undefined;
  const exclusive = isExclusive(service);
  return {
    detection: worst(realServers, (check) => detectionTime(check, service)),
    silence: holds(service) ? worst(realServers, (check) => silenceTime(check, service)) : undefined,
    roleLoss: exclusive
      ? worst(realServers, (check) => roleLossTime(check, service))
      : memberTime(service, roleLossTime),
    open: memberTime(service, openTime),
    recovery: worst(realServers, recoveryTime),
  };
}

/** Exclusive from the start; a service that only a reply can make exclusive (`onScope`) is not yet. */
export function isExclusive({ exclusive }: VirtualServerConfig): boolean {
  return exclusive === "on" || exclusive === "detected";
}

/** Every check of a server may be the only one that fails, so the slowest counts. */
function worst(servers: readonly RealServerConfig[], time: (check: CheckConfig) => DurationUs): DurationUs {
  return durationUs(Math.max(...servers.flatMap(({ checks }) => checks.map(time))));
}

function intervalOf(check: CheckConfig, service: VirtualServerConfig): DurationUs {
  const { timing } = check;
  const watched = isExclusive(service) && mayTellRole(check) && service.roleWatch > 0;
  return watched ? durationUs(Math.min(timing.delayLoop, service.roleWatch)) : timing.delayLoop;
}

/** The holder of an exclusive service keeps its weight while only its role checks are silent. */
function holds(service: VirtualServerConfig): boolean {
  return isExclusive(service) && service.roleHold > 0;
}

/** The probe after the fault takes its whole deadline, and so does each retry. */
function detectionTime(check: CheckConfig, service: VirtualServerConfig): DurationUs {
  const { connectTimeout, retry, delayBeforeRetry } = check.timing;
  const interval = intervalOf(check, service);
  // A failure counts only delay_before_retry after the last that did; a probe in between shifts the next by an interval.
  const gap = delayBeforeRetry > interval ? delayBeforeRetry + interval : delayBeforeRetry;
  // The service port is asked, as patiently, from the first silence on.
  const port = holds(service) && mayTellRole(check) ? connectTimeout : 0;
  return durationUs(interval + connectTimeout + port + retry * (gap + connectTimeout));
}

/** The first silence is known a deadline after it began, and so is the one that finds the hold over. */
function silenceTime(check: CheckConfig, service: VirtualServerConfig): DurationUs {
  const { connectTimeout } = check.timing;
  const held = durationUs(intervalOf(check, service) + 2 * connectTimeout + service.roleHold);
  return durationUs(Math.max(held, detectionTime(check, service)));
}

/** An answer that tells another role counts at once. */
function roleLossTime(check: CheckConfig, service: VirtualServerConfig): DurationUs {
  return durationUs(intervalOf(check, service) + check.timing.connectTimeout);
}

/** The hold begins with the first answer that leaves it open, and the first one behind its end ends it. */
function openTime(check: PatroniCheckConfig, service: VirtualServerConfig): DurationUs {
  const answer = roleLossTime(check, service);
  return durationUs(check.unknownHold === 0 ? answer : 2 * answer + check.unknownHold);
}

/** The worst of the native checks of roles that are no leader's; undefined where a server has none. */
function memberTime(
  service: VirtualServerConfig,
  time: (check: PatroniCheckConfig, service: VirtualServerConfig) => DurationUs,
): DurationUs | undefined {
  const times = exemplaryServers(service).map(({ checks }) =>
    checks.flatMap((check) => (check.kind === "patroni" && !isLeaderRole(check.role) ? time(check, service) : [])),
  );
  return times.some((each) => each.length === 0) ? undefined : durationUs(Math.max(...times.flat()));
}

/** The server returns just behind the beginning of a probe that still runs into its deadline; the next one passes late. */
function recoveryTime({ timing }: CheckConfig): DurationUs {
  return durationUs(Math.max(timing.delayLoop, timing.connectTimeout) + timing.connectTimeout);
}
