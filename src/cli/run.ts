import type { Config } from "../config/types.ts";
import { HoldfastError } from "../core/errors.ts";
import type { Logger } from "../core/interfaces.ts";
import { refuseBesideKeepalived, requireCapabilities } from "../io/hostChecks.ts";
import { createLogger, type LogFormat, type LogLevel } from "../io/logger.ts";
import { createDaemon } from "./createDaemon.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import { loadConfiguration, logWarnings } from "./loadConfiguration.ts";
import { errorText, type Output } from "./output.ts";

export interface RunOptions {
  readonly file?: string;
  readonly runDir: string;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
  readonly realtimePriority: number;
  /** ADDRESS:PORT */
  readonly metricsListen?: string;
}

/** `holdfast run`: resolves with the exit code once everything is released. */
export async function runDaemon(options: RunOptions, output: Output): Promise<ExitCode> {
  if (!Number.isInteger(options.realtimePriority) || options.realtimePriority < 0 || options.realtimePriority > 99) {
    output.err("holdfast: --realtime-priority takes a whole number from 0 to 99\n");
    return EXIT.usage;
  }
  const loaded = loadConfiguration(options.file);
  if (!loaded.ok) {
    output.err(loaded.report);
    return EXIT.configuration;
  }
  const logger = createLogger({ format: options.logFormat, level: options.logLevel });
  logWarnings(loaded.warnings, logger);
  try {
    requireCapabilities();
    refuseBesideKeepalived();
    return await runUntilSignal({ options, file: loaded.file, config: loaded.config, logger });
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    logger.error({ event: "cannotRun", code: error.code, remedy: error.remedy }, error.message);
    output.err(errorText(error));
    return error.code === "metricsAddress" ? EXIT.usage : EXIT.host;
  }
}

async function runUntilSignal(start: {
  readonly options: RunOptions;
  readonly file: string;
  readonly config: Config;
  readonly logger: Logger;
}): Promise<ExitCode> {
  const { daemon, close } = await createDaemon(start);
  // Signals count from here: one that arrives while starting stops what has been started.
  const stopped = new Promise<ExitCode>((resolve, reject) => {
    const stop = (): void => {
      daemon.stop().then(() => resolve(EXIT.ok), reject);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGHUP", () => {
      daemon.reload().catch(reject);
    });
  });
  try {
    await Promise.race([daemon.start(), stopped]);
    return await stopped;
  } finally {
    await close();
  }
}
