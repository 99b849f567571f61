import pino from "pino";
import type { Logger } from "../core/interfaces.ts";

export type LogFormat = "json" | "pretty";
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Logs to standard output: journald and container runtimes read it there. Written synchronously, so that a crash loses no line. */
export async function createLogger(options: { readonly format: LogFormat; readonly level: LogLevel }): Promise<Logger> {
  const settings: pino.LoggerOptions = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (options.format === "json") return adapt(pino(settings, pino.destination({ dest: 1, sync: true })));
  // Its many files are for people at a terminal: a service manager takes JSON, and starts sooner.
  const { default: pretty } = await import("pino-pretty");
  return adapt(
    pino(settings, pretty({ sync: true, colorize: process.stdout.isTTY === true, translateTime: "SYS:HH:MM:ss.l" })),
  );
}

function adapt(logger: pino.Logger): Logger {
  return {
    error: (fields, message) => logger.error(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    info: (fields, message) => logger.info(fields, message),
    debug: (fields, message) => logger.debug(fields, message),
    child: (fields) => adapt(logger.child(fields)),
  };
}
