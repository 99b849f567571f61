import {
  type Config,
  type Diagnostic,
  diagnosticFormatter,
  formatDiagnostic,
  parseConfig,
  validate,
} from "../config/index.ts";
import type { Logger } from "../core/interfaces.ts";
import { firstExisting, readConfigFile } from "../io/configFile.ts";
import { readHostFacts } from "../io/hostNetwork.ts";
import { hostEnvironment } from "../io/sourceEnvironment.ts";

/** Where the configuration is when no file is named: ours first, else keepalived's own. */
const FILES_DEFAULT = ["/etc/holdfast/holdfast.conf", "/etc/keepalived/keepalived.conf"] as const;

export type LoadedConfiguration =
  | { readonly ok: true; readonly file: string; readonly config: Config; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly report: string };

/** Reads, parses and validates; the report of a refused file is ready to print. Nothing of the host is changed. */
export function loadConfiguration(named: string | undefined, configId?: string): LoadedConfiguration {
  const file = configurationFile(named);
  const read = readConfigFile(file);
  if (!read.ok) return { ok: false, report: `${formatDiagnostic(read.error, "")}\n` };
  const parsed = parseConfig(read.value, file, hostEnvironment(configId));
  const diagnostics = [
    ...parsed.diagnostics,
    ...(parsed.config === undefined ? [] : validate(parsed.config, readHostFacts(), parsed.places)),
  ];
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  if (parsed.config === undefined || errors.length > 0) {
    return { ok: false, report: `${errors.map(diagnosticFormatter(parsed.texts)).join("\n")}\n` };
  }
  return { ok: true, file, config: parsed.config, warnings: diagnostics };
}

/** What a file is accepted with, each with its place and remedy: at a start and at every reload. */
export function logWarnings(warnings: readonly Diagnostic[], logger: Logger): void {
  for (const { code, at, message, remedy } of warnings) {
    const { file, line, column } = at;
    logger.warn({ event: "configurationWarning", code, file, line, column, remedy }, message);
  }
}

export function configurationFile(named: string | undefined): string {
  return named ?? firstExisting(FILES_DEFAULT) ?? FILES_DEFAULT[0];
}
