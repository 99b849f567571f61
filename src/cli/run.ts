import type { Config } from "../config/types.ts";
import { HoldfastError } from "../core/errors.ts";
import type { Logger } from "../core/interfaces.ts";
import type { Daemon } from "../daemon/daemon.ts";
import type { FromPredecessor, FromSuccessor } from "../daemon/handover/protocol.ts";
import { type Predecessor, standBy, takeOffer, takeOver } from "../daemon/handover/taker.ts";
import { loadAddon } from "../io/addon.ts";
import { findPredecessor, type Heritage } from "../io/handoverProcess.ts";
import { refuseBesideKeepalived, requireCapabilities } from "../io/hostChecks.ts";
import { createLogger, type LogFormat, type LogLevel } from "../io/logger.ts";
import { createDaemon } from "./createDaemon.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import { loadConfiguration, logWarnings } from "./loadConfiguration.ts";
import { errorText, type Output } from "./output.ts";

export interface RunOptions {
  readonly file?: string;
  readonly configId?: string;
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
  const loaded = loadConfiguration(options.file, options.configId);
  if (!loaded.ok) {
    output.err(loaded.report);
    return EXIT.configuration;
  }
  const logger = await createLogger({ format: options.logFormat, level: options.logLevel });
  logWarnings(loaded.warnings, logger);
  const predecessor = findPredecessor<FromSuccessor, FromPredecessor>(loadAddon);
  try {
    requireCapabilities();
    refuseBesideKeepalived();
    const start = { options, file: loaded.file, config: loaded.config, logger };
    return predecessor === undefined ? await runUntilSignal(start) : await runAsSuccessor(start, predecessor);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    logger.error({ event: "cannotRun", code: error.code, remedy: error.remedy }, error.message);
    output.err(errorText(error));
    await predecessor?.send({ kind: "refused", message: error.message });
    predecessor?.leave();
    return error.code === "metricsAddress" ? EXIT.usage : EXIT.host;
  }
}

interface Start {
  readonly options: RunOptions;
  readonly file: string;
  readonly config: Config;
  readonly logger: Logger;
}

async function runUntilSignal(start: Start): Promise<ExitCode> {
  const { daemon, listen, close } = await createDaemon(start);
  await listen();
  // Signals count from here: one that arrives while starting stops what has been started.
  const stopped = untilStopped(daemon);
  try {
    await Promise.race([daemon.start(), stopped]);
    return await stopped;
  } finally {
    await close();
  }
}

/** Stands by, takes over, and then is a daemon like any other. */
async function runAsSuccessor(start: Start, predecessor: Predecessor & Heir): Promise<ExitCode> {
  const { guard } = await takeOffer(predecessor);
  const inherited = { heritage: predecessor.heritage(), guard };
  const { daemon, listen, close } = await createDaemon({ ...start, inherited });
  const surrender = await standBy(predecessor, daemon);
  const stopped = untilStopped(daemon);
  try {
    await takeOver(surrender, { predecessor, daemon, listen });
    return await stopped;
  } finally {
    await close();
  }
}

type Heir = { readonly heritage: () => Heritage };

/** SIGTERM and SIGINT stop, SIGHUP reloads; resolves when everything is released, or left to a successor. */
function untilStopped(daemon: Daemon): Promise<ExitCode> {
  return new Promise<ExitCode>((resolve, reject) => {
    const stop = (): void => {
      daemon.stop().then(() => resolve(EXIT.ok), reject);
    };
    // A failure where nobody goes on: the service manager starts another one.
    void daemon.left.then((followed) => resolve(followed ? EXIT.ok : EXIT.host));
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGHUP", () => {
      daemon.reload().catch(reject);
    });
  });
}
