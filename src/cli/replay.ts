import { HoldfastError } from "../core/errors.ts";
import type { Us } from "../core/units.ts";
import type { TakenRecording } from "../daemon/control.types.ts";
import { describeGroupTransition, describeTransition } from "../daemon/messages.ts";
import { readJsonFile } from "../io/jsonFile.ts";
import { type RecordedEntry, type ReplayedTransition, replaySteps, type Snapshot } from "../vrrp/recorder.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import type { Output } from "./output.ts";
import { time } from "./timeText.ts";

const FORMAT: TakenRecording["format"] = "holdfast-recording-2";

/** `holdfast replay FILE`: the recorded inputs through the machines of this version. Throws HoldfastError for what is no recording. */
export function runReplay(options: { readonly file: string; readonly inputs: boolean }, output: Output): ExitCode {
  const recording = recordingOf(readJsonFile(options.file), options.file);
  let text: string;
  try {
    text = formatReplay(recording, options.inputs);
  } catch (error) {
    throw new HoldfastError(
      "damagedRecording",
      `${options.file} cannot be replayed: ${error instanceof Error ? error.message : String(error)}`,
      "it has been cut or changed since it was written; give what `holdfast record` has written, whole",
      { cause: error },
    );
  }
  output.out(text);
  return EXIT.ok;
}

/** What each machine began with, its transitions with their reasons, with `inputs` also what it was told, and its end. */
export function formatReplay(recording: TakenRecording, inputs: boolean): string {
  const { entries, begin, taken } = recording;
  const at = (us: Us): string => time(taken.atMs + (us - taken.atUs) / 1_000);
  const [first, last] = [entries[0], entries.at(-1)];
  const span = first === undefined || last === undefined ? "" : `, from ${at(first.atUs)} to ${at(last.atUs)}`;
  const lines = [
    `recorded by holdfast ${recording.version}, taken ${time(taken.atMs)}: ${entries.length} inputs${span}`,
    `begins with ${statesText(begin)}`,
  ];
  const steps = replaySteps(recording);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) {
      lines.push(`ends with ${statesText(value)}`);
      return `${lines.join("\n")}\n`;
    }
    if (inputs) lines.push(`${at(value.entry.atUs)}    ${entryText(value.entry)}`);
    for (const transition of value.transitions) lines.push(`${at(transition.atUs)}  ${transitionText(transition)}`);
  }
}

function statesText({ instances, groups }: Snapshot): string {
  const states = [
    ...instances.map(({ parameters, role }) => `${parameters.name} ${role.name}`),
    ...groups.map(({ name, role }) => `group ${name} ${role}`),
  ];
  return states.join(", ") || "nothing";
}

function entryText(entry: RecordedEntry): string {
  switch (entry.kind) {
    case "input": {
      const { kind, ...data } = entry.input;
      const rest = JSON.stringify(data);
      return `${entry.instance}: ${kind}${rest === "{}" ? "" : ` ${rest}`}`;
    }
    case "group":
      return `group ${entry.group}: looks at its members`;
    case "instanceAdded":
      return `${entry.state.parameters.name}: added as ${entry.state.role.name}`;
    case "instanceRemoved":
      return `${entry.instance}: removed`;
    case "groupsChanged":
      return `sync groups: ${entry.groups.map(({ name, members }) => `${name} (${members.join(", ")})`).join(", ") || "none"}`;
  }
}

function transitionText(replayed: ReplayedTransition): string {
  if (replayed.kind === "instance") return describeTransition(replayed.name, replayed.transition);
  const { member, memberReason } = replayed.transition.evidence;
  const evidence = member === undefined ? "" : ` (${member}${memberReason === undefined ? "" : `: ${memberReason}`})`;
  return `group ${describeGroupTransition(replayed.name, replayed.transition)}${evidence}`;
}

function recordingOf(value: unknown, file: string): TakenRecording {
  const format = typeof value === "object" && value !== null && "format" in value ? value.format : undefined;
  if (format === FORMAT) return value as TakenRecording;
  throw new HoldfastError(
    "notARecording",
    `${file} is no recording of this version's format (${FORMAT})`,
    "give what `holdfast record` of the same version has written",
  );
}
