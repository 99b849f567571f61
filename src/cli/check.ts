import {
  type Diagnostic,
  formatDiagnostic,
  type HostFacts,
  parseConfig,
  type ServiceTiming,
  serviceTiming,
  type VirtualServerConfig,
  validate,
} from "../config/index.ts";
import type { Result } from "../core/result.ts";
import { toMilliseconds } from "../core/units.ts";
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
}

/** `holdfast check`: 0 when the file is valid, with or without warnings, else 1. Changes nothing and never throws. */
export function runCheck(options: CheckOptions, io: CheckIo): ExitCode {
  const { report, text } = examine(options, io);
  io.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : readable(report, text));
  return report.valid ? EXIT.ok : EXIT.failed;
}

function examine({ file, facts }: CheckOptions, io: CheckIo): { readonly report: CheckReport; readonly text: string } {
  const read = io.read(file);
  if (!read.ok) return { report: { valid: false, file, diagnostics: [read.error], services: [] }, text: "" };
  const { config, diagnostics, places } = parseConfig(read.value, file);
  if (config === undefined) return { report: { valid: false, file, diagnostics, services: [] }, text: read.value };
  return {
    report: {
      valid: true,
      file,
      diagnostics: [...diagnostics, ...validate(config, facts, places)],
      services: config.virtualServers.map(checkedService),
    },
    text: read.value,
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
  };
}

function readable(report: CheckReport, text: string): string {
  const findings = report.diagnostics.map((diagnostic) => `${formatDiagnostic(diagnostic, text)}\n`);
  const services = report.services.map((service) => `${serviceLine(service)}\n`);
  return [...findings, ...services, `${summary(report)}\n`].join("");
}

/** `TCP 10.0.2.10:5432 (exclusive): a dead server is noticed within 4.4 s, one whose checks alone are silent within 32.2 s, a lost role within 1.2 s, a returned server within 2 s` */
function serviceLine(service: CheckedService): string {
  const { worstCaseDetectionMs, worstCaseSilenceMs, worstCaseRoleLossMs, worstCaseOpenMs, worstCaseRecoveryMs } =
    service;
  const name = `${service.service}${exclusiveNote(service.exclusive)}`;
  if (worstCaseDetectionMs === null || worstCaseRecoveryMs === null) {
    return `${name}: a dead server is never noticed: not every server has a check`;
  }
  const lost = worstCaseRoleLossMs === null ? "" : `, a lost role within ${secondsText(worstCaseRoleLossMs)}`;
  const silent =
    worstCaseSilenceMs === null ? "" : `, one whose checks alone are silent within ${secondsText(worstCaseSilenceMs)}`;
  const open =
    worstCaseOpenMs === null ? "" : `, one that Patroni leaves open is dropped within ${secondsText(worstCaseOpenMs)}`;
  return `${name}: a dead server is noticed within ${secondsText(worstCaseDetectionMs)}${silent}${lost}${open}, a returned server within ${secondsText(worstCaseRecoveryMs)}`;
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
