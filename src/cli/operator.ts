import type { OverrideRequest } from "../daemon/control.types.ts";
import { ask } from "./ask.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import type { Output } from "./output.ts";

export interface OverrideOptions {
  readonly runDirectory: string;
  readonly server: string;
  readonly service?: string;
  /** As written behind --for: 90, 90s, 10m, 2h, 1d. */
  readonly span?: string;
  readonly keep?: boolean;
}

/** `holdfast drain` (weight 0) and `holdfast weight`: prints what each server that is meant has now. */
export async function runOverride(
  { runDirectory, server, service, span, keep }: OverrideOptions,
  weight: string,
  output: Output,
): Promise<ExitCode> {
  const seconds = span === undefined ? undefined : parseSpan(span);
  if (seconds === null || !/^\d+$/.test(weight)) {
    const wrong =
      seconds === null ? `--for ${span}: write 90, 90s, 10m, 2h or 1d` : `weight ${weight} is no whole number`;
    output.err(`holdfast: ${wrong}\n`);
    return EXIT.usage;
  }
  const request: OverrideRequest = {
    ...{ command: "override", server, weight: Number(weight), keep: keep === true },
    ...(service === undefined ? {} : { service }),
    ...(seconds === undefined ? {} : { seconds }),
  };
  return await tell(runDirectory, request, output);
}

/** `holdfast enable`: takes back what was said. */
export async function runEnable({ runDirectory, server, service }: OverrideOptions, output: Output): Promise<ExitCode> {
  return await tell(runDirectory, { command: "enable", server, ...(service === undefined ? {} : { service }) }, output);
}

/** `holdfast pause-repair SECONDS` */
export async function runPauseRepair(
  options: { readonly runDirectory: string; readonly seconds: string },
  output: Output,
): Promise<ExitCode> {
  if (!/^\d+$/.test(options.seconds)) {
    output.err(`holdfast: ${options.seconds} is no whole number of seconds\n`);
    return EXIT.usage;
  }
  return await tell(options.runDirectory, { command: "pauseRepair", seconds: Number(options.seconds) }, output);
}

/** `holdfast kick [SERVICE...]` */
export async function runKick(
  { runDirectory, services }: { readonly runDirectory: string; readonly services: readonly string[] },
  output: Output,
): Promise<ExitCode> {
  return await tell(runDirectory, { command: "kick", services }, output);
}

/** `holdfast forget SERVICE...` */
export async function runForget(
  { runDirectory, services }: { readonly runDirectory: string; readonly services: readonly string[] },
  output: Output,
): Promise<ExitCode> {
  return await tell(runDirectory, { command: "forget", services }, output);
}

async function tell(runDirectory: string, request: Parameters<typeof ask>[1], output: Output): Promise<ExitCode> {
  const answer = await ask(runDirectory, request, output);
  if (answer === undefined || !("lines" in answer)) return EXIT.failed;
  output.out(answer.lines.map((line) => `${line}\n`).join(""));
  return EXIT.ok;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** In seconds; null when it is no span. */
export function parseSpan(text: string): number | null {
  const [, digits, unit = ""] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  return digits === undefined ? null : Number(digits) * (UNIT_SECONDS[unit] ?? 1);
}
