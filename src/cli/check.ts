import { exemplaryServers } from "../config/discovery.ts";
import {
  type Diagnostic,
  diagnosticFormatter,
  type HostFacts,
  isExclusive,
  parseConfig,
  type ServiceTiming,
  type SourceEnvironment,
  serviceTiming,
  type VirtualServerConfig,
  validate,
} from "../config/index.ts";
import { endpointText } from "../core/ip.ts";
import type { Result } from "../core/result.ts";
import { toMilliseconds } from "../core/units.ts";
import { policyOf } from "../health/roleLoss.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";

export interface CheckOptions {
  readonly file: string;
  readonly json: boolean;
  /** Compared with where given; a file may be checked on another host than its own. */
  readonly facts?: HostFacts;
}

export interface CheckIo {
  /** `readConfigFile` of src/io/configFile.ts */
  read(file: string): Result<string, Diagnostic>;
  /** Other files, and the configuration id. */
  readonly environment?: SourceEnvironment;
  /** Standard output: the findings are what this command is for. */
  write(text: string): void;
}

/** `check --json`. Durations are milliseconds; null = never, because a server has no check. */
export interface CheckReport {
  readonly valid: boolean;
  readonly file: string;
  readonly diagnostics: readonly Diagnostic[];
  readonly services: readonly CheckedService[];
}

export interface CheckedService {
  /** `TCP 10.0.2.10:5432` */
  readonly service: string;
  readonly exclusive: VirtualServerConfig["exclusive"];
  readonly worstCaseDetectionMs: number | null;
  /** Null also where the service is not exclusive, or has no `role_hold`. */
  readonly worstCaseSilenceMs: number | null;
  /** Null also where the service is not exclusive, and not every server has a `patroni` check. */
  readonly worstCaseRoleLossMs: number | null;
  /** Null also where not every server has a `patroni` check of a role that is no leader's. */
  readonly worstCaseOpenMs: number | null;
  readonly worstCaseRecoveryMs: number | null;
  /** What becomes of connections to a server that failed or lost its role; `deadlineMs` null = none. */
  readonly roleLoss: { readonly policy: "cut" | "drain" | "keep"; readonly deadlineMs: number | null };
  /** Null without `fallback`. */
  readonly fallback: { readonly role: string; readonly afterMs: number } | null;
  /** Whose list of members its servers follow; null without `patroni_cluster`. */
  readonly cluster: {
    readonly sources: readonly string[];
    readonly scope: string | null;
    readonly intervalMs: number;
  } | null;
}

/** `holdfast check`: 0 when the file is valid, with or without warnings, else 1. Changes nothing and never throws. */
export function runCheck(options: CheckOptions, io: CheckIo): ExitCode {
  const { report, texts } = examine(options, io);
  io.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : readable(report, texts));
  return report.valid ? EXIT.ok : EXIT.failed;
}

function examine(
  { file, facts }: CheckOptions,
  io: CheckIo,
): { readonly report: CheckReport; readonly texts: ReadonlyMap<string, string> } {
  const read = io.read(file);
  if (!read.ok) return { report: { valid: false, file, diagnostics: [read.error], services: [] }, texts: new Map() };
  const { config, diagnostics, places, texts } = parseConfig(read.value, file, io.environment);
  if (config === undefined) return { report: { valid: false, file, diagnostics, services: [] }, texts };
  return {
    report: {
      valid: true,
      file,
      diagnostics: [...diagnostics, ...validate(config, facts, places)],
      services: config.virtualServers.map(checkedService),
    },
    texts,
  };
}

function checkedService(service: VirtualServerConfig): CheckedService {
  const timing: ServiceTiming | undefined = serviceTiming(service);
  const { roleLoss, silence, open } = timing ?? {};
  return {
    service: service.name,
    exclusive: service.exclusive,
    worstCaseDetectionMs: timing === undefined ? null : toMilliseconds(timing.detection),
    worstCaseSilenceMs: silence === undefined ? null : toMilliseconds(silence),
    worstCaseRoleLossMs: roleLoss === undefined ? null : toMilliseconds(roleLoss),
    worstCaseOpenMs: open === undefined ? null : toMilliseconds(open),
    worstCaseRecoveryMs: timing === undefined ? null : toMilliseconds(timing.recovery),
    roleLoss: checkedRoleLoss(service),
    fallback: checkedFallback(service),
    cluster: checkedCluster(service),
  };
}

function checkedRoleLoss(config: VirtualServerConfig): CheckedService["roleLoss"] {
  const loss = policyOf({ config, exclusive: isExclusive(config) });
  const deadline = loss.policy === "drain" ? loss.deadline : undefined;
  return { policy: loss.policy, deadlineMs: deadline === undefined ? null : toMilliseconds(deadline) };
}

function checkedFallback(service: VirtualServerConfig): CheckedService["fallback"] {
  const role = exemplaryServers(service).find(({ fallback }) => fallback !== undefined)?.fallback?.role;
  const { fallbackAfter } = service;
  return role === undefined || fallbackAfter === undefined ? null : { role, afterMs: toMilliseconds(fallbackAfter) };
}

function checkedCluster({ discovery }: VirtualServerConfig): CheckedService["cluster"] {
  if (discovery === undefined) return null;
  const sources = discovery.sources.map(({ address, port }) => endpointText(address, port));
  return { sources, scope: discovery.scope ?? null, intervalMs: toMilliseconds(discovery.interval) };
}

function readable(report: CheckReport, texts: ReadonlyMap<string, string>): string {
  const format = diagnosticFormatter(texts);
  const findings = report.diagnostics.map((diagnostic) => `${format(diagnostic)}\n`);
  const services = report.services.map((service) => `${serviceLine(service)}\n`);
  return [...findings, ...services, `${summary(report)}\n`].join("");
}

/** `TCP 10.0.2.10:5432 (exclusive): a dead server is noticed within 4.4 s, one whose checks alone are silent within 32.2 s, a lost role within 1.2 s, a returned server within 2 s` */
function serviceLine(service: CheckedService): string {
  const { worstCaseDetectionMs, worstCaseSilenceMs, worstCaseRoleLossMs, worstCaseOpenMs, worstCaseRecoveryMs } =
    service;
  const name = `${service.service}${exclusiveNote(service.exclusive)}`;
  if (worstCaseDetectionMs === null || worstCaseRecoveryMs === null) {
    return `${name}: a dead server is never noticed: not every server has a check${policies(service)}`;
  }
  const lost = worstCaseRoleLossMs === null ? "" : `, a lost role within ${secondsText(worstCaseRoleLossMs)}`;
  const silent =
    worstCaseSilenceMs === null ? "" : `, one whose checks alone are silent within ${secondsText(worstCaseSilenceMs)}`;
  const open =
    worstCaseOpenMs === null ? "" : `, one that Patroni leaves open is dropped within ${secondsText(worstCaseOpenMs)}`;
  return `${name}: a dead server is noticed within ${secondsText(worstCaseDetectionMs)}${silent}${lost}${open}, a returned server within ${secondsText(worstCaseRecoveryMs)}${policies(service)}`;
}

/** `; role_loss drain, at most 300 s; fallback to primary after 2 s` */
function policies({ exclusive, roleLoss, fallback, cluster }: CheckedService): string {
  const drain = roleLoss.deadlineMs === null ? "" : `, at most ${secondsText(roleLoss.deadlineMs)}`;
  // A body that makes it exclusive changes what is not written.
  const until = exclusive === "onScope" ? " until it is exclusive" : "";
  const tiers = fallback === null ? "" : `; fallback to ${fallback.role} after ${secondsText(fallback.afterMs)}`;
  const scope = cluster?.scope == null ? "" : ` ${cluster.scope}`;
  const members =
    cluster === null
      ? ""
      : `; its servers are the members of the cluster${scope} that ${cluster.sources.join(" or ")} lists, asked every ${secondsText(cluster.intervalMs)}`;
  return `; role_loss ${roleLoss.policy}${drain}${until}${tiers}${members}`;
}

function exclusiveNote(exclusive: VirtualServerConfig["exclusive"]): string {
  switch (exclusive) {
    case "on":
    case "detected":
      return " (exclusive)";
    case "onScope":
      return " (exclusive if Patroni answers)";
    case "off":
    case "no":
      return "";
  }
}

const secondsText = (ms: number): string => `${Number((ms / 1000).toFixed(3))} s`;

function summary({ file, valid, diagnostics }: CheckReport): string {
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const warnings = diagnostics.length - errors;
  const counts = [
    ...(errors > 0 ? [plural(errors, "error")] : []),
    ...(warnings > 0 ? [plural(warnings, "warning")] : []),
  ];
  return `${file}: ${valid ? "valid" : "invalid"}${counts.length > 0 ? `, ${counts.join(", ")}` : ""}`;
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
