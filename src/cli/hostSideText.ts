import { endpointText } from "../core/ip.ts";
import type { KickDoorStatus } from "../daemon/control.types.ts";
import type { FifoReaderStatus } from "../daemon/notify/fifoSet.ts";
import type { NotifyStatus } from "../daemon/notify/notifier.ts";
import type { TrackerStatus } from "../daemon/track/types.ts";
import { time } from "./timeText.ts";

/** What `holdfast status` says of trackers and notifications, a section each; nothing where there is nothing. */
export function trackerSection(trackers: readonly TrackerStatus[]): string[] {
  if (trackers.length === 0) return [];
  return ["", "Tracked", ...trackers.map((tracker) => `  ${trackerLine(tracker)}`)];
}

function trackerLine(tracker: TrackerStatus): string {
  const since = tracker.sinceMs === undefined ? "" : ` since ${time(tracker.sinceMs)}`;
  switch (tracker.kind) {
    case "script": {
      const state = tracker.value === undefined ? "not run yet" : tracker.value === 1 ? "up" : "DOWN";
      const last =
        tracker.last === undefined
          ? ""
          : `; last ${tracker.last.outcome} in ${Math.round(tracker.last.tookMs)} ms${quoted(tracker.last.output)}`;
      const next = tracker.running ? "running" : `next in ${((tracker.nextRunInMs ?? 0) / 1_000).toFixed(1)} s`;
      const against = tracker.against > 0 ? `, ${tracker.against} in a row against it` : "";
      return `script ${tracker.name}  ${state}${since}${against}${last}; ${next}`;
    }
    case "file": {
      const problem = tracker.problem === undefined ? "" : `; PROBLEM: ${tracker.problem}`;
      return `file ${tracker.name}  ${tracker.value ?? "not read yet"}${since}  ${tracker.path}${problem}`;
    }
    case "process": {
      const state = tracker.value === undefined ? "not counted yet" : tracker.value === 1 ? "up" : "DOWN";
      const wanted =
        tracker.quorumMax === undefined ? `at least ${tracker.quorum}` : `${tracker.quorum} to ${tracker.quorumMax}`;
      const how = tracker.mode === "events" ? "" : `; looked at every second: ${tracker.whyPolling}`;
      return `process ${tracker.name}  ${state}${since}; ${tracker.count} running, ${wanted} wanted${how}`;
    }
  }
}

/** The last line of what a script printed. */
function quoted(output: string): string {
  const line = output.split("\n").at(-1) ?? "";
  return line === "" ? "" : ` (${JSON.stringify(line.slice(0, 80))})`;
}

export function notificationSection(status: NotifyStatus): string[] {
  const { fifos, mail } = status;
  const scripts = status.scripts.filter(({ started, waiting, dropped }) => started + waiting + dropped > 0);
  const lines = [
    ...scripts.map(
      ({ name, started, failed, dropped, running, waiting, last }) =>
        `  scripts of ${name}: ${counted({ started, failed, dropped, running, waiting })}${last === undefined ? "" : `; last ${last.name}: ${last.outcome}`}`,
    ),
    ...fifos.map(fifoText),
    ...(mail.sent + mail.failed + mail.waiting + mail.dropped > 0 ? [`  mail: ${mailText(mail)}`] : []),
  ];
  return lines.length === 0 ? [] : ["", "Notifications", ...lines];
}

function fifoText({ path, written, waiting, dropped, problem, script }: FifoReaderStatus): string {
  const reader =
    script === undefined
      ? ""
      : `; its script ${script.running ? "runs" : "DOES NOT RUN"}${script.restarts > 0 ? `, started again ${script.restarts} times, last ${script.lastOutcome}` : ""}`;
  const trouble = problem === undefined ? "" : `; PROBLEM: ${problem}`;
  return `  fifo ${path}: ${counted({ written, waiting, dropped })}${reader}${trouble}`;
}

function mailText({ sent, failed, dropped, waiting, lastFailure }: NotifyStatus["mail"]): string {
  const failure = lastFailure === undefined ? "" : `; last failure ${time(lastFailure.atMs)}: ${lastFailure.detail}`;
  return `${counted({ sent, failed, dropped, waiting })}${failure}`;
}

/** Where kicks come in by HTTP. */
export function kickLines(door: KickDoorStatus | undefined): string[] {
  if (door === undefined) return [];
  const { address, port, listening, problem, requests } = door;
  const counts = requests.map(({ labels, count }) => `, ${labels.result} ${count}`).join("");
  const state = listening ? "taken" : `NOT TAKEN${problem === undefined ? "" : ` (${problem})`}`;
  return [`kicks: ${state} on ${endpointText(address, port)}${counts}`];
}

/** The first count always, others where they are not 0. */
function counted(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count], index) => index === 0 || count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}
