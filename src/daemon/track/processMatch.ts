import { Buffer } from "node:buffer";
import type { TrackProcessConfig } from "../../config/vrrp.types.ts";
import type { ProcessFacts } from "../../core/processes.ts";

/** TASK_COMM_LEN less its end: the kernel cuts the name of a process there. */
const NAME_BYTES_MAX = 15;

/** True when the command line must be read: /proc/PID/cmdline is dear, and swapped out with the process. */
export function needsCommandLine(config: TrackProcessConfig): boolean {
  return config.fullCommand || config.parameters !== undefined;
}

/**
 * Whether a process is the one that `vrrp_track_process` names (keepalived.conf(5), "VRRP track processes"): by its name
 * as /proc/PID/comm has it, or, with parameters or `full_command`, by its command line, word by word.
 */
export function processMatches(config: TrackProcessConfig, found: ProcessFacts): boolean {
  if (!needsCommandLine(config)) return found.name === nameOf(config.process);
  const [program, ...parameters] = found.commandLine;
  if (program !== bytesOf(config.process)) return false;
  // `full_command` without parameters: the command line is this one word.
  return parametersMatch(config, (config.parameters ?? []).map(bytesOf), parameters);
}

function parametersMatch(config: TrackProcessConfig, wanted: readonly string[], found: readonly string[]): boolean {
  if (config.parameterMatch === "partial" && wanted.length > 0) {
    return wanted.every((word, index) => found[index] === word);
  }
  if (wanted.length !== found.length) return false;
  const last = wanted.length - 1;
  return wanted.every((word, index) =>
    config.parameterMatch === "initial" && index === last
      ? found[index]?.startsWith(word) === true
      : found[index] === word,
  );
}

/** A written path names the program by its last part, which is what the kernel calls the process. */
function nameOf(process: string): string {
  return bytesOf(process.slice(process.lastIndexOf("/") + 1)).slice(0, NAME_BYTES_MAX);
}

/** /proc is read as bytes, each a character; the configuration is UTF-8. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** The quorum, and no more than may run. */
export function quorumMet(config: Pick<TrackProcessConfig, "quorum" | "quorumMax">, count: number): boolean {
  return count >= config.quorum && (config.quorumMax === undefined || count <= config.quorumMax);
}
