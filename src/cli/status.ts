import { ask } from "./ask.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import type { Output } from "./output.ts";
import { formatStatus } from "./statusText.ts";

/** `holdfast status`: what the running daemon holds, programs and why. */
export async function runStatus(
  options: { readonly runDirectory: string; readonly json: boolean },
  output: Output,
): Promise<ExitCode> {
  const answer = await ask(options.runDirectory, { command: "status" }, output);
  if (answer === undefined || !("status" in answer)) return EXIT.failed;
  output.out(options.json ? `${JSON.stringify(answer.status, undefined, 2)}\n` : formatStatus(answer.status));
  return EXIT.ok;
}

/** `holdfast reload`: as SIGHUP, but it waits and tells the outcome. */
export async function runReload(options: { readonly runDirectory: string }, output: Output): Promise<ExitCode> {
  const answer = await ask(options.runDirectory, { command: "reload" }, output);
  if (answer === undefined) return EXIT.failed;
  output.out("reloaded\n");
  return EXIT.ok;
}

/** Longer than the daemon waits for its successor. */
const HANDOVER_MS = 180_000;

/** `holdfast handover`: another process of the program, a newer one perhaps, goes on in the daemon's place. */
export async function runHandover(
  options: { readonly runDirectory: string; readonly program?: string },
  output: Output,
): Promise<ExitCode> {
  const { program } = options;
  const request = { command: "handover", ...(program === undefined ? {} : { program }) } as const;
  const answer = await ask(options.runDirectory, request, output, HANDOVER_MS);
  if (answer === undefined || !("successor" in answer)) return EXIT.failed;
  output.out(`handed over to process ${answer.successor}\n`);
  return EXIT.ok;
}

/** `holdfast metrics`: what Prometheus reads. */
export async function runMetrics(options: { readonly runDirectory: string }, output: Output): Promise<ExitCode> {
  const answer = await ask(options.runDirectory, { command: "metrics" }, output);
  if (answer === undefined || !("metrics" in answer)) return EXIT.failed;
  output.out(answer.metrics);
  return EXIT.ok;
}

/** `holdfast record`: the flight recorder, as `holdfast replay` reads it. */
export async function runRecord(options: { readonly runDirectory: string }, output: Output): Promise<ExitCode> {
  const answer = await ask(options.runDirectory, { command: "record" }, output);
  if (answer === undefined || !("recording" in answer)) return EXIT.failed;
  output.out(`${JSON.stringify(answer.recording)}\n`);
  return EXIT.ok;
}
